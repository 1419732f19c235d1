"""COCO-Stuff (Caesar, Uijlings & Ferrari 2018): COCO photographs with things and stuff, by supercategory.

Two sources of classes: the pixel maps ``stuffthingmaps`` (``NAME.png``, category id − 1 per pixel, 255 unlabelled), or
the instance annotations of COCO itself, drawn with pycocotools, larger things first. The classes of this loader are
the supercategories, which is what the paper's Table I ranks.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntnsim.datasets.coco_annotations import open_annotations
from ntnsim.datasets.dataset import DatasetImage
from ntnsim.datasets.files import (
    UNLABELLED,
    AreaRange,
    checked_index,
    existing_directory,
    image_files,
    kept_by_area,
    loaded,
    read_class_map,
)
from ntnsim.errors import DatasetError, first_line

# Category ids of each supercategory, from COCO (1-91) and COCO-Stuff (92-182).
SUPERCATEGORY_IDS = {
    "person": "1",
    "vehicle": "2-9",
    "outdoor": "10-11 13-15",
    "animal": "16-25",
    "accessory": "27-28 31-33",
    "sports": "34-43",
    "kitchen": "44 46-51",
    "food": "52-61",
    "furniture": "62-65 67 70",
    "electronic": "72-77",
    "appliance": "78-82",
    "indoor": "84-90",
    "textile": "92-93 104-105 109 131 137 141 152 167-168",
    "plant": "94 97 119 124 129 134 142 163 169",
    "building": "95-96 128 151 158 166",
    "furniture-stuff": "98 107-108 110 112 123 130 133 156 161 165",
    "structural": "99 113 138 146 164",
    "raw-material": "100 132 139 143",
    "floor": "101 114-118",
    "ceiling": "102-103",
    "sky": "106 157",
    "ground": "111 125-126 136 140 144-145 147 149 154 159",
    "water": "120 148 155 178-179",
    "food-stuff": "121-122 153 170",
    "solid": "127 135 150 160 162 182",
    "wall": "171-177",
    "window": "180-181",
}

CLASS_NAMES = tuple(SUPERCATEGORY_IDS)


def _class_of_id() -> NDArray[np.uint8]:
    """Return the index into ``CLASS_NAMES`` for each category id [256]; unlabelled where there is none."""
    table = np.full(256, UNLABELLED, dtype=np.uint8)
    for index, ids in enumerate(SUPERCATEGORY_IDS.values()):
        for span in ids.split():
            first, _, last = span.partition("-")
            table[int(first) : int(last or first) + 1] = index
    return table


CLASS_OF_ID = _class_of_id()


class CocoStuffDataset:
    """The images of a directory for which there are classes, by name."""

    name = "coco-stuff"
    class_names = CLASS_NAMES

    def __init__(
        self,
        images: Path,
        stuff_maps: Path | None = None,
        annotations: Path | None = None,
        *,
        area: AreaRange | None = None,
        limit: int | None = None,
    ) -> None:
        """Find the images.

        stuff_maps: directory of pixel maps; preferred, since it also knows the stuff.
        annotations: ``instances_*.json``.
        area: e.g. person 20 to 60 %, the paper's subset; reads every class map until *limit* images are kept.
        """
        if stuff_maps is None and annotations is None:
            raise DatasetError(
                "dataset coco-stuff: needs stuff_maps or annotations, one of them holds the classes"
            )
        self._images = existing_directory(images, self.name)
        self._maps = None if stuff_maps is None else existing_directory(stuff_maps, self.name)
        self._annotations = annotations
        files = {path.stem: path for path in image_files(images, self.name)}
        with_classes = (
            {path.stem for path in self._maps.glob("*.png")} if self._maps else set(self._image_ids)
        )
        self._files = files
        candidates = sorted(files.keys() & with_classes)
        self._names = kept_by_area(candidates, area, self._class_map, self.class_names, limit, self.name)

    def __len__(self) -> int:
        return len(self._names)

    def image(self, index: int) -> DatasetImage:
        """Return photograph *index*."""
        name = self._names[checked_index(index, len(self))]
        return loaded(self._files[name], name, self._class_map(name), self.class_names)

    def _class_map(self, name: str) -> NDArray[np.uint8]:
        if self._maps is None:
            return self._drawn(name)
        values = read_class_map(self._maps / f"{name}.png").astype(np.int32)
        return CLASS_OF_ID[np.where(values == UNLABELLED, 0, values + 1)]

    @cached_property
    def _opened(self) -> tuple[Any, dict[int, int]]:
        assert self._annotations is not None
        return open_annotations(self._annotations, self.class_names)

    @cached_property
    def _image_ids(self) -> dict[str, int]:
        return {Path(entry["file_name"]).stem: identity for identity, entry in self._opened[0].imgs.items()}

    def _drawn(self, name: str) -> NDArray[np.uint8]:
        coco, classes = self._opened
        identity = self._image_ids[name]
        entry = coco.imgs[identity]
        class_map = np.full((entry["height"], entry["width"]), UNLABELLED, dtype=np.uint8)
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[identity]))
        for annotation in sorted(annotations, key=lambda item: -item["area"]):
            try:
                drawn = coco.annToMask(annotation)
            except Exception as error:  # pycocotools' own, of run lengths that do not decode
                raise DatasetError(
                    f"{self._annotations}: annotation {annotation['id']}: {first_line(error)}"
                ) from None
            class_map[drawn > 0] = classes[annotation["category_id"]]
        return class_map
