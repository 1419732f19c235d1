"""Which satellite radio serves: the constellation's own, one of TR 38.821's rows, or the user's figures."""

import warnings

from ntnsim.link.reference_radio import (
    SAME_ALTITUDE,
    SatelliteRadio,
    reference_altitude_m,
    reference_satellite,
    satellite_at,
)
from ntnsim.scenario.radio import RadioSpec

HIGHEST_LEO_M = 2_000e3


def service_satellite(radio: RadioSpec, altitude_m: float) -> SatelliteRadio:
    """Return the radio of satellites at *altitude_m*; one that is made for another altitude is warned of."""
    own = radio.satellite
    if own.kind == "custom":
        return SatelliteRadio(own.eirp_density_dbw_per_mhz, own.g_over_t_db_k, own.aperture_m, own.aperture_m)
    fitting = satellite_at(altitude_m, own.set, radio.band)
    fitting_text = f"{fitting.eirp_density_dbw_per_mhz:.1f} dBW/MHz"
    if own.orbit is None:
        if abs(altitude_m / reference_altitude_m("geo") - 1) >= SAME_ALTITUDE and altitude_m > HIGHEST_LEO_M:
            warnings.warn(
                f"radio.satellite: TR 38.821 has radios for 600, 1,200 and 35,786 km, the constellation flies at "
                f"{altitude_m / 1e3:,.0f} km; taken is what its LEO radios' law gives there, {fitting_text}",
                stacklevel=2,
            )
        return fitting
    satellite = reference_satellite(own.orbit, own.set, radio.band)
    made_for_m = reference_altitude_m(own.orbit)
    if abs(altitude_m / made_for_m - 1) > SAME_ALTITUDE:
        case = f" (case {radio.case})" if radio.case else ""
        warnings.warn(
            f"radio.satellite.orbit: {own.orbit}{case} is for {made_for_m / 1e3:,.0f} km and "
            f"{satellite.eirp_density_dbw_per_mhz:.1f} dBW/MHz, the constellation flies at {altitude_m / 1e3:,.0f} km, "
            f"where set {own.set} has {fitting_text}; without orbit the radio follows the constellation",
            stacklevel=2,
        )
    return satellite
