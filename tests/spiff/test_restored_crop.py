"""A crop that travels with the strengths of what it lost, and is restored as the coarse layer is."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import ntnsim
from ntnsim.errors import CorruptStreamError, ImageError, InputError
from ntnsim.fidelity.panel import judged
from ntnsim.protocols.configuration import Configuration
from ntnsim.protocols.encoded_image import EncodedImage
from ntnsim.scenario.codec import SpiffCodecSpec
from ntnsim.spiff.bitstream import Kind, Part, read_stream, write_stream
from ntnsim.spiff.classical import ClassicalInpainter
from ntnsim.spiff.codec import decoded, received_picture, spiff_settings
from ntnsim.spiff.components import GRAIN_FOLLOWS
from ntnsim.spiff.decoder import decode_partial_image
from ntnsim.spiff.encoder import encode_image
from ntnsim.spiff.grain import CELL_PX, grain_strengths
from ntnsim.spiff.patches import block_reduce
from ntnsim.spiff.settings import RESTORED_CROP, SPIFF, SPIFF_PAPER

LOW = replace(SPIFF, crop=replace(SPIFF.crop, quality=25))
RESTORED = replace(LOW, restores_crop=True)


def coded(picture, mask, settings, beta=0.0, p=0.0, q=0.2) -> EncodedImage:
    x = Configuration(beta, (p,), q)
    return encode_image(picture, mask.astype(np.uint8), x, settings, n_ranks=2, seed=1)


def test_nothing_but_the_strengths_is_added_and_the_crop_joins_the_layer(astronaut, astronaut_mask):
    plain, restorable = (coded(astronaut, astronaut_mask, settings) for settings in (LOW, RESTORED))
    received, told = (decode_partial_image(one.payload) for one in (plain, restorable))
    region = received.known
    assert not told.known.any() and np.array_equal(told.received, received.received)
    assert np.array_equal(told.coarse[region], received.pixels[region])
    assert np.array_equal(told.coarse[~region], received.coarse[~region])
    assert np.array_equal(received_picture(restorable.payload), received_picture(plain.payload))
    added = restorable.size_bits - plain.size_bits
    assert 0 < added <= 8 * (4 + told.grain.size)
    assert restorable.bits_per_rank[0] == plain.bits_per_rank[0]
    assert restorable.bits_per_rank[1] == plain.bits_per_rank[1] + added - 8 * (
        len(restorable.payload) - len(plain.payload) - added // 8
    )


def test_each_cell_has_the_strength_of_the_part_that_covers_more_of_it(astronaut, astronaut_mask):
    shifted = np.roll(astronaut_mask, 9, axis=1)  # the box begins within a cell
    told = decode_partial_image(coded(astronaut, shifted, RESTORED).payload)
    plain = decode_partial_image(coded(astronaut, shifted, LOW).payload)
    region = plain.known
    with_crop = np.where(region[..., None], plain.pixels, astronaut)
    of_crop, of_layer = grain_strengths(astronaut, with_crop, region), plain.grain
    share = block_reduce(region, CELL_PX, np.add, np.int64) / block_reduce(
        np.ones_like(region), CELL_PX, np.add, np.int64
    )
    assert (share == 1).any() and ((share > 0) & (share < 0.5)).any() and (share == 0).any()
    assert np.array_equal(told.grain, np.where(share >= 0.5, of_crop, of_layer))


def test_the_crops_filters_draw_no_edge_into_it(astronaut, astronaut_mask):
    """A restored crop is coded with loop filters; the pixels at its rim are as good as those within."""
    settings = replace(SPIFF, crop=replace(RESTORED_CROP, quality=25), restores_crop=True)
    told = decode_partial_image(coded(astronaut, astronaut_mask, settings).payload)
    error = np.abs(told.coarse.astype(int) - astronaut).mean(axis=2)
    depth = ndimage.distance_transform_cdt(told.received, metric="chessboard")
    assert error[(depth > 0) & (depth <= 2)].mean() < 1.2 * error[depth > 4].mean()


def test_one_file_is_restored_as_a_whole_and_tiles_alone_restore_nothing(astronaut, astronaut_mask):
    whole = decode_partial_image(coded(astronaut, astronaut_mask, RESTORED, beta=1.0, q=0.0).payload)
    assert not whole.known.any() and whole.received.all() and whole.coarse is not None
    assert whole.grain.any()
    tiles = [coded(astronaut, astronaut_mask, settings, p=0.5, q=0.0) for settings in (LOW, RESTORED)]
    assert tiles[0].payload == tiles[1].payload
    beside_layer = decode_partial_image(coded(astronaut, astronaut_mask, RESTORED, p=0.5).payload)
    kept = beside_layer.received & ~decode_partial_image(coded(astronaut, astronaut_mask, LOW).payload).known
    assert np.array_equal(beside_layer.known, kept) and kept.any()  # tiles stay as they were received


def test_without_its_layer_a_crop_stands_as_it_came(astronaut, astronaut_mask):
    stream = read_stream(coded(astronaut, astronaut_mask, RESTORED).payload)
    parts = [part for part in stream.parts if part.kind != Kind.COARSE]
    received = decode_partial_image(write_stream(stream.frame, parts))
    plain = decode_partial_image(coded(astronaut, astronaut_mask, LOW, q=0.0).payload)
    assert np.array_equal(received.pixels, plain.pixels) and np.array_equal(received.known, plain.known)


def _changed_crop(payload: bytes, change) -> bytes:
    stream = read_stream(payload)
    parts = [
        Part(part.kind, part.rank, change(part.payload)) if part.kind == Kind.CROP else part
        for part in stream.parts
    ]
    return write_stream(stream.frame, parts)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: bytes([data[0] | GRAIN_FOLLOWS]) + data[1:],  # both flags: no codec that we know
        lambda data: data[:2] + b"\7" + data[3:],  # an unknown way to write strengths
        lambda data: bytes([data[0]]),
        lambda data: bytes([data[0], 3, 0, 0, 0]) + data[2 + data[1] :],  # too few of them
    ],
)
def test_damaged_strengths_are_refused_or_leave_the_crop_out(change, astronaut, astronaut_mask):
    payload = _changed_crop(coded(astronaut, astronaut_mask, RESTORED).payload, change)
    with pytest.raises(CorruptStreamError, match="crop"):
        decode_partial_image(payload)
    rest = decode_partial_image(payload, partial=True)
    assert not rest.received.any() and rest.coarse is not None and "crop" in rest.damage[0]


def test_without_strengths_sent_it_is_refused():
    for base in (replace(SPIFF, sends_grain=False), SPIFF_PAPER):
        with pytest.raises(ImageError, match="restores_crop: true needs sends_grain: true"):
            replace(base, restores_crop=True)
    with pytest.raises(ValueError, match="restores_crop: true beside sends_grain: false"):
        SpiffCodecSpec(kind="spiff", restores_crop=True, sends_grain=False)
    scenario = SpiffCodecSpec(**yaml.safe_load("{kind: spiff, restores_crop: true}"))
    settings = spiff_settings("spiff", scenario.model_dump())
    assert settings == replace(SPIFF, crop=replace(SPIFF.crop, loop_filters=True), restores_crop=True)
    own = SpiffCodecSpec(
        **yaml.safe_load("{kind: spiff, restores_crop: true, crop: {codec: jpeg, quality: 30}}")
    )
    assert spiff_settings("spiff", own.model_dump()).crop.codec == "jpeg"


def test_what_the_network_restores_of_a_poor_crop_comes_nearer(astronaut, astronaut_mask):
    """By the feature judges, which the eye follows here: texture comes back to a crop that is smooth."""
    options = {"mask": astronaut_mask, "quality": 20, "q": 0.15}
    kept = ntnsim.encode(astronaut, **options)
    restored = ntnsim.encode(astronaut, restore_crop=True, **options)
    before, after = (ntnsim.decode(one) for one in (kept, restored))
    assert before.received_share == after.received_share > 0.1
    first, second = (
        judged(astronaut, one.pixels, where=astronaut_mask, judges=("alex", "lite0"))
        for one in (before, after)
    )
    assert second["alex"] < 0.95 * first["alex"] and second["lite0"] < 0.95 * first["lite0"]
    with pytest.raises(InputError, match="restore_crop: needs a coarse layer"):
        ntnsim.encode(astronaut, mask=astronaut_mask, p=0.2, restore_crop=True)
    with pytest.raises(InputError, match="restore_crop: is of spiff; jpeg has no crop"):
        ntnsim.encode(astronaut, codec="jpeg", restore_crop=True)


def test_without_a_network_grain_stands_for_what_was_lost(astronaut, astronaut_mask):
    payload = coded(astronaut, astronaut_mask, RESTORED).payload
    told = decode_partial_image(payload)
    [shown] = decoded([payload], [1], ClassicalInpainter("nearest"))
    noise = shown.astype(int) - told.coarse
    everywhere_strong = told.grain.repeat(CELL_PX, 0).repeat(CELL_PX, 1)[:160, :144] > 3
    assert noise[everywhere_strong].std() > 1


@settings(max_examples=100, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    n_ranks=st.integers(2, 4),
    growth=st.sampled_from([0.0, 0.1, 1.0]),
    fraction=st.sampled_from([0.0, 0.3, 1.0]),
    coarse=st.sampled_from([0.0, 0.2]),
    crop_fill=st.sampled_from(["box", "mask"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_image_and_configuration_round_trips(shape, n_ranks, growth, fraction, coarse, crop_fill, seed):
    """What travels is what travels without restoring; only what counts as known, and the layer, differ."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (*shape, 3), np.uint8)
    ranks = rng.integers(0, n_ranks, (-(-shape[0] // 20), -(-shape[1] // 20))).astype(np.uint8)
    ranks = ranks.repeat(20, 0).repeat(20, 1)[: shape[0], : shape[1]]
    x = Configuration(growth, (fraction,) * (n_ranks - 1), coarse)
    plain, told = (
        decode_partial_image(
            encode_image(
                pixels, ranks, x, replace(base, crop_fill=crop_fill), n_ranks=n_ranks, seed=1
            ).payload
        )
        for base in (LOW, RESTORED)
    )
    assert np.array_equal(told.received, plain.known) and not (told.known & ~plain.known).any()
    assert np.array_equal(told.pixels[told.known], plain.pixels[told.known])
    restorable = plain.known & ~told.known
    if restorable.any():
        assert np.array_equal(told.coarse[restorable], plain.pixels[restorable])
        assert told.grain.shape == (-(-shape[0] // CELL_PX), -(-shape[1] // CELL_PX))
