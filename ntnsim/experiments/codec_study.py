"""What the experiments on the codec alone share: photographs with ranks, a decoder, scores, a table and a figure.

An experiment's outcomes are kept in ``OUT/outcomes``, so that it resumes, and figures 10 and 11 share their points.
Savings are against the file as captured. Every figure says which bundle restored and which backends scored.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ntnsim.arrays import UInt8Image
from ntnsim.datasets.dataset import Dataset
from ntnsim.datasets.files import AreaRange
from ntnsim.datasets.folder import FolderDataset
from ntnsim.datasets.persons import PersonsDataset
from ntnsim.datasets.relevance import relevance_preset
from ntnsim.datasets.samples import SampleCaptures
from ntnsim.errors import DatasetError, ImageError, InputError
from ntnsim.experiments.arguments import add_judges, experiment_parser, judges_from
from ntnsim.fidelity.metrics import Scorer, scorer_named
from ntnsim.images.outcome_store import OutcomeKey, OutcomeStore, image_digest
from ntnsim.networks.bundle import open_bundle
from ntnsim.networks.load import inpainter_named, load_captioner, load_segmenter
from ntnsim.protocols.codec import Codec
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.inpainter import Inpainter
from ntnsim.report.style import DOUBLE_COLUMN_IN, save
from ntnsim.results.own_files import own_path
from ntnsim.run_progress import status_shown
from ntnsim.spiff.baselines import WholeImageCodec, as_the_library_comes
from ntnsim.spiff.codec import CaptionCodec, SpiffCodec, spiff_settings
from ntnsim.spiff.components import COMPONENT_CODECS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_RANKS = 2  # the experiments' person task
BOTH = "both"


@dataclass(frozen=True, eq=False)
class RankedPhotograph:
    """A photograph, its rank map uint8 [H, W], and the bytes it was captured in."""

    name: str
    pixels: UInt8Image
    ranks: UInt8Image
    source_bytes: bytes


@dataclass(frozen=True)
class CodecStudy:
    """Where photographs come from, who restores and scores them, and where results go."""

    out: Path
    photographs: Sequence[RankedPhotograph]
    spiff: str
    inpaint: str
    bundle: str
    steps: int | None
    scorer: Scorer
    ranks_from: str

    def inpainter(self, steps: int | None = None) -> Inpainter:
        """Return the decoder's inpainter, with other *steps* than the study's if given."""
        bundle = open_bundle(self.bundle) if self.inpaint == "bundle" else None
        return inpainter_named(self.inpaint, bundle, steps=steps if steps is not None else self.steps)

    def spiff_codec(self, inpainter: Inpainter | None = None) -> SpiffCodec:
        """Return the study's SPIFF codec."""
        return SpiffCodec(
            self.spiff,
            spiff_settings(self.spiff, {}),
            inpainter if inpainter is not None else self.inpainter(),
            n_ranks=N_RANKS,
            models_digest=self._models_digest,
        )

    def whole_image_codec(self, name: str, quality: int) -> WholeImageCodec:
        """Return JPEG, WebP, AVIF or JPEG XL as their libraries come."""
        kind = next(codec for codec in COMPONENT_CODECS if codec == name)
        return WholeImageCodec(as_the_library_comes(kind, quality), n_ranks=N_RANKS)

    def caption_codec(self) -> CaptionCodec:
        """Return standard semantic communication with the bundle's captioner and inpainter."""
        captioner = load_captioner(open_bundle(self.bundle))
        return CaptionCodec(captioner, self.inpainter(), n_ranks=N_RANKS, models_digest=self._models_digest)

    @property
    def _models_digest(self) -> str:
        return open_bundle(self.bundle).digest if self.inpaint == "bundle" else ""

    @property
    def note(self) -> str:
        """The line below every figure."""
        restored = (
            f"restored by bundle {self.bundle}" if self.inpaint == "bundle" else f"filled by {self.inpaint}"
        )
        sample = self.scorer.digest.split()
        return (
            f"{self.spiff}, {restored}; ranks from {self.ranks_from}; PF = 1 − {sample[0]}, SF by {sample[1]}; "
            f"savings against the captured file; photographs: {len(self.photographs)}"
        )

    def outcomes(
        self, codec: Codec, configurations: Sequence[Configuration], **labels: Any
    ) -> list[dict[str, Any]]:
        """Return one row per photograph and configuration: bits, savings, every score, and *labels*."""
        rows: list[dict[str, Any]] = []
        begun = _Begun()
        n = len(self.photographs) * len(configurations)
        what = " ".join(map(str, labels.values())) or codec.name
        with status_shown(lambda: f"{what}: {begun.coded} of {n} pictures coded, {begun.restored} restored"):
            self._add_outcomes(rows, codec, configurations, labels, begun)
        return rows

    def _add_outcomes(
        self,
        rows: list[dict[str, Any]],
        codec: Codec,
        configurations: Sequence[Configuration],
        labels: Mapping[str, Any],
        begun: "_Begun",
    ) -> None:
        """Append the rows of `outcomes` to *rows*, one photograph after the other; count in *begun*."""
        store = OutcomeStore(self.out / "outcomes")
        for photograph in self.photographs:
            keys = [
                OutcomeKey(
                    image_digest(photograph.source_bytes),
                    x,
                    codec.digest,
                    self.scorer.digest,
                    1,
                    "experiment",
                )
                for x in configurations
            ]
            missing = [
                (key, x) for key, x in zip(keys, configurations, strict=True) if store.get(key) is None
            ]
            begun.add_kept(len(keys) - len(missing))
            if missing:
                computed = self._computed(photograph, codec, [x for _, x in missing], begun)
                for (key, _), row in zip(missing, computed, strict=True):
                    store.put(key, row)
            for key, x in zip(keys, configurations, strict=True):
                found = store.get(key)
                assert found is not None
                rows.append({"image": photograph.name, **labels, **_columns(x), **found})

    def _computed(
        self,
        photograph: RankedPhotograph,
        codec: Codec,
        configurations: Sequence[Configuration],
        begun: "_Begun",
    ) -> list[dict[str, Any]]:
        encoded, images = [], []
        for x in configurations:
            encoded.append(codec.encode(photograph.pixels, photograph.ranks, x, 1))
            begun.coded += 1
        for image in encoded:
            images.append(codec.decode([image.payload], [1])[0])
            begun.restored += 1
        count = len(configurations)
        scores = self.scorer.score([photograph.pixels] * count, images, [photograph.ranks] * count, N_RANKS)
        source_bits = 8 * len(photograph.source_bytes)
        rows = []
        for image, score in zip(encoded, scores, strict=True):
            row = {"size_bits": image.size_bits, "savings": 1 - image.size_bits / source_bits}
            for name, value in asdict(score).items():
                if isinstance(value, tuple):
                    row |= {f"{name}_{rank}": entry for rank, entry in enumerate(value)}
                else:
                    row[name] = value
            rows.append(row)
        return rows

    def write(self, name: str, table: pd.DataFrame, figure: "Figure") -> pd.DataFrame:
        """Write ``name.csv`` and the figure with its note; return the table."""
        with own_path(self.out / f"{name}.csv") as path:
            table.to_csv(path, index=False, lineterminator="\n")
        save_noted(figure, self.out, name, self.note)
        return table


