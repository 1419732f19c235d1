"""Which photographs the sources take, what their classes are worth, and how their reconstructions are scored."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from ntnsim.scenario.entity import Entity
from ntnsim.scenario.path import ScenarioPath

Share = Annotated[float, Field(ge=0, le=1)]


class AreaFilterSpec(Entity):
    """Keeps images in which one class covers a share of the area. The paper's person task keeps 20 to 60 %."""

    class_name: str = "person"
    """The class that is looked for."""
    minimum: Share = 0.2
    """Least share of the area that it covers."""
    maximum: Share = 0.6
    """Largest share of the area."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum ({self.minimum}) must not exceed maximum ({self.maximum})")
        return self


class SamplesDatasetSpec(Entity):
    """Re-framed captures of the free photographs that the dependencies ship; needs no file of the user's."""

    kind: Literal["samples"] = "samples"
    count: int = Field(default=40, ge=1, le=100_000)
    """Captures until they repeat."""
    width_px: int = Field(default=384, ge=1, le=8192)
    """Width of each capture."""
    height_px: int = Field(default=288, ge=1, le=8192)
    """Height of each capture."""
    other_every: int = Field(default=8, ge=0)
    """One capture in so many shows no person; 0: all show one."""


class MaskSpec(Entity):
    """What is marked in a mask file."""

    kind: Literal["nonzero", "index", "palette", "alpha"] = "nonzero"
    """nonzero: grey or colour is not black (files with a palette or transparency are refused). index: the stored
    number is not 0. palette: the palette's colour is not black. alpha: at least half opaque."""


class FolderDatasetSpec(Entity):
    """Every image file in a directory and below, by name. A mask `NAME.png` in `masks` marks the top rank."""

    kind: Literal["folder"]
    path: ScenarioPath
    """The directory, relative to the scenario file."""
    masks: ScenarioPath | None = None
    """Directory of masks, in the same tree or all in one: class `marked` where `mask` says so, else `other`."""
    mask: MaskSpec = MaskSpec()
    """How the mask files are read."""
    limit: PositiveInt | None = None
    """Images that are used at most."""


class PersonsDatasetSpec(Entity):
    """A directory with `index.csv`, images, and for each `NAME.jpg` a mask `NAME.png` of 0 other and 1 person."""

    kind: Literal["persons"]
    path: ScenarioPath
    """The directory, relative to the scenario file."""
    split: Literal["train", "val", "all"] = "val"
    """Which rows, by the index's column `split`."""
    only_coco: bool = False
    """Only rows that come from COCO, the set of the paper's experiments."""
    area: AreaFilterSpec | None = AreaFilterSpec()
    """Keeps photographs by the share of person; null keeps all."""
    skip: NonNegativeInt = 0
    """Rows left out at the beginning, of those that the filters keep: photographs that a policy has learned from."""
    limit: PositiveInt | None = None
    """Images that are used at most."""


class CocoStuffDatasetSpec(Entity):
    """COCO images with COCO-Stuff pixel maps, or with maps drawn from instance annotations."""

    kind: Literal["coco-stuff"]
    images: ScenarioPath
    """Directory of the JPEG files."""
    stuff_maps: ScenarioPath | None = None
    """Directory of `NAME.png` maps: class id per pixel, 255 unlabelled (`train2017.zip` of COCO-Stuff)."""
    annotations: ScenarioPath | None = None
    """`instances_*.json`; needed without stuff_maps, and then needs pycocotools."""
    area: AreaFilterSpec | None = None
    """`class_name: person`, 0.2 to 0.6, gives the paper's subset."""
    limit: PositiveInt | None = None
    """Images that are used at most."""

    @model_validator(mode="after")
    def _has_classes(self) -> Self:
        if self.stuff_maps is None and self.annotations is None:
            raise ValueError("stuff_maps or annotations is required: one of them holds the classes")
        return self


class Mastr1325DatasetSpec(Entity):
    """MaSTr1325: `NNNN.jpg` and `NNNNm.png` (0 obstacle, 1 water, 2 sky, 4 unknown)."""

    kind: Literal["mastr1325"]
    images: ScenarioPath
    """Directory of the photographs."""
    masks: ScenarioPath
    """Directory of the class maps."""
    limit: PositiveInt | None = None
    """Images that are used at most."""


class AerialDatasetSpec(Entity):
    """Aerial images in the SSSID layout: `images/`, `masks/` of colours or indices, and `classes.csv` naming them."""

    kind: Literal["aerial"]
    path: ScenarioPath
    """The directory, relative to the scenario file."""
    limit: PositiveInt | None = None
    """Images that are used at most."""


DatasetSpec = Annotated[
    SamplesDatasetSpec
    | FolderDatasetSpec
    | PersonsDatasetSpec
    | CocoStuffDatasetSpec
    | Mastr1325DatasetSpec
    | AerialDatasetSpec,
    Field(discriminator="kind"),
]


# How many ranks each preset has; who is in which is in datasets/relevance.py.
PRESET_RANKS = {"person": 2, "coco-stuff": 3, "sssid": 3, "mastr1325": 3}


class RelevanceSpec(Entity):
    """The relevance function r(c): which class has which rank (paper, Table I), as a preset or in full."""

    preset: Literal["person", "coco-stuff", "sssid", "mastr1325"] | None = "person"
    """`person`: R = 2, the paper's experiments; the others are Table I's, R = 3."""
    ranks: dict[str, Annotated[int, Field(ge=0, le=249)]] | None = None
    """Rank per class name, instead of a preset."""
    default_rank: int = Field(default=0, ge=0, le=249)
    """Rank of classes that `ranks` does not name."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.preset is None) == (self.ranks is None):
            raise ValueError("give either preset or ranks (with preset: null)")
        if self.ranks is not None and max([*self.ranks.values(), self.default_rank]) < 1:
            raise ValueError("ranks must use at least two ranks: some class needs rank 1 or more")
        return self

    @property
    def n_ranks(self) -> int:
        """R: one more than the highest rank."""
        if self.preset is not None:
            return PRESET_RANKS[self.preset]
        return max([*(self.ranks or {}).values(), self.default_rank]) + 1


class TaskSpec(Entity):
    """What is seen in an image and how a reconstruction is judged; the same for every scheme of a scenario."""

    relevance: RelevanceSpec = RelevanceSpec()
    """Which class matters how much."""
    segmenter: Literal["bundle", "truth"] = "bundle"
    """The bundle's network, or the dataset's own class maps."""
    bundle: ScenarioPath = Field(default="tiny", validate_default=True)
    """Name or directory of the model bundle."""
    pf_backend: Literal["st-lpips", "lpips"] = "st-lpips"
    """What judges perceptual fidelity; `lpips` needs a local trunk."""
    sf_backend: Literal["efficientnet-lite0", "clip"] = "efficientnet-lite0"
    """What judges semantic fidelity; `clip` needs a local model."""
    lpips_trunk: ScenarioPath | None = None
    """Local file with torchvision's AlexNet, for `lpips`."""
    clip: ScenarioPath | None = None
    """Local directory with a CLIP model, for `clip`."""

    @model_validator(mode="after")
    def _judges_have_weights(self) -> Self:
        if self.pf_backend == "lpips" and self.lpips_trunk is None:
            raise ValueError("lpips_trunk: is required by pf_backend lpips: a file of torchvision's AlexNet")
        if self.sf_backend == "clip" and self.clip is None:
            raise ValueError("clip: is required by sf_backend clip: a local directory with a CLIP model")
        return self
