"""Loaders, on small directories made in each dataset's exact layout."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from ntnsim.datasets.coco_stuff import CLASS_NAMES, CLASS_OF_ID, CocoStuffDataset
from ntnsim.datasets.dataset import Dataset
from ntnsim.datasets.files import AreaRange
from ntnsim.datasets.folder import FolderDataset
from ntnsim.datasets.mastr1325 import Mastr1325Dataset
from ntnsim.datasets.open_dataset import open_dataset
from ntnsim.datasets.persons import PersonsDataset
from ntnsim.errors import DatasetError, ImageError
from ntnsim.scenario.dataset import AerialDatasetSpec, PersonsDatasetSpec, SamplesDatasetSpec


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path)


def photograph(path, shape=(12, 16)):
    save(path, np.full((*shape, 3), 90))


def share_map(share, value, other=0, shape=(12, 16)):
    """A class map whose first *share* of rows holds *value*."""
    values = np.full(shape, other, np.uint8)
    values[: round(share * shape[0])] = value
    return values


def test_folder_lists_images_below_it_by_path(tmp_path):
    for name in ("b.jpg", "a/z.png", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x") if name.endswith("txt") else photograph(tmp_path / name)
    dataset = FolderDataset(tmp_path)
    assert isinstance(dataset, Dataset)
    assert [dataset.image(i).name for i in range(len(dataset))] == ["a/z.png", "b.jpg"]
    first = dataset.image(0)
    assert first.class_map is None and first.pixels.shape == (12, 16, 3)
    assert first.source_bytes == (tmp_path / "a/z.png").read_bytes()
    assert first.source_bits == 8 * len(first.source_bytes)
    with pytest.raises(IndexError, match="index must be in 0 to 1, got 2"):
        dataset.image(2)


def test_folder_reads_masks_of_the_same_name(tmp_path):
    photograph(tmp_path / "images/a.jpg")
    save(tmp_path / "masks/a.png", share_map(0.5, 200))
    image = FolderDataset(tmp_path / "images", tmp_path / "masks").image(0)
    assert image.class_names[1] == "marked" and image.class_map.mean() == 0.5
    photograph(tmp_path / "images/b.jpg")
    with pytest.raises(DatasetError, match=r"b\.png: the mask of b\.jpg does not exist"):
        FolderDataset(tmp_path / "images", tmp_path / "masks").image(1)


def persons_directory(root):
    rows = []
    shares = {"train/1.jpg": 0.25, "val/2.jpg": 0.5, "val/3.jpg": 0.75, "val/4.jpg": 0.5}
    for index, (name, share) in enumerate(shares.items()):
        photograph(root / name)
        save((root / name).with_suffix(".png"), share_map(share, 1))
        origin = "COCO 2017 (instances)" if index < 3 else "PASCAL VOC"
        rows.append({"file": name, "split": name.split("/")[0], "dataset": origin, "person_fraction": share})
    with (root / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return root


def test_persons_are_filtered_by_split_origin_and_area(tmp_path):
    root = persons_directory(tmp_path)

    def names(**options):
        dataset = PersonsDataset(root, **options)
        return [dataset.image(i).name for i in range(len(dataset))]

    assert names() == ["val/2.jpg", "val/3.jpg", "val/4.jpg"]
    assert names(split="all", only_coco=True) == ["train/1.jpg", "val/2.jpg", "val/3.jpg"]
    assert names(area=AreaRange("person", 0.2, 0.6)) == ["val/2.jpg", "val/4.jpg"]
    assert names(limit=1) == ["val/2.jpg"]
    image = PersonsDataset(root).image(0)
    assert image.class_names == ("other", "person") and image.class_map.mean() == 0.5
    with pytest.raises(DatasetError, match=r"none of its 4 rows is one of split train that the filters keep"):
        PersonsDataset(root, "train", area=AreaRange("person", 0.9, 1))


@pytest.mark.parametrize(
    ("category_id", "supercategory"),
    [
        (1, "person"),
        (3, "vehicle"),
        (62, "furniture"),
        (90, "indoor"),
        (92, "textile"),
        (148, "water"),
        (182, "solid"),
    ],
)
def test_coco_category_ids_belong_to_their_supercategories(category_id, supercategory):
    assert CLASS_NAMES[CLASS_OF_ID[category_id]] == supercategory


def test_coco_stuff_has_80_things_and_91_stuff_classes():
    assert (CLASS_OF_ID[1:92] != 255).sum() == 80
    assert (CLASS_OF_ID[92:183] != 255).sum() == 91


def test_coco_stuff_maps_hold_the_category_id_minus_one(tmp_path):
    for name, share in (("000000000001", 0.25), ("000000000002", 0.75)):
        photograph(tmp_path / f"images/{name}.jpg")
        values = share_map(share, 0, other=156)  # person, and sky-other (157)
        values[-1] = 255
        save(tmp_path / f"maps/{name}.png", values)
    photograph(tmp_path / "images/000000000003.jpg")  # has no map
    dataset = CocoStuffDataset(tmp_path / "images", tmp_path / "maps")
    assert len(dataset) == 2
    class_map = dataset.image(0).class_map
    assert [CLASS_NAMES[class_map[0, 0]], CLASS_NAMES[class_map[5, 0]], class_map[-1, 0]] == [
        "person",
        "sky",
        255,
    ]
    filtered = CocoStuffDataset(tmp_path / "images", tmp_path / "maps", area=AreaRange("person", 0.2, 0.6))
    assert [filtered.image(i).name for i in range(len(filtered))] == ["000000000001"]


def test_coco_annotations_are_drawn_smaller_things_last(tmp_path):
    pytest.importorskip("pycocotools")
    photograph(tmp_path / "images/7.jpg")

    def box(left, top, right, bottom):
        return [[left, top, right, top, right, bottom, left, bottom]]

    annotations = [
        {"id": 1, "image_id": 7, "category_id": 1, "iscrowd": 0, "area": 6, "segmentation": box(2, 2, 5, 4)},
        {
            "id": 2,
            "image_id": 7,
            "category_id": 3,
            "iscrowd": 0,
            "area": 96,
            "segmentation": box(0, 0, 8, 12),
        },
    ]
    (tmp_path / "instances.json").write_text(
        json.dumps(
            {
                "images": [{"id": 7, "file_name": "7.jpg", "height": 12, "width": 16}],
                "annotations": annotations,
                "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
            }
        )
    )
    image = CocoStuffDataset(tmp_path / "images", annotations=tmp_path / "instances.json").image(0)
    assert CLASS_NAMES[image.class_map[3, 3]] == "person"  # drawn over the car
    assert CLASS_NAMES[image.class_map[10, 3]] == "vehicle"
    assert image.class_map[3, 14] == 255


def test_mastr1325_pairs_images_with_masks(tmp_path):
    for name in ("0001", "0002"):
        photograph(tmp_path / f"images/{name}.jpg")
    save(tmp_path / "masks/0001m.png", share_map(0.5, 2, other=1))
    dataset = Mastr1325Dataset(tmp_path / "images", tmp_path / "masks")
    assert len(dataset) == 1
    image = dataset.image(0)
    assert [image.class_names[image.class_map[row, 0]] for row in (0, 11)] == ["sky", "water"]
    with pytest.raises(DatasetError, match=r"holds no mask NNNNm\.png"):
        Mastr1325Dataset(tmp_path / "images", tmp_path / "images")


@pytest.mark.parametrize("coloured", [True, False])
def test_aerial_masks_are_colours_or_indices(tmp_path, coloured):
    photograph(tmp_path / "images/a.jpg")
    if coloured:
        (tmp_path / "classes.csv").write_text("name,r,g,b\nroad,10,20,30\nroof,40,50,60\n")
        colours = np.zeros((12, 16, 3), np.uint8)
        colours[:6], colours[6:9] = (10, 20, 30), (40, 50, 60)
        save(tmp_path / "masks/a.png", colours)
    else:
        (tmp_path / "classes.csv").write_text("index,name\n2,roof\n0,road\n")
        values = share_map(0.5, 0, other=2)
        values[9:] = 255
        save(tmp_path / "masks/a.png", values)
    image = open_dataset(AerialDatasetSpec(kind="aerial", path=str(tmp_path))).image(0)
    assert [image.class_names[image.class_map[row, 0]] for row in (0, 7)] == ["road", "roof"]
    assert image.class_map[11, 0] == 255


def test_class_map_of_another_size_or_depth_is_refused(tmp_path):
    root = persons_directory(tmp_path)
    save(root / "val/2.png", share_map(0.5, 1, shape=(5, 5)))
    with pytest.raises(DatasetError, match=r"2\.jpg: the image is 16x12, its class map 5x5"):
        PersonsDataset(root).image(0)
    save(root / "val/2.png", np.zeros((12, 16, 3)))
    with pytest.raises(DatasetError, match=r"a class map has one 8-bit channel"):
        PersonsDataset(root).image(0)


def test_missing_and_empty_directories_are_named(tmp_path):
    with pytest.raises(
        DatasetError, match=r"nowhere: the dataset folder needs this directory; it does not exist"
    ):
        FolderDataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"holds no image; allowed are \.jpg"):
        FolderDataset(tmp_path)
    with pytest.raises(DatasetError, match=r"index\.csv: the dataset persons needs this file"):
        PersonsDataset(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"broken\.jpg: not a readable image"):
        FolderDataset(tmp_path).image(0)


def test_scenario_entries_open_their_datasets(tmp_path):
    persons_directory(tmp_path / "people")
    wanted = PersonsDatasetSpec(kind="persons", path=tmp_path / "people")
    dataset = open_dataset(wanted)
    assert [dataset.image(i).name for i in range(len(dataset))] == ["val/2.jpg", "val/4.jpg"]  # 20 to 60 %
    assert len(open_dataset(SamplesDatasetSpec(count=3))) == 3
