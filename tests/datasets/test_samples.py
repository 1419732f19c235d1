"""Sample captures: deterministic, of the asked size, and photographs rather than noise."""

import io

import numpy as np
import pytest
from PIL import Image

from ntnsim.datasets.samples import SampleCaptures


def test_captures_repeat_to_the_byte_and_differ_from_each_other():
    first, again = SampleCaptures(9, 96, 64), SampleCaptures(9, 96, 64)
    data = [first.image(index).source_bytes for index in range(9)]
    assert data == [again.image(index).source_bytes for index in range(9)]
    assert len(set(data)) == 9


def test_framing_does_not_depend_on_how_many_captures_there_are():
    assert SampleCaptures(3, 96, 64).image(2).source_bytes == SampleCaptures(20, 96, 64).image(2).source_bytes


@pytest.mark.parametrize(("width_px", "height_px"), [(96, 64), (64, 96), (33, 47), (1, 1)])
def test_capture_has_the_asked_size_and_is_a_jpeg_of_it(width_px, height_px):
    image = SampleCaptures(1, width_px, height_px).image(0)
    assert image.pixels.shape == (height_px, width_px, 3)
    assert Image.open(io.BytesIO(image.source_bytes)).format == "JPEG"


def test_captures_look_like_photographs():
    # Neighbouring pixels of a photograph are alike; of noise they are not.
    pixels = SampleCaptures(1).image(0).pixels.astype(float).mean(axis=2)
    assert np.corrcoef(pixels[:, 1:].ravel(), pixels[:, :-1].ravel())[0, 1] > 0.9


@pytest.mark.parametrize(
    ("name", "value"), [("count", 0), ("width_px", 0), ("height_px", -1), ("other_every", -1)]
)
def test_wrong_numbers_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be >= [01], got {value}"):
        SampleCaptures(**{name: value})


def test_index_out_of_range_is_an_error():
    with pytest.raises(IndexError, match=r"index must be in \[0, 5\), got 5"):
        SampleCaptures(5).image(5)
