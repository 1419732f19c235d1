"""The deterministic link budget of 3GPP TR 38.821, 6.1.3, with every term kept, and its thirty calibration cases."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ntnsim.link.atmosphere import IONOSPHERE_BELOW_HZ, gas_loss_db, tropospheric_scintillation_db
from ntnsim.link.path_loss import free_space_loss_db
from ntnsim.link.reference_radio import (
    SatelliteRadio,
    TerminalRadio,
    reference_altitude_m,
    reference_bandwidth_hz,
    reference_carrier_hz,
    reference_satellite,
    reference_terminal,
)
from ntnsim.link.tables import table
from ntnsim.orbit.geometry import slant_range_m as range_on_sphere_m
from ntnsim.units import BOLTZMANN_DBW_PER_K_HZ, SPEED_OF_LIGHT_M_S

REUSE_BY_OPTION = {1: "frf1", 2: "frf3", 3: "frf2_polarisation"}


@dataclass(frozen=True, slots=True)
class LinkBudget:
    """Every term of CNR = EIRP + G/T − k − PL − 10 log10 B; scalars, or arrays over a pass. Losses are positive."""

    elevation_deg: Any
    slant_range_m: Any
    delay_s: Any
    carrier_hz: float
    fspl_db: Any
    atmospheric_db: Any
    shadow_margin_db: Any
    scintillation_db: Any
    polarisation_db: Any
    additional_db: Any
    eirp_dbw: Any
    g_over_t_db_k: Any
    bandwidth_hz: float
    cnr_db: Any

    def terms(self) -> dict[str, Any]:
        """Return the terms by name."""
        return asdict(self)


def polarisation_loss_db(terminal: TerminalRadio, direction: str, reuse: str) -> float:
    """Return 3 dB for a linear uplink into one circular polarisation, as reuse of polarisations asks for; else none."""
    linear_into_circular = not terminal.circular_polarisation and direction == "ul"
    return 3.0 if linear_into_circular and reuse == "frf2_polarisation" else 0.0


def link_budget(
    *,
    satellite: SatelliteRadio,
    terminal: TerminalRadio,
    direction: str,
    elevation_deg: Any,
    slant_range_m: Any,
    carrier_hz: float,
    bandwidth_hz: float,
    reuse: str = "frf1",
    additional_db: Any = 0.0,
    beam_loss_db: Any = 0.0,
) -> LinkBudget:
    """Return the budget of one direction (dl or ul) at one geometry, or along arrays of geometries.

    additional_db: PL_AD, losses on top of the TR's.
    beam_loss_db: satellite gain below its peak towards the terminal; reported in EIRP or G/T.
    """
    # 2.2 dB below 6 GHz whatever the latitude: link budgets of the TR take the equatorial value.
    scintillation_db = (
        table("tr38821")["link_budget"]["losses"]["scintillation"]["s_band_db"]
        if carrier_hz < IONOSPHERE_BELOW_HZ
        else tropospheric_scintillation_db(carrier_hz, elevation_deg)
    )
    if direction == "dl":
        # The density is in dBW/MHz, so the beam's power grows with its bandwidth.
        eirp_dbw = satellite.eirp_density_dbw_per_mhz + 10 * np.log10(bandwidth_hz / 1e6) - beam_loss_db
        g_over_t_db_k = terminal.g_over_t_db_k
    else:
        eirp_dbw = terminal.eirp_dbw
        g_over_t_db_k = satellite.g_over_t_db_k - beam_loss_db
    fspl_db = free_space_loss_db(slant_range_m, carrier_hz)
    atmospheric_db = gas_loss_db(carrier_hz, elevation_deg)
    polarisation_db = polarisation_loss_db(terminal, direction, reuse)
    losses_db = (
        fspl_db
        + atmospheric_db
        + terminal.shadow_margin_db
        + scintillation_db
        + polarisation_db
        + additional_db
    )
    noise_dbw_over_t = BOLTZMANN_DBW_PER_K_HZ + 10 * np.log10(bandwidth_hz)  # before T, which is in G/T
    return LinkBudget(
        elevation_deg=elevation_deg,
        slant_range_m=slant_range_m,
        delay_s=slant_range_m / SPEED_OF_LIGHT_M_S,
        carrier_hz=carrier_hz,
        fspl_db=fspl_db,
        atmospheric_db=atmospheric_db,
        shadow_margin_db=terminal.shadow_margin_db,
        scintillation_db=scintillation_db,
        polarisation_db=polarisation_db,
        additional_db=additional_db,
        eirp_dbw=eirp_dbw,
        g_over_t_db_k=g_over_t_db_k,
        bandwidth_hz=bandwidth_hz,
        cnr_db=eirp_dbw + g_over_t_db_k - losses_db - noise_dbw_over_t,
    )


def reference_budget(
    *,
    orbit: str,
    parameter_set: int,
    band: str,
    direction: str,
    terminal: str,
    reuse: str = "frf1",
    elevation_deg: float | None = None,
) -> LinkBudget:
    """Return the budget of TR 38.821 between a reference satellite and a reference terminal.

    elevation_deg: default the target elevation of Table 6.1.3.2-1 (30° in LEO, 12.5° or 20° in GEO).
    """
    if elevation_deg is None:
        targets = table("tr38821")["link_budget"]["target_elevation_deg"]
        elevation_deg = float(targets[f"GEO_set_{parameter_set}" if orbit == "geo" else "LEO"])
    altitude_m = reference_altitude_m(orbit)
    terminal_radio = reference_terminal(terminal)
    return link_budget(
        satellite=reference_satellite(orbit, parameter_set, band),
        terminal=terminal_radio,
        direction=direction,
        elevation_deg=elevation_deg,
        slant_range_m=range_on_sphere_m(altitude_m, elevation_deg),
        carrier_hz=reference_carrier_hz(band, direction),
        bandwidth_hz=reference_bandwidth_hz(band, direction, reuse, terminal_radio),
        reuse=reuse,
    )


def calibration_case(case: str) -> dict[str, Any]:
    """Return the parameters of a calibration case SC1 … SC30 (TR 38.821, Table 6.1.1.1-9), as for reference_budget."""
    for row in table("tr38821")["calibration_cases"]["cases"]:
        if row["case"] == case.upper():
            return {
                "orbit": row["orbit"].lower(),
                "parameter_set": row["parameter_set"],
                "band": row["band"].removesuffix("_band"),
                "terminal": row["terminal"].lower(),
                "reuse": REUSE_BY_OPTION[row["reuse_option"]],
            }
    raise ValueError(f"case must be SC1 to SC30, got {case!r}")


def aperture_gain_dbi(diameter_m: float, carrier_hz: float, efficiency: float) -> float:
    """Return the gain of a circular aperture: η (π D / λ)² (TR 38.821, 6.1.3.1)."""
    wavelength_m = SPEED_OF_LIGHT_M_S / carrier_hz
    return float(10 * np.log10(efficiency * (np.pi * diameter_m / wavelength_m) ** 2))


def g_over_t_db_k(
    gain_dbi: float,
    *,
    noise_figure_db: float,
    antenna_temperature_k: float,
    reference_temperature_k: float = 290.0,
) -> float:
    """Return G/T = G − Nf − 10 log10(T0 + (Ta − T0) 10^(−0.1 Nf)) (TR 38.821, 6.1.3.1)."""
    temperature_k = reference_temperature_k + (antenna_temperature_k - reference_temperature_k) * 10 ** (
        -0.1 * noise_figure_db
    )
    return float(gain_dbi - noise_figure_db - 10 * np.log10(temperature_k))


def combined_db(*ratios_db: Any) -> Any:
    """Return the ratio to the sum of all noises and interferences: −10 log10 Σ 10^(−0.1 x) (TR 38.821, 6.1.3.1)."""
    return -10 * np.log10(sum(10.0 ** (-0.1 * np.asarray(ratio_db)) for ratio_db in ratios_db))
