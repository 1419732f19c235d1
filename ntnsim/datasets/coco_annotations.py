"""COCO's instance annotations, checked when they are opened: pycocotools trusts every number in them.

Categories are known by their names, not by their numbers, which tools that write such files choose anew.
"""

import contextlib
import io
import json
import math
from pathlib import Path
from typing import Any

from ntnsim.datasets.image_file import MAX_PIXELS
from ntnsim.errors import DatasetError, first_line, on_one_line

THINGS = {  # COCO's 80 classes by supercategory
    "person": "person",
    "vehicle": "bicycle, car, motorcycle, airplane, bus, train, truck, boat",
    "outdoor": "traffic light, fire hydrant, stop sign, parking meter, bench",
    "animal": "bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe",
    "accessory": "backpack, umbrella, handbag, tie, suitcase",
    "sports": "frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, "
    "tennis racket",
    "kitchen": "bottle, wine glass, cup, fork, knife, spoon, bowl",
    "food": "banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake",
    "furniture": "chair, couch, potted plant, bed, dining table, toilet",
    "electronic": "tv, laptop, mouse, remote, keyboard, cell phone",
    "appliance": "microwave, oven, toaster, sink, refrigerator",
    "indoor": "book, clock, vase, scissors, teddy bear, hair drier, toothbrush",
}
SUPERCATEGORY = {name: parent for parent, names in THINGS.items() for name in names.split(", ")}


def open_annotations(path: Path, class_names: tuple[str, ...]) -> tuple[Any, dict[int, int]]:
    """Return pycocotools' index of the file, and the index into *class_names* of each category id."""
    try:
        from pycocotools.coco import COCO
    except ImportError:
        raise DatasetError(
            "dataset coco-stuff: annotations need pycocotools, which is not installed (extra: coco)"
        ) from None
    if not path.is_file():
        raise DatasetError(f"{path}: the dataset coco-stuff needs this file; it does not exist")
    try:
        held = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not a readable annotation file ({first_line(error)})") from None
    for part in ("images", "annotations", "categories"):
        entries = held.get(part) if isinstance(held, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DatasetError(f"{path}: needs a list of objects called {part!r}")
    classes = _classes(held["categories"], class_names, path)
    sizes = _sizes(held["images"], path)
    _check_annotations(held["annotations"], sizes, classes, path)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        coco = COCO()
        coco.dataset = held
        coco.createIndex()
    return coco, classes


def _identities(entries: list[dict[str, Any]], part: str, path: Path) -> list[int]:
    found: set[int] = set()
    for number, entry in enumerate(entries):
        identity = entry.get("id")
        if not isinstance(identity, int) or isinstance(identity, bool) or identity in found:
            raise DatasetError(
                f"{path}: {part}[{number}]: id {on_one_line(str(identity), 40)} is no number, or stands twice"
            )
        found.add(identity)
    return [entry["id"] for entry in entries]


def _classes(entries: list[dict[str, Any]], class_names: tuple[str, ...], path: Path) -> dict[int, int]:
    classes = {}
    for identity, entry in zip(_identities(entries, "categories", path), entries, strict=True):
        name = str(entry.get("name", ""))
        parent = SUPERCATEGORY.get(name, str(entry.get("supercategory", "")))
        if parent not in class_names:
            raise DatasetError(
                f"{path}: category {identity} is {name[:40]!r}, which is neither one of COCO's 80 things nor of a "
                "supercategory of COCO-Stuff"
            )
        classes[identity] = class_names.index(parent)
    return classes


def _sizes(entries: list[dict[str, Any]], path: Path) -> dict[int, tuple[int, int]]:
    """Return (height, width) by image id."""
    sizes, stems = {}, set()
    for identity, entry in zip(_identities(entries, "images", path), entries, strict=True):
        height: Any = entry.get("height")
        width: Any = entry.get("width")
        name = entry.get("file_name")
        if not isinstance(name, str) or not name or (stem := Path(name).stem) in stems:
            raise DatasetError(
                f"{path}: image {identity}: file_name {str(name)[:60]!r} is no name, or stands twice"
            )
        stems.add(stem)
        if not _side(height) or not _side(width) or height * width > MAX_PIXELS:
            found = on_one_line(f"{width}x{height}", 40)
            raise DatasetError(f"{path}: image {identity}: {found} is no size of an image")
        sizes[identity] = (height, width)
    return sizes


def _check_annotations(
    entries: list[dict[str, Any]], sizes: dict[int, tuple[int, int]], classes: dict[int, int], path: Path
) -> None:
    for identity, entry in zip(_identities(entries, "annotations", path), entries, strict=True):
        where = f"{path}: annotation {identity}"
        for field, known in (("image_id", sizes), ("category_id", classes)):
            value = entry.get(field)
            if not isinstance(value, int) or value not in known:
                raise DatasetError(
                    f"{where}: {field} {on_one_line(str(value), 40)} is none that the file lists"
                )
        if not _finite(entry.get("area")) or entry["area"] < 0:
            raise DatasetError(
                f"{where}: area is {on_one_line(str(entry.get('area')), 40)}, not a number >= 0"
            )
        _check_outline(entry.get("segmentation"), sizes[entry["image_id"]], where)


def _check_outline(outline: Any, size: tuple[int, int], where: str) -> None:
    """Refuse what is neither polygons nor run lengths of the image's size."""
    if isinstance(outline, list):
        for polygon in outline:
            sound = isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
            if not sound or not all(_finite(value) for value in polygon):
                raise DatasetError(
                    f"{where}: a polygon is three pairs of numbers or more, got {on_one_line(str(polygon), 60)}"
                )
        if outline:
            return
    elif isinstance(outline, dict):
        if outline.get("size") != list(size):
            raise DatasetError(
                f"{where}: run lengths are of {on_one_line(str(outline.get('size')), 40)}, the image is {list(size)}"
            )
        counts = outline.get("counts")
        if isinstance(counts, str) and counts and all("0" <= char <= "o" for char in counts):
            return
        if isinstance(counts, list) and all(isinstance(run, int) and run >= 0 for run in counts):
            if sum(counts) == size[0] * size[1]:
                return
            raise DatasetError(
                f"{where}: run lengths add up to {sum(counts)}, the image has {size[0] * size[1]} pixels"
            )
    raise DatasetError(f"{where}: segmentation is {str(outline)[:40]!r}, not polygons or run lengths")


def _finite(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e9
        and not math.isnan(value)
    )


def _side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 20
