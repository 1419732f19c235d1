"""Masks from any tool: right by the stated rule, or refused."""

import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from ntnsim.datasets.files import image_files, loaded, read_class_map
from ntnsim.datasets.folder import FolderDataset
from ntnsim.datasets.mask_file import read_mask
from ntnsim.errors import DatasetError, ImageError

SHAPE = (4, 6)
MARKED = np.zeros(SHAPE, bool)
MARKED[:2, :3] = True


def saved(tmp_path, image, name="mask.png", **options):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def palette_mask(colours):
    image = Image.new("P", SHAPE[::-1])
    image.putdata(MARKED.astype(np.uint8).ravel().tolist())
    image.putpalette([part for colour in colours for part in colour])
    return image


def alpha_mask():
    pixels = np.zeros((*SHAPE, 4), np.uint8)
    pixels[..., 3] = np.where(MARKED, 255, 0)
    return Image.fromarray(pixels)


CASES = {
    "grey": (
        Image.fromarray(MARKED.astype(np.uint8)),
        {"nonzero": True, "index": True, "palette": None, "alpha": None},
    ),
    "bits": (Image.fromarray(MARKED), {"nonzero": True, "index": True, "palette": None, "alpha": None}),
    "ids": (
        Image.fromarray((MARKED * 40_000).astype(np.uint16)),
        {"nonzero": True, "index": True, "palette": None, "alpha": None},
    ),
    "colours": (
        Image.fromarray(np.repeat(MARKED[..., None] * np.uint8(9), 3, axis=2)),
        {"nonzero": True, "index": None, "palette": None, "alpha": None},
    ),
    # Number 0 is red and number 1 black: numbers and colours mark opposite pixels.
    "palette": (
        palette_mask([(255, 0, 0), (0, 0, 0)]),
        {"nonzero": None, "index": True, "palette": False, "alpha": None},
    ),
    "alpha": (alpha_mask(), {"nonzero": None, "index": None, "palette": None, "alpha": True}),
}


@pytest.mark.parametrize("kind", ["nonzero", "index", "palette", "alpha"])
@pytest.mark.parametrize("case", sorted(CASES))
def test_each_rule_marks_what_it_says_or_refuses(tmp_path, case, kind):
    image, expected = CASES[case]
    path = saved(tmp_path, image)
    if expected[kind] is None:
        with pytest.raises(
            ImageError, match=f"mask.kind {kind} does not say what is marked in a file of mode"
        ):
            read_mask(path, SHAPE, kind)
    else:
        assert np.array_equal(read_mask(path, SHAPE, kind), expected[kind] == MARKED)


def test_a_mask_with_a_lossy_codec_or_another_size_is_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(MARKED.astype(np.uint8) * 255), "mask.jpg")
    with pytest.raises(ImageError, match="a mask is a JPEG file, whose noise would mark pixels"):
        read_mask(path, SHAPE)
    path = saved(tmp_path, Image.fromarray(MARKED.astype(np.uint8)))
    with pytest.raises(ImageError, match="the mask is 6x4 and must be as large as the image, 7x4"):
        read_mask(path, (4, 7))


def grey_png(values, depth):
    """A grey PNG of *depth* bits written by hand, after the specification."""
    rows = b""
    for row in values:
        bits = "".join(format(value, f"0{depth}b") for value in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", len(values[0]), len(values), depth, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_class_maps_of_few_bits_keep_their_numbers(tmp_path, depth):
    values = [[column % (1 << depth) for column in range(5)], [0, 1, 1, 0, 1]]
    (tmp_path / "map.png").write_bytes(grey_png(values, depth))
    assert read_class_map(tmp_path / "map.png").tolist() == values


def test_class_maps_of_sixteen_bits_are_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.full(SHAPE, 300, np.uint16)))
    with pytest.raises(DatasetError, match="a class map has one 8-bit channel"):
        read_class_map(path)


def photograph(path, size=(6, 4), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "grey").save(path, **options)


def test_masks_are_never_photographs(tmp_path):
    photograph(tmp_path / "a.jpg")
    photograph(tmp_path / "sub/a.jpg")
    saved(tmp_path, Image.fromarray(MARKED.astype(np.uint8)), "masks/a.png")
    saved(tmp_path, Image.fromarray((~MARKED).astype(np.uint8)), "masks/sub/a.png")
    dataset = FolderDataset(tmp_path, tmp_path / "masks")
    images = [dataset.image(index) for index in range(len(dataset))]
    assert [image.name for image in images] == ["a.jpg", "sub/a.jpg"]
    assert [image.class_map.mean() for image in images] == [0.25, 0.75]
    (tmp_path / "masks/sub/a.png").unlink()
    with pytest.raises(DatasetError, match="other images are called so"):
        dataset.image(1)


def test_masks_beside_their_photographs(tmp_path):
    photograph(tmp_path / "a.jpg")
    saved(tmp_path, Image.fromarray(MARKED.astype(np.uint8)), "a.png")
    dataset = FolderDataset(tmp_path, tmp_path)
    assert len(dataset) == 1 and dataset.image(0).class_map.mean() == 0.25


def test_what_is_left_out_of_a_folder_is_told(tmp_path):
    for name in ("x.heic", "y.HEIC", "z.jp2", "w.gif"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"holds no image but 1 .gif, 2 .heic, 1 .jp2; allowed are .jpg"):
        image_files(tmp_path, "folder")
    photograph(tmp_path / "a.jfif", format="JPEG")
    (tmp_path / "._a.jfif").write_bytes(b"Mac OS X")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [path.name for path in image_files(tmp_path, "folder")] == ["a.jfif"]
    told = [str(warning.message) for warning in caught]
    assert "images that are not read: 1 .gif, 2 .heic, 1 .jp2" in told[0]
    assert "1 files named ._… left out" in told[1]


@pytest.mark.parametrize(
    ("turned", "size", "refused"),
    [(1, (6, 4), False), (3, (6, 4), True), (2, (6, 4), True), (6, (4, 6), False), (6, (6, 6), True)],
)
def test_a_map_that_fits_a_turned_photograph_both_ways_is_refused(tmp_path, turned, size, refused):
    exif = Image.Exif()
    exif[0x0112] = turned
    photograph(tmp_path / "a.jpg", size, exif=exif)
    upright = size[::-1] if turned > 4 else size
    class_map = np.zeros(upright[::-1], np.uint8)
    if refused:
        with pytest.raises(
            DatasetError, match=f"EXIF orientation {turned}, and its class map fits turned and"
        ):
            loaded(tmp_path / "a.jpg", "a", class_map, ("other",))
    else:
        assert loaded(tmp_path / "a.jpg", "a", class_map, ("other",)).pixels.shape[:2] == class_map.shape
