"""Losses in clear sky: gases, and scintillation of the troposphere (TR 38.811, 6.6.4 and 6.6.6).

Rain and clouds are in rain.py, the ionosphere in ionosphere.py.
"""

from functools import cache
from typing import Any

import numpy as np

from ntnsim.arrays import FloatArray
from ntnsim.link.path_loss import at_elevation
from ntnsim.link.tables import table

IONOSPHERE_BELOW_HZ = 6e9  # TR 38.811, 6.6.6: ionospheric below 6 GHz, tropospheric from there on


@cache
def _zenith_rows() -> tuple[FloatArray, FloatArray]:
    """Return frequencies in GHz and zenith attenuations in dB."""
    gases = table("p676")
    return np.array(gases["frequency_ghz"]), np.array(gases["zenith_db"])


def zenith_gas_loss_db(carrier_hz: float) -> float:
    """Return the gas attenuation towards the zenith at sea level, 15 °C, 7.5 g/m³, 0.1 to 52 GHz.

    Line-by-line results of ITU-R P.676-12, linear between rows 0.25 to 1 GHz apart: within 0.002 dB up to 45 GHz.
    """
    frequencies_ghz, values_db = _zenith_rows()
    frequency_ghz = carrier_hz / 1e9
    if not frequencies_ghz[0] <= frequency_ghz <= frequencies_ghz[-1]:
        raise ValueError(f"carrier_hz must be in [0.1e9, 52e9] for the gas table, got {carrier_hz!r}")
    return float(np.interp(frequency_ghz, frequencies_ghz, values_db))


def gas_loss_db(carrier_hz: float, elevation_deg: Any) -> Any:
    """Return A_zenith / sin(elevation) (TR 38.811, eq. 6.6-8).

    TR 38.811 asks for it from 10 GHz on, and from 1 GHz below 10 degrees; the link budgets of TR 38.821 add it
    always, and so does this function. Below 5 degrees the flat-layer law has no meaning: the value at 5 degrees stands.
    """
    return slant_gas_loss_db(zenith_gas_loss_db(carrier_hz), elevation_deg)


def slant_gas_loss_db(zenith_db: float, elevation_deg: Any) -> Any:
    """Return a zenith attenuation on a slant path: over sin(elevation), as at 5 degrees below 5."""
    return zenith_db / np.sin(np.radians(np.maximum(elevation_deg, 5.0)))


def tropospheric_scintillation_db(carrier_hz: float, elevation_deg: Any, *, interpolate: bool = False) -> Any:
    """Return the tropospheric scintillation loss: TR 38.811, Table 6.6.6.2.1-1 (99 % of time); none below 6 GHz."""
    if carrier_hz < IONOSPHERE_BELOW_HZ:
        return np.zeros_like(np.asarray(elevation_deg, dtype=float))
    rows = np.array(table("tr38811")["scintillation"]["tropospheric"]["attenuation_db"])
    return at_elevation(rows, elevation_deg, interpolate=interpolate)