@dataclass
class _Begun:
    """How far the pictures of one codec are, for whoever watches."""

    coded: int = 0
    restored: int = 0

    def add_kept(self, n: int) -> None:
        """Count *n* pictures whose outcomes were kept."""
        self.coded += n
        self.restored += n


def _columns(x: Configuration) -> dict[str, float]:
    columns = {"beta": x.box_growth}
    columns |= {f"p_{rank}": fraction for rank, fraction in enumerate(x.patch_fractions)}
    return columns | {"q": x.coarse_quality}


def save_noted(figure: "Figure", directory: Path, name: str, note: str) -> None:
    """Write *figure* as PNG and PDF with *note* below it."""
    import textwrap

    width_chars = int(22 * figure.get_figwidth())
    figure.supxlabel("\n".join(textwrap.wrap(note, width_chars)), fontsize=5.5, color="#555555")
    save(figure, directory, name)


def new_figure(columns: int, height_in: float = 2.3) -> tuple["Figure", list[Any]]:
    """Return a figure as wide as two journal columns, and its *columns* axes side by side. Use inside journal()."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(DOUBLE_COLUMN_IN, height_in))
    axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(axes)


def pareto(savings: NDArray[np.float64], fidelity: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the points that no other beats in both, by rising savings."""
    order = np.lexsort((-fidelity, -savings))
    best, kept = -np.inf, []
    for index in order:
        if fidelity[index] > best:
            best = float(fidelity[index])
            kept.append(index)
    return np.array(kept[::-1], dtype=np.int64)


