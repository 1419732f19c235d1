"""One satellite's link along one pass: geometry in, SINR and goodput out, every dB term kept.

The service link is the deterministic budget of TR 38.821, or the stochastic channel of TR 38.811; a transparent payload
adds the feeder link's noise; co-channel beams and a residual frequency error limit the SINR where they are asked for.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ntnsim.arrays import FloatArray, IntArray
from ntnsim.link.antenna import (
    beam_spacing_uv,
    downlink_cir_db,
    nearest_beam_offset_uv,
    pattern_gain_ratio,
    uplink_cir_db,
)
from ntnsim.link.atmosphere import gas_loss_db
from ntnsim.link.budget import LinkBudget, aperture_gain_dbi, combined_db, g_over_t_db_k, link_budget
from ntnsim.link.channel import ChannelLoss, ChannelSettings, ChannelState, channel_along_pass
from ntnsim.link.doppler import doppler_from_ranges_hz, intercarrier_interference_ratio_db
from ntnsim.link.fading import FadingTables, faded_goodput
from ntnsim.link.goodput import Goodput, GoodputSettings, goodput_along_pass
from ntnsim.link.path_loss import free_space_loss_db
from ntnsim.link.reference_radio import SatelliteRadio, TerminalRadio
from ntnsim.units import BOLTZMANN_DBW_PER_K_HZ


@dataclass(frozen=True, slots=True)
class FeederRadio:
    """Radio between satellite and ground station, one direction: the sender's EIRP density, the receiver's G/T."""

    carrier_hz: float
    eirp_density_dbw_per_mhz: float
    g_over_t_db_k: float

    def cnr_db(self, range_m: FloatArray, elevation_deg: FloatArray) -> FloatArray:
        """Return the CNR [n] in clear sky; the bandwidth cancels, as power is sent per MHz."""
        losses_db = free_space_loss_db(range_m, self.carrier_hz) + gas_loss_db(self.carrier_hz, elevation_deg)
        noise_dbw_over_t = BOLTZMANN_DBW_PER_K_HZ + 60.0  # in 1 MHz
        return self.eirp_density_dbw_per_mhz + self.g_over_t_db_k - losses_db - noise_dbw_over_t


def station_g_over_t_db_k(
    *,
    aperture_m: float,
    efficiency: float,
    carrier_hz: float,
    noise_figure_db: float,
    antenna_temperature_k: float,
) -> float:
    """Return G/T of a ground station's dish."""
    gain_dbi = aperture_gain_dbi(aperture_m, carrier_hz, efficiency)
    return g_over_t_db_k(
        gain_dbi, noise_figure_db=noise_figure_db, antenna_temperature_k=antenna_temperature_k
    )


@dataclass(frozen=True, slots=True)
class LinkModel:
    """Everything about a service link that does not change along a pass.

    channel: None for the deterministic budget. fading: None where the channel's power stands at its local mean.
    interference_load: share of their resources that co-channel beams use, within so many *interference_tiers*.
    beams: steered (the terminal stays in the centre) or satellite_fixed (a hexagonal layout sweeps over it).
    """

    satellite: SatelliteRadio
    terminal: TerminalRadio
    direction: str
    carrier_hz: float
    bandwidth_hz: float
    subcarrier_spacing_hz: float
    goodput: GoodputSettings
    reuse: str = "frf1"
    channel: ChannelSettings | None = None
    fading: FadingTables | None = None
    additional_loss_db: float = 0.0
    beams: str = "steered"
    scan_exponent: float = 0.0
    interference_load: float = 0.0
    interference_tiers: int = 2
    residual_frequency_error_ppm: float = 0.1
    feeder: FeederRadio | None = None  # transparent payload

    @property
    def beam_aperture_m(self) -> float:
        """Diameter of the satellite antenna that works in this direction."""
        return (
            self.satellite.transmit_aperture_m
            if self.direction == "dl"
            else self.satellite.receive_aperture_m
        )


