"""From a scenario's scheme to its two working halves: the imaging that answers for its codec, and its policy."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ntnsim.arrays import RankMap, UInt8Image
from ntnsim.datasets.dataset import Dataset, DatasetImage
from ntnsim.datasets.open_dataset import open_dataset
from ntnsim.datasets.relevance import Relevance, relevance_preset
from ntnsim.engine.build import build_policy
from ntnsim.errors import DatasetError
from ntnsim.images.outcome_store import OutcomeStore
from ntnsim.images.photographs import Photographs
from ntnsim.images.pipeline import GatewayTrial, ImagePipeline
from ntnsim.networks.bundle import Bundle, check_device, open_bundle
from ntnsim.networks.load import inpainter_named, load_captioner, load_segmenter
from ntnsim.own_parts import OwnParts
from ntnsim.plugins import part_digests
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.imaging import Imaging, Work
from ntnsim.protocols.inpainter import Inpainter
from ntnsim.protocols.policy import Policy
from ntnsim.protocols.segmenter import Segmenter
from ntnsim.results.provenance import files_digest
from ntnsim.scenario.codec import (
    CaptionCodecSpec,
    ComponentSpec,
    CustomCodecSpec,
    InpaintingSpec,
    SpiffCodecSpec,
    SpiffPaperCodecSpec,
    WholeImageCodecSpec,
)
from ntnsim.scenario.copies import copy_names
from ntnsim.scenario.dataset import RelevanceSpec, TaskSpec
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.policy import CustomPolicySpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.scheme import SchemeSpec
from ntnsim.scenario.sizes import SizesCodecSpec
from ntnsim.spiff.baselines import WholeImageCodec
from ntnsim.spiff.codec import CaptionCodec, SpiffCodec, spiff_settings
from ntnsim.spiff.components import Component, encode_component
from ntnsim.streams import integer_seed
from ntnsim.world.sizes_imaging import SizesImaging

if TYPE_CHECKING:
    from ntnsim.fidelity.metrics import Scorer


@dataclass(frozen=True)
class Assembled:
    """A scheme ready to run. *pipeline* is its imaging where that shows pictures, else None; space: its codec's."""

    imaging: Imaging
    policy: Policy
    pipeline: ImagePipeline | None
    space: ConfigurationSpace


def score_columns(schemes: Collection[Assembled]) -> tuple[int, tuple[str, ...]]:
    """Return how many ranks the records of *schemes* have, and the names of their whole-image scores."""
    names = dict.fromkeys(name for assembled in schemes for name in assembled.imaging.score_names)
    return max(assembled.imaging.n_ranks for assembled in schemes), tuple(names)


