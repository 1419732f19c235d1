"""Sites that share the work on one sky have what each of them alone has."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ntnsim.orbit.constellation import Shell, walker_orbits
from ntnsim.orbit.earth import Site, earth_model
from ntnsim.orbit.ground import SiteIsTheEnd
from ntnsim.orbit.pass_book import PassBook, search_together
from ntnsim.orbit.serving import HandoverRule
from ntnsim.orbit.serving_plan import ServingGroup, ServingPlan, score_elevation

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARTH = earth_model("wgs84")
ORBITS = walker_orbits(
    [
        Shell(
            name="a",
            pattern="delta",
            altitude_m=550e3,
            inclination_deg=53.0,
            satellites=180,
            planes=18,
            phasing=5,
        )
    ],
    EARTH,
)
PLACES = [(-50.0, 10.0), (0.0, -120.0), (10.0, 70.0), (44.8, 10.3), (52.0, 11.0), (75.0, 30.0)]


def plans(outage=None):
    return [
        ServingPlan(
            PassBook(ORBITS, Site(f"site-{number}", latitude, longitude, 0.0, 10.0, EARTH)),
            SiteIsTheEnd(),
            HandoverRule(hysteresis=2.0, min_dwell_s=5.0),
            score_elevation,
            decision_interval_s=2.0,
            outage=outage,
        )
        for number, (latitude, longitude) in enumerate(PLACES)
    ]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 2, 0, 1, 4, 3]])
@pytest.mark.parametrize("outage", [None, lambda name, times_s: (times_s % 400 < 90) & name.endswith("3")])
def test_a_group_serves_each_site_as_it_is_served_alone(order, outage):
    alone, together = plans(outage), plans(outage)
    ServingGroup(together, ORBITS)
    for start_s in (0.0, 600.0, 1500.0, 7200.0, 300.0):
        for number in order:
            assert together[number].between(start_s, start_s + 900.0) == alone[number].between(
                start_s, start_s + 900.0
            )


def test_a_plan_that_lags_behind_its_group_or_runs_ahead_of_it_is_right():
    alone, together = plans(), plans()
    ServingGroup(together, ORBITS)
    together[3].between(20_000.0, 21_000.0)
    assert together[0].between(0.0, 1000.0) == alone[0].between(0.0, 1000.0)
    assert together[0].between(40_000.0, 41_000.0) == alone[0].between(40_000.0, 41_000.0)
    assert together[3].between(100.0, 700.0) == alone[3].between(100.0, 700.0)


def test_passes_found_for_all_sites_at_once_are_those_of_each():
    alone = [plan.book for plan in plans()]
    together = [plan.book for plan in plans()]
    search_together(together, 3000.0, 9000.0)
    for own, shared in zip(alone, together, strict=True):
        assert not shared.missing(1)
        assert shared.between(3000.0, 9000.0) == own.between(3000.0, 9000.0)
        assert shared.whole_between(3000.0, 9000.0) == own.whole_between(3000.0, 9000.0)
    assert sum(len(book.between(3000.0, 9000.0)) for book in together) > 100


def test_positions_of_a_block_are_worked_out_once_where_sites_see_the_same_satellites(monkeypatch):
    asked = []
    positions_of_m = type(ORBITS).positions_of_m

    def counted(self, satellite, time_s):
        answer = positions_of_m(self, satellite, time_s)
        asked.append(answer[..., 0].size)
        return answer

    monkeypatch.setattr(type(ORBITS), "positions_of_m", counted)
    near = [(44.0 + 0.1 * number, 10.0) for number in range(12)]
    books = [
        PassBook(ORBITS, Site(f"near-{number}", *place, 0.0, 10.0, EARTH))
        for number, place in enumerate(near)
    ]
    group = [
        ServingPlan(book, SiteIsTheEnd(), HandoverRule(2.0, 5.0), score_elevation, decision_interval_s=0.5)
        for book in books
    ]
    ServingGroup(group, ORBITS)
    search_together(books, 0.0, 600.0)
    asked.clear()
    group[0].between(0.0, 600.0)
    satellites = np.unique([one.satellite for plan in group for one in plan.candidates(0)])
    assert sum(asked) == len(satellites) * len(group[0].decision_s(0))