@dataclass(frozen=True, slots=True)
class PassGeometry:
    """A pass on a uniform grid [n]; the first step is number *first_step* of the scenario's grid.

    pieces: where the steps are of several passes, one after the other: where each begins [p], from 0 on, and the number
        of its first step [p]; *first_step* then is that of the first.
    beam_uv: [n, 2] direction of the terminal in the satellite's UV plane, u along its motion; only for fixed beams,
        scan loss or interference.
    limb_uv: [n] distance of the Earth's limb from the centre of that plane; only for interference.
    ground_range_m, ground_elevation_deg: [n] of the hop between satellite and ground station.
    round_trip_s: [n] between the terminal and where the link's control sits: the satellite, or the station behind a
        transparent one.
    propagation_s: [n] one-way, end to end.
    direction: [n, 3] Earth-fixed unit vectors from the terminal to the satellite; only for the stochastic channel.
    """

    first_step: int
    step_s: float
    elevation_deg: FloatArray
    range_m: FloatArray
    round_trip_s: FloatArray
    propagation_s: FloatArray
    ground_range_m: FloatArray
    ground_elevation_deg: FloatArray
    beam_uv: FloatArray | None = None
    limb_uv: FloatArray | None = None
    direction: FloatArray | None = None
    pieces: tuple[IntArray, IntArray] | None = None

    @property
    def middle_s(self) -> FloatArray:
        """The middle of each step [n]."""
        begins, first = self.pieces or (np.zeros(1, dtype=np.int64), np.array([self.first_step]))
        count = len(self.range_m)
        number = np.arange(count) + np.repeat(first - begins, np.diff(begins, append=count))
        middle_s: FloatArray = (number.astype(np.float64) + 0.5) * self.step_s
        return middle_s


@dataclass(frozen=True, slots=True)
class PassLink:
    """The link along a pass [n]; *budget* holds the deterministic terms, *loss* the random ones (channel mode).

    extra_loss_db: [n] rain, cloud and walls of the site, which the budget has among its additional losses.
    end: the channel's state at the last step, for the link that continues this one.
    """

    geometry: PassGeometry
    budget: LinkBudget
    loss: ChannelLoss | None
    cnr_db: FloatArray
    sinr_db: FloatArray
    goodput: Goodput
    limits_db: dict[str, Any] = field(default_factory=dict)
    end: ChannelState | None = None
    extra_loss_db: FloatArray | float = 0.0


def link_along_pass(
    geometry: PassGeometry,
    model: LinkModel,
    rng: np.random.Generator | None,
    *,
    extra_loss_db: FloatArray | float = 0.0,
    strong_scintillation_db: FloatArray | float = 0.0,
    before: ChannelState | None = None,
) -> PassLink:
    """Return the link along a pass, or along one stretch of a long one.

    rng: draws the channel's states; not used by the deterministic budget.
    extra_loss_db: [n] rain, cloud and faults.
    strong_scintillation_db: [n] what the stochastic channel loses besides in spells of strong scintillation.
    before: the channel's state where these steps continue another stretch.
    """
    beam_loss_db, offset_uv = _beam(geometry, model)
    budget = link_budget(
        satellite=model.satellite,
        terminal=model.terminal,
        direction=model.direction,
        elevation_deg=geometry.elevation_deg,
        slant_range_m=geometry.range_m,
        carrier_hz=model.carrier_hz,
        bandwidth_hz=model.bandwidth_hz,
        reuse=model.reuse,
        additional_db=model.additional_loss_db + extra_loss_db,
        beam_loss_db=beam_loss_db,
    )
    loss, end = None, None
    cnr_db = budget.cnr_db
    if model.channel is not None:
        if rng is None:
            raise ValueError("the stochastic channel needs a random generator")
        if geometry.direction is None:
            raise ValueError("the stochastic channel needs the satellite's direction")
        loss, end = channel_along_pass(
            geometry.elevation_deg, geometry.direction, geometry.step_s, model.channel, rng, before
        )
        loss = replace(loss, scintillation_db=loss.scintillation_db + strong_scintillation_db)
        # The channel's own terms take the place of the budget's fixed margins.
        fixed_db = budget.atmospheric_db + budget.shadow_margin_db + budget.scintillation_db
        cnr_db = cnr_db + fixed_db - loss.total_db
    limits_db: dict[str, Any] = {}
    if model.feeder is not None:
        limits_db["feeder"] = model.feeder.cnr_db(geometry.ground_range_m, geometry.ground_elevation_deg)
    if model.interference_load > 0:
        limits_db["co_channel"] = _co_channel_db(geometry, model, offset_uv)
    if model.residual_frequency_error_ppm > 0:
        residual_hz = model.residual_frequency_error_ppm * 1e-6 * model.carrier_hz
        limits_db["frequency_error"] = intercarrier_interference_ratio_db(
            residual_hz, model.subcarrier_spacing_hz
        )
    sinr_db = combined_db(cnr_db, *limits_db.values()) if limits_db else cnr_db
    # Where there is no way down to the ground there is no link.
    sinr_db = np.where(np.isnan(geometry.propagation_s), -np.inf, sinr_db)
    round_trip_s = np.where(np.isnan(geometry.round_trip_s), 0.0, geometry.round_trip_s)
    if model.fading is not None and loss is not None and loss.rice_factor_db is not None:
        goodput = faded_goodput(sinr_db, loss.rice_factor_db, round_trip_s, model.fading)
    else:
        begins, first_step = geometry.pieces or (None, geometry.first_step)
        goodput = goodput_along_pass(
            sinr_db, round_trip_s, geometry.step_s, first_step, model.goodput, begins
        )
    return PassLink(geometry, budget, loss, cnr_db, sinr_db, goodput, limits_db, end, extra_loss_db)


