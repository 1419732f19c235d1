"""How a gateway sees the network: Ω_t at the moment of the decision, or as last reported; exact, or noisy."""

from collections import deque
from collections.abc import Callable
from math import log1p, sqrt

import simpy

from ntnsim.chance.sampling import Streams, block_sampler
from ntnsim.protocols.network_state import DataNetworkState, GatewayState, NetworkState, SatelliteLinkState
from ntnsim.scenario.terrestrial import ObservationSpec

Remote = tuple[SatelliteLinkState, DataNetworkState]


class Observer:
    """One gateway's view. Its own state it always knows; what is beyond may be reported late and with errors."""

    def __init__(
        self,
        env: simpy.Environment,
        entity: ObservationSpec,
        streams: Streams,
        gateway: Callable[[], GatewayState],
        satellite_link: Callable[[], SatelliteLinkState],
        data_network: Callable[[], DataNetworkState],
    ) -> None:
        self._env = env
        self._period_s, self._delay_s = entity.report_period_s, entity.delay_s
        self._gateway, self._satellite_link, self._data_network = gateway, satellite_link, data_network
        self._reports: deque[tuple[float, Remote]] = deque()  # when made, what it says
        sigma = sqrt(log1p(entity.noise_cv**2))
        self._noise = (
            block_sampler(
                lambda rng, n: rng.lognormal(-(sigma**2) / 2, sigma, n), lambda: streams.generator("noise")
            )
            if entity.noise_cv > 0
            else None
        )

    def start(self) -> None:
        """Begin to collect reports, if the scenario wants reports."""
        if self._period_s is not None:
            self._report(None)

    def state(self) -> NetworkState:
        """Return Ω_t as this gateway knows it now."""
        now = self._env.now
        if self._period_s is None:
            satellite_link, data_network = self._satellite_link(), self._data_network()
            time_s = now
        else:
            self._forget()
            # Before the first report has arrived, the gateway goes by the first one: it was configured with it.
            time_s, (satellite_link, data_network) = self._reports[0]
        if self._noise is not None:
            satellite_link, data_network = _blurred(satellite_link, data_network, self._noise)
        return NetworkState(time_s, self._gateway(), satellite_link, data_network)

    def _forget(self) -> None:
        """Drop the reports that a later one that is known by now replaces."""
        while len(self._reports) > 1 and self._reports[1][0] + self._delay_s <= self._env.now:
            self._reports.popleft()

    def _report(self, event: simpy.Event | None) -> None:
        self._forget()
        self._reports.append((self._env.now, (self._satellite_link(), self._data_network())))
        assert self._period_s is not None
        self._env.timeout(self._period_s).callbacks.append(self._report)


def _blurred(link: SatelliteLinkState, data_network: DataNetworkState, noise: Callable[[], float]) -> Remote:
    return (
        link._replace(rate_bps=link.rate_bps * noise(), backlog_bits=link.backlog_bits * noise()),
        data_network._replace(
            residual_work_s=data_network.residual_work_s * noise(),
            delivery_rate_bps=data_network.delivery_rate_bps * noise(),
        ),
    )
