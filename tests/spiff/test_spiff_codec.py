"""Encoder and decoder together: what was received is where it belongs, exactly, for every kind of image."""

import io
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ntnsim.datasets.image_file import rgb_of_bytes
from ntnsim.errors import ImageError
from ntnsim.protocols.configuration import Configuration
from ntnsim.spiff.baselines import WholeImageCodec, decode_whole_image
from ntnsim.spiff.bitstream import Kind, read_stream
from ntnsim.spiff.box import boxes_mask, relevance_boxes
from ntnsim.spiff.codec import CaptionCodec, SpiffCodec, spiff_settings
from ntnsim.spiff.components import (
    COMPONENT_CODECS,
    GRAIN_FOLLOWS,
    Component,
    decode_component,
    encode_component,
    unpacked,
)
from ntnsim.spiff.decoder import decode_partial_image
from ntnsim.spiff.encoder import encode_image
from ntnsim.spiff.grain import decode_grain, with_grain
from ntnsim.spiff.resize import resized
from ntnsim.spiff.settings import SPIFF, SPIFF_PAPER, SpiffSettings, layer_quality


def random_image(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return smooth random colours [H, W, 3]: noise would cost codecs too much time."""
    coarse = rng.integers(0, 256, (max(2, shape[0] // 8), max(2, shape[1] // 8), 3)).astype(np.uint8)
    return np.array(Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def component_pixels(payload: bytes, kind: Kind, shape: tuple[int, int]) -> np.ndarray:
    """Decode a part's coded image by itself, past the stream's decoder; a crop's grain is added."""
    part = read_stream(payload).find(kind)
    code, offset, grain = part.payload[0], 1, b""
    if code & GRAIN_FOLLOWS:
        grain = part.payload[2 : 2 + part.payload[1]]
        code, offset = code - GRAIN_FOLLOWS, 2 + len(grain)
    pixels = decode_component(unpacked(part.payload[offset:], "part"), COMPONENT_CODECS[code], shape, "part")
    return with_grain(pixels, decode_grain(grain, shape, "part"), np.zeros(shape, bool)) if grain else pixels


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    n_ranks=st.integers(2, 4),
    growth=st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    fraction=st.sampled_from([0.0, 0.3, 1.0]),
    coarse=st.sampled_from([0.0, 0.2]),
    crop_fill=st.sampled_from(["box", "mask"]),
    selection=st.sampled_from(["random", "spread", "content"]),
    boxes=st.sampled_from(["union", "components"]),
    seed=st.integers(0, 50),
)
def test_round_trip_of_any_image_and_configuration(
    shape, n_ranks, growth, fraction, coarse, crop_fill, selection, boxes, seed
):
    rng = np.random.default_rng(seed)
    pixels = random_image(rng, shape)
    ranks = rng.integers(0, n_ranks, (-(-shape[0] // 9), -(-shape[1] // 9))).astype(np.uint8)
    ranks = ranks.repeat(9, 0)[: shape[0]].repeat(9, 1)[:, : shape[1]]
    codec = SpiffSettings(
        crop_fill=crop_fill, selection=selection, boxes=boxes, tile_px=8, crop=Component("webp", 80)
    )
    x = Configuration(growth, (fraction,) * (n_ranks - 1), coarse)
    encoded = encode_image(pixels, ranks, x, codec, n_ranks=n_ranks, seed=seed)
    assert sum(encoded.bits_per_rank) + encoded.overhead_bits == 8 * len(encoded.payload)
    received = decode_partial_image(encoded.payload)
    assert received.pixels.shape == pixels.shape
    assert received.known[ranks == n_ranks - 1].all()  # the top rank always travels
    if fraction == 1.0 or (growth == 1.0 and (ranks == n_ranks - 1).any()):
        assert received.known.all()
    if fraction == 0.0 and crop_fill == "box":
        top = relevance_boxes(ranks == n_ranks - 1, growth, boxes)
        assert np.array_equal(received.known, boxes_mask(top, shape))
    if coarse > 0 and not received.known.all():
        assert received.coarse is not None and received.coarse.shape == pixels.shape


def test_received_pixels_are_those_of_the_decoded_components(astronaut, astronaut_mask, plain_fill):
    codec = SpiffCodec("spiff", SPIFF, plain_fill, n_ranks=2)
    encoded = codec.encode(astronaut, astronaut_mask.astype(np.uint8), Configuration(0, (0.4,), 0.3), 11)
    image = codec.decode([encoded.payload], [1])[0]
    received = decode_partial_image(encoded.payload)
    assert np.array_equal(image[received.known], received.pixels[received.known])
    # The crop, decoded past the decoder, lies at the bounding box of the region (cells of 16 px).
    rows, columns = np.nonzero(astronaut_mask)
    top, left = rows.min() // 16 * 16, columns.min() // 16 * 16
    bottom, right = -(-(rows.max() + 1) // 16) * 16, -(-(columns.max() + 1) // 16) * 16
    crop = component_pixels(encoded.payload, Kind.CROP, (bottom - top, right - left))
    inside = astronaut_mask[top:bottom, left:right]
    assert np.array_equal(image[top:bottom, left:right][inside], crop[inside])
    assert np.abs(crop[inside].astype(int) - astronaut[top:bottom, left:right][inside]).mean() < 6


def test_rank_bits_are_those_of_their_own_grid(astronaut, astronaut_mask):
    ranks = np.zeros(astronaut_mask.shape, np.uint8)
    ranks[:, :60] = 1
    ranks[astronaut_mask] = 2
    sizes = []
    for fractions in ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5)):
        encoded = encode_image(astronaut, ranks, Configuration(0, fractions, 0), SPIFF, n_ranks=3, seed=1)
        sizes.append(encoded.bits_per_rank)
    assert sizes[0][0] == sizes[0][1] == sizes[1][1] == 0
    assert sizes[1][0] == sizes[2][0] > 0 and sizes[2][1] > 0
    assert sizes[0][2] == sizes[1][2] == sizes[2][2] > 0


def test_coarse_bits_are_shared_by_the_pixels_they_serve(astronaut):
    ranks = np.zeros(astronaut.shape[:2], np.uint8)
    ranks[:40] = 1  # a quarter of the 160 rows
    ranks[:2, :2] = 2
    encoded = encode_image(astronaut, ranks, Configuration(0, (0, 0), 0.4), SPIFF, n_ranks=3, seed=1)
    low, middle, _ = encoded.bits_per_rank
    assert middle / (low + middle) == pytest.approx((40 * 144 - 256) / (160 * 144 - 256), rel=1e-3)


def test_mask_shaped_crop_does_not_pay_for_background_in_the_box(astronaut, astronaut_mask):
    ranks = astronaut_mask.astype(np.uint8)
    x = Configuration(0, (0,), 0)
    # Small cells, as the image is small.
    shaped = encode_image(astronaut, ranks, x, spiff_settings("spiff", {"cell_px": 4}), n_ranks=2, seed=1)
    boxed = encode_image(
        astronaut, ranks, x, spiff_settings("spiff", {"crop_fill": "box"}), n_ranks=2, seed=1
    )
    # The ellipse fills π/4 of its box, and the box's corners are the plainer part.
    assert shaped.size_bits < 0.96 * boxed.size_bits


def test_larger_p_keeps_the_tiles_of_smaller_p(astronaut, astronaut_mask):
    ranks = astronaut_mask.astype(np.uint8)
    known = [
        decode_partial_image(
            encode_image(astronaut, ranks, Configuration(0, (p,), 0), SPIFF_PAPER, n_ranks=2, seed=5).payload
        ).known
        for p in (0.1, 0.3, 0.7)
    ]
    assert (known[0] <= known[1]).all() and (known[1] <= known[2]).all()


def test_paper_codec_sends_the_mask_and_no_coarse_layer(astronaut, astronaut_mask):
    payload = encode_image(
        astronaut, astronaut_mask.astype(np.uint8), Configuration(0.1, (0.2,)), SPIFF_PAPER, n_ranks=2, seed=1
    ).payload
    received = decode_partial_image(payload)
    assert np.array_equal(received.top, astronaut_mask)
    assert received.coarse is None
    coded = [part for part in read_stream(payload).parts if part.kind in (Kind.CROP, Kind.GRID)]
    assert [COMPONENT_CODECS[part.payload[0]] for part in coded] == ["jpeg", "jpeg"]


def test_image_without_top_rank_and_image_of_nothing_else(astronaut, plain_fill):
    codec = SpiffCodec("spiff", SPIFF, plain_fill, n_ranks=2)
    shape = astronaut.shape[:2]
    nothing = codec.encode(astronaut, np.zeros(shape, np.uint8), Configuration(0.5, (0.25,), 0.3), 1)
    assert nothing.bits_per_rank[1] == 0 and decode_partial_image(nothing.payload).known.mean() < 0.3
    everything = codec.encode(astronaut, np.ones(shape, np.uint8), Configuration(0, (0.25,), 0.3), 1)
    assert everything.bits_per_rank[0] == 0 and decode_partial_image(everything.payload).known.all()


@pytest.mark.parametrize(
    "kind", ["grey", "rgba", "palette", "cmyk", "rotated", "16 bit", "row", "column", "pixel"]
)
def test_any_kind_of_file_becomes_upright_rgb_and_round_trips(kind, astronaut, plain_fill):
    image = Image.fromarray(astronaut)
    shape = {"row": (1, 77), "column": (77, 1), "pixel": (1, 1)}.get(kind, (160, 144))
    exif = Image.Exif()
    if kind == "rotated":
        exif[0x0112] = 6  # the camera was held upright: turn clockwise
        shape = (144, 160)
    converted = {
        "grey": lambda: image.convert("L"),
        "rgba": lambda: image.convert("RGBA"),
        "palette": lambda: image.convert("P"),
        "cmyk": lambda: image.convert("CMYK"),
        "16 bit": lambda: Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257),
    }.get(kind, lambda: image.resize((shape[1], shape[0])) if kind != "rotated" else image)()
    buffer = io.BytesIO()
    suffix = {"cmyk": "TIFF", "rotated": "JPEG"}.get(kind, "PNG")
    converted.save(buffer, suffix, **({"exif": exif, "quality": 95} if kind == "rotated" else {}))
    pixels = rgb_of_bytes(buffer.getvalue(), kind)
    assert pixels.shape == (*shape, 3)
    if kind == "rotated":
        assert np.abs(pixels.astype(int) - np.rot90(astronaut, -1)).mean() < 4
    if kind in ("grey", "16 bit"):
        grey = np.asarray(image.convert("L"))
        assert np.array_equal(pixels[..., 0], grey) and np.array_equal(pixels[..., 2], grey)
    ranks = np.zeros(shape, np.uint8)
    ranks[: -(-shape[0] // 2), : -(-shape[1] // 2)] = 1
    codec = SpiffCodec("spiff", SPIFF, plain_fill, n_ranks=2)
    encoded = codec.encode(pixels, ranks, Configuration(0, (0.5,), 0.5), 1)
    decoded = codec.decode([encoded.payload], [1])[0]
    assert decoded.shape == pixels.shape
    # A palette's dithering is noise, which no codec keeps.
    assert np.abs(decoded[ranks == 1].astype(int) - pixels[ranks == 1]).mean() < (
        20 if kind == "palette" else 8
    )


def test_transparency_is_laid_over_white():
    layer = np.zeros((4, 4, 4), np.uint8)
    layer[:2, :, 3] = 255
    buffer = io.BytesIO()
    Image.fromarray(layer).save(buffer, "PNG")
    pixels = rgb_of_bytes(buffer.getvalue(), "layer")
    assert (pixels[:2] == 0).all() and (pixels[2:] == 255).all()


def test_twelve_megapixels_round_trip():
    rows, columns = np.mgrid[0:3000, 0:4000]
    pixels = np.stack([rows // 12, columns // 16, (rows + columns) // 28], axis=2).astype(np.uint8)
    ranks = np.zeros((3000, 4000), np.uint8)
    ranks[1001:1999, 1503:2777] = 1
    started = time.process_time()
    encoded = encode_image(pixels, ranks, Configuration(0, (0.01,), 0.2), SPIFF, n_ranks=2, seed=1)
    received = decode_partial_image(encoded.payload)
    assert time.process_time() - started < 20
    error = np.abs(received.pixels[ranks == 1].astype(int) - pixels[ranks == 1])
    assert received.known[ranks == 1].all() and error.mean() < 3


def test_same_seed_gives_the_same_bytes_and_another_seed_other_tiles(astronaut, astronaut_mask):
    ranks = astronaut_mask.astype(np.uint8)
    x = Configuration(0, (0.3,), 0.2)
    streams = [encode_image(astronaut, ranks, x, SPIFF, n_ranks=2, seed=seed).payload for seed in (1, 1, 2)]
    assert streams[0] == streams[1] != streams[2]


@given(st.floats(0.001, 1), st.floats(0.001, 1))
def test_the_layers_quality_grows_with_q(first, second):
    low, high = sorted([first, second])
    assert layer_quality(low) <= layer_quality(high)


def test_a_coarse_layer_at_half_scale_is_the_resized_picture_coded_small(astronaut, astronaut_mask):
    """With nothing but a coarse layer, what a decoder without networks shows is the small file, enlarged."""
    ranks = np.zeros(astronaut_mask.shape, np.uint8)
    settings = replace(SPIFF, coarse_scale=8, sends_grain=False)
    coded = encode_image(astronaut, ranks, Configuration(0, (0.0,), 0.5), settings, n_ranks=2, seed=1)
    height, width = ranks.shape
    small = resized(astronaut, (round(height / 2), round(width / 2)))
    data = encode_component(small, replace(SPIFF.coarse, quality=layer_quality(0.5)))
    expected = resized(decode_component(data, "avif", small.shape[:2], "coarse"), (height, width))
    assert np.array_equal(decode_partial_image(coded.payload).coarse, expected)
    whole = encode_image(astronaut, ranks, Configuration(0, (0.0,), 0.5), SPIFF, n_ranks=2, seed=1)
    assert coded.size_bits < whole.size_bits
    with pytest.raises(ImageError, match="coarse_scale must be in 1 to 16, got 17"):
        replace(SPIFF, coarse_scale=17)


def test_small_layers_go_over_into_full_ones_without_a_step(astronaut, astronaut_mask):
    """Around the q where layers change their size, bits and the error at them go on as they went below and above."""
    ranks, settings = astronaut_mask.astype(np.uint8), replace(SPIFF, small_below=0.4)

    def layer(q: float) -> tuple[int, float]:
        coded = encode_image(astronaut, ranks, Configuration(0.0, (0.0,), q), settings, n_ranks=2, seed=1)
        received = decode_partial_image(coded.payload)
        error = (received.coarse.astype(float) - astronaut)[~received.known]
        return coded.bits_per_rank[0], float((error**2).mean())

    found = [layer(q) for q in (0.1, 0.2, 0.3, 0.38, 0.42, 0.5, 0.6)]
    bits, errors = [size for size, _ in found], [error for _, error in found]
    assert bits == sorted(bits) and errors == sorted(errors, reverse=True)
    assert bits[4] < 1.25 * bits[3]
    with pytest.raises(ImageError, match=r"small_below must be in \[0, 1\], got 2"):
        replace(SPIFF, small_below=2)


@pytest.mark.parametrize("name", COMPONENT_CODECS)
def test_whole_image_codec_round_trips_and_divides_its_bits_by_pixels(name, astronaut, astronaut_mask):
    codec = WholeImageCodec(Component(name, 75), n_ranks=2)
    encoded = codec.encode(astronaut, astronaut_mask.astype(np.uint8), Configuration(0, (0,)), 1)
    assert encoded.overhead_bits == 0
    assert encoded.bits_per_rank[1] / encoded.size_bits == pytest.approx(astronaut_mask.mean(), abs=1e-3)
    decoded = codec.decode([encoded.payload], [1])[0]
    assert np.abs(decoded.astype(int) - astronaut).mean() < 6
    assert np.array_equal(decode_whole_image(encoded.payload), decoded)


def test_caption_codec_sends_words_only(astronaut, plain_fill):
    class Namer:
        def captions(self, images):
            return ["an astronaut in an orange suit"] * len(images)

    codec = CaptionCodec(Namer(), plain_fill, n_ranks=2)
    encoded = codec.encode(astronaut, np.zeros((160, 144), np.uint8), Configuration(0, (0,)), 1)
    assert encoded.size_bits < 8 * 80 and encoded.overhead_bits == encoded.size_bits
    assert decode_partial_image(encoded.payload).caption == "an astronaut in an orange suit"
    assert codec.decode([encoded.payload], [1])[0].shape == astronaut.shape


def test_components_carry_no_metadata_and_do_not_depend_on_threads(astronaut):
    for name in COMPONENT_CODECS:
        first = encode_component(astronaut, Component(name, 60))
        assert first == encode_component(astronaut, Component(name, 60))
        assert b"Exif" not in first and b"http" not in first and b"ICC" not in first


def test_settings_and_images_out_of_range_are_named(astronaut):
    with pytest.raises(ImageError, match=r"component quality must be in 1 to 100, got 0"):
        Component("avif", 0)
    with pytest.raises(ImageError, match=r"component codec 'bmp' is unknown"):
        Component("bmp", 50)
    with pytest.raises(ImageError, match=r"tile_px must be in 4 to 256, got 2"):
        SpiffSettings(tile_px=2)
    with pytest.raises(ImageError, match=r"nothing\.jpg: not a readable image"):
        rgb_of_bytes(b"nothing", "nothing.jpg")
    with pytest.raises(ValueError, match=r"3 ranks need 2 patch fractions, got 1"):
        encode_image(
            astronaut, np.zeros((160, 144), np.uint8), Configuration(0, (0,)), SPIFF, n_ranks=3, seed=1
        )
    tall = np.zeros((70_000, 1, 3), np.uint8)
    with pytest.raises(ImageError, match=r"the image is 1x70000; a SPIFF stream carries sides up to 65535"):
        encode_image(tall, np.zeros((70_000, 1), np.uint8), Configuration(0, (0,)), SPIFF, n_ranks=2, seed=1)