def _co_channel_db(geometry: PassGeometry, model: LinkModel, offset_uv: FloatArray) -> FloatArray:
    """Return the carrier-to-interference ratio [n] of a terminal *offset_uv* [..., 2] off its beam's centre."""
    if geometry.beam_uv is None or geometry.limb_uv is None:
        raise ValueError("interference needs the terminal's direction and the limb in the UV plane")
    cir_db = downlink_cir_db if model.direction == "dl" else uplink_cir_db
    full_db = cir_db(
        offset_uv,
        model.beam_aperture_m,
        model.carrier_hz,
        model.reuse,
        tiers=model.interference_tiers,
        centre_uv=geometry.beam_uv - offset_uv,
        limb_uv=geometry.limb_uv,
    )
    return full_db - 10 * np.log10(model.interference_load)


def _beam(geometry: PassGeometry, model: LinkModel) -> tuple[FloatArray | float, FloatArray]:
    """Return the loss of satellite gain towards the terminal, and its offset from the beam's centre in UV [..., 2]."""
    uv = geometry.beam_uv
    if model.beams == "satellite_fixed":
        if uv is None:
            raise ValueError("satellite-fixed beams need the terminal's direction in the UV plane")
        spacing = beam_spacing_uv(model.beam_aperture_m, model.carrier_hz)
        offset_uv = nearest_beam_offset_uv(uv[:, 0], uv[:, 1], spacing)
        distance = np.hypot(offset_uv[:, 0], offset_uv[:, 1])
        gain = pattern_gain_ratio(distance, model.beam_aperture_m, model.carrier_hz)
        return -10 * np.log10(gain), offset_uv
    if model.scan_exponent > 0 and uv is not None:
        cosine = np.sqrt(np.maximum(1.0 - uv[:, 0] ** 2 - uv[:, 1] ** 2, 1e-6))
        return -10 * model.scan_exponent * np.log10(cosine), np.zeros(2)
    return 0.0, np.zeros(2)


def terms_table(link: PassLink) -> dict[str, FloatArray]:
    """Return every dB term along the pass as columns [n]."""
    count = len(link.geometry.elevation_deg)

    def column(value: Any) -> FloatArray:
        return np.broadcast_to(np.asarray(value, dtype=float), count)

    budget = link.budget
    columns = {
        "elevation_deg": column(link.geometry.elevation_deg),
        "slant_range_m": column(link.geometry.range_m),
        "propagation_s": column(link.geometry.propagation_s),
        "doppler_hz": column(
            doppler_from_ranges_hz(link.geometry.range_m, link.geometry.step_s, budget.carrier_hz)
        ),
        "eirp_dbw": column(budget.eirp_dbw),
        "g_over_t_db_k": column(budget.g_over_t_db_k),
        "fspl_db": column(budget.fspl_db),
        "polarisation_db": column(budget.polarisation_db),
        "additional_db": column(budget.additional_db - link.extra_loss_db),
        "rain_cloud_walls_db": column(link.extra_loss_db),
    }
    if link.loss is None:
        columns["atmospheric_db"] = column(budget.atmospheric_db)
        columns["shadow_margin_db"] = column(budget.shadow_margin_db)
        columns["scintillation_db"] = column(budget.scintillation_db)
    else:
        columns["line_of_sight"] = column(link.loss.line_of_sight)
        columns["atmospheric_db"] = column(link.loss.gas_db)
        columns["shadowing_db"] = column(link.loss.shadowing_db)
        columns["clutter_db"] = column(link.loss.clutter_db)
        if link.loss.rice_factor_db is not None:
            columns["rice_factor_db"] = column(link.loss.rice_factor_db)
        columns["scintillation_db"] = column(link.loss.scintillation_db)
    columns["cnr_db"] = column(link.cnr_db)
    for name, limit_db in link.limits_db.items():
        columns[f"{name}_db"] = column(limit_db)
    columns["sinr_db"] = column(link.sinr_db)
    columns["bler"] = column(link.goodput.bler)
    columns["residual_loss"] = column(link.goodput.residual_loss)
    columns["rate_bps"] = column(link.goodput.rate_bps)
    return columns
