"""Colours and greys of image files, against the colour spaces' definitions and tifffile's writer."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from ntnsim.datasets import image_file
from ntnsim.datasets.image_file import rgb_of_bytes
from ntnsim.errors import ImageError
from ntnsim.spiff.components import Component, encode_component

# Primaries adapted to D50, one column each: Display P3 (SMPTE EG 432-1 with D65) and sRGB (IEC 61966-2-1).
P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
GAMMA = 2.2


def s15(value):
    return struct.pack(">i", round(value * 65_536))


def profile(primaries, description=b"Wide"):
    """A matrix profile, ICC.1:2001-04: header, tag table, tags."""
    text = b"desc" + bytes(4) + struct.pack(">I", len(description) + 1) + description + bytes(1 + 8 + 3 + 67)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(GAMMA * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + s15(0.9642) + s15(1.0) + s15(0.8249)
    tags = {b"desc": text, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": white}
    for letter, column in zip(b"rgb", primaries.T, strict=True):
        tags[bytes([letter]) + b"XYZ"] = b"XYZ " + bytes(4) + b"".join(map(s15, column))
        tags[bytes([letter]) + b"TRC"] = curve
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    size = offset + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ") + bytes(12)
    head += b"acsp" + bytes(28) + s15(0.9642) + s15(1.0) + s15(0.8249)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + body


def png(colour, icc):
    file = io.BytesIO()
    Image.new("RGB", (2, 2), colour).save(file, "PNG", icc_profile=icc)
    return file.getvalue()


@pytest.mark.parametrize(
    "colour", [(110, 170, 100), (128, 128, 128), (200, 120, 90), (40, 60, 140), (255, 255, 255)]
)
def test_wide_colours_become_srgb_by_the_definition(colour):
    linear = np.linalg.solve(SRGB, P3 @ (np.array(colour) / 255) ** GAMMA)
    assert (linear > -1e-3).all() and (linear < 1.001).all(), "the test needs a colour that sRGB holds"
    linear = linear.clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    found = rgb_of_bytes(png(colour, profile(P3)), "wide.png")[0, 0]
    assert found == pytest.approx(255 * encoded, abs=1.5)


def test_a_profile_that_is_srgb_changes_nothing_and_a_broken_one_is_told():
    assert rgb_of_bytes(png((60, 170, 80), profile(P3, b"sRGB IEC61966-2.1")), "x")[0, 0].tolist() == [
        60,
        170,
        80,
    ]
    with pytest.warns(UserWarning, match=r"x: its colour profile is not usable .* taken as sRGB"):
        assert rgb_of_bytes(png((60, 170, 80), b"no profile"), "x")[0, 0].tolist() == [60, 170, 80]


def tiff(values, photometric):
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric=photometric)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_white_is_white_in_tiff(dtype, photometric):
    peak = np.iinfo(dtype).max
    values = np.array([[0, peak // 5, peak]], dtype)
    expected = np.array([0, 51, 255])
    found = rgb_of_bytes(tiff(values, photometric), "x.tif")[0, :, 0]
    assert found.tolist() == (255 - expected if photometric == "miniswhite" else expected).tolist()


@pytest.mark.parametrize(
    ("dtype", "kind"), [(np.float32, "floating-point numbers"), (np.int32, "32-bit numbers")]
)
def test_greys_without_a_white_are_refused(dtype, kind):
    with pytest.raises(ImageError, match=f"x.tif: holds {kind}, whose white no rule tells"):
        rgb_of_bytes(tiff(np.ones((3, 4), dtype), "minisblack"), "x.tif")


def test_the_stated_limit_of_pixels_is_the_one_that_holds(monkeypatch):
    assert image_file.MAX_PIXELS < 2 * Image.MAX_IMAGE_PIXELS  # Pillow's own, which would speak first
    file = io.BytesIO()
    Image.new("1", (8_193, 8_192)).save(file, "PNG")
    with pytest.raises(
        ImageError, match="8193x8192 is too large; allowed are sides up to 65535 and 67108864 pixels"
    ):
        rgb_of_bytes(file.getvalue(), "x.png")


def test_avif_that_nobody_can_decode_is_not_written():
    with pytest.raises(ImageError, match="32769x1 pixels as AVIF: sides up to 32768 can be decoded"):
        encode_component(np.zeros((1, 32_769, 3), np.uint8), Component("avif", 50))


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "WEBP"])
def test_a_file_of_several_pictures_is_refused(kind):
    first, second = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue"))
    stream = io.BytesIO()
    first.save(stream, kind, save_all=True, append_images=[second])
    with pytest.raises(ImageError, match="x: holds 2 pictures, and no rule tells which one is meant"):
        rgb_of_bytes(stream.getvalue(), "x")


def test_a_telephones_photograph_with_pictures_beside_it_is_read():
    first, second = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue"))
    stream = io.BytesIO()
    first.save(stream, "MPO", save_all=True, append_images=[second])
    assert rgb_of_bytes(stream.getvalue(), "x").shape == (16, 16, 3)
