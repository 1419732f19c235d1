"""The satellite's antenna pattern and its hexagonal beams (TR 38.811, 6.4.1; TR 38.821, 6.1.1.1).

TR 38.821 lists the *diameter* of the equivalent aperture; the pattern takes the radius.
"""

from collections.abc import Iterable
from functools import cache
from math import asin, pi, sin, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import j1

from ntnsim.arrays import FloatArray
from ntnsim.units import SPEED_OF_LIGHT_M_S

HALF_POWER_ARGUMENT = 1.616339948310703  # x of 4 (J1(x)/x)² = 1/2
INTERFERING_TIERS = {"frf1": 2, "frf3": 4, "frf2_polarisation": 4}  # TR 38.821, Table 6.1.1.1-4


def pattern_gain_ratio(sine_off_axis: Any, aperture_m: float, carrier_hz: float) -> FloatArray:
    """Return the gain over its maximum, 4 (J1(x)/x)² with x = k a sin θ, at *sine_off_axis* = sin θ.

    aperture_m: diameter.
    """
    wave_number = 2 * pi * carrier_hz / SPEED_OF_LIGHT_M_S
    argument = np.abs(np.asarray(sine_off_axis, dtype=float)) * wave_number * aperture_m / 2
    near_axis = argument < 1e-4  # the ratio tends to 1 − x²/4
    safe = np.where(near_axis, 1.0, argument)
    return np.where(near_axis, 1.0 - argument**2 / 4, 4 * (j1(safe) / safe) ** 2)


def half_power_beamwidth_rad(aperture_m: float, carrier_hz: float) -> float:
    """Return the full angle between the −3 dB directions."""
    wave_number = 2 * pi * carrier_hz / SPEED_OF_LIGHT_M_S
    return 2 * asin(HALF_POWER_ARGUMENT / (wave_number * aperture_m / 2))


def beam_spacing_uv(aperture_m: float, carrier_hz: float) -> float:
    """Return the distance of neighbouring beam centres in the UV plane, √3 sin(HPBW/2) (TR 38.821, Table 6.1.1.1-4)."""
    return sqrt(3) * sin(half_power_beamwidth_rad(aperture_m, carrier_hz) / 2)


@cache
def hexagonal_layout(tiers: int) -> tuple[FloatArray, FloatArray]:
    """Return beam centres [b, 2] in units of the spacing, the central one first, and lattice coordinates [b, 2]."""
    cells = [
        (q, r)
        for q in range(-tiers, tiers + 1)
        for r in range(-tiers, tiers + 1)
        if max(abs(q), abs(r), abs(q + r)) <= tiers
    ]
    cells.sort(key=lambda cell: (max(abs(cell[0]), abs(cell[1]), abs(sum(cell))), cell))
    lattice = np.array(cells, dtype=float)
    centres = np.stack([lattice[:, 0] + lattice[:, 1] / 2, lattice[:, 1] * sqrt(3) / 2], axis=1)
    return centres, lattice


def co_channel(lattice: FloatArray, reuse: str) -> Any:
    """Return which beams [b] use the central beam's frequency and polarisation.

    frf1: all. frf3: every third, (q − r) mod 3 = 0. frf2_polarisation: two frequencies times two polarisations are four
    colours, so every fourth: q and r both even.
    """
    q, r = lattice[:, 0].astype(int), lattice[:, 1].astype(int)
    if reuse == "frf1":
        return np.ones(len(q), dtype=bool)
    if reuse == "frf3":
        return (q - r) % 3 == 0
    return (q % 2 == 0) & (r % 2 == 0)


def nearest_beam_offset_uv(u: FloatArray, v: FloatArray, spacing_uv: float) -> FloatArray:
    """Return the vector [..., 2] from the nearest centre of an endless hexagonal layout to the point (u, v)."""
    r = v / (spacing_uv * sqrt(3) / 2)
    q = u / spacing_uv - r / 2
    # Cube rounding: of the three rounded coordinates, the one that moved most follows from the others.
    s = -q - r
    rounded = [np.rint(axis) for axis in (q, r, s)]
    moved = [np.abs(axis - whole) for axis, whole in zip((q, r, s), rounded, strict=True)]
    fix_q = (moved[0] > moved[1]) & (moved[0] > moved[2])
    fix_r = ~fix_q & (moved[1] > moved[2])
    whole_q = np.where(fix_q, -rounded[1] - rounded[2], rounded[0])
    whole_r = np.where(fix_r, -rounded[0] - rounded[2], rounded[1])
    left_q, left_r = q - whole_q, r - whole_r
    return np.stack([(left_q + left_r / 2) * spacing_uv, left_r * sqrt(3) / 2 * spacing_uv], axis=-1)


