"""When no data flow although a satellite serves: after it took over, and while its feeder moves to another station."""

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.orbit.earth import Site
from ntnsim.orbit.geometry import look
from ntnsim.orbit.ground import StationsInView
from ntnsim.orbit.serving import Serving
from ntnsim.scenario.space import HandoverSpec
from ntnsim.sky.space_model import SpaceModel
from ntnsim.units import SPEED_OF_LIGHT_M_S

INTERRUPTION_RTT = {"ul": 1.5, "dl": 2.0}  # TR 38.821, 7.3.2


def takeover_pause_s(model: SpaceModel, site: Site, stretch: Serving, direction: str) -> float:
    """Return for how long no data flow after the satellite of a stretch began to serve."""
    rules = model.space.handover
    satellite, since_s = stretch.satellite_pass.satellite, np.array([stretch.since_s])
    there_m = model.orbits.positions_of_m(np.array([satellite]), since_s)
    _, range_m = look(site.at(since_s), there_m)
    round_trip_s = 2 * float(range_m[0]) / SPEED_OF_LIGHT_M_S
    if model.space.payload.kind == "transparent":
        ground_s = float(model.reach.path(satellite, since_s).delay_s[0])
        round_trip_s += 0.0 if np.isnan(ground_s) else 2 * ground_s
    if stretch.reason == "handover" and stretch.after_loss and rules.procedure == "commanded":
        # Nobody could tell the terminal any more: it notices, looks for a cell and starts anew.
        return rules.failure_s + rules.access_rtt * round_trip_s + rules.interruption_s
    round_trips = (
        _handover_round_trips(rules, direction) if stretch.reason == "handover" else rules.access_rtt
    )
    return round_trips * round_trip_s + rules.interruption_s


def _handover_round_trips(rules: HandoverSpec, direction: str) -> float:
    return INTERRUPTION_RTT[direction] if rules.interruption_rtt is None else rules.interruption_rtt


def feeder_flow(
    model: SpaceModel,
    satellite: int,
    steps: tuple[int, int],
    step_s: float,
    round_trip_s: FloatArray,
    direction: str,
) -> FloatArray | float:
    """Return the share [n] of each of *steps* [first, end) in which the feeder does not move between stations.

    round_trip_s: [n] of the terminal; through a transparent payload it changes cells with the station.
    """
    switch = model.space.feeder_switch
    if switch.kind == "soft" or not isinstance(model.reach, StationsInView):
        return 1.0
    first, end = steps
    silence_s = np.full(end - first, switch.interruption_s)
    if model.space.payload.kind == "transparent":
        round_trips = _handover_round_trips(model.space.handover, direction)
        silence_s = silence_s + round_trips * np.nan_to_num(round_trip_s)
    back = int(np.ceil(silence_s.max(initial=0.0) / step_s)) + 1
    edges_s: FloatArray = np.arange(max(first - back, 0), end + 1, dtype=np.float64) * step_s
    station = model.reach.station_at(satellite, edges_s)
    flow = np.ones(end - first)
    low_s = np.arange(first, end) * step_s
    for change in (
        np.flatnonzero((station[1:] != station[:-1]) & (station[1:] >= 0) & (station[:-1] >= 0)) + 1
    ):
        begins_s = edges_s[change]
        ends_s = begins_s + silence_s[min(max(round(begins_s / step_s) - first, 0), end - first - 1)]
        silent_s = np.minimum(low_s + step_s, ends_s) - np.maximum(low_s, begins_s)
        flow -= np.clip(silent_s, 0.0, None) / step_s
    return np.maximum(flow, 0.0)
