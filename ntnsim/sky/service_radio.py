"""Whose radio serves: the constellation's own, one of TR 38.821's rows, or the user's figures.

The TR's radios are for 2 GHz and for 20 and 30 GHz. In Ku band their Ka antennas keep their size: gains fall with the
square of the frequency. Below 1 GHz satellites keep the S radio's gain: their antennas grow with the wavelength. Both
are assumptions.
"""

import warnings
from dataclasses import replace
from math import log10

from ntnsim.link.reference_radio import (
    SAME_ALTITUDE,
    SatelliteRadio,
    TerminalRadio,
    reference_altitude_m,
    reference_carrier_hz,
    reference_satellite,
    reference_terminal,
    satellite_at,
)
from ntnsim.scenario.radio import RadioSpec

HIGHEST_LEO_M = 2_000e3


def service_satellite(radio: RadioSpec, altitude_m: float) -> SatelliteRadio:
    """Return the radio of satellites at *altitude_m*; one that is made for another altitude is warned of."""
    own = radio.satellite
    if own.kind == "custom":
        return SatelliteRadio(own.eirp_density_dbw_per_mhz, own.g_over_t_db_k, own.aperture_m, own.aperture_m)
    reference = radio.band_limits.reference
    fitting = satellite_at(altitude_m, own.set, reference)
    fitting_text = f"{fitting.eirp_density_dbw_per_mhz:.1f} dBW/MHz"
    if own.orbit is None:
        if abs(altitude_m / reference_altitude_m("geo") - 1) >= SAME_ALTITUDE and altitude_m > HIGHEST_LEO_M:
            warnings.warn(
                f"radio.satellite: TR 38.821 has radios for 600, 1,200 and 35,786 km, the constellation flies at "
                f"{altitude_m / 1e3:,.0f} km; taken is what its LEO radios' law gives there, {fitting_text}",
                stacklevel=2,
            )
        return _at_carrier(fitting, radio)
    satellite = reference_satellite(own.orbit, own.set, reference)
    made_for_m = reference_altitude_m(own.orbit)
    if abs(altitude_m / made_for_m - 1) > SAME_ALTITUDE:
        case = f" (case {radio.case})" if radio.case else ""
        warnings.warn(
            f"radio.satellite.orbit: {own.orbit}{case} is for {made_for_m / 1e3:,.0f} km and "
            f"{satellite.eirp_density_dbw_per_mhz:.1f} dBW/MHz, the constellation flies at {altitude_m / 1e3:,.0f} km, "
            f"where set {own.set} has {fitting_text}; without orbit the radio follows the constellation",
            stacklevel=2,
        )
    return _at_carrier(satellite, radio)


def service_terminal(radio: RadioSpec) -> TerminalRadio:
    """Return the terminal's radio."""
    own = radio.terminal
    if own is not None and own.kind == "custom":
        return TerminalRadio(own.eirp_dbw, own.g_over_t_db_k, own.shadow_margin_db, own.circular_polarisation)
    terminal = reference_terminal("handheld" if radio.band_limits.reference == "s" else "vsat")
    gain_db = _same_size_gain_db(radio)
    return replace(
        terminal,
        eirp_dbw=terminal.eirp_dbw + gain_db,
        g_over_t_db_k=terminal.g_over_t_db_k + gain_db,
    )


def _same_size_gain_db(radio: RadioSpec) -> float:
    """Return how an antenna's gain differs from that at the reference carrier, in dB: in Ku band alone."""
    if radio.band_limits.antennas != "same_size":
        return 0.0
    made_for_hz = reference_carrier_hz(radio.band_limits.reference, radio.direction)
    return 20 * log10(radio.carrier_in_force_hz / made_for_hz)


def _at_carrier(satellite: SatelliteRadio, radio: RadioSpec) -> SatelliteRadio:
    """Return a reference satellite's radio in the band in force."""
    if radio.band_limits.antennas == "same_gain":
        wider = reference_carrier_hz("s", radio.direction) / radio.carrier_in_force_hz
        return replace(
            satellite,
            transmit_aperture_m=satellite.transmit_aperture_m * wider,
            receive_aperture_m=satellite.receive_aperture_m * wider,
        )
    gain_db = _same_size_gain_db(radio)
    return replace(
        satellite,
        eirp_density_dbw_per_mhz=satellite.eirp_density_dbw_per_mhz + gain_db,
        g_over_t_db_k=satellite.g_over_t_db_k + gain_db,
    )
