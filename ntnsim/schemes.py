"""From a scenario's scheme to its two working halves: the imaging that answers for its codec, and its policy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ntnsim.arrays import UInt8Image
from ntnsim.datasets.dataset import Dataset, DatasetImage
from ntnsim.datasets.open_dataset import open_dataset
from ntnsim.datasets.relevance import Relevance, relevance_preset
from ntnsim.engine.build import build_policy
from ntnsim.errors import DatasetError
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.images.pipeline import ImagePipeline
from ntnsim.networks.bundle import Bundle, check_device, open_bundle
from ntnsim.networks.load import inpainter_named, load_captioner, load_segmenter
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.imaging import Imaging, Work
from ntnsim.protocols.inpainter import Inpainter
from ntnsim.protocols.policy import Policy
from ntnsim.protocols.segmenter import Segmenter
from ntnsim.scenario.codec import (
    CaptionCodecSpec,
    ComponentSpec,
    InpaintingSpec,
    SpiffCodecSpec,
    SpiffPaperCodecSpec,
    WholeImageCodecSpec,
)
from ntnsim.scenario.dataset import RelevanceSpec, TaskSpec
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.scheme import SchemeSpec
from ntnsim.scenario.sizes import SizesCodecSpec
from ntnsim.scenario.traffic import SourceSpec
from ntnsim.spiff.baselines import WholeImageCodec
from ntnsim.spiff.codec import CaptionCodec, SpiffCodec, spiff_settings
from ntnsim.spiff.components import Component, encode_component
from ntnsim.spiff.decoder import decode_partial_image
from ntnsim.streams import integer_seed
from ntnsim.world.sizes_imaging import SizesImaging

if TYPE_CHECKING:
    from ntnsim.fidelity.metrics import Scorer


UNKNOWN_GREY = 200  # how galleries paint what was not received
SEGMENTED = ("segmentation", "decision")


@dataclass(frozen=True)
class Assembled:
    """A scheme ready to run. *pipeline* is its imaging where that shows pictures, else None."""

    imaging: Imaging
    policy: Policy
    pipeline: ImagePipeline | None


class SchemeAssembly:
    """Makes the schemes of one scenario; what they share (datasets, networks, store) is made once."""

    def __init__(self, scenario: Scenario, store: OutcomeStore, code_digest: str) -> None:
        """Bind the scenario.

        code_digest: names the program and its libraries; outcomes of other versions are not used.
        """
        self._scenario = scenario
        self._store = store
        self._code_digest = code_digest
        self._relevance = _relevance(scenario.task.relevance)
        self._datasets: dict[str, Dataset] = {}
        self._bundle_used = False

    def assemble(self, scheme: SchemeSpec) -> Assembled:
        """Return *scheme*'s imaging and policy."""
        seed = self._scenario.seed
        policy_seed = integer_seed(seed, "policy", scheme.name)
        if isinstance(scheme.codec, SizesCodecSpec):
            imaging = SizesImaging(scheme.codec, seed)
            space = ConfigurationSpace(max(imaging.n_ranks, 2), has_coarse_layer=False)
            return Assembled(imaging, build_policy(scheme.policy, space, policy_seed), None)
        codec, work = self._codec(scheme.codec)
        whole_file = isinstance(codec, WholeImageCodec)
        pipeline = ImagePipeline(
            datasets=self._opened_datasets(),
            dataset_of_source={name: self._dataset_name(source) for name, source in _copies(self._scenario)},
            in_order={name for name, source in _copies(self._scenario) if source.arrivals.kind == "trace"},
            rank_mapper=self._rank_mapper(),
            segmentation_digest=self._segmentation_digest(),
            codec=codec,
            work=work,
            scorer=_scorer(self._scenario.task),
            store=self._store,
            delivered_bits=None if whole_file else _delivered_bits(self._scenario.delivered_file),
            received_picture=None if whole_file else received_picture,
            seed=seed,
            trial=_trial(scheme.codec, self._relevance.n_ranks),
        )
        return Assembled(pipeline, build_policy(scheme.policy, codec.space, policy_seed), pipeline)

    def digests(self) -> dict[str, str]:
        """Return the digests of inputs beside the scenario, for its provenance."""
        return {"code": self._code_digest, **({"bundle": self._bundle().digest} if self._bundle_used else {})}

    def _codec(
        self, wanted: SpiffCodecSpec | SpiffPaperCodecSpec | WholeImageCodecSpec | CaptionCodecSpec
    ) -> tuple[Codec, Work]:
        n_ranks = self._relevance.n_ranks
        if isinstance(wanted, WholeImageCodecSpec):
            component = Component(
                wanted.kind, wanted.quality, wanted.speed, wanted.full_chroma, wanted.loop_filters
            )
            return WholeImageCodec(component, n_ranks=n_ranks), Work((), ("encode",), ())
        inpaint = wanted.inpaint
        bundle = self._bundle()
        inpainter = _inpainter(bundle, inpaint.method, inpaint.steps, inpaint.device, inpaint.dtype)
        steps = _charged_steps(inpainter, inpaint)
        if isinstance(wanted, CaptionCodecSpec):
            captioned: Codec = CaptionCodec(
                load_captioner(bundle), inpainter, n_ranks=n_ranks, models_digest=bundle.digest
            )
            return captioned, Work(("decision",), ("caption", "encode"), ("decode", "generation"), steps)
        codec = SpiffCodec(
            wanted.kind,
            spiff_settings(wanted.kind, wanted.model_dump()),
            inpainter,
            n_ranks=n_ranks,
            has_coarse_layer=wanted.kind == "spiff",
            captioner=load_captioner(bundle) if wanted.caption else None,
            models_digest=bundle.digest,
        )
        after = ("caption", "encode") if wanted.caption else ("encode",)
        rebuilt = ("decode", "inpainting") if inpaint.method == "bundle" else ("decode",)
        before = SEGMENTED if _trial(wanted, n_ranks) is None else ("segmentation", "trial", "decision")
        return codec, Work(before, after, rebuilt, steps)

    def _bundle(self) -> Bundle:
        self._bundle_used = True
        return _bundle(self._scenario.task.bundle)

    def _rank_mapper(self) -> Callable[[DatasetImage], UInt8Image]:
        relevance = self._relevance
        if self._scenario.task.segmenter == "truth":

            def from_truth(image: DatasetImage) -> UInt8Image:
                if image.class_map is None:
                    raise DatasetError(
                        f"{image.name}: has no class map; task.segmenter: truth needs a dataset with annotations"
                    )
                return relevance.rank_map(image.class_map, image.class_names)

            return from_truth
        bundle = self._bundle()

        def from_network(image: DatasetImage) -> UInt8Image:
            segmenter = _segmenter(bundle)
            [class_map] = segmenter.class_maps([image.pixels])
            return relevance.rank_map(class_map, segmenter.class_names)

        return from_network

    def _segmentation_digest(self) -> str:
        task = self._scenario.task
        network = self._bundle().digest if task.segmenter == "bundle" else "truth"
        return f"{self._code_digest} {network} {self._relevance}"

    def _opened_datasets(self) -> Mapping[str, Dataset]:
        for name, wanted in self._scenario.datasets.items():
            if name not in self._datasets:
                self._datasets[name] = dataset = open_dataset(wanted)
                if len(dataset) == 0:
                    raise DatasetError(f"datasets.{name}: holds no image")
        return self._datasets

    def _dataset_name(self, source: SourceSpec) -> str:
        return source.images or next(iter(self._scenario.datasets))


