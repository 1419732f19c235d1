"""The study of shares: other options, the same network; ratios by hand. Its judges are a package that tests lack."""

import numpy as np
import pandas as pd
import pytest

from ntnsim.networks.bundle import open_bundle
from ntnsim.protocols.inpainter import Canvas
from training.shares import ratios, rows_of, with_shares


def test_a_share_of_nothing_leaves_the_layer_and_more_of_it_adds_more(astronaut):
    bundle, known = open_bundle("tiny"), np.zeros(astronaut.shape[:2], bool)
    layer = np.clip(astronaut.astype(int) // 32 * 32 + 16, 0, 255).astype(np.uint8)
    strengths = np.full((5, 5), 9, np.uint8)  # 12 grey levels: much
    canvas = Canvas(np.zeros_like(astronaut), known, layer, "", 1, strengths)

    def added(share: str, noise: float = 1.0) -> np.ndarray:
        return with_shares(bundle, share, noise).restore([canvas])[0].astype(float) - layer

    assert not added("0").any()
    assert 0 < np.abs(added("0.5")).mean() < np.abs(added("1")).mean()
    np.testing.assert_array_equal(added("1:0.5"), added("0.5"))
    assert added("1", 0.1).std() < added("1").std()


def test_ratios_are_to_the_bare_layer_of_the_same_quality():
    rows = [
        {"quality": quality, "shown": shown, "vsi": distance}
        for quality, layer, restored in ((8, 4.0, 2.0), (30, 1.0, 3.0))
        for shown, distance in (("layer", layer), ("share 1", restored))
        for _ in range(2)
    ]
    table = ratios(pd.DataFrame(rows))
    assert table.loc[(8, "share 1"), "vsi"] == 0.5 and table.loc[(30, "share 1"), "vsi"] == 3
    assert (table.xs("layer", level="shown")["vsi"] == 1).all()


def test_without_the_package_it_says_so(astronaut):
    with pytest.raises(ModuleNotFoundError, match="piq"):
        next(rows_of(astronaut[:64, :64], 15, {}))
