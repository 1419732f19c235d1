"""When satellites see ground stations, and when faults take that from them: the contacts of every feeder link."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple, Protocol

import numpy as np

from ntnsim.arrays import BoolArray
from ntnsim.orbit.earth import Site
from ntnsim.orbit.geometry import look
from ntnsim.orbit.pass_book import BLOCK_S, PassBook, search_together
from ntnsim.orbit.passes import Orbits
from ntnsim.scenario.fault_target import means
from ntnsim.units import SPEED_OF_LIGHT_M_S

KEPT_BLOCKS = 64
EDGE_S = 1e-6  # a last bit may leave at the very end of a contact


class CutPath(Protocol):
    """Positive while all is well, 0 while it is cut."""

    def at(self, time_s: float) -> float: ...
    def change_times_s(self, start_s: float, end_s: float) -> list[float]: ...


class Cut(NamedTuple):
    """A fault of the way down: its kind and target as in the scenario, and when."""

    kind: str
    target: str
    path: CutPath


class Contact(NamedTuple):
    """A satellite above a station's mask."""

    satellite: int
    station: int
    rise_s: float
    set_s: float


class FeederWindows:
    """Contacts between satellites and stations, hour by hour, less what faults cut.

    A satellite feeds one station at a time, the nearest that receives.
    """

    def __init__(
        self, orbits: Orbits, stations: Sequence[Site], cuts: Sequence[Cut], search_step_s: float
    ) -> None:
        self.orbits = orbits
        self.stations = stations
        self._books = [PassBook(orbits, station, step_s=search_step_s) for station in stations]
        self._blocks: OrderedDict[int, dict[int, list[Contact]]] = OrderedDict()
        self._station_cuts = [
            [cut.path for cut in cuts if cut.kind == "receiving_station" and means(cut.target, station.name)]
            for station in stations
        ]
        feeder_cuts = [cut for cut in cuts if cut.kind in ("satellite_feeder", "satellite")]
        self._satellite_cuts = {
            satellite: paths
            for satellite, name in enumerate(orbits.names)
            if (paths := [cut.path for cut in feeder_cuts if means(cut.target, name)])
        }

    def contacts(self, block: int) -> dict[int, list[Contact]]:
        """Return the contacts with a moment in an hour, by satellite."""
        if block not in self._blocks:
            start_s, end_s = block * BLOCK_S, (block + 1) * BLOCK_S
            search_together(self._books, start_s, end_s)
            found: dict[int, list[Contact]] = {}
            for station, book in enumerate(self._books):
                for one in book.between(start_s, end_s):
                    found.setdefault(one.satellite, []).append(
                        Contact(one.satellite, station, one.rise_s, one.set_s)
                    )
            self._blocks[block] = found
            while len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return self._blocks[block]

    def steps(self, satellite: int) -> Iterator[tuple[float, float]]:
        """Yield from when on *satellite* has a station (1) and from when on none (0), an hour at a time, for ever."""
        for block in count():
            begin_s, end_s = block * BLOCK_S, (block + 1) * BLOCK_S
            own = self.contacts(block).get(satellite, [])
            edges_s = {begin_s}
            for contact in own:
                edges_s.update((contact.rise_s, contact.set_s))
                for path in self._station_cuts[contact.station]:
                    edges_s.update(path.change_times_s(begin_s, end_s))
            for path in self._satellite_cuts.get(satellite, ()):
                edges_s.update(path.change_times_s(begin_s, end_s))
            for edge_s in sorted(edge_s for edge_s in edges_s if begin_s <= edge_s < end_s):
                open_now = any(self._open(contact, edge_s) for contact in own)
                yield edge_s, float(open_now)

    def assumed_steps(self, satellite: int) -> Iterator[tuple[float, float]]:
        """Yield the same where a station is always in view: only faults change it."""
        paths = self._satellite_cuts.get(satellite, [])
        for block in count():
            begin_s, end_s = block * BLOCK_S, (block + 1) * BLOCK_S
            changes_s = {time_s for path in paths for time_s in path.change_times_s(begin_s, end_s)}
            for time_s in (begin_s, *sorted(changes_s)):
                yield time_s, float(all(path.at(time_s) > 0 for path in paths))

    def edges_s(self, start_s: float, end_s: float) -> list[float]:
        """Return the times in (start_s, end_s), in order, at which any contact begins or ends."""
        edges: set[float] = set()
        for block in range(int(start_s // BLOCK_S), int(-(-end_s // BLOCK_S))):
            for own in self.contacts(block).values():
                for contact in own:
                    edges.update((contact.rise_s, contact.set_s))
        for paths in (*self._station_cuts, *self._satellite_cuts.values()):
            for path in paths:
                edges.update(path.change_times_s(start_s, end_s))
        return sorted(edge_s for edge_s in edges if start_s < edge_s < end_s)

    def open_at(self, time_s: float) -> list[Contact]:
        """Return the contacts at *time_s* that no fault cuts."""
        return [
            contact
            for own in self.contacts(int(time_s // BLOCK_S)).values()
            for contact in own
            if self._open(contact, time_s)
        ]

    def nearest(self, satellite: int, time_s: float) -> tuple[str, float]:
        """Return name and propagation delay of the station that receives *satellite* at *time_s* or just before."""
        own = self.contacts(int(max(time_s - EDGE_S, 0.0) // BLOCK_S)).get(satellite, [])
        inside = [contact for contact in own if contact.rise_s - EDGE_S <= time_s <= contact.set_s + EDGE_S]
        before_s = max(time_s - EDGE_S, 0.0)
        inside = [contact for contact in inside if self._whole(contact, before_s)] or inside
        if not inside:
            raise RuntimeError(f"{self.orbits.names[satellite]} sees no station at {time_s} s")
        position_m = self.orbits.positions_of_m(np.array([satellite]), np.array([time_s]))
        ranges_m = [float(look(self.stations[contact.station], position_m)[1][0]) for contact in inside]
        place = int(np.argmin(ranges_m))
        return self.stations[inside[place].station].name, ranges_m[place] / SPEED_OF_LIGHT_M_S

    def _open(self, contact: Contact, time_s: float) -> bool:
        return contact.rise_s <= time_s < contact.set_s and self._whole(contact, time_s)

    def _whole(self, contact: Contact, time_s: float) -> bool:
        """Return whether no fault cuts the contact's station or satellite."""
        paths = (*self._station_cuts[contact.station], *self._satellite_cuts.get(contact.satellite, ()))
        return all(path.at(time_s) > 0 for path in paths)


def cut_masks(names: Sequence[str], cuts: Sequence[Cut], kind: str) -> list[tuple[BoolArray, CutPath]]:
    """Return for each cut of *kind* which of *names* it means [n], and its path."""
    return [
        (np.array([means(cut.target, name) for name in names], dtype=np.bool_), cut.path)
        for cut in cuts
        if cut.kind == kind
    ]
