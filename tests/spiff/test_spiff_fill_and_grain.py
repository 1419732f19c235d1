"""The encoder's flat fill and the decoder's grain."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from ntnsim.errors import CorruptStreamError
from ntnsim.fidelity.backends import StLpipsBackend
from ntnsim.networks.load import inpainter_named
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.inpainter import Canvas
from ntnsim.spiff.bitstream import Kind, read_stream, write_stream
from ntnsim.spiff.cheap_fill import cheap_fill
from ntnsim.spiff.codec import SpiffCodec
from ntnsim.spiff.components import GRAIN_FOLLOWS, Component, decode_component, encode_component
from ntnsim.spiff.decoder import decode_partial_image
from ntnsim.spiff.encoder import encode_image
from ntnsim.spiff.grain import (
    decode_grain,
    encode_grain,
    grain_strengths,
    with_grain,
)
from ntnsim.spiff.settings import SPIFF
from ntnsim.spiff.varint import varint


@pytest.mark.parametrize("shape", [(1, 1), (5, 50), (47, 33), (64, 64)])
def test_fill_leaves_carried_pixels_and_gives_the_rest_one_colour_near_their_mean(shape):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    carried = rng.random(shape) < 0.3
    carried[0, 0] = True
    filled = cheap_fill(pixels, carried)
    assert np.array_equal(filled[carried], pixels[carried])
    missing = filled[~carried]
    if len(missing):
        assert (missing == missing[0]).all()
        # A sixteenth of the carried pixels is looked at: six standard errors of a uniform byte's mean.
        sampled = max(1, int(carried[::4, ::4].sum()))
        assert np.abs(missing[0] - pixels[carried].mean(axis=0)).max() <= 6 * 74 / np.sqrt(sampled) + 0.5


def test_fill_of_everything_and_nothing():
    pixels = np.full((20, 20, 3), 7, np.uint8)
    assert np.array_equal(cheap_fill(pixels, np.ones((20, 20), bool)), pixels)
    assert (cheap_fill(pixels, np.zeros((20, 20), bool)) == 128).all()


def test_filled_crop_costs_less_than_the_whole_box(astronaut, astronaut_mask):
    component = Component("avif", 60)
    filled = encode_component(cheap_fill(astronaut, astronaut_mask), component)
    assert len(filled) < 0.75 * len(encode_component(astronaut, component))


@pytest.mark.parametrize("levels", [(0, 16), (3, 5)])  # the first is shorter in nibbles, the second deflated
@pytest.mark.parametrize("shape", [(1, 1), (32, 32), (33, 200), (480, 640)])
def test_grain_strengths_round_trip(shape, levels):
    rows, columns = -(-shape[0] // 32), -(-shape[1] // 32)
    strengths = np.random.default_rng(0).integers(*levels, (rows, columns)).astype(np.uint8)
    assert np.array_equal(decode_grain(encode_grain(strengths), shape, "coarse"), strengths)
    nothing = encode_grain(strengths * 0)
    assert len(nothing) == 1 and not decode_grain(nothing, shape, "coarse").any()
    with pytest.raises(
        CorruptStreamError, match=r"coarse: grain method 07 is unknown; allowed are 0, 1 and 2"
    ):
        decode_grain(b"\x07", shape, "coarse")
    with pytest.raises(CorruptStreamError, match=r"coarse: grain method missing is unknown"):
        decode_grain(b"", shape, "coarse")
    with pytest.raises(CorruptStreamError, match=r"coarse: the grain holds 0 bytes"):
        decode_grain(b"\x00", shape, "coarse")


def test_strength_is_the_gain_times_the_lumas_error():
    original = np.full((64, 64, 3), 100, np.uint8)
    coarse = original.copy()
    coarse[:, 32:] += 8  # a luma error of 8 in the right half
    wanted = np.ones((64, 64), bool)
    wanted[32:] = False
    # 0.5 · 8 = 4 grey levels: a half, doubled three times in steps of the root of two.
    assert grain_strengths(original, coarse, wanted, 0.5).tolist() == [[0, 7], [0, 0]]
    assert grain_strengths(original, coarse, wanted, 0.04).tolist() == [[0, 0], [0, 0]]


def test_grain_has_the_promised_deviation_and_touches_unknown_pixels_only():
    image = np.full((256, 256, 3), 128, np.uint8)
    known = np.zeros((256, 256), bool)
    known[:64] = True
    noisy = with_grain(image, np.full((8, 8), 7, np.uint8), known)
    assert np.array_equal(noisy[known], image[known])
    noise = noisy[~known].astype(float) - 128
    assert noise.std() == pytest.approx(4, rel=0.05)
    assert noise.mean() == pytest.approx(0, abs=0.05)
    assert np.array_equal(noise[:, 0], noise[:, 1])  # luma only
    assert np.array_equal(noisy, with_grain(image, np.full((8, 8), 7, np.uint8), known))


def test_grain_is_a_band_around_a_period_of_five_pixels():
    image = np.full((256, 256, 3), 128, np.uint8)
    noisy = with_grain(image, np.full((8, 8), 9, np.uint8), np.zeros((256, 256), bool))
    power = np.abs(np.fft.fft2(noisy[..., 0] - 128.0)) ** 2
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    inside = (frequency > 1 / 11) & (frequency < 1 / 2.7)
    assert power[inside].sum() > 0.75 * power.sum()  # white noise: 0.4
    densities = [power[np.abs(frequency - 1 / period) < 0.01].mean() for period in (20, 5.3, 2.2)]
    assert densities[1] > 4 * max(densities[0], densities[2])


def test_grain_strength_goes_smoothly_from_cell_to_cell():
    image = np.full((64, 256, 3), 128, np.uint8)
    strengths = np.zeros((2, 8), np.uint8)
    strengths[:, 4:] = 9  # 8 grey levels
    noise = with_grain(image, strengths, np.zeros((64, 256), bool)).astype(float)[..., 0] - 128
    assert not noise[:, :112].any()  # up to the last weak cell's centre
    left, right = noise[:, 116:128].std(), noise[:, 128:140].std()
    assert 0 < left < right < 0.8 * noise[:, 144:].std()


def test_noise_is_halved_where_a_layer_kept_as_much_texture_as_it_lost():
    smooth = np.full((64, 64, 3), 100, np.uint8)
    stripes = smooth + np.where(np.arange(64) % 4 < 2, 8, -8).astype(np.uint8)[:, None]
    everything = np.ones((64, 64), bool)
    # The luma error is 8 in both; the stripes' own texture too, so that half of its energy is lost: two steps of √2.
    of_smooth, of_stripes = (
        grain_strengths(coded + np.uint8(8), coded, everything) for coded in (smooth, stripes)
    )
    assert (of_smooth > 2).all() and np.array_equal(of_stripes, of_smooth - 2)


def test_better_layers_get_less_grain(astronaut):
    everything = np.ones(astronaut.shape[:2], bool)
    means = []
    for quality in (15, 30, 45, 60, 75):
        component = replace(SPIFF.coarse, quality=quality)
        coded = decode_component(encode_component(astronaut, component), "avif", (160, 144), "part")
        means.append(grain_strengths(astronaut, coded, everything).mean())
    assert means == sorted(set(means), reverse=True)


def test_a_crop_with_grain_is_received_with_it(astronaut, astronaut_mask):
    """Encoders of the first version sent strengths with the crop too; the format keeps its promise to their streams."""
    ranks = astronaut_mask.astype(np.uint8)
    plain = encode_image(astronaut, ranks, Configuration(0.0, (0.0,), 0.2), SPIFF, n_ranks=2, seed=1).payload
    stream = read_stream(plain)
    bare = decode_partial_image(plain)
    height, width = (np.flatnonzero(bare.known.any(axis=axis)).size for axis in (1, 0))
    code = encode_grain(np.full((-(-height // 32), -(-width // 32)), 5, np.uint8))

    def grainy(part):
        if part.kind != Kind.CROP:
            return part
        head = bytes([part.payload[0] | GRAIN_FOLLOWS]) + varint(len(code)) + code
        return replace(part, payload=head + part.payload[1:])

    payload = write_stream(stream.frame, [grainy(part) for part in stream.parts])
    received = decode_partial_image(payload)
    known = received.known
    assert np.array_equal(known, bare.known) and known[astronaut_mask].all()
    noise = (received.pixels.astype(int) - bare.pixels)[known]
    assert noise.std() == pytest.approx(2, rel=0.1) and abs(noise.mean()) < 0.2  # strength 5 is 2 grey levels
    for name in ("none", "telea", "nearest"):  # whatever restores the rest, received pixels stay
        codec = SpiffCodec("spiff", SPIFF, inpainter_named(name, None), n_ranks=2)
        image = codec.decode([payload], [1])[0]
        assert np.array_equal(image[known], received.pixels[known])


def test_the_layer_holds_a_rim_of_what_the_crop_carries(astronaut, astronaut_mask):
    """Two pixels inside the hole are photograph, so that the layer's filters draw no edge into what surrounds it."""
    ranks = astronaut_mask.astype(np.uint8)
    settings = replace(SPIFF, cell_px=1)
    encoded = encode_image(astronaut, ranks, Configuration(0.0, (0.0,), 1.0), settings, n_ranks=2, seed=1)
    coarse = decode_partial_image(encoded.payload).coarse.astype(int)
    error = np.abs(coarse - astronaut).mean(axis=2)
    depth = ndimage.distance_transform_cdt(astronaut_mask, metric="chessboard")
    outside, rim, deep = (
        error[where].mean() for where in (depth == 0, (depth > 0) & (depth <= 2), depth > 8)
    )
    assert rim < 2.5 * outside < 0.3 * deep


