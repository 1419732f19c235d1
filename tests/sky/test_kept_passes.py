"""What windows of random channels share is kept for all terminals together, and changes nothing."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.scenario.terrestrial import GatewaySpec
from ntnsim.sky.kept_passes import KeptPasses, PassSteps
from ntnsim.sky.space_segment import terminal_profile_source
from ntnsim.sky.terminal_link import TerminalLink

START = datetime(2026, 3, 1, tzinfo=UTC)
RADIO = RadioSpec.model_validate(
    {"channel": {"mode": "channel", "environment": "rural"}, "profile": {"step_s": 1}}
)


def pass_of(steps):
    return PassSteps(0, 1.0, *(np.zeros(steps),) * 5)


def terminal(name, kept):
    gateway = GatewaySpec(name=name, latitude_deg=44.8, longitude_deg=10.3)
    return terminal_profile_source(SpaceSegmentSpec(), RADIO, gateway, 1, start_utc=START, kept=kept)


def test_the_passes_that_were_not_asked_for_the_longest_go_first():
    kept = KeptPasses(most_steps=30)
    for name in "abc":
        kept.keep(name, pass_of(10))
    assert kept.find("a") is not None
    kept.keep("d", pass_of(10))
    assert [name for name in "abcd" if kept.find(name) is None] == ["b"]
    kept.keep("e", pass_of(31))
    assert len(kept) == 0


@pytest.mark.parametrize("most_steps", [0, 10_000_000])
def test_rates_do_not_depend_on_what_is_kept(most_steps):
    kept = KeptPasses(most_steps)
    own, other = terminal("parma", kept), terminal("oslo", kept)
    alone = terminal("parma", KeptPasses())
    for start_s in (0.0, 600.0, 1200.0, 600.0):  # back again, as another scheme would
        window, expected = own(start_s), alone(start_s)
        other(start_s)
        assert np.array_equal(window.rate_bps, expected.rate_bps)
        assert np.array_equal(window.sinr_db, expected.sinr_db, equal_nan=True)
    assert (len(kept) > 0) == (most_steps > 0)


def test_a_pass_that_goes_on_is_worked_out_once_even_where_nothing_fits_the_store(monkeypatch):
    made, make = [], TerminalLink.pass_link

    def counted(self, one):
        made.append((one.satellite, one.rise_s))
        return make(self, one)

    monkeypatch.setattr(TerminalLink, "pass_link", counted)
    own = terminal("parma", KeptPasses(0))
    for start_s in np.arange(0.0, 7200.0, own.window_s):
        own(start_s)
    assert made
    assert len(made) == len(set(made))
