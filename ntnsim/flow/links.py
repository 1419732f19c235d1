"""What the satellite link of every site lets through, step by step: sampled from the sky, or written in the scenario.

The sampled sky takes the highest satellite in the middle of each step (of each shell the nearest, found in a k-d tree,
then the higher one of them) and the rate that its elevation gives without random losses. The world of images serves
satellites by handover rules with hysteresis and knows every interruption; over many steps the difference is small: the
tests allow 3 % of the mean rate.
"""

from typing import NamedTuple, Protocol

import numpy as np
from scipy.spatial import cKDTree

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.errors import ScenarioError
from ntnsim.link.pass_link import LinkModel, PassGeometry, link_along_pass
from ntnsim.orbit.constellation import CircularOrbits
from ntnsim.orbit.earth import earth_model, spot_at
from ntnsim.orbit.geometry import slant_range_m
from ntnsim.rates.link_clock import Impairments, WrittenLinkSpec, written_clock
from ntnsim.scenario.radio import RadioSpec
from ntnsim.sky.radio_link import link_model
from ntnsim.sky.space_model import SpaceModel
from ntnsim.units import SPEED_OF_LIGHT_M_S

ELEVATION_STEP_DEG = 0.25
HEIGHT_CLASS_M = 20e3  # element sets within it are searched together
INTERRUPTION_RTT = {"ul": 1.5, "dl": 2.0}  # TR 38.821, 7.3.2


class LinkState(NamedTuple):
    """The links of all sites over one step [s]: rate in bit/s, one-way delay in s, serving satellite (−1: none)."""

    rate_bps: FloatArray
    propagation_s: FloatArray
    satellite: IntArray


class Links(Protocol):
    """The satellite links of all sites."""

    @property
    def satellites(self) -> tuple[str, ...]:
        """Names of the satellites that can serve."""
        ...

    def over(self, start_s: float, end_s: float) -> LinkState:
        """Return the links over [start_s, end_s); steps are asked for in order."""
        ...


class WrittenLinks:
    """A link whose rate the scenario states, the same for every site."""

    satellites = ("satellite",)

    def __init__(self, link: WrittenLinkSpec, count: int) -> None:
        self._count = count
        self._clock = written_clock(link, Impairments(), np.inf)

    def over(self, start_s: float, end_s: float) -> LinkState:
        """Return the mean rate over the step."""
        self._clock.forget_before(start_s)
        rate_bps = self._clock.bits_between(start_s, end_s) / (end_s - start_s)
        delay_s = self._clock.window_at(start_s).details.propagation_s(start_s)
        return LinkState(
            np.full(self._count, rate_bps),
            np.full(self._count, delay_s),
            np.full(self._count, 0 if rate_bps > 0 else -1),
        )


class SampledSky:
    """Links by the highest satellite in the middle of each step.

    latitudes_deg, longitudes_deg, altitudes_m: [s] of the sites. mask_deg: [s] their smallest elevations.
    """

    def __init__(
        self,
        model: SpaceModel,
        radio: RadioSpec,
        latitudes_deg: FloatArray,
        longitudes_deg: FloatArray,
        altitudes_m: FloatArray,
        mask_deg: FloatArray,
    ) -> None:
        if radio.channel.mode != "link_budget":
            raise ScenarioError(
                f"radio.channel.mode: fidelity fluid knows link_budget only, got {radio.channel.mode!r};"
                " fidelity images knows random channels"
            )
        if radio.beams.kind != "steered":
            raise ScenarioError("radio.beams: fidelity fluid knows steered beams only; take fidelity images")
        self._model = model
        self._link = link_model(model, radio, 0.0)
        latitude, longitude = np.radians(latitudes_deg), np.radians(longitudes_deg)
        level = np.cos(latitude)
        self._up = np.stack([level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)], axis=1)
        self._position_m = spot_at(self._up, altitudes_m, earth_model(model.space.earth)).position_m
        self._toward = self._position_m / np.linalg.norm(self._position_m, axis=1, keepdims=True)
        self._sine_mask = np.sin(np.radians(mask_deg))
        self._mask_deg = float(mask_deg.min())
        self._groups = _height_classes(model)
        self._rates: dict[int, FloatArray] = {}
        self._served = np.full(len(latitudes_deg), -1)

    @property
    def satellites(self) -> tuple[str, ...]:
        """Names of the constellation's satellites."""
        return self._model.orbits.names

    def over(self, start_s: float, end_s: float) -> LinkState:
        """Return what the highest satellite in the middle of the step gives."""
        middle_s = (start_s + end_s) / 2
        orbits, reach = self._model.orbits, self._model.reach
        positions_m = orbits.positions_m(np.array([middle_s]))[:, 0]
        everything = np.arange(len(orbits))
        ground_s = reach.delays_s(everything, np.array([middle_s]))[:, 0]
        usable = np.isfinite(ground_s) & np.isfinite(positions_m[:, 0])
        best = np.full(len(self._toward), -1)
        best_sine = np.full(len(self._toward), -np.inf)
        best_m = np.full(len(self._toward), np.nan)
        height_m = np.linalg.norm(positions_m, axis=1)
        for group in self._groups:
            members = group[usable[group]]
            if not len(members):
                continue
            tree = cKDTree(positions_m[members] / height_m[members, np.newaxis])
            # Seen from the mask on, a satellite is at most this far from the zenith, on the sphere.
            farthest = _widest_chord(self._mask_deg, float(height_m[members].max()))
            place = np.asarray(tree.query(self._toward, distance_upper_bound=farthest)[1])
            found = np.flatnonzero(place < len(members))
            satellite = members[place[found]]
            sine, range_m = _look(self._position_m[found], self._up[found], positions_m[satellite])
            better = (sine > best_sine[found]) & (sine >= self._sine_mask[found])
            where = found[better]
            best[where], best_sine[where], best_m[where] = satellite[better], sine[better], range_m[better]
        served = best >= 0
        rate_bps = np.zeros(len(best))
        elevation_deg = np.degrees(np.arcsin(np.clip(best_sine, -1, 1)))
        for number, group in enumerate(self._groups):
            own = served & np.isin(best, group)
            if own.any():
                table_bps = self._rate_table(number, float(np.median(height_m[group])))
                rate_bps[own] = np.interp(elevation_deg[own], _ELEVATIONS_DEG, table_bps)
        service_s = np.where(served, best_m, 0.0) / SPEED_OF_LIGHT_M_S
        payload = self._model.space.payload
        processing_s = payload.processing_s if payload.kind == "regenerative" else 0.0
        propagation_s = np.where(served, service_s + processing_s + ground_s[np.maximum(best, 0)], np.nan)
        pause_s = self._pause_s(service_s, np.where(served, ground_s[np.maximum(best, 0)], 0.0))
        changed = served & (best != self._served)
        share = np.where(changed, np.clip(1 - pause_s / (end_s - start_s), 0, 1), 1.0)
        self._served = best
        return LinkState(rate_bps * share, propagation_s, best)

    def _pause_s(self, service_s: FloatArray, ground_s: FloatArray) -> FloatArray:
        """Return how long no data flows after a handover [s]."""
        rules = self._model.space.handover
        round_trip_s = 2 * service_s
        if self._model.space.payload.kind == "transparent":
            round_trip_s = round_trip_s + 2 * ground_s
        default = INTERRUPTION_RTT[self._link.direction]
        trips = default if rules.interruption_rtt is None else rules.interruption_rtt
        return trips * round_trip_s + rules.interruption_s

    def _rate_table(self, number: int, radius_m: float) -> FloatArray:
        """Return the rate [e] at the elevations of the table, for satellites at *radius_m* from the Earth's centre."""
        if number not in self._rates:
            self._rates[number] = _rates_bps(self._link, self._model, radius_m)
        return self._rates[number]


