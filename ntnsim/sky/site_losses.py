"""What rain, clouds and walls take at a site, whichever satellite serves."""

from ntnsim.arrays import FloatArray
from ntnsim.link.pass_link import PassGeometry
from ntnsim.link.path_loss import building_entry_loss_db
from ntnsim.link.rain import RainFade
from ntnsim.orbit.earth import Site
from ntnsim.scenario.radio import ChannelSpec
from ntnsim.streams import stream


class SiteLosses:
    """Losses of one site on top of its channel."""

    def __init__(self, channel: ChannelSpec, carrier_hz: float, site: Site, seed: int) -> None:
        self._channel = channel
        self._carrier_hz = carrier_hz
        # One place in one building for the whole run: its entry loss is a quantile, not a process.
        self._indoor_quantile = float(stream(seed, "space", site.name, "building").uniform(0.01, 0.99))
        self._rain: RainFade | None = None
        if channel.mode == "channel" and channel.rain == "itu":
            self._rain = RainFade(
                site.latitude_deg,
                site.longitude_deg,
                carrier_hz,
                correlation_s=channel.rain_correlation_s,
                seed=seed,
            )

    def at_db(self, geometry: PassGeometry) -> FloatArray | float:
        """Return the losses along a pass [n]."""
        loss_db: FloatArray | float = 0.0
        if self._rain is not None:
            loss_db = loss_db + self._rain.loss_db(geometry.middle_s, geometry.elevation_deg)
        if self._channel.mode == "channel" and self._channel.building != "outdoor":
            loss_db = loss_db + building_entry_loss_db(
                self._carrier_hz, geometry.elevation_deg, self._indoor_quantile, self._channel.building
            )
        return loss_db
