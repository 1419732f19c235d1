"""From a scenario's dataset entry to the dataset."""

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


def open_dataset(wanted: DatasetSpec, base: Path | None = None) -> Dataset:
    """Return the dataset that *wanted* describes.

    base: directory that relative paths start from; the current one if None.
    """
    root = base if base is not None else Path()

    def path(text: str) -> Path:
        return root / Path(text).expanduser()

    def area(wanted: AreaFilterSpec | None) -> AreaRange | None:
        return None if wanted is None else AreaRange(wanted.class_name, wanted.minimum, wanted.maximum)

    match wanted:
        case SamplesDatasetSpec():
            return SampleCaptures(wanted.count, wanted.width_px, wanted.height_px, wanted.other_every)
        case FolderDatasetSpec():
            return FolderDataset(
                path(wanted.path), None if wanted.masks is None else path(wanted.masks), wanted.limit
            )
        case PersonsDatasetSpec():
            return PersonsDataset(
                path(wanted.path),
                wanted.split,
                only_coco=wanted.only_coco,
                area=area(wanted.area),
                limit=wanted.limit,
            )
        case CocoStuffDatasetSpec():
            return CocoStuffDataset(
                path(wanted.images),
                None if wanted.stuff_maps is None else path(wanted.stuff_maps),
                None if wanted.annotations is None else path(wanted.annotations),
                area=area(wanted.area),
                limit=wanted.limit,
            )
        case Mastr1325DatasetSpec():
            return Mastr1325Dataset(path(wanted.images), path(wanted.masks), wanted.limit)
        case AerialDatasetSpec():
            return AerialDataset(path(wanted.path), wanted.limit)
        case _:
            assert_never(wanted)