_ELEVATIONS_DEG = np.arange(0.0, 90.0 + ELEVATION_STEP_DEG / 2, ELEVATION_STEP_DEG)


def _rates_bps(link: LinkModel, model: SpaceModel, radius_m: float) -> FloatArray:
    """Return the rate of a link that rests at each elevation of the table: a second of a pass for each."""
    altitude_m = radius_m - earth_model(model.space.earth).equatorial_radius_m
    range_m = np.asarray(slant_range_m(altitude_m, _ELEVATIONS_DEG))
    service_s = range_m / SPEED_OF_LIGHT_M_S
    transparent = model.space.payload.kind == "transparent"
    ground_m = slant_range_m(altitude_m, model.space.feeder_elevation_deg)
    nothing = np.zeros_like(range_m)
    geometry = PassGeometry(
        first_step=0,
        step_s=1.0,
        elevation_deg=_ELEVATIONS_DEG,
        range_m=range_m,
        round_trip_s=2 * service_s + (2 * ground_m / SPEED_OF_LIGHT_M_S if transparent else 0.0),
        propagation_s=service_s,
        ground_range_m=nothing + ground_m,
        ground_elevation_deg=nothing + model.space.feeder_elevation_deg,
        beam_uv=np.stack([np.sqrt(1 - _view_cosine(range_m, altitude_m, radius_m) ** 2), nothing], axis=1),
        limb_uv=nothing + earth_model(model.space.earth).equatorial_radius_m / radius_m,
        pieces=(np.arange(len(range_m)), np.arange(len(range_m))),  # each elevation for itself
    )
    return link_along_pass(geometry, link, None).goodput.rate_bps


def _view_cosine(range_m: FloatArray, altitude_m: float, radius_m: float) -> FloatArray:
    """Return the cosine of the nadir angle at which a satellite sees a terminal on a sphere."""
    ground_m = radius_m - altitude_m
    return np.clip((range_m**2 + radius_m**2 - ground_m**2) / (2 * range_m * radius_m), 0.0, 1.0)


def _height_classes(model: SpaceModel) -> list[IntArray]:
    """Return the satellites that are searched together: the shells of circular orbits, classes of height of others."""
    if isinstance(model.orbits, CircularOrbits):
        return model.orbits.rate_groups
    height_m = np.linalg.norm(model.orbits.positions_m(np.array([0.0]))[:, 0], axis=1)
    label = np.nan_to_num(np.round(height_m / HEIGHT_CLASS_M), nan=-1)
    return [np.flatnonzero(label == one) for one in np.unique(label)]


def _widest_chord(mask_deg: float, radius_m: float) -> float:
    """Return the chord on the unit sphere between a site and the farthest satellite above its mask, with some room."""
    mask = np.radians(mask_deg)
    central = np.arccos(np.clip(6.357e6 * np.cos(mask) / radius_m, -1, 1)) - mask
    return float(2 * np.sin((central + np.radians(0.5)) / 2))


def _look(position_m: FloatArray, up: FloatArray, satellite_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return sin(elevation) [k] and range [k] of satellites [k, 3] from sites [k, 3]."""
    from_site_m = satellite_m - position_m
    range_m = np.sqrt(np.einsum("kx,kx->k", from_site_m, from_site_m))
    return np.einsum("kx,kx->k", from_site_m, up) / range_m, range_m