def _copies(scenario: Scenario) -> list[tuple[str, SourceSpec]]:
    """Return every source by the name it has in the world, replicas included."""
    return [
        (name, source)
        for source in scenario.sources
        for name in (
            [source.name] if source.count == 1 else [f"{source.name}-{i}" for i in range(source.count)]
        )
    ]


def received_picture(payload: bytes) -> UInt8Image:
    """Return what a SPIFF stream brings as a picture: received pixels, else the coarse layer, else grey."""
    partial = decode_partial_image(payload)
    background = np.full_like(partial.pixels, UNKNOWN_GREY) if partial.coarse is None else partial.coarse
    return np.where(partial.known[..., None], partial.pixels, background)


def _trial(wanted: object, n_ranks: int) -> Configuration | None:
    """Return the configuration of the gateway's trial encoding, if the codec entry asks for one."""
    if not isinstance(wanted, SpiffCodecSpec) or wanted.trial == 0.0:
        return None
    return Configuration(0.0, (0.0,) * (n_ranks - 1), wanted.trial)


def _relevance(wanted: RelevanceSpec) -> Relevance:
    if wanted.preset is not None:
        return relevance_preset(wanted.preset)
    return Relevance("scenario", dict(wanted.ranks or {}), wanted.default_rank)


def _delivered_bits(wanted: ComponentSpec) -> Callable[[UInt8Image], int]:
    component = Component(**wanted.model_dump())
    return lambda pixels: 8 * len(encode_component(pixels, component))


def _charged_steps(inpainter: Inpainter, wanted: InpaintingSpec) -> int:
    """Return the diffusion steps that the device profile is charged for."""
    if wanted.charged_steps is not None:
        return wanted.charged_steps
    return int(getattr(inpainter, "steps", 0))


# Networks are kept for the life of the process: the cells of a sweep share them.


@cache
def _bundle(wanted: ScenarioPath) -> Bundle:
    return open_bundle(wanted.name_or_location)


@cache
def _segmenter(bundle: Bundle) -> Segmenter:
    return load_segmenter(bundle)


@cache
def _inpainter(bundle: Bundle, method: str, steps: int | None, device: str, dtype: str) -> Inpainter:
    if method == "bundle":
        check_device(device)
    return inpainter_named(method, bundle, steps=steps, device=device, dtype=dtype)


@cache
def _scorer(task: TaskSpec) -> "Scorer":
    from ntnsim.fidelity.metrics import scorer_named

    return scorer_named(
        task.pf_backend,
        task.sf_backend,
        lpips_trunk=task.lpips_trunk.location if task.lpips_trunk else None,
        clip_directory=task.clip.location if task.clip else None,
    )
