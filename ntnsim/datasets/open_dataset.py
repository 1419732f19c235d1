"""From a scenario's dataset entry to the dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

from ntnsim.datasets.aerial import AerialDataset
from ntnsim.datasets.coco_stuff import CocoStuffDataset
from ntnsim.datasets.dataset import Dataset
from ntnsim.datasets.files import AreaRange
from ntnsim.datasets.folder import FolderDataset
from ntnsim.datasets.mastr1325 import Mastr1325Dataset
from ntnsim.datasets.persons import PersonsDataset
from ntnsim.datasets.samples import SampleCaptures
from ntnsim.scenario.dataset import (
    AerialDatasetSpec,
    AreaFilterSpec,
    CocoStuffDatasetSpec,
    DatasetSpec,
    FolderDatasetSpec,
    Mastr1325DatasetSpec,
    PersonsDatasetSpec,
    SamplesDatasetSpec,
)
from ntnsim.scenario.path import ScenarioPath


def photographs_shown(datasets: Mapping[str, DatasetSpec]) -> dict[str, str]:
    """Return, by the records' ``image_id``, the photograph of each image that is one of several views of it."""
    return {
        f"{name}/{view}": photograph
        for name, wanted in datasets.items()
        if isinstance(wanted, SamplesDatasetSpec)
        for view, photograph in SampleCaptures(wanted.count, other_every=wanted.other_every).pictures.items()
    }


def open_dataset(wanted: DatasetSpec) -> Dataset:
    """Return the dataset that *wanted* describes."""

    def optional(path: ScenarioPath | None) -> Path | None:
        return None if path is None else path.location

    def area(wanted: AreaFilterSpec | None) -> AreaRange | None:
        return None if wanted is None else AreaRange(wanted.class_name, wanted.minimum, wanted.maximum)

    match wanted:
        case SamplesDatasetSpec():
            return SampleCaptures(wanted.count, wanted.width_px, wanted.height_px, wanted.other_every)
        case FolderDatasetSpec():
            return FolderDataset(wanted.path.location, optional(wanted.masks), wanted.limit, wanted.mask.kind)
        case PersonsDatasetSpec():
            return PersonsDataset(
                wanted.path.location,
                wanted.split,
                only_coco=wanted.only_coco,
                area=area(wanted.area),
                skip=wanted.skip,
                limit=wanted.limit,
            )
        case CocoStuffDatasetSpec():
            return CocoStuffDataset(
                wanted.images.location,
                optional(wanted.stuff_maps),
                optional(wanted.annotations),
                area=area(wanted.area),
                limit=wanted.limit,
            )
        case Mastr1325DatasetSpec():
            return Mastr1325Dataset(wanted.images.location, wanted.masks.location, wanted.limit)
        case AerialDatasetSpec():
            return AerialDataset(wanted.path.location, wanted.limit)
        case _:
            assert_never(wanted)
