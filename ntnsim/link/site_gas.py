"""Attenuation by gases towards a site's zenith in its own climate (ITU-R P.676, P.835, P.836), through `itur`.

Asked once per site and carrier. Without the optional package, atmosphere.py has a table for the TR's reference
atmosphere.
"""

from functools import lru_cache
from typing import Any

from ntnsim.errors import InputError


@lru_cache(maxsize=256)
def site_zenith_gas_db(latitude_deg: float, longitude_deg: float, carrier_hz: float) -> float:
    """Return the loss at the zenith under the annual mean temperature and the median water vapour of a place."""
    try:
        import itur
        from itur.models import itu676
    except ImportError as error:
        raise InputError("radio.channel.gas: itu needs the package itur; install ntnsim[itu]") from error

    def plain(value: Any) -> float:
        return float(getattr(value, "value", value))

    height_km = max(plain(itur.topographic_altitude(latitude_deg, longitude_deg)), 0.0)
    temperature_k = plain(itur.surface_mean_temperature(latitude_deg, longitude_deg))
    pressure_hpa = plain(itur.standard_pressure(height_km))
    vapour_g_m3 = plain(itur.surface_water_vapour_density(latitude_deg, longitude_deg, 50.0, height_km))
    at_30_degrees_db = plain(  # twice the zenith's in this mode, which warns at 90 degrees
        itu676.gaseous_attenuation_slant_path(
            carrier_hz / 1e9, 30.0, vapour_g_m3, pressure_hpa, temperature_k, mode="approx"
        )
    )
    return at_30_degrees_db / 2
