"""From the scenario's radio section to the link model that physics takes."""

from ntnsim.link.antenna import INTERFERING_TIERS
from ntnsim.link.budget import aperture_gain_dbi
from ntnsim.link.channel import ChannelSettings
from ntnsim.link.ionosphere import StrongSpells, ionospheric_scintillation_db, strong_spells
from ntnsim.link.numerology import default_overhead, resource_blocks, resource_elements_per_s, slot_s
from ntnsim.link.pass_link import FeederRadio, LinkModel, station_g_over_t_db_k
from ntnsim.link.reference_radio import REUSE_FACTOR, TerminalRadio
from ntnsim.link.site_gas import site_zenith_gas_db
from ntnsim.orbit.earth import Site
from ntnsim.scenario.radio import ChannelSpec, RadioSpec
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.sky.radio_rates import fading_of, fading_tables, goodput_settings, land_mobile, rice_factor_db
from ntnsim.sky.service_radio import service_satellite, service_terminal
from ntnsim.sky.space_model import SpaceModel
from ntnsim.streams import stream


def link_model(
    model: SpaceModel, radio: RadioSpec, latitude_deg: float, longitude_deg: float = 0.0
) -> LinkModel:
    """Return the service link that *radio* describes, at a terminal's place."""
    carrier_hz = radio.carrier_in_force_hz
    satellite = service_satellite(radio, model.altitude_m)
    terminal = service_terminal(radio)
    bandwidth_hz = radio.bandwidth_hz or default_bandwidth_hz(radio, terminal)
    spacing_hz = 1e3 * radio.spacing_khz
    overhead = default_overhead(carrier_hz, radio.direction) if radio.overhead is None else radio.overhead
    elements_per_s = resource_elements_per_s(
        resource_blocks(bandwidth_hz, carrier_hz, spacing_hz), spacing_hz, overhead
    )
    adaptation = (radio.adaptation, radio.retransmission, elements_per_s, slot_s(spacing_hz))
    channel, fading = None, None
    if radio.channel.mode == "channel":
        fading_spec = fading_of(radio.channel, carrier_hz)
        if fading_spec.kind != "none":
            fading = fading_tables(
                fading_spec, *adaptation, radio.channel.terminal_speed_m_s, carrier_hz, bandwidth_hz
            )
        channel = ChannelSettings(
            environment=radio.channel.environment,
            carrier_hz=carrier_hz,
            ionospheric_db=(
                ionospheric_scintillation_db(carrier_hz, latitude_deg, s4_index=radio.channel.s4_index)
                if radio.channel.ionospheric_scintillation == "latitude_rule"
                else 0.0
            ),
            interpolate_rows=radio.channel.interpolate_rows,
            always_line_of_sight=radio.channel.line_of_sight == "always",
            sky_decorrelation_deg=radio.channel.sky_decorrelation_deg,
            terminal_speed_m_s=radio.channel.terminal_speed_m_s,
            zenith_gas_db=(
                site_zenith_gas_db(round(latitude_deg, 2), round(longitude_deg, 2), carrier_hz)
                if radio.channel.gas == "itu"
                else None
            ),
            rice_factor_db=rice_factor_db(fading_spec),
            land_mobile=land_mobile(fading_spec),
        )
    return LinkModel(
        satellite=satellite,
        terminal=terminal,
        direction=radio.direction,
        carrier_hz=carrier_hz,
        bandwidth_hz=bandwidth_hz,
        subcarrier_spacing_hz=spacing_hz,
        goodput=goodput_settings(*adaptation),
        reuse=radio.reuse,
        channel=channel,
        fading=fading,
        additional_loss_db=radio.channel.additional_loss_db,
        beams=radio.beams.kind,
        scan_exponent=radio.beams.scan_exponent if radio.beams.kind == "steered" else 0.0,
        interference_load=_neighbours_load(radio),
        interference_tiers=radio.interference_tiers or INTERFERING_TIERS[radio.reuse],
        residual_frequency_error_ppm=radio.residual_frequency_error_ppm,
        feeder=_feeder(model.space, radio.direction),
    )


def default_bandwidth_hz(radio: RadioSpec, terminal: TerminalRadio) -> float:
    """Return the system bandwidth over the reuse factor, or what a handheld sends in.

    It is no wider than a channel and no narrower than a resource block.
    """
    band = radio.band_limits
    if radio.direction == "ul" and terminal.uplink_bandwidth_hz is not None:
        return max(terminal.uplink_bandwidth_hz, band.narrowest_hz(radio.spacing_khz))
    return min(band.system_hz / REUSE_FACTOR[radio.reuse], band.widest_hz(radio.spacing_khz))


def spells_over(channel: ChannelSpec, carrier_hz: float, site: Site, seed: int) -> StrongSpells | None:
    """Return when the ionosphere over *site* scintillates strongly; None where it never does."""
    if channel.mode != "channel" or channel.ionospheric_scintillation == "none":
        return None
    return strong_spells(
        carrier_hz,
        site.latitude_deg,
        s4_index=channel.strong_s4_index,
        weak_s4_index=channel.s4_index,
        share=channel.strong_share,
        mean_s=channel.strong_spell_s,
        rng=stream(seed, "space", site.name, "ionosphere"),
    )


def _neighbours_load(radio: RadioSpec) -> float:
    if not radio.interference:
        return 0.0
    return 1.0 if radio.interference_load is None else radio.interference_load


def _feeder(space: SpaceSegmentSpec, direction: str) -> FeederRadio | None:
    """Return the feeder link of a transparent payload: downwards behind an uplink, upwards before a downlink."""
    if space.payload.kind != "transparent":
        return None
    own = space.payload.feeder
    down_hz, up_hz = own.carriers_hz
    if direction == "ul":
        station = station_g_over_t_db_k(
            aperture_m=own.station_aperture_m,
            efficiency=own.station_aperture_efficiency,
            carrier_hz=down_hz,
            noise_figure_db=own.station_noise_figure_db,
            antenna_temperature_k=own.station_antenna_temperature_k,
        )
        return FeederRadio(down_hz, own.satellite_eirp_density_dbw_per_mhz, station)
    gain_dbi = aperture_gain_dbi(own.station_aperture_m, up_hz, own.station_aperture_efficiency)
    density = own.station_power_density_dbw_per_mhz + gain_dbi
    return FeederRadio(up_hz, density, own.satellite_g_over_t_db_k)
