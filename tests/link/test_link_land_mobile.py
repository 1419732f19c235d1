"""Loo's distribution and the two-state model: closed forms of their laws."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm, rice

from ntnsim.link.channel import ChannelSettings, channel_along_pass
from ntnsim.link.land_mobile import LandMobile, MobileState, land_mobile_along
from ntnsim.scenario.fading import LooFadingSpec, TwoStateFadingSpec
from ntnsim.sky.radio_rates import land_mobile

STEP_M = 0.5


def test_amplitudes_have_loos_distribution():
    # P(r < x) = ∫ lognormal(a) Rice(x | a, b0) da, with 2 b0 the scattered power.
    mean_db, std_db, scattered_db = -4.0, 3.0, -12.0
    own = land_mobile(
        LooFadingSpec(kind="loo", direct_mean_db=mean_db, direct_std_db=std_db, scattered_db=scattered_db)
    )
    rng = np.random.default_rng(1)
    loss, _ = land_mobile_along(np.full(200_000, 20.0), own, rng)
    power, k = 10 ** (-loss.loss_db / 10), 10 ** (loss.rice_factor_db / 10)
    noise = rng.standard_normal((2, len(k))) / np.sqrt(2)
    amplitude = np.sqrt(power) * np.abs(np.sqrt(k / (1 + k)) + (noise[0] + 1j * noise[1]) / np.sqrt(1 + k))
    sigma = np.sqrt(10 ** (scattered_db / 10) / 2)
    for level_db in (-12.0, -6.0, -3.0, 2.0):
        level = 10 ** (level_db / 20)

        def below(direct_db, level=level):
            direct = 10 ** (direct_db / 20)
            return norm.pdf(direct_db, mean_db, std_db) * rice.cdf(level / sigma, direct / sigma)

        expected, _ = quad(below, mean_db - 8 * std_db, mean_db + 8 * std_db, limit=200)
        assert np.mean(amplitude < level) == pytest.approx(expected, abs=0.004)


def test_direct_path_forgets_over_its_distance():
    own = land_mobile(LooFadingSpec(kind="loo", scattered_db=-80, correlation_m=10.0))
    loss, _ = land_mobile_along(np.full(200_000, 1.0), own, np.random.default_rng(2))
    x = loss.loss_db - loss.loss_db.mean()
    for lag in (5, 10, 20):
        assert np.mean(x[lag:] * x[:-lag]) / np.var(x) == pytest.approx(np.exp(-lag / 10.0), abs=0.03)


def truncated_mean_m(mean, std, shortest_m):
    at = (np.log(shortest_m) - mean) / std
    return np.exp(mean + std**2 / 2) * ndtr(std - at) / ndtr(-at)


def test_states_share_the_way_as_their_lengths_say_from_the_first_metre_on():
    own = land_mobile(TwoStateFadingSpec(kind="two_state"))
    good_m = truncated_mean_m(3.0639, 1.6980, 10.0)
    bad_m = truncated_mean_m(2.9108, 1.2602, 6.0)
    expected = good_m / (good_m + bad_m)
    rng = np.random.default_rng(3)
    firsts = [land_mobile_along(np.full(1, 0.1), own, rng)[0].good[0] for _ in range(3000)]
    assert np.mean(firsts) == pytest.approx(expected, abs=3 * np.sqrt(0.25 / 3000))
    good = land_mobile_along(np.full(2_000_000, 2.0), own, rng)[0].good
    assert good.mean() == pytest.approx(expected, abs=0.03)
    assert np.sum(good[1:] & ~good[:-1]) * (good_m + bad_m) / 4e6 == pytest.approx(1.0, abs=0.08)


def test_stretches_are_never_shorter_than_the_shortest():
    own = land_mobile(TwoStateFadingSpec(kind="two_state"))
    good = land_mobile_along(np.full(400_000, STEP_M), own, np.random.default_rng(4))[0].good
    edges = np.flatnonzero(np.diff(good))
    lengths_m, kinds = np.diff(edges) * STEP_M, good[edges[:-1] + 1]
    assert lengths_m[kinds].min() >= 10.0 - STEP_M
    assert lengths_m[~kinds].min() >= 6.0 - STEP_M
    # A log-normal law above its shortest value: share of good stretches under 30 m.
    cut = ndtr((np.log(10.0) - 3.0639) / 1.698)
    expected = (ndtr((np.log(30.0) - 3.0639) / 1.698) - cut) / (1 - cut)
    assert np.mean(lengths_m[kinds] < 30.0) == pytest.approx(expected, abs=0.04)


def test_bad_state_is_as_much_darker_as_its_parameters_say():
    own = land_mobile(TwoStateFadingSpec(kind="two_state"))
    loss = land_mobile_along(np.full(1_000_000, 2.0), own, np.random.default_rng(5))[0]
    # Mean of the direct path: −1.8 dB in the good state, −15.5 dB in the bad one, ramps of some metres between.
    direct_db = -loss.loss_db + 10 * np.log10(1 / (1 + 10 ** (-loss.rice_factor_db / 10)))
    assert direct_db[loss.good].mean() == pytest.approx(-1.8225, abs=0.7)
    assert direct_db[~loss.good].mean() == pytest.approx(-15.4844, abs=0.9)


def test_a_pass_in_two_pieces_goes_on_in_its_state():
    state = MobileState(3.0, 1.0, 10.0, -2.0, 1.0, 0.0, 0.0, 0.0, -15.0, 2.0)
    own = ChannelSettings("urban", 2e9, terminal_speed_m_s=1.0, land_mobile=LandMobile(state, state))
    elevation = np.full(40, 50.0)
    sky = np.tile([0.0, 0.6, 0.8], (40, 1))
    rng = np.random.default_rng(6)
    for _ in range(30):
        head, end = channel_along_pass(elevation[:1], sky[:1], 1.0, own, rng)
        tail, _ = channel_along_pass(elevation[1:], sky[1:], 1.0, own, rng, end)
        stay = int(min(end.mobile.left_m, 39.0))
        assert np.all(tail.line_of_sight[: max(stay - 1, 0)] == head.line_of_sight[0])
        if stay > 1:
            assert tail.shadowing_db[0] == pytest.approx(head.shadowing_db[0])


def test_other_losses_stay_those_of_the_channel():
    own = ChannelSettings(
        "rural", 2e9, ionospheric_db=2.2, land_mobile=land_mobile(TwoStateFadingSpec(kind="two_state"))
    )
    plain = ChannelSettings("rural", 2e9, ionospheric_db=2.2)
    elevation, sky = np.full(20, 40.0), np.tile([0.0, 0.6, 0.8], (20, 1))
    mobile, _ = channel_along_pass(elevation, sky, 1.0, own, np.random.default_rng(7))
    other, _ = channel_along_pass(elevation, sky, 1.0, plain, np.random.default_rng(7))
    assert mobile.scintillation_db.tolist() == other.scintillation_db.tolist()
    assert mobile.gas_db.tolist() == other.gas_db.tolist()
    assert np.all(mobile.clutter_db == 0)


def test_shortest_stretches_longer_than_their_law_are_refused():
    bad = {**TwoStateFadingSpec(kind="two_state").bad.model_dump(), "shortest_m": 1e6}
    with pytest.raises(ValueError, match=r"shortest_m must be <= .*, got 1e\+06"):
        TwoStateFadingSpec.model_validate({"kind": "two_state", "bad": bad})