def downlink_cir_db(
    offset_uv: FloatArray,
    aperture_m: float,
    carrier_hz: float,
    reuse: str,
    *,
    tiers: int | None = None,
    centre_uv: FloatArray | None = None,
    limb_uv: FloatArray | None = None,
) -> FloatArray:
    """Return the carrier-to-interference ratio [...] of a terminal *offset_uv* [..., 2] off its beam's centre.

    Beams of equal EIRP on the hexagonal layout, all loaded.
    tiers: rings of beams around its own; default two with FRF 1 and four otherwise.
    centre_uv, limb_uv: its beam's centre [..., 2] in the UV plane, and the limb's distance [...] from the plane's own
    centre. Beams with a centre beyond the limb are not there. Default: all are.
    """
    others = _interferers(aperture_m, carrier_hz, reuse, tiers)
    # One beam at a time: memory stays that of the offsets.
    gains = (
        pattern_gain_ratio(
            np.hypot(offset_uv[..., 0] - centre[0], offset_uv[..., 1] - centre[1]), aperture_m, carrier_hz
        )
        for centre in others
    )
    return _cir_db(offset_uv, aperture_m, carrier_hz, gains, _within_limb(others, centre_uv, limb_uv))


def uplink_cir_db(
    offset_uv: FloatArray,
    aperture_m: float,
    carrier_hz: float,
    reuse: str,
    *,
    tiers: int | None = None,
    centre_uv: FloatArray | None = None,
    limb_uv: FloatArray | None = None,
) -> FloatArray:
    """Return the carrier-to-interference ratio [...] at the satellite for a terminal *offset_uv* [..., 2] off centre.

    One terminal of equal power transmits in every co-channel beam, anywhere in it with equal chance. Other arguments
    are those of `downlink_cir_db`.
    """
    gains = _uplink_gains(aperture_m, carrier_hz, reuse, tiers)
    lit = _within_limb(_interferers(aperture_m, carrier_hz, reuse, tiers), centre_uv, limb_uv)
    return _cir_db(offset_uv, aperture_m, carrier_hz, gains, lit)


def _cir_db(
    offset_uv: FloatArray,
    aperture_m: float,
    carrier_hz: float,
    gains: Iterable[Any],
    lit: npt.NDArray[np.bool_] | None,
) -> FloatArray:
    """Return the ratio [...] of the own beam's gain to the sum of those of others that are *lit* [b, ...]: *gains*."""
    own = pattern_gain_ratio(np.hypot(offset_uv[..., 0], offset_uv[..., 1]), aperture_m, carrier_hz)
    interference = np.zeros(own.shape if lit is None else lit.shape[1:])
    for number, gain in enumerate(gains):
        np.add(interference, gain, out=interference, where=True if lit is None else lit[number])
    with np.errstate(divide="ignore"):  # nothing interferes
        return 10 * np.log10(own / interference)


def _interferers(aperture_m: float, carrier_hz: float, reuse: str, tiers: int | None) -> FloatArray:
    """Return the centres [b, 2] of the beams that share the central one's channel, relative to it."""
    centres, lattice = hexagonal_layout(tiers or INTERFERING_TIERS[reuse])
    others: FloatArray = centres[co_channel(lattice, reuse)][1:] * beam_spacing_uv(aperture_m, carrier_hz)
    return others


def _within_limb(
    others: FloatArray, centre_uv: FloatArray | None, limb_uv: FloatArray | None
) -> npt.NDArray[np.bool_] | None:
    """Return which beams [b, n] at *others* [b, 2] from the own centre [n, 2] meet the Earth; None without a limb."""
    if centre_uv is None or limb_uv is None:
        return None
    # |c + x|² <= limb². Single precision places the limb to a metre or so; element by element, as a matrix product's
    # last digits would depend on how windows are cut.
    u, v = np.ascontiguousarray(centre_uv.T, dtype=np.float32)
    room = (limb_uv * limb_uv - np.einsum("nx,nx->n", centre_uv, centre_uv)).astype(np.float32)
    within = np.empty((len(others), len(room)), dtype=np.bool_)
    along, across = np.empty_like(u), np.empty_like(u)
    for row, (x, y) in zip(within, others.astype(np.float32), strict=True):
        np.multiply(u, 2 * x, out=along)
        np.multiply(v, 2 * y, out=across)
        along += across
        along += x * x + y * y
        np.less_equal(along, room, out=row)
    return within


@cache
def _uplink_gains(aperture_m: float, carrier_hz: float, reuse: str, tiers: int | None) -> FloatArray:
    """Return the mean gains [b] with which this beam hears one terminal in each co-channel beam."""
    spacing = beam_spacing_uv(aperture_m, carrier_hz)
    # Terminals spread evenly over their hexagon: a fine grid of points, folded into the cell.
    axis = (np.arange(24) + 0.5) / 24 - 0.5
    grid_u, grid_v = np.meshgrid(2 * axis * spacing, 2 * axis * spacing)
    inside = nearest_beam_offset_uv(grid_u.ravel(), grid_v.ravel(), spacing)
    means = []
    for centre in _interferers(aperture_m, carrier_hz, reuse, tiers):
        distance = np.hypot(inside[:, 0] + centre[0], inside[:, 1] + centre[1])
        means.append(float(np.mean(pattern_gain_ratio(distance, aperture_m, carrier_hz))))
    return np.array(means)