def test_a_layer_that_lost_nothing_says_so(astronaut, astronaut_mask):
    """All strengths zero is not the same as none sent: then the decoder's network may draw texture of its own."""
    flat = np.full_like(astronaut, 90)
    ranks = astronaut_mask.astype(np.uint8)
    sent, unsent = (
        decode_partial_image(
            encode_image(flat, ranks, Configuration(0.0, (0.0,), 0.3), s, n_ranks=2, seed=1).payload
        ).grain
        for s in (SPIFF, replace(SPIFF, sends_grain=False))
    )
    assert sent is not None and not sent.any() and unsent is None


def test_grain_brings_a_coarse_photograph_perceptually_closer(astronaut):
    component = Component("avif", 25, full_chroma=True, loop_filters=False)
    coarse = decode_component(encode_component(astronaut, component), "avif", (160, 144), "part")
    nothing = np.zeros((160, 144), bool)
    grainy = with_grain(coarse, grain_strengths(astronaut, coarse, ~nothing), nothing)
    backend = StLpipsBackend()
    features = backend.features(astronaut)
    distances = [backend.distance_map(features, backend.features(image)).mean() for image in (coarse, grainy)]
    assert distances[1] < 0.95 * distances[0]


def test_none_leaves_the_coarse_layer_as_it_stands_and_other_methods_add_its_grain():
    coarse = np.full((64, 64, 3), 128, np.uint8)
    known = np.zeros((64, 64), bool)
    known[:32] = True
    canvas = Canvas(coarse + np.uint8(9), known, coarse, "", 0, np.full((2, 2), 7, np.uint8))
    plain, grainy = (inpainter_named(name, None).restore([canvas])[0] for name in ("none", "telea"))
    assert (plain[:32] == 137).all() and (plain[32:] == 128).all()
    assert (grainy[:32] == 137).all() and grainy[32:].std() == pytest.approx(4, rel=0.2)
