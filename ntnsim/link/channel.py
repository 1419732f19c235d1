"""The stochastic channel of 3GPP TR 38.811, 6.6: what is lost besides free space, drawn once or along a pass.

Line of sight and shadow fading come from processes that persist along the pass, never from a draw per packet. The TR
gives no law for a satellite that moves over a resting terminal; here both decorrelate with the arc of sky that the
satellite crosses (an assumption, e-folding after 3 degrees) and with the terminal's own motion (the TR's distances).
The marginals stay the tables'. The Rician factor of the small-scale fading (fading.py) persists in the same way.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ntnsim.arrays import FloatArray
from ntnsim.link.atmosphere import (
    gas_loss_db,
    slant_gas_loss_db,
    tropospheric_scintillation_db,
)
from ntnsim.link.correlated import gaussian_process, latent_uniform
from ntnsim.link.land_mobile import LandMobile, LandMobileEnd, land_mobile_along
from ntnsim.link.path_loss import (
    Environment,
    at_elevation,
    clutter_loss_rows_db,
    correlation_distance_m,
    elevation_row,
    free_space_loss_db,
    line_of_sight_probability_rows,
    rice_factor_rows_db,
    shadowing_std_rows_db,
)

GAS_ALWAYS_FROM_HZ = 10e9  # TR 38.811, 6.6.4
SMALL_HALF_CHORD = 1e-3  # where sine and angle differ by less than 2e-7 of it, which saves the arc sine
LINE_OF_SIGHT_DISTANCE_M = 50.0  # TR 38.901, Table 7.6.3.1-2: 50 m (60 in RMa)


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """Where the terminal is and which of the TR's terms apply.

    ionospheric_db: scintillation of the ionosphere, by carrier and latitude.
    zenith_gas_db: of the site's own climate, and then lost at every elevation; None: the TR's reference atmosphere.
    land_mobile: takes the place of the TR's line of sight, shadowing, clutter and K.
    rice_factor_db: of small-scale fading in line of sight; None: drawn from the TR's tables; nan: not asked for.
    """

    environment: Environment
    carrier_hz: float
    interpolate_rows: bool = False
    always_line_of_sight: bool = False
    sky_decorrelation_deg: float = 3.0
    terminal_speed_m_s: float = 0.0
    ionospheric_db: float = 0.0
    zenith_gas_db: float | None = None
    rice_factor_db: float | None = np.nan
    land_mobile: LandMobile | None = None


@dataclass(frozen=True, slots=True)
class ChannelLoss:
    """Losses in dB [n], all but free space; line_of_sight: [n].

    rice_factor_db: [n] direct over scattered power, −inf without line of sight; None where fading is not asked for.
    """

    line_of_sight: npt.NDArray[np.bool_]
    shadowing_db: FloatArray
    clutter_db: FloatArray
    gas_db: FloatArray
    scintillation_db: FloatArray
    rice_factor_db: FloatArray | None = None

    @property
    def total_db(self) -> FloatArray:
        """Sum of all terms. Shadowing has either sign: a positive one is a loss."""
        return self.shadowing_db + self.clutter_db + self.gas_db + self.scintillation_db


def channel_loss(
    elevation_deg: FloatArray, latent: FloatArray, unit_shadowing: FloatArray, settings: ChannelSettings
) -> ChannelLoss:
    """Return the losses [n] for given latent states: uniform [n] for line of sight, unit normal [n] for shadowing."""
    env, carrier_hz = settings.environment, settings.carrier_hz
    los_rows = shadowing_std_rows_db(env, carrier_hz, True)
    nlos_rows = shadowing_std_rows_db(env, carrier_hz, False)
    clutter_rows = clutter_loss_rows_db(env, carrier_hz)
    probability_rows = line_of_sight_probability_rows(env)
    if settings.interpolate_rows:
        line_of_sight = latent < at_elevation(probability_rows, elevation_deg, interpolate=True)
        sigma = np.where(
            line_of_sight,
            at_elevation(los_rows, elevation_deg, interpolate=True),
            at_elevation(nlos_rows, elevation_deg, interpolate=True),
        )
        clutter = np.where(line_of_sight, 0.0, at_elevation(clutter_rows, elevation_deg, interpolate=True))
    else:
        row = elevation_row(elevation_deg)
        line_of_sight = latent < probability_rows[row]
        # One gather from the rows of both states: first nine NLOS, then LOS.
        state_row = row + 9 * line_of_sight
        sigma = np.concatenate([nlos_rows, los_rows])[state_row]
        clutter = np.concatenate([clutter_rows, np.zeros(9)])[state_row]
    if settings.always_line_of_sight:
        line_of_sight = np.ones(len(latent), dtype=bool)
        sigma = at_elevation(los_rows, elevation_deg, interpolate=settings.interpolate_rows)
        clutter = np.zeros(len(latent))
    scintillation = settings.ionospheric_db + tropospheric_scintillation_db(
        carrier_hz, elevation_deg, interpolate=settings.interpolate_rows
    )
    return ChannelLoss(
        line_of_sight=line_of_sight,
        shadowing_db=sigma * unit_shadowing,
        clutter_db=clutter,
        gas_db=_gas_db(settings, elevation_deg),
        scintillation_db=scintillation,
    )


def _gas_db(settings: ChannelSettings, elevation_deg: FloatArray) -> FloatArray:
    """Return gas attenuation [n] where TR 38.811, 6.6.4 asks for it: from 10 GHz on, else under 10 degrees."""
    carrier_hz = settings.carrier_hz
    if settings.zenith_gas_db is not None:
        return np.asarray(slant_gas_loss_db(settings.zenith_gas_db, elevation_deg))
    if carrier_hz >= GAS_ALWAYS_FROM_HZ:
        return np.asarray(gas_loss_db(carrier_hz, elevation_deg))
    if np.min(elevation_deg, initial=90.0) >= 10.0:
        return np.zeros(len(elevation_deg))
    return np.where(elevation_deg < 10.0, gas_loss_db(carrier_hz, elevation_deg), 0.0)


def independent_path_losses_db(
    elevation_deg: FloatArray, slant_range_m: FloatArray, settings: ChannelSettings, rng: np.random.Generator
) -> FloatArray:
    """Return one independent draw of the path loss per geometry [n] (TR 38.811, eq. 6.6-1): a drop, not a pass."""
    count = len(elevation_deg)
    loss = channel_loss(elevation_deg, rng.random(count), rng.standard_normal(count), settings)
    return free_space_loss_db(slant_range_m, settings.carrier_hz) + loss.total_db


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What one stretch of a pass hands on to the next: direction [3] and latent states at its last step."""

    direction: FloatArray
    latent: float
    unit_shadowing: float
    rice_latent: float = 0.5
    mobile: LandMobileEnd | None = None


