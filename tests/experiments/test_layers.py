"""The comparison of coarse layers: ratios by hand, and bits that are the layer's own."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ntnsim.experiments.latent_layer import coded_latents, fewest_bits
from ntnsim.experiments.layers import LAYERS, LEVELS, REFERENCE, coded_layer, layer_settings, ratios
from ntnsim.experiments.rate_curves import curves_of
from ntnsim.protocols.configuration import Configuration
from ntnsim.spiff.bitstream import Kind, read_stream
from ntnsim.spiff.encoder import encode_image
from ntnsim.spiff.settings import SPIFF


def test_ratios_are_those_of_the_bits_at_the_references_distances(monkeypatch):
    """A layer of 3/q bits per q at the reference's own distance, and one that never comes near."""
    monkeypatch.setattr("ntnsim.experiments.rate_curves.RESAMPLES", 5)
    rows = []
    for image in ("a", "b"):
        for q in (0.1, 0.18, 0.3, 0.5, 0.75):
            for series, bits, loss in (
                (REFERENCE, 1000 * q, 1),
                ("dear", 3000 * q, 1),
                ("poor", 1000 * q, 100),
            ):
                rows.append(
                    {"image": image, "series": series, "setting": q, "bits": bits, "mse_low": loss / q}
                )
    table = ratios(curves_of(pd.DataFrame(rows), ["mse"], ranks=("low",)), ["mse"]).set_index(
        ["layer", "level q"]
    )
    for level in LEVELS:
        assert table.loc[("dear", level), ["ratio", "low", "high"]].tolist() == pytest.approx([3.0] * 3)
        assert table.loc[(REFERENCE, level), "ratio"] == 1.0
        assert np.isnan(table.loc[("poor", level), "ratio"])
        assert table.loc[("dear", level), "distance"] == pytest.approx(1 / level, rel=1e-4)


def test_a_layers_bits_are_those_of_its_part_of_the_stream(astronaut, astronaut_mask):
    for name, settings in {"avif": SPIFF, "half": replace(SPIFF, coarse_scale=8)}.items():
        bits, picture = coded_layer(settings, 0.3, None, astronaut, astronaut_mask)
        x, ranks = Configuration(0.0, (0.0,), 0.3), astronaut_mask.astype(np.uint8)
        stream = read_stream(encode_image(astronaut, ranks, x, settings, n_ranks=2, seed=1).payload)
        part = 8 * len(stream.find(Kind.COARSE).payload)
        assert part <= bits <= part + 64, name  # and the part's header
        assert picture.shape == astronaut.shape


def test_every_layer_is_measured_at_every_level_that_it_may_reach():
    settings = layer_settings(None)
    assert {setting.series for setting in settings} == set(LAYERS)
    assert all(setting.ranks == ("low",) for setting in settings)
    assert set(LEVELS) < set(LAYERS[REFERENCE][1])


def test_latents_bits_are_those_of_shannons_formula():
    assert fewest_bits(np.full((4, 6), 3)) == 0  # always the same number
    noise = np.random.default_rng(0).integers(0, 4, (64, 64))
    assert fewest_bits(noise) == pytest.approx(2 * noise.size, rel=0.01)  # two bits each
    ramp = np.arange(64)[:, None] + np.arange(64)  # the neighbours tell nearly all of it
    assert fewest_bits(ramp) < ramp.size


def test_finer_latents_cost_more_and_lie_nearer(astronaut, astronaut_mask):
    found = [coded_latents(8, step, "tiny", astronaut, astronaut_mask) for step in (2.0, 0.5, 0.1)]
    bits = [size for size, _ in found]
    errors = [np.abs(picture.astype(int) - astronaut).mean() for _, picture in found]
    assert bits[0] < bits[1] < bits[2] and errors[0] > errors[1] > errors[2]
    assert all(np.array_equal(picture[astronaut_mask], astronaut[astronaut_mask]) for _, picture in found)
