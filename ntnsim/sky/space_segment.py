"""The space segment of a scenario: one source of rate profiles per terminal.

Satellites and their way down are in space_model.py, the radio in radio_link.py, a terminal's windows in
terminal_link.py.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ntnsim.errors import ScenarioError
from ntnsim.orbit.serving_plan import Outage, ServingGroup
from ntnsim.scenario.fault_target import means
from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.sky.kept_passes import KeptPasses
from ntnsim.sky.space_model import SiteLike, SpaceModel, space_model
from ntnsim.sky.terminal_link import TerminalLink

NAMES_TOLD = 20  # of lost satellites in a summary

__all__ = [
    "SiteLike",
    "SpaceModel",
    "TerminalLink",
    "check_satellite_faults",
    "lost_satellites",
    "space_model",
    "terminal_links",
    "terminal_profile_source",
]


def terminal_links(scenario: Scenario, outage: Outage | None = None) -> dict[str, TerminalLink]:
    """Return the satellite link of every gateway by name; none where the scenario writes the link's rate itself.

    outage: asked with a satellite's name and times [t], says when it is out of service: others then take over.
    """
    if scenario.satellite_link.kind != "orbit":
        return {}
    check_satellite_faults(scenario)
    # Only gateways with sources: a site without traffic costs nothing.
    senders = dict.fromkeys(source.gateway for source in scenario.sources)
    kept = KeptPasses()
    terminals = {
        gateway.name: terminal_profile_source(
            scenario.space,
            scenario.service_radio,
            gateway,
            scenario.seed,
            start_utc=scenario.start_utc,
            outage=outage,
            kept=kept,
            terminals=max(1, len(senders)),
        )
        for gateway in scenario.gateways
    }
    used = [terminals[name] for name in senders if name in terminals]
    if len(used) > 1:
        ServingGroup([terminal.plan for terminal in used], used[0].model.orbits)
    return terminals


def check_satellite_faults(scenario: Scenario) -> None:
    """Raise ScenarioError for a fault of satellites that is for none of the scenario's."""
    faults = [fault for fault in scenario.faults if fault.kind == "satellite"]
    if not faults or scenario.satellite_link.kind != "orbit":
        return
    names = space_model(scenario.space, scenario.start_utc).orbits.names
    for fault in faults:
        if not any(means(fault.target, name) for name in names):
            raise ScenarioError(
                f"fault {fault.name!r}: target {fault.target!r} is none of the satellites {names[0]} … {names[-1]}"
            )


def lost_satellites(terminals: Mapping[str, TerminalLink], until_s: float) -> dict[str, Any]:
    """Return what a summary says of satellites that decayed before *until_s*; nothing where none did."""
    lost = next(iter(terminals.values())).model.lost(until_s) if terminals else []
    if not lost:
        return {}
    first, first_s = lost[0]
    note = f"decayed and were dropped from then on; the first is {first}, at {first_s:.0f} s"
    return {
        "satellites_lost": {
            "count": len(lost),
            "note": note,
            "names": [name for name, _ in lost[:NAMES_TOLD]],
        }
    }


def terminal_profile_source(
    space: SpaceSegmentSpec,
    radio: RadioSpec,
    site: SiteLike,
    seed: int,
    *,
    start_utc: datetime,
    outage: Outage | None = None,
    kept: KeptPasses | None = None,
    terminals: int = 1,
) -> TerminalLink:
    """Return the rate profiles of the terminal at *site*, as a ProfileSource: call it with the start of a window.

    outage: asked with a satellite's name and times [t], says when it is out of service: others then take over.
    kept: passes of random channels, shared with other terminals. terminals: how many those are, this one included.
    """
    return TerminalLink(space_model(space, start_utc), radio, site, seed, outage, kept, terminals)