def study_parser(
    module: str, description: str | None, *, images: int, spiff: str = "spiff-paper"
) -> argparse.ArgumentParser:
    """Return a parser of the options that every codec experiment takes."""
    parser = experiment_parser(module, description)
    parser.add_argument(
        "--data",
        type=Path,
        help="persons layout (index.csv), or a folder of photographs; "
        "default: captures of photographs that the dependencies ship",
    )
    parser.add_argument("--masks", type=Path, help="for a folder: directory of masks NAME.png")
    parser.add_argument("--split", choices=("train", "val", "all"), default="val")
    parser.add_argument("--only-coco", action="store_true", help="persons layout: only photographs from COCO")
    parser.add_argument("--images", type=int, default=images, help=f"number of photographs ({images})")
    choices = ("spiff-paper", "spiff", *([BOTH] if spiff == BOTH else []))
    parser.add_argument("--codec", choices=choices, default=spiff, help=f"default: {spiff}")
    parser.add_argument("--inpaint", choices=("bundle", "telea", "ns", "nearest", "none"), default="bundle")
    parser.add_argument("--bundle", default="tiny")
    parser.add_argument("--steps", type=int)
    add_judges(parser)
    parser.add_argument("--out", type=Path, required=True, help="directory for table and figure")
    return parser


def study_from(arguments: argparse.Namespace) -> CodecStudy:
    """Return the study that parsed *arguments* describe."""
    if arguments.images < 1:
        raise InputError(f"--images: must be at least 1, got {arguments.images}")
    dataset, ranks_from = _dataset(arguments)
    count = min(arguments.images, len(dataset))
    images = [dataset.image(index) for index in range(count)]
    relevance = relevance_preset("person")
    if all(image.class_map is not None for image in images):
        maps = [image.class_map for image in images]
        names = images[0].class_names
    else:
        ranks_from = f"bundle {arguments.bundle}"
        segmenter = load_segmenter(open_bundle(arguments.bundle))
        maps = list(segmenter.class_maps([image.pixels for image in images]))
        names = segmenter.class_names
    photographs = [
        RankedPhotograph(image.name, image.pixels, relevance.rank_map(class_map, names), image.source_bytes)
        for image, class_map in zip(images, maps, strict=True)
        if class_map is not None
    ]
    return CodecStudy(
        arguments.out,
        photographs,
        "spiff-paper and spiff" if arguments.codec == BOTH else arguments.codec,
        arguments.inpaint,
        arguments.bundle,
        arguments.steps,
        _scorer(arguments),
        ranks_from,
    )


def _scorer(arguments: argparse.Namespace) -> Scorer:
    judges = judges_from(arguments)
    bundle = open_bundle(arguments.bundle) if "clip" in judges else None
    captions = bundle is not None and "captioner" in bundle.members
    return scorer_named(
        arguments.pf,
        arguments.sf,
        lpips_trunk=Path(judges["lpips_trunk"]) if "lpips_trunk" in judges else None,
        clip_directory=Path(judges["clip"]) if "clip" in judges else None,
        captioner=load_captioner(bundle) if bundle is not None and captions else None,
        captions_from=bundle.digest if bundle is not None else "",
    )


def with_photographs(study: CodecStudy, photographs: Sequence[RankedPhotograph]) -> CodecStudy:
    """Return the study on other photographs."""
    if not photographs:
        raise ImageError("the experiment needs at least one photograph with a person")
    return replace(study, photographs=photographs)


def _dataset(arguments: argparse.Namespace) -> tuple[Dataset, str]:
    if arguments.data is None:
        return SampleCaptures(arguments.images), "samples"
    if not arguments.data.is_dir():
        raise DatasetError(f"{arguments.data}: this directory of photographs does not exist")
    if (arguments.data / "index.csv").is_file() and arguments.masks is None:
        dataset = PersonsDataset(
            arguments.data,
            arguments.split,
            only_coco=arguments.only_coco,
            area=AreaRange("person", 0.2, 0.6),
            limit=arguments.images,
        )
        return dataset, "ground truth"
    return FolderDataset(arguments.data, arguments.masks, arguments.images), "masks"
