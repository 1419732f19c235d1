"""The timeline: queues, rates and faults over simulated time, sampled without disturbing the run.

Rows are (time_s, scheme, kind, entity, quantity, value, text): one value each, so that new quantities need no new
columns.
"""

from collections.abc import Callable, Mapping
from itertools import count
from math import nan

import simpy

from ntnsim.results.record import Columns
from ntnsim.world.journey import Site, Stations
from ntnsim.world.recorder import Recorder
from ntnsim.world.relay import Relay
from ntnsim.world.terrestrial_link import TerrestrialLink

TIMELINE_COLUMNS = ("time_s", "scheme", "kind", "entity", "quantity", "value", "text")
MOST_GATEWAYS = 32  # with more, only sums over all gateways are sampled
EVEN_SAMPLES = 10_000  # a day at 10 s; then each further so many are twice as far apart
_BATCH_ROWS = 8192

Row = tuple[float, str, str, str, str, float, str]


class Timeline:
    """Collects rows and hands them on as columns."""

    def __init__(self, env: simpy.Environment, scheme: str, write: Callable[[Columns], None] | None) -> None:
        self._env = env
        self._scheme = scheme
        self._write = write
        self._rows: list[Row] = []

    def add(self, kind: str, entity: str, quantity: str, value: float = nan, text: str = "") -> None:
        """Add a row for now."""
        if self._write is None:
            return
        self._rows.append((self._env.now, self._scheme, kind, entity, quantity, float(value), text))
        if len(self._rows) >= _BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hand on what is left."""
        if self._rows and self._write is not None:
            self._write(dict(zip(TIMELINE_COLUMNS, zip(*self._rows, strict=True), strict=True)))
            self._rows = []

    def sample_every(
        self, step_s: float, stations: Stations, access: Mapping[str, TerrestrialLink], recorder: Recorder
    ) -> None:
        """Sample the stations now and every *step_s* from now on, more rarely in very long runs.

        Looking changes nothing in them.
        """
        if self._write is None:
            return
        number = count()

        def sample(event: simpy.Event | None) -> None:
            self._sample_sites(stations.sites, access)
            if stations.relay is not None:
                self._sample_relay(stations.relay)
            self.add("sample", "data network", "queue", stations.data_network.queue)
            self.add("sample", "data network", "busy_gpus", stations.data_network.pool.busy)
            self.add("sample", "delivery", "queue", stations.delivery.queue)
            self.add("sample", "world", "jobs_on_the_way", len(recorder.alive))
            self._env.timeout(step_s * 2 ** (next(number) // EVEN_SAMPLES)).callbacks.append(sample)

        sample(None)

    def _sample_relay(self, relay: Relay) -> None:
        """Sample what waits on board: all together, and at the busiest link of each kind, by name."""
        self.add("sample", "on board", "backlog_bits", relay.stored_bits())
        self.add("sample", "on board", "kept", relay.kept)
        for kind, links in relay.by_kind().items():
            backlogs = [(link.sender.backlog_bits(), link.name) for link in links]
            self.add("sample", kind, "backlog_bits", sum(bits for bits, _ in backlogs))
            if backlogs and max(backlogs)[0] > 0:
                self.add("sample", kind, "longest_backlog_bits", *max(backlogs))

    def _sample_sites(self, sites: Mapping[str, Site], access: Mapping[str, TerrestrialLink]) -> None:
        totals = {"queue": 0.0, "busy_servers": 0.0, "backlog_bits": 0.0}
        for name, site in sites.items():
            values = {
                "queue": float(site.gateway.queue),
                "busy_servers": float(site.gateway.pool.busy),
                "backlog_bits": site.terminal.sender.backlog_bits(),
            }
            for quantity, value in values.items():
                totals[quantity] += value
            if len(sites) <= MOST_GATEWAYS:
                for quantity, value in values.items():
                    self.add("sample", name, quantity, value)
                link = site.terminal.state()
                self.add("sample", name, "rate_bps", link.rate_bps)
                self.add("sample", name, "load", link.load)
                self.add("sample", name, "elevation_deg", link.elevation_deg, link.satellite)
                self.add("sample", name, "propagation_s", link.propagation_s)
                self.add("sample", name, "access_queue", access[name].queue)
        if len(sites) > MOST_GATEWAYS:
            for quantity, value in totals.items():
                self.add("sample", "all gateways", quantity, value)
