"""Box, tiles and patch grids: where they lie, for any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntnsim.spiff.box import Box, boxes_mask, grown_box, grown_mask, relevance_boxes, tight_box
from ntnsim.spiff.patches import (
    INSIDE,
    TileGeometry,
    block_reduce,
    content_keys,
    expand_blocks,
    grid_shape,
    kept_count,
    packed_grid,
    paste_grid,
    random_keys,
    selected_tiles,
    spread_keys,
    tile_ranks,
)

sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))


def mask_with(shape, *boxes):
    return boxes_mask([Box(*box) for box in boxes], shape)


def test_box_edges_move_linearly_from_tight_to_the_border():
    tight = tight_box(mask_with((100, 200), (40, 60, 80, 100)))
    assert tight == Box(40, 60, 80, 100)
    assert grown_box(tight, 0.0, (100, 200)) == tight
    # Half way: 40 -> 20, 60 -> 30, 80 -> 90 (to 100), 100 -> 150 (to 200).
    assert grown_box(tight, 0.5, (100, 200)) == Box(20, 30, 90, 150)
    assert grown_box(tight, 1.0, (100, 200)) == Box(0, 0, 100, 200)


def test_component_boxes_leave_out_what_lies_between_components():
    mask = mask_with((100, 100), (0, 0, 10, 10), (80, 80, 100, 100))
    assert relevance_boxes(mask, 0.0, "union") == (Box(0, 0, 100, 100),)
    assert relevance_boxes(mask, 0.0, "components") == (Box(80, 80, 100, 100), Box(0, 0, 10, 10))
    assert relevance_boxes(np.zeros((5, 5), bool), 0.3, "components") == ()


def test_specks_share_one_box_so_that_a_noisy_mask_stays_cheap():
    mask = np.zeros((200, 200), bool)
    mask[::4, ::4] = True
    boxes = relevance_boxes(mask, 0.0, "components")
    assert len(boxes) == 65
    assert (boxes_mask(boxes, mask.shape) | ~mask).all()


def test_grown_mask_runs_from_the_mask_to_the_image():
    mask = mask_with((60, 80), (20, 20, 30, 30))
    areas = [grown_mask(mask, growth).sum() for growth in (0.0, 0.1, 0.5, 0.9, 1.0)]
    assert areas[0] == mask.sum() and areas[-1] == mask.size
    assert areas == sorted(areas)
    assert not grown_mask(np.zeros((4, 4), bool), 0.7).any()


@given(sizes, st.integers(1, 20))
def test_blocks_reduce_and_expand_at_any_size(shape, block_px):
    values = np.arange(shape[0] * shape[1]).reshape(shape)
    reduced = block_reduce(values, block_px, np.maximum)
    for row in range(reduced.shape[0]):
        for column in range(reduced.shape[1]):
            block = values[row * block_px : (row + 1) * block_px, column * block_px : (column + 1) * block_px]
            assert reduced[row, column] == block.max()
    expanded = expand_blocks(reduced, block_px, shape)
    assert expanded.shape == shape and (expanded >= values).all()


def test_tile_takes_the_highest_rank_it_touches_outside_the_kept_region():
    ranks = np.zeros((32, 48), np.uint8)
    ranks[0, 17] = 1  # one pixel of rank 1 in the second tile
    ranks[:, 32:] = 2
    kept = ranks == 2
    kept[:16, :16] = True  # covers the first tile wholly
    expected = [[INSIDE, 1, INSIDE], [0, 0, INSIDE]]
    assert tile_ranks(ranks, kept, 3, 16).tolist() == expected
    # A top-rank pixel left outside makes its tile one of the rank below.
    assert tile_ranks(ranks, np.zeros_like(kept), 3, 16)[0, 2] == 1


@pytest.mark.parametrize(
    ("n", "p", "kept"), [(10, 0.25, 3), (10, 0.24, 2), (3, 0.5, 2), (7, 0, 0), (7, 1, 7)]
)
def test_kept_count_is_p_times_n_rounded_half_up(n, p, kept):
    assert kept_count(n, p) == kept


@pytest.mark.parametrize("choice", ["random", "spread", "content"])
def test_kept_sets_nest_as_p_grows(choice, astronaut):
    geometry = TileGeometry(160, 144, 16)
    free = np.ones((geometry.rows, geometry.columns), bool)
    free[3:5] = False
    candidates = np.flatnonzero(free)
    keys = {
        "random": random_keys(candidates, 5, 0),
        "spread": spread_keys(candidates, geometry, 5, 0),
        "content": content_keys(astronaut, geometry)[candidates],
    }[choice]
    previous: set[int] = set()
    for count in range(0, 73):
        chosen = set(selected_tiles(candidates, count, keys).tolist())
        assert len(chosen) == count and previous <= chosen
        assert not chosen & set(range(3 * 9, 5 * 9))
        previous = chosen


def test_random_choice_changes_with_seed_and_rank_only():
    positions = np.arange(1200)
    base = random_keys(positions, 1, 0)
    assert len(np.unique(base)) == 1200
    assert np.array_equal(base[7:9], random_keys(positions[7:9], 1, 0))
    orders = [np.argsort(random_keys(positions, seed, rank)) for seed, rank in ((1, 0), (2, 0), (1, 1))]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        # Two random permutations of 1200 agree in about one place.
        assert (orders[first] == orders[second]).sum() < 10


def test_spread_choice_leaves_no_large_hole():
    geometry = TileGeometry(16 * 32, 16 * 32, 16)
    tiles = np.arange(geometry.count)
    chosen = selected_tiles(tiles, 64, spread_keys(tiles, geometry, 9, 0))
    # 64 of 1024 tiles: a Bayer order puts exactly one in each 4x4 block of tiles.
    blocks = np.zeros((8, 8), int)
    np.add.at(blocks, (chosen // 32 // 4, chosen % 32 // 4), 1)
    assert (blocks == 1).all()


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(4, 20), st.floats(0.01, 1), st.integers(0, 99))
def test_grid_brings_every_kept_tile_back_to_its_place(shape, tile_px, fraction, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    geometry = TileGeometry(*shape, tile_px)
    tiles = np.arange(geometry.count)
    count = max(1, kept_count(geometry.count, fraction))
    chosen = selected_tiles(tiles, count, random_keys(tiles, seed, 0))
    grid = packed_grid(pixels, chosen, geometry)
    rows, columns = grid_shape(len(chosen))
    assert grid.shape == (rows * tile_px, columns * tile_px, 3) and rows <= columns
    canvas, known = np.zeros_like(pixels), np.zeros(shape, bool)
    paste_grid(grid, chosen, geometry, canvas, known)
    expected = np.zeros(geometry.count, bool)
    expected[chosen] = True
    tiles = expand_blocks(expected.reshape(geometry.rows, geometry.columns), tile_px, shape)
    assert np.array_equal(known, tiles)
    assert np.array_equal(canvas[known], pixels[known])
