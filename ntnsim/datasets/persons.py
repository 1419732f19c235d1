"""Photographs of people with person masks, listed in an ``index.csv``.

Layout: ``index.csv`` has the columns file, split, dataset and person_fraction (others are ignored); beside each image
``NAME.jpg`` lies ``NAME.png``, 0 other and 1 person.
"""

from pathlib import Path
from typing import Literal

from ntnsim.csv_rows import read_rows
from ntnsim.datasets.dataset import DatasetImage
from ntnsim.datasets.files import AreaRange, checked_index, existing_directory, loaded, read_class_map
from ntnsim.errors import DatasetError

_COLUMNS = ("file", "split", "dataset", "person_fraction")


class PersonsDataset:
    """The rows of one split, in the order of the index."""

    name = "persons"
    class_names = ("other", "person")

    def __init__(
        self,
        path: Path,
        split: Literal["train", "val", "all"] = "val",
        *,
        only_coco: bool = False,
        area: AreaRange | None = None,
        skip: int = 0,
        limit: int | None = None,
    ) -> None:
        """Read the index.

        only_coco: only rows whose dataset starts with "COCO".
        area: checked against the index's person_fraction.
        skip: rows left out at the beginning, of those that the filters keep.
        """
        self._root = existing_directory(path, self.name)
        index = path / "index.csv"
        if not index.is_file():
            raise DatasetError(f"{index}: the dataset {self.name} needs this file; it does not exist")
        _, rows = read_rows(index, _COLUMNS, kind=DatasetError)
        self._files = [
            row.values["file"]
            for row in rows
            if (split == "all" or row.values["split"] == split)
            and (not only_coco or row.values["dataset"].startswith("COCO"))
            and (area is None or area.minimum <= row.number("person_fraction", 0, 1) <= area.maximum)
        ][skip:][:limit]
        if not self._files:
            after = f" after the first {skip}" if skip else ""
            raise DatasetError(
                f"{index}: none of its {len(rows)} rows is one of split {split} that the filters keep{after}"
            )

    def __len__(self) -> int:
        return len(self._files)

    def image(self, index: int) -> DatasetImage:
        """Return photograph *index*."""
        file = self._files[checked_index(index, len(self))]
        path = self._root / file
        return loaded(path, file, read_class_map(path.with_suffix(".png")), self.class_names)