class SchemeAssembly:
    """Makes the schemes of one scenario; what they share (datasets, networks, store) is made once."""

    def __init__(
        self, scenario: Scenario, store: OutcomeStore, code_digest: str, own: OwnParts | None = None
    ) -> None:
        """Bind the scenario.

        code_digest: names what outcomes depend on, program and libraries; those of other versions are not used.
        own: the policies and codecs that stand behind ``kind: custom``.
        """
        self._scenario = scenario
        self._store = store
        self._code_digest = code_digest
        self._own = own or OwnParts()
        self._relevance = _relevance(scenario.task.relevance)
        self._bundle_used = False

    def assemble(self, scheme: SchemeSpec) -> Assembled:
        """Return *scheme*'s imaging and policy."""
        if isinstance(scheme.codec, SizesCodecSpec):
            imaging = SizesImaging(scheme.codec, self._scenario.seed)
            space = ConfigurationSpace(max(imaging.n_ranks, 2), has_coarse_layer=False)
            return Assembled(imaging, self._policy(scheme, space), None, space)
        codec, trial = self._codec(scheme.codec)
        pipeline = ImagePipeline(
            self._photographs,
            codec,
            scorer=_scorer(self._scenario.task),
            store=self._store,
            delivered_bits=_delivered_bits(self._scenario.delivered_file),
            delivered_as=repr(self._scenario.delivered_file),
            trial=trial,
        )
        return Assembled(pipeline, self._policy(scheme, codec.space), pipeline, codec.space)

    def digests(self) -> dict[str, str]:
        """Return the digests of inputs beside the scenario, for its provenance."""
        return {"bundle": self._bundle().digest} if self._bundle_used else {}

    def _policy(self, scheme: SchemeSpec, space: ConfigurationSpace) -> Policy:
        seed = integer_seed(self._scenario.seed, "policy", scheme.name)
        wanted = scheme.policy
        own = self._own.policy(wanted, space, seed) if isinstance(wanted, CustomPolicySpec) else None
        return build_policy(wanted, space, seed, own)

    def _codec(
        self,
        wanted: SpiffCodecSpec
        | SpiffPaperCodecSpec
        | WholeImageCodecSpec
        | CaptionCodecSpec
        | CustomCodecSpec,
    ) -> tuple[Codec, GatewayTrial | None]:
        """Return the codec, and the trial encoding that the gateway makes with it before it decides."""
        n_ranks = self._relevance.n_ranks
        if isinstance(wanted, CustomCodecSpec):
            return self._own.codec(wanted, n_ranks), None
        if isinstance(wanted, WholeImageCodecSpec):
            component = Component(
                wanted.kind, wanted.quality, wanted.speed, wanted.full_chroma, wanted.loop_filters
            )
            return WholeImageCodec(component, n_ranks=n_ranks), None
        inpaint = wanted.inpaint
        bundle = self._bundle()
        inpainter = _inpainter(bundle, inpaint.method, inpaint.steps, inpaint.device, inpaint.dtype)
        steps = _charged_steps(inpainter, inpaint)
        # Pixels of a network differ between devices and number formats.
        restored_by = (
            f"{bundle.digest} {inpaint.device} {inpaint.dtype}"
            if inpaint.method == "bundle"
            else bundle.digest
        )
        if isinstance(wanted, CaptionCodecSpec):
            captioner = load_captioner(bundle)
            return CaptionCodec(
                captioner, inpainter, n_ranks=n_ranks, models_digest=restored_by, steps=steps
            ), None
        settings = spiff_settings(wanted.kind, wanted.model_dump())
        coding = "encode_jpeg" if settings.crop.codec == "jpeg" else "encode"
        tried = _trials(wanted, n_ranks) if isinstance(wanted, SpiffCodecSpec) else ()
        codec = SpiffCodec(
            wanted.kind,
            settings,
            inpainter,
            n_ranks=n_ranks,
            captioner=load_captioner(bundle) if wanted.caption else None,
            models_digest=restored_by,
            work=Work(
                ("segmentation", *_trial_stages(wanted, tried), "decision"),
                ("caption", coding) if wanted.caption else (coding,),
                ("decode", "inpainting") if inpaint.method == "bundle" else ("decode",),
                steps,
            ),
        )
        restored = isinstance(wanted, SpiffCodecSpec) and wanted.trial_restored
        code = codec.restored_trial if restored else codec.trial
        return codec, GatewayTrial(tried, code, restored=restored) if tried else None

    def _bundle(self) -> Bundle:
        self._bundle_used = True
        return _bundle(self._scenario.task.bundle)

    @cached_property
    def _photographs(self) -> Photographs:
        sources = {
            name: source
            for source in self._scenario.sources
            for name in copy_names(source.name, source.count)
        }
        from_truth = self._scenario.task.segmenter == "truth"
        network = "truth" if from_truth else self._bundle().digest
        return Photographs(
            self._opened_datasets(),
            {name: source.images or next(iter(self._scenario.datasets)) for name, source in sources.items()},
            in_order={name for name, source in sources.items() if source.arrivals.kind == "trace"},
            rank_mapper=self._ranks_of_truth if from_truth else self._ranks_of_network,
            ranks_digest=f"{self._code_digest} {network} {self._relevance} {part_digests(self._scenario) or ''}",
            ranks_come_from_class_maps=from_truth,
            seed=self._scenario.seed,
        )

    def _opened_datasets(self) -> dict[str, Dataset]:
        opened = {name: open_dataset(wanted) for name, wanted in self._scenario.datasets.items()}
        for name, dataset in opened.items():
            if len(dataset) == 0:
                raise DatasetError(f"datasets.{name}: holds no image")
        return opened

    def _ranks_of_truth(self, image: DatasetImage) -> RankMap:
        if image.class_map is None:
            raise DatasetError(
                f"{image.name}: has no class map; task.segmenter: truth needs a dataset with annotations"
            )
        return self._relevance.rank_map(image.class_map, image.class_names)

    def _ranks_of_network(self, image: DatasetImage) -> RankMap:
        segmenter = _segmenter(self._bundle())
        [class_map] = segmenter.class_maps([image.pixels])
        return self._relevance.rank_map(class_map, segmenter.class_names)


