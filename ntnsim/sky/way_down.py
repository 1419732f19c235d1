"""The way down from satellites that queue on board, as the world asks for it (`protocols/way_down.py`)."""

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np

from ntnsim.errors import ScenarioError
from ntnsim.orbit.ground import AssumedStation
from ntnsim.orbit.routes import PlusGridRoutes
from ntnsim.protocols.way_down import GROUND, Hop, Waiting
from ntnsim.scenario.fault_target import means
from ntnsim.scenario.scenario import Scenario
from ntnsim.sky.contact_graph import ContactGraph
from ntnsim.sky.feeder_windows import Cut, FeederWindows
from ntnsim.sky.space_model import SpaceModel, ground_sites, space_model

ASSUMED = "assumed station"  # the name of the one that every satellite sees where the scenario has none


class ConstellationWay:
    """Feeders and links of one scenario's constellation."""

    def __init__(self, model: SpaceModel, cuts: Sequence[Cut]) -> None:
        space = model.space
        self.names = model.orbits.names
        self.linked = space.inter_satellite_links.kind == "plus_grid"
        self._assumed = model.reach if isinstance(model.reach, AssumedStation) else None
        self._feeders = FeederWindows(model.orbits, ground_sites(space), cuts, space.search_step_s)
        self._graph: ContactGraph | None = None
        if space.inter_satellite_links.kind == "plus_grid":
            assert isinstance(model.reach, PlusGridRoutes)
            links = space.inter_satellite_links
            self._interval_s = links.update_interval_s
            self._graph = ContactGraph(
                model.reach,
                self._feeders,
                cuts,
                hop_processing_s=links.hop_processing_s,
                update_interval_s=links.update_interval_s,
            )

    def plan(self, satellite: int, time_s: float, waiting: Waiting | None = None) -> tuple[Hop, ...]:
        """Return the hops that bring an image to the ground earliest; () if nothing is known to do so."""
        if self._graph is None:
            return (Hop(GROUND, time_s),)  # it waits for a station of its own, however long
        return self._graph.plan(satellite, time_s, waiting)

    def hop_s(self, satellite: int, to: int, time_s: float) -> float:
        """Return how long a bit that leaves at *time_s* takes to *to*, processing there included."""
        if to != GROUND:
            assert self._graph is not None
            number = int(max(time_s, 0.0) // self._interval_s)
            pair = (min(satellite, to), max(satellite, to))
            for snapshot in (number, number - 1):  # the last bit may leave as the link ends
                links = self._graph.links(max(snapshot, 0))
                if pair in links.place:
                    return float(links.delay_s[links.place[pair]])
            raise RuntimeError(f"{self.names[satellite]} has no link to {self.names[to]} at {time_s} s")
        if self._assumed is not None:
            return float(self._assumed.path(satellite, np.array([time_s])).delay_s[0])
        return self._feeders.nearest(satellite, time_s)[1]

    def station(self, satellite: int, time_s: float) -> str:
        """Return the ground station that receives *satellite* at *time_s*."""
        return ASSUMED if self._assumed is not None else self._feeders.nearest(satellite, time_s)[0]

    def up_steps(self, satellite: int, to: int) -> Iterator[tuple[float, float]]:
        """Yield from when on the link is up (1) or down (0); an hour or a snapshot at a time, for ever."""
        if to != GROUND:
            return self._link_steps(satellite, to)
        if self._assumed is not None:
            return self._feeders.assumed_steps(satellite)
        return self._feeders.steps(satellite)

    def _link_steps(self, satellite: int, to: int) -> Iterator[tuple[float, float]]:
        assert self._graph is not None
        pair = (min(satellite, to), max(satellite, to))
        paths = self._graph.cut_paths(satellite, to)
        for number in count():
            begin_s, end_s = number * self._interval_s, (number + 1) * self._interval_s
            up = pair in self._graph.links(number).place
            changes_s = {time_s for path in paths for time_s in path.change_times_s(begin_s, end_s)}
            for time_s in (begin_s, *sorted(changes_s)):
                yield time_s, float(up and all(path.at(time_s) > 0 for path in paths))


def way_down(scenario: Scenario, cuts: Sequence[Cut]) -> ConstellationWay | None:
    """Return the way down of *scenario*'s satellites; None where they pass on at once what they receive.

    cuts: faults of it.
    """
    check_way_faults(scenario)
    if not _has_way(scenario):
        return None
    return ConstellationWay(space_model(scenario.space, scenario.start_utc), cuts)


def _has_way(scenario: Scenario) -> bool:
    return scenario.satellite_link.kind == "orbit" and scenario.space.carries


def check_way_faults(scenario: Scenario) -> None:
    """Raise ScenarioError for a fault of the way down that is for no part of it."""
    own = [fault for fault in scenario.faults if fault.kind in _RELAY_KINDS]
    if not own:
        return
    if not _has_way(scenario):
        for fault in own:
            raise ScenarioError(
                f"fault {fault.name!r}: kind {fault.kind} needs satellites that queue on board: give "
                "space.payload.feeder_rate_bps, space.payload.store_and_forward or "
                "space.inter_satellite_links.rate_bps"
            )
    for fault in own:
        names = _targets(scenario, fault.kind)
        if fault.kind == "inter_satellite_link" and "--" in fault.target:
            hit = all(any(means(end, name) for name in names) for end in fault.target.split("--", 1))
        else:
            hit = any(means(fault.target, name) for name in names)
        if not hit:
            known = f"{names[0]} … {names[-1]}" if names else "(there are none)"
            raise ScenarioError(f"fault {fault.name!r}: target {fault.target!r} is none of {known}")


_RELAY_KINDS = ("satellite_feeder", "inter_satellite_link", "receiving_station")


def _targets(scenario: Scenario, kind: str) -> Sequence[str]:
    if kind == "receiving_station":
        return [station.name for station in scenario.space.ground_stations]
    if kind == "inter_satellite_link" and scenario.space.inter_satellite_links.kind == "none":
        return []
    return space_model(scenario.space, scenario.start_utc).orbits.names
