"""Ω_t: the time-varying state of the network at the moment of a decision (paper Sec. V).

The world observes it, a policy may use it, every record keeps it. Rates are bits per second, backlogs bits, times
seconds. ``nan`` marks what does not exist at that moment (the elevation when no satellite is in view); a rate of
``inf`` a link whose transfers take no time.
"""

from typing import Any, NamedTuple


# Made at every decision: named tuples cost a fifth of frozen dataclasses.
class GatewayState(NamedTuple):
    """ω_GW: the access link and the gateway's processors."""

    access_rate_bps: float
    access_queue: int  # images waiting for, or on, the access link
    queue: int  # images waiting for a processor
    busy_servers: int
    residual_work_s: float  # expected processor time of all that is queued or in service


class SatelliteLinkState(NamedTuple):
    """ω_NTN: the serving satellite and what is left of its pass."""

    satellite: str  # "" when none is in view
    elevation_deg: float
    sinr_db: float
    rate_bps: float  # what this terminal would get now, after sharing
    backlog_bits: float  # admitted to the link and not yet sent
    remaining_pass_s: float
    next_contact_s: float  # time until bits can flow: 0 in contact
    load: float  # share of the beam's resources taken by others, in [0, 1]
    propagation_s: float


class DataNetworkState(NamedTuple):
    """ω_DN: the reconstruction servers and the delivery link."""

    queue: int
    free_gpus: int
    residual_work_s: float
    delivery_rate_bps: float


class NetworkState(NamedTuple):
    """Ω_t = (ω_GW, ω_NTN, ω_DN) at *time_s*, in seconds from the scenario's start: what `Policy.choose` is given.

    gateway: ``access_rate_bps``, ``access_queue``, ``queue``, ``busy_servers``, ``residual_work_s``.
    satellite_link: ``satellite``, ``elevation_deg``, ``sinr_db``, ``rate_bps``, ``backlog_bits``, ``remaining_pass_s``,
        ``next_contact_s``, ``load``, ``propagation_s``.
    data_network: ``queue``, ``free_gpus``, ``residual_work_s``, ``delivery_rate_bps``.

    >>> import ntnsim
    >>> class Patient(ntnsim.Policy):
    ...     def choose(self, image, network, requirement):
    ...         waits_s = network.satellite_link.next_contact_s + network.gateway.residual_work_s
    ...         if waits_s > requirement.deadline_s:
    ...             return ntnsim.Decision(None, "no pass in time")
    ...         return ntnsim.Decision(ntnsim.Configuration(0.0, (0.5,)))
    >>> ntnsim.NetworkState._fields
    ('time_s', 'gateway', 'satellite_link', 'data_network')
    """

    time_s: float
    gateway: GatewayState
    satellite_link: SatelliteLinkState
    data_network: DataNetworkState

    def flat(self) -> dict[str, Any]:
        """Return every entry under a prefixed name, as records and policies use it: ``omega_gw_queue`` …"""
        row: dict[str, Any] = {"omega_time_s": self.time_s}
        parts = (("gw", self.gateway), ("ntn", self.satellite_link), ("dn", self.data_network))
        for prefix, part in parts:
            row.update({f"omega_{prefix}_{name}": value for name, value in part._asdict().items()})
        return row
