"""Aerial and satellite photographs with class masks, as SSSID and similar sets are laid out.

Layout: ``images/NAME.*``, ``masks/NAME.png`` and ``classes.csv``. With the columns name, r, g, b the masks are colours;
with the columns index, name they are indices. Colours that no row names are unlabelled.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ntnsim.csv_rows import read_rows
from ntnsim.datasets.dataset import DatasetImage
from ntnsim.datasets.files import (
    UNLABELLED,
    checked_index,
    existing_directory,
    image_files,
    loaded,
    read_class_map,
)
from ntnsim.datasets.image_file import read_image
from ntnsim.errors import DatasetError


class AerialDataset:
    """The images that have a mask, by name."""

    name = "aerial"

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self._masks = existing_directory(path / "masks", self.name)
        self.class_names, self._class_of_colour = _read_classes(path / "classes.csv")
        files = [
            file
            for file in image_files(path / "images", self.name)
            if (self._masks / f"{file.stem}.png").is_file()
        ]
        if not files:
            raise DatasetError(f"{self._masks}: holds no mask NAME.png for an image of {path / 'images'}")
        self._files = files[:limit]

    def __len__(self) -> int:
        return len(self._files)

    def image(self, index: int) -> DatasetImage:
        """Return photograph *index*."""
        path = self._files[checked_index(index, len(self))]
        mask = self._masks / f"{path.stem}.png"
        class_map = read_class_map(mask) if self._class_of_colour is None else self._from_colours(mask)
        return loaded(path, path.stem, class_map, self.class_names)

    def _from_colours(self, path: Path) -> NDArray[np.uint8]:
        assert self._class_of_colour is not None
        colours, _ = read_image(path)
        packed = (colours.astype(np.int32) * (1 << 16, 1 << 8, 1)).sum(axis=2)
        class_map = np.full(packed.shape, UNLABELLED, dtype=np.uint8)
        for colour, index in self._class_of_colour.items():
            class_map[packed == colour] = index
        return class_map


def _read_classes(path: Path) -> tuple[tuple[str, ...], dict[int, int] | None]:
    """Return the class names, and the class of each colour if the masks are coloured."""
    if not path.is_file():
        raise DatasetError(f"{path}: the dataset aerial needs this file; it does not exist")
    columns, rows = read_rows(path, ("name",), kind=DatasetError)
    if not rows or len(rows) > UNLABELLED:
        raise DatasetError(f"{path}: names {len(rows)} classes, allowed are 1 to {UNLABELLED}")
    names = [row.values["name"].strip() for row in rows]
    if {"r", "g", "b"} <= set(columns):
        keys = [
            (row.whole("r", 0, 255) << 16) + (row.whole("g", 0, 255) << 8) + row.whole("b", 0, 255)
            for row in rows
        ]
    elif "index" in columns:
        keys = [row.whole("index", 0, UNLABELLED - 1) for row in rows]
    else:
        raise DatasetError(
            f"{path}: needs the columns name, r, g, b or index, name; it has {', '.join(columns)}"
        )
    for place, row in enumerate(rows):
        if keys[place] in keys[:place]:
            raise row.error(f"{names[place]!r} has the colour or index of another class")
    if "index" in columns and not {"r", "g", "b"} <= set(columns):
        by_index = dict(zip(keys, names, strict=True))
        return tuple(by_index.get(index, "(unused)") for index in range(max(by_index) + 1)), None
    return tuple(names), {key: place for place, key in enumerate(keys)}
