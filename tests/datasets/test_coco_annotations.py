"""Annotation files: categories by name, and every fault one line when the file is opened."""

import copy
import json

import numpy as np
import pytest
from PIL import Image

from ntnsim.datasets.coco_annotations import SUPERCATEGORY
from ntnsim.datasets.coco_stuff import CLASS_NAMES, CLASS_OF_ID, CocoStuffDataset
from ntnsim.errors import DatasetError

pytest.importorskip("pycocotools")
BOX = [[0, 0, 8, 0, 8, 12, 0, 12]]
FILE = {
    "images": [{"id": 7, "file_name": "7.jpg", "height": 12, "width": 16}],
    # The numbers are another tool's: 2 is COCO's bicycle.
    "categories": [{"id": 2, "name": "person"}, {"id": 1, "name": "sky-other", "supercategory": "sky"}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 2, "area": 96, "segmentation": BOX}],
}


def opened(tmp_path, held):
    (tmp_path / "images").mkdir(exist_ok=True)
    Image.fromarray(np.full((12, 16, 3), 90, np.uint8)).save(tmp_path / "images/7.jpg")
    path = tmp_path / "instances.json"
    path.write_text(held if isinstance(held, str) else json.dumps(held))
    return CocoStuffDataset(tmp_path / "images", annotations=path)


def test_coco_names_eighty_things():
    assert len(SUPERCATEGORY) == 80 == (CLASS_OF_ID[1:92] != 255).sum()
    for parent in set(SUPERCATEGORY.values()):
        by_number = (CLASS_OF_ID[1:92] == CLASS_NAMES.index(parent)).sum()
        assert by_number == list(SUPERCATEGORY.values()).count(parent), parent


def test_categories_are_known_by_name(tmp_path):
    class_map = opened(tmp_path, FILE).image(0).class_map
    assert CLASS_NAMES[class_map[3, 3]] == "person"
    assert class_map[3, 12] == 255


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("categories",), None, "needs a list of objects called 'categories'"),
        (("categories", 0, "name"), "dragon", "category 2 is 'dragon', which is neither"),
        (("categories", 1, "id"), 2, r"categories\[1\]: id 2 is no number, or stands twice"),
        (("images", 0, "height"), 0, "image 7: 16x0 is no size of an image"),
        (("images", 0, "width"), 10**9, "image 7: 1000000000x12 is no size"),
        (("images", 0, "file_name"), None, "image 7: file_name 'None' is no name"),
        (("annotations", 0, "image_id"), 8, "annotation 1: image_id 8 is none that the file lists"),
        (("annotations", 0, "category_id"), 90, "annotation 1: category_id 90 is none that the file lists"),
        (("annotations", 0, "area"), "big", "annotation 1: area is big, not a number"),
        (("annotations", 0, "area"), float("nan"), "annotation 1: area is nan"),
        (("annotations", 0, "segmentation"), [], r"annotation 1: segmentation is '\[\]', not polygons"),
        (("annotations", 0, "segmentation"), [[0, 0, 1, 1]], "annotation 1: a polygon is three pairs"),
        (("annotations", 0, "segmentation"), [[0, 0, 1, 1, 2]], "annotation 1: a polygon is three pairs"),
        (
            ("annotations", 0, "segmentation"),
            [[0, 0, 1, 1, 2, None]],
            "annotation 1: a polygon is three pairs",
        ),
        (("annotations", 0, "segmentation"), {"size": [1, 1], "counts": [1]}, r"run lengths are of \[1, 1\]"),
        (
            ("annotations", 0, "segmentation"),
            {"size": [12, 16], "counts": [5]},
            "run lengths add up to 5, the image",
        ),
        (("annotations", 0, "segmentation"), "all", "segmentation is 'all'"),
    ],
)
def test_a_fault_is_one_line_at_load(tmp_path, path, value, message):
    held = copy.deepcopy(FILE)
    node = held
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(DatasetError, match=rf"instances\.json: .*{message}") as caught:
        opened(tmp_path, held)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000, '{"images": [1]}'])
def test_files_that_hold_no_annotations_are_refused(tmp_path, text):
    with pytest.raises(DatasetError, match=r"instances\.json: "):
        opened(tmp_path, text)
