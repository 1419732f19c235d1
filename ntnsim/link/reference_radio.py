"""Reference radios of 3GPP TR 38.821: satellites, terminals, carriers and bandwidths of its tables."""

from dataclasses import dataclass, replace
from math import log2

from ntnsim.link.tables import table

REUSE_FACTOR = {"frf1": 1, "frf3": 3, "frf2_polarisation": 2}
SAME_ALTITUDE = 0.1  # of it: 0.8 dB
HANDHELD_UPLINK_BANDWIDTH_HZ = 0.36e6  # TR 38.821, Table 6.1.3.2-1


@dataclass(frozen=True, slots=True)
class SatelliteRadio:
    """Radio of one satellite beam. Apertures are diameters."""

    eirp_density_dbw_per_mhz: float
    g_over_t_db_k: float
    transmit_aperture_m: float
    receive_aperture_m: float


@dataclass(frozen=True, slots=True)
class TerminalRadio:
    """Radio of a terminal and the fixed terms that TR 38.821 attaches to it."""

    eirp_dbw: float
    g_over_t_db_k: float
    shadow_margin_db: float
    circular_polarisation: bool
    uplink_bandwidth_hz: float | None = None  # None: the beam's


def reference_satellite(orbit: str, parameter_set: int, band: str) -> SatelliteRadio:
    """Return a satellite radio of TR 38.821, Tables 6.1.1.1-1, -2; *orbit*: geo, leo-600, leo-1200; *band*: s, ka."""
    rows = table("tr38821")[f"satellite_set_{parameter_set}"][orbit.upper()][f"{band}_band"]
    return SatelliteRadio(
        eirp_density_dbw_per_mhz=rows["dl"]["eirp_density_dbw_per_mhz"],
        g_over_t_db_k=rows["ul"]["g_over_t_db_per_k"],
        transmit_aperture_m=rows["dl"]["aperture_diameter_m"],
        receive_aperture_m=rows["ul"]["aperture_diameter_m"],
    )


def reference_altitude_m(orbit: str) -> float:
    """Return the altitude of a reference orbit of TR 38.821: geo, leo-600 or leo-1200."""
    return float(table("tr38821")["altitude_km"][orbit.upper()]) * 1e3


def satellite_at(altitude_m: float, parameter_set: int, band: str) -> SatelliteRadio:
    """Return the radio that TR 38.821's parameter set means for a satellite at *altitude_m*.

    Its LEO rows, for 600 and 1,200 km, differ by 6 dB of EIRP density and in nothing else: both bring the same flux to
    the ground. At other altitudes the EIRP density follows the line through both rows in the logarithm of the altitude
    (an assumption; the TR has only the two). Around the geostationary orbit it is the GEO row.
    """
    if abs(altitude_m / reference_altitude_m("geo") - 1) < SAME_ALTITUDE:
        return reference_satellite("geo", parameter_set, band)
    low, high = (reference_satellite(orbit, parameter_set, band) for orbit in ("leo-600", "leo-1200"))
    low_m, high_m = reference_altitude_m("leo-600"), reference_altitude_m("leo-1200")
    way = log2(altitude_m / low_m) / log2(high_m / low_m)
    rise_db = high.eirp_density_dbw_per_mhz - low.eirp_density_dbw_per_mhz
    return replace(low, eirp_density_dbw_per_mhz=low.eirp_density_dbw_per_mhz + way * rise_db)


def reference_terminal(name: str) -> TerminalRadio:
    """Return a terminal of TR 38.821, Table 6.1.1.1-3: handheld or vsat."""
    key = "VSAT" if name == "vsat" else name
    rows = table("tr38821")["terminals"][key]
    return TerminalRadio(
        eirp_dbw=rows["eirp_dbm"] - 30.0,
        g_over_t_db_k=rows["g_over_t_db_per_k"],
        shadow_margin_db=table("tr38821")["link_budget"]["losses"]["shadow_margin_db"][key],
        circular_polarisation=name == "vsat",
        uplink_bandwidth_hz=HANDHELD_UPLINK_BANDWIDTH_HZ if name == "handheld" else None,
    )


def reference_carrier_hz(band: str, direction: str) -> float:
    """Return the carrier of TR 38.821, Table 6.1.3.2-1."""
    return float(table("tr38821")["frequency_ghz"][f"{band}_band"][direction]) * 1e9


def reference_bandwidth_hz(band: str, direction: str, reuse: str, terminal: TerminalRadio) -> float:
    """Return the channel bandwidth: system bandwidth over the reuse factor, 0.36 MHz for a handheld's uplink."""
    if direction == "ul" and terminal.uplink_bandwidth_hz is not None:
        return terminal.uplink_bandwidth_hz
    system_hz = float(table("tr38821")["link_budget"]["system_bandwidth_mhz"][f"{band}_band"]) * 1e6
    return system_hz / REUSE_FACTOR[reuse]