def _relevance(wanted: RelevanceSpec) -> Relevance:
    if wanted.preset is not None:
        return relevance_preset(wanted.preset)
    return Relevance("scenario", dict(wanted.ranks or {}), wanted.default_rank)


def _delivered_bits(wanted: ComponentSpec) -> Callable[[UInt8Image], int]:
    component = Component(**wanted.model_dump())
    return lambda pixels: 8 * len(encode_component(pixels, component))


def _trials(wanted: SpiffCodecSpec, n_ranks: int) -> tuple[Configuration, ...]:
    """Return what the gateway codes before it decides."""
    nothing = (0.0,) * (n_ranks - 1)
    layers = [Configuration(0.0, nothing, quality) for quality in wanted.trial_qualities]
    return (*layers, Configuration(1.0, nothing)) if wanted.trial_whole else tuple(layers)


def _trial_stages(wanted: object, tried: tuple[Configuration, ...]) -> tuple[str, ...]:
    """Return the gateway's stages for its trials; where the box is the image nothing is left to restore."""
    stages = ("trial",) * len(tried)
    if isinstance(wanted, SpiffCodecSpec) and wanted.trial_restored:
        stages += ("trial_inpainting",) * len(wanted.trial_qualities)
    return stages


def _charged_steps(inpainter: Inpainter, wanted: InpaintingSpec) -> int:
    """Return the diffusion steps that the device profile is charged for."""
    if wanted.charged_steps is not None:
        return wanted.charged_steps
    return int(getattr(inpainter, "steps", 0))


# Networks are kept for the life of the process: the cells of a sweep share them.

_bundles: dict[tuple[Path, str], Bundle] = {}


def _bundle(wanted: ScenarioPath) -> Bundle:
    opened = open_bundle(wanted.name_or_location)  # each time: its files may have been replaced
    return _bundles.setdefault((opened.directory, opened.digest), opened)


@cache
def _segmenter(bundle: Bundle) -> Segmenter:
    return load_segmenter(bundle)


@cache
def _inpainter(bundle: Bundle, method: str, steps: int | None, device: str, dtype: str) -> Inpainter:
    if method == "bundle":
        check_device(device)
    return inpainter_named(method, bundle, steps=steps, device=device, dtype=dtype)


def _weights_digest(task: TaskSpec) -> str:
    """Return the digest of the files that the judges' weights come from; "" for judges that packages ship."""
    named = [
        path.location
        for path, wanted in (
            (task.lpips_trunk, task.pf_backend == "lpips"),
            (task.clip, task.sf_backend == "clip"),
        )
        if path is not None and wanted
    ]
    return files_digest(named) if named else ""


def _scorer(task: TaskSpec) -> "Scorer":
    # Only CLIP compares words with pictures.
    bundle = _bundle(task.bundle) if task.sf_backend == "clip" else None
    trunk, clip = (path.location if path else None for path in (task.lpips_trunk, task.clip))
    return _scorer_of(task.pf_backend, task.sf_backend, trunk, clip, _weights_digest(task), bundle)


@cache
def _scorer_of(
    pf_backend: str,
    sf_backend: str,
    trunk: Path | None,
    clip: Path | None,
    weights: str,
    bundle: Bundle | None,
) -> "Scorer":
    from ntnsim.fidelity.metrics import scorer_named

    captions = bundle is not None and "captioner" in bundle.members
    return scorer_named(
        pf_backend,
        sf_backend,
        lpips_trunk=trunk,
        clip_directory=clip,
        captioner=load_captioner(bundle) if bundle is not None and captions else None,
        captions_from=bundle.digest if bundle is not None else "",
        weights=weights,
    )