def arc_deg(direction: FloatArray, before: FloatArray | None = None) -> FloatArray:
    """Return the arc [n] from each unit vector [n, 3] to the one before it; the first's from *before* [3], else 0."""
    half = np.zeros(len(direction))
    if before is not None:
        half[0] = np.linalg.norm(direction[0] - before) / 2
    # The half chord keeps its digits where the arc cosine of nearly equal vectors has none left.
    chord = direction[1:] - direction[:-1]
    half[1:] = np.sqrt(np.einsum("nx,nx->n", chord, chord)) / 2
    if np.max(half, initial=0.0) > SMALL_HALF_CHORD:
        half = np.arcsin(np.minimum(half, 1.0))
    arc: FloatArray = half * np.degrees(2.0)
    return arc


def channel_along_pass(
    elevation_deg: FloatArray,
    direction: FloatArray,
    step_s: float,
    settings: ChannelSettings,
    rng: np.random.Generator,
    before: ChannelState | None = None,
) -> tuple[ChannelLoss, ChannelState]:
    """Return the losses [n] along a pass sampled every *step_s*, and the state at its end; elevation_deg: [n].

    direction: [n, 3] unit vectors from the terminal to the satellite, in axes that stay the same along the pass.
    before: the state at the step before the first, if these steps continue a pass.
    """
    turned = arc_deg(direction, None if before is None else before.direction) / settings.sky_decorrelation_deg
    moved_m = settings.terminal_speed_m_s * step_s
    if settings.land_mobile is not None:
        # A turn of the sky is worth as much way as it is for line of sight: both forget after it.
        way_m = turned * LINE_OF_SIGHT_DISTANCE_M + moved_m
        mobile, mobile_end = land_mobile_along(
            way_m, settings.land_mobile, rng, None if before is None else before.mobile
        )
        nothing = np.zeros(len(way_m))
        loss = replace(
            channel_loss(elevation_deg, nothing, nothing, settings),
            line_of_sight=mobile.good,
            shadowing_db=mobile.loss_db,
            clutter_db=nothing,
            rice_factor_db=mobile.rice_factor_db,
        )
        return loss, ChannelState(direction[-1].copy(), 0.0, 0.0, mobile=mobile_end)
    sight_along = np.cumsum(turned + moved_m / LINE_OF_SIGHT_DISTANCE_M)
    latent = latent_uniform(sight_along, rng, None if before is None else before.latent)
    probability = at_elevation(
        line_of_sight_probability_rows(settings.environment),
        elevation_deg,
        interpolate=settings.interpolate_rows,
    )
    in_sight = (latent < probability) | settings.always_line_of_sight
    distance_m = np.where(
        in_sight,
        correlation_distance_m(settings.environment, True),
        correlation_distance_m(settings.environment, False),
    )
    unit = gaussian_process(
        np.cumsum(turned + moved_m / distance_m), rng, None if before is None else before.unit_shadowing
    )
    loss = channel_loss(elevation_deg, latent, unit, settings)
    rice_latent = np.full(1, 0.5)
    if settings.rice_factor_db is None:
        # Drawn after everything else, so that a channel without fading keeps its draws.
        rice_latent = latent_uniform(sight_along, rng, None if before is None else before.rice_latent)
        mean_db, deviation_db = rice_factor_rows_db(settings.environment, settings.carrier_hz)
        factor_db = at_elevation(mean_db, elevation_deg, interpolate=settings.interpolate_rows) + ndtri(
            np.clip(rice_latent, 1e-12, 1 - 1e-12)
        ) * at_elevation(deviation_db, elevation_deg, interpolate=settings.interpolate_rows)
        loss = replace(loss, rice_factor_db=np.where(loss.line_of_sight, factor_db, -np.inf))
    elif not np.isnan(settings.rice_factor_db):
        loss = replace(loss, rice_factor_db=np.where(loss.line_of_sight, settings.rice_factor_db, -np.inf))
    end = ChannelState(direction[-1].copy(), float(latent[-1]), float(unit[-1]), float(rice_latent[-1]))
    return loss, end
