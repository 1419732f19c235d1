"""The radio link as the user wrote it: satellite and terminal radio, channel, beams, adaptation, retransmission."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ntnsim.scenario.bands import BANDS, Band, BandName
from ntnsim.scenario.entity import Entity
from ntnsim.scenario.fading import FadingSpec

OrbitName = Literal["geo", "leo-600", "leo-1200"]
Direction = Literal["ul", "dl"]
Reuse = Literal["frf1", "frf3", "frf2_polarisation"]
Environment = Literal["dense_urban", "urban", "suburban", "rural"]
ThresholdSet = Literal["measured_nr_ldpc_awgn", "classic_lte", "vienna_style", "matlab_tdl_not_awgn"]

CASES = r"^SC([1-9]|[12][0-9]|30)$"


class ReferenceSatelliteSpec(Entity):
    """A satellite radio of TR 38.821, Tables 6.1.1.1-1 and -2."""

    kind: Literal["tr38821"] = "tr38821"
    orbit: OrbitName | None = None
    """Which of the tables' satellites. Default: the constellation's own altitude, with the EIRP density on the line
    through leo-600 and leo-1200 in the logarithm of the altitude; a written one that does not fit is warned of."""
    set: Literal[1, 2] = 1
    """Parameter set of the tables."""


class CustomSatelliteSpec(Entity):
    """A satellite radio by its figures."""

    kind: Literal["custom"]
    eirp_density_dbw_per_mhz: float
    """Radiated power per MHz in the beam's centre, for the downlink."""
    g_over_t_db_k: float
    """Receiver's figure of merit, for the uplink."""
    aperture_m: float = Field(gt=0)
    """Diameter of the equivalent aperture; sets beam width and interference."""


class ReferenceTerminalSpec(Entity):
    """A terminal of TR 38.821, Table 6.1.1.1-3."""

    kind: Literal["tr38821"] = "tr38821"
    name: Literal["handheld", "vsat"] = "handheld"
    """handheld works in S band, vsat in Ka band."""


class CustomTerminalSpec(Entity):
    """A terminal by its figures."""

    kind: Literal["custom"]
    eirp_dbw: float
    """Radiated power, for the uplink."""
    g_over_t_db_k: float
    """Receiver's figure of merit, for the downlink."""
    shadow_margin_db: float = Field(default=0.0, ge=0)
    """Margin for shadowing in the link budget."""
    circular_polarisation: bool = True
    """False: linear, which loses 3 dB against the satellite's circular one."""


def calibration_case(number: int) -> dict[str, Any]:
    """Return what calibration case SC*number* of TR 38.821, Table 6.1.1.1-9 says about a radio.

    The thirty cases run through two parameter sets, three orbits, and five of band and reuse.
    """
    block, which = divmod((number - 1) % 15, 5)
    band, reuse = (
        ("ka", "frf1"),
        ("ka", "frf3"),
        ("ka", "frf2_polarisation"),
        ("s", "frf1"),
        ("s", "frf3"),
    )[which]
    return {
        "satellite": {
            "kind": "tr38821",
            "orbit": ("geo", "leo-600", "leo-1200")[block % 3],
            "set": 1 + (number - 1) // 15 % 2,
        },
        "band": band,
        "terminal": {"kind": "tr38821", "name": "vsat" if band == "ka" else "handheld"},
        "reuse": reuse,
    }


class LinkBudgetChannelSpec(Entity):
    """TR 38.821, 6.1.3: fixed margins, no random term."""

    mode: Literal["link_budget"] = "link_budget"
    additional_loss_db: float = Field(default=0.0, ge=0)
    """Taken off the link besides; a positive number."""


class StochasticChannelSpec(Entity):
    """TR 38.811, 6.6: line of sight, shadowing, clutter, gas, scintillation and rain, correlated along a pass."""

    mode: Literal["channel"]
    environment: Environment = "rural"
    """What stands around the terminal: the TR's tables of line of sight, shadowing and clutter."""
    interpolate_rows: bool = False
    """The TR takes the nearest elevation row; true interpolates between rows."""
    line_of_sight: Literal["table", "always"] = "table"
    """table: by the TR's chances at each elevation. always: nothing ever stands in the way."""
    sky_decorrelation_deg: float = Field(default=3.0, gt=0)
    """The TR gives no law for a moving satellite: arc of sky after which shadowing and line of sight have e-folded."""
    terminal_speed_m_s: float = Field(default=0.0, ge=0, le=1000)
    """Makes shadowing and line of sight change, and sets the Doppler spread of the small-scale fading."""
    fading: FadingSpec | None = None
    """Small-scale fading. Default: rician below 6 GHz, where terminals have wide antennas, none above, where they have
    dishes."""
    gas: Literal["reference_atmosphere", "itu"] = "reference_atmosphere"
    """reference_atmosphere: the TR's, from 10 GHz on or below 10 degrees. itu: P.676 through the `itu` extra, in the
    site's own climate and at every elevation."""
    rain: Literal["clear_sky", "itu"] = "clear_sky"
    """itu: P.618 rain and P.840 cloud through the `itu` extra, as a log-normal series correlated in time."""
    rain_correlation_s: float = Field(default=5000.0, gt=0)
    """1/beta of ITU-R P.1853's rain synthesiser (beta = 2e-4 per second)."""
    ionospheric_scintillation: Literal["latitude_rule", "none"] = "latitude_rule"
    """latitude_rule: below 6 GHz, by the site's latitude, as the TR has it; weak, and strong for a share of time."""
    s4_index: float = Field(default=0.1, ge=0, le=1)
    """Weak ionospheric scintillation above 60 degrees of latitude: S4 at 2 GHz, which falls with f^1.5. An assumption;
    the TR calls S4 < 0.3 weak."""
    strong_s4_index: float = Field(default=0.7, ge=0, le=1)
    """S4 at 2 GHz while scintillation is strong, below 20 and above 60 degrees of latitude. 0.7 is the TR's example."""
    strong_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of time with strong scintillation. It depends on place, season, hour and solar cycle, and is not derived
    from them."""
    strong_spell_s: float = Field(default=1800.0, gt=0)
    """Mean length of a spell of strong scintillation. An assumption."""
    building: Literal["outdoor", "traditional", "thermally_efficient"] = "outdoor"
    """Walls around the terminal (ITU-R P.2109); the quantile is drawn once per terminal."""
    additional_loss_db: float = Field(default=0.0, ge=0)
    """Taken off the link besides; a positive number."""

    @model_validator(mode="after")
    def _strong_is_stronger(self) -> Self:
        if self.strong_share > 0 and self.strong_s4_index < self.s4_index:
            raise ValueError(
                f"strong_s4_index: must be at least s4_index, {self.s4_index}, got {self.strong_s4_index}"
            )
        return self


ChannelSpec = Annotated[LinkBudgetChannelSpec | StochasticChannelSpec, Field(discriminator="mode")]


class SteeredBeamSpec(Entity):
    """The beam follows the terminal, which stays in its centre."""

    kind: Literal["steered"] = "steered"
    scan_exponent: float = Field(default=0.0, ge=0)
    """Scan loss as cos(scan angle) to this power; 0, as the TRs have none."""


class FixedBeamsSpec(Entity):
    """Satellite-fixed hexagonal beams in the UV plane that sweep over the terminal."""

    kind: Literal["satellite_fixed"]


BeamsSpec = Annotated[SteeredBeamSpec | FixedBeamsSpec, Field(discriminator="kind")]


class AdaptationSpec(Entity):
    """From SINR to modulation and code rate."""

    table: Literal[1, 2, 3, 4] = 1
    """CQI and MCS table of TS 38.214: 1 up to 64QAM, 2 up to 256QAM, 3 for low rates, 4 up to 1024QAM (downlink below
    6 GHz)."""
    levels: Literal["cqi", "mcs"] = "mcs"
    """Switch among the CQI table's 15 levels, or among the finer MCS table's."""
    thresholds: ThresholdSet = "measured_nr_ldpc_awgn"
    """SINR from which on each level works, by name; `ntnsim/link/tables/nr.json` has the source of each set."""
    implementation_loss_db: float = Field(default=0.0, ge=0)
    """Added to every threshold: channel estimation, receiver."""
    block_length: Literal["normal_approximation", "none"] = "normal_approximation"
    """normal_approximation: code blocks shorter than those that thresholds were measured with (1,920 and 3,968 bits)
    need more SINR and fail less abruptly (Polyanskiy, Poor, Verdu), and carry a CRC. none: all blocks are long."""
    bler_target: float = Field(default=0.1, gt=0, lt=1)  # TS 38.214, 5.2.2.1
    """Share of first transmissions that may fail."""
    outer_loop: bool = True
    """Shift the reported SINR until the target share of blocks fails."""
    csi_delay_s: float | None = Field(default=None, ge=0)
    """Age of the channel state used. Default: the round trip of the link at that moment."""


class RetransmissionSpec(Entity):
    """HARQ with or without feedback, and repeats unasked for. RLC in acknowledged mode sends what is still lost."""

    processes: Literal[8, 16, 32] = 32  # TS 38.331, Rel-17
    """Blocks that may wait for their answer at once."""
    feedback: Literal["enabled", "disabled", "auto"] = "auto"
    """auto disables feedback where the processes would stall: processes < round trip / slot."""
    max_transmissions: int = Field(default=4, ge=1, le=16)
    """Times that a block is sent at most, before RLC takes over."""
    processing_s: float = Field(default=0.001, ge=0)
    """Time to decode and to answer, added to the round trip."""
    repetitions: Literal[1, 2, 4, 8, 16, 32] = 1
    """Slots that each transmission is repeated in and combined over (TS 38.214, 5.1.2.1 and 6.1.2.1)."""
    blind_repeats: int = Field(default=1, ge=1, le=16)
    """Transmissions of each block where HARQ has no feedback, as none can be asked for."""
    blind_repeat_interval_s: float = Field(default=0.0, ge=0, le=1)
    """From one of them to the next: apart they meet different fades. 0: at once."""
    bler_target_without_feedback: float | None = Field(default=None, gt=0, lt=1)
    """Block error rate of all repeats together where HARQ has no feedback: RLC mends errors slowly. Default:
    bler_target."""


MOST_STEPS = 1_000_000  # of one profile in memory


class ProfileSpec(Entity):
    """How the link is sampled."""

    step_s: float = Field(default=0.1, ge=1e-3, le=10)
    """Channel state younger than a step counts as fresh: take 0.01 for terminals that move fast."""
    window_s: float = Field(default=600.0, ge=1)
    """Length of one rate profile in memory; results do not depend on it."""

    @model_validator(mode="after")
    def _window_holds_whole_steps(self) -> Self:
        steps = self.window_s / self.step_s
        if steps > MOST_STEPS:
            raise ValueError(
                f"window_s: {self.window_s:g} holds more than {MOST_STEPS:,} steps of {self.step_s:g} s"
            )
        if abs(steps - round(steps)) > 1e-6:
            raise ValueError(f"window_s: {self.window_s} is not a multiple of step_s: {self.step_s}")
        return self


class RadioSpec(Entity):
    """The service link between a gateway and its satellite."""

    case: str | None = Field(default=None, pattern=CASES)
    """A calibration case SC1 to SC30 of TR 38.821: satellite, band, terminal and reuse, where they are not written."""
    direction: Direction = "ul"
    """ul: the gateway sends images up (the paper's case); dl: the source is on the satellite."""
    band: BandName = "s"
    """s: 2 GHz. ka: 20 and 30 GHz. ku: 10.7 to 14.5 GHz, with the Ka radio's antennas. uhf: below 1 GHz, with the S
    radio. n254 to n256 (L and S), n508 and n509 (Ku), n510 to n512 (Ka): TS 38.101-5's. Sets default carriers,
    bandwidths and radios, and limits them."""
    satellite: Annotated[ReferenceSatelliteSpec | CustomSatelliteSpec, Field(discriminator="kind")] = (
        ReferenceSatelliteSpec()
    )
    """The satellite's radio."""
    terminal: Annotated[ReferenceTerminalSpec | CustomTerminalSpec, Field(discriminator="kind")] | None = None
    """Default: the TR's handheld below 6 GHz, its VSAT above."""
    reuse: Reuse = "frf1"
    """How beams share the band: all of it everywhere, a third each, or half of it in two polarisations."""
    carrier_hz: float | None = Field(default=None, gt=0)
    """Default: 2 GHz in S band; 20 GHz down and 30 GHz up in Ka band (TR 38.821, Table 6.1.3.2-1); 12 and 14 GHz in Ku,
    850 MHz in uhf; else the middle of the band."""
    bandwidth_hz: float | None = Field(default=None, gt=0)
    """From one resource block to the widest channel of the band, at this subcarrier spacing. Default: the system
    bandwidth (30 MHz in S, 400 in Ka) over the reuse factor; 0.36 MHz for a handheld's uplink."""
    subcarrier_spacing_khz: Literal[15, 30, 60, 120] | None = None
    """Default: 15 below 6 GHz, 120 above."""
    overhead: float | None = Field(default=None, ge=0, lt=1)
    """Share of resource elements that carry no data. Default: TS 38.306, 4.1.2."""
    channel: ChannelSpec = LinkBudgetChannelSpec()
    """Fixed margins of a link budget, or a channel that changes along the pass."""
    interference: bool = False
    """Add the power of the co-channel beams that meet the Earth; without it the SINR is the CNR of the link budget."""
    interference_load: float | None = Field(default=None, ge=0, le=1)
    """Share of their resources that these beams use. Default: the mean of `background`; 1 is full load."""
    interference_tiers: int | None = Field(default=None, ge=1, le=12)
    """Rings of beams around the terminal's that interfere. Default: 2 with frf1 and 4 otherwise (TR 38.821, Table
    6.1.1.1-4)."""
    beams: BeamsSpec = SteeredBeamSpec()
    """Whether beams follow the terminal or pass over it."""
    residual_frequency_error_ppm: float = Field(default=0.1, ge=0)  # TS 38.101-5, 6.4.1
    """What is left of the Doppler shift after its compensation, as a share of the carrier."""
    adaptation: AdaptationSpec = AdaptationSpec()
    """How modulation and code rate follow the SINR."""
    retransmission: RetransmissionSpec = RetransmissionSpec()
    """How lost blocks are sent again."""
    profile: ProfileSpec = ProfileSpec()
    """How finely the link is sampled in time."""

    @model_validator(mode="before")
    @classmethod
    def _case_fills_in(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("case"), str):
            return data
        if re.fullmatch(CASES, data["case"]) is None:
            raise ValueError(f"case: must be SC1 to SC30, got {data['case']!r}")
        return {**calibration_case(int(data["case"][2:])), **data}

    @model_validator(mode="after")
    def _interference_is_on(self) -> Self:
        for key in ("interference_load", "interference_tiers"):
            if not self.interference and getattr(self, key) is not None:
                raise ValueError(f"{key}: has no effect without interference: true, got {getattr(self, key)}")
        return self

    @property
    def band_limits(self) -> Band:
        """The band's carriers, channels and reference radios."""
        return BANDS[self.band]

    @property
    def spacing_khz(self) -> int:
        """The subcarrier spacing in force."""
        return self.subcarrier_spacing_khz or self.band_limits.default_spacing_khz

    @property
    def carrier_in_force_hz(self) -> float:
        """The carrier in force."""
        return self.carrier_hz or self.band_limits.carrier_hz(self.direction)

    @model_validator(mode="after")
    def _terminal_fits_band(self) -> Self:
        if self.terminal is not None and self.terminal.kind == "tr38821":
            expected = "s" if self.terminal.name == "handheld" else "ka"
            if self.band_limits.reference != expected:
                others = ", ".join(name for name, band in BANDS.items() if band.reference == expected)
                raise ValueError(
                    f"terminal: {self.terminal.name} works in bands {others}, got band: {self.band}"
                )
        return self

    @model_validator(mode="after")
    def _fading_fits_band(self) -> Self:
        fading = self.channel.fading if self.channel.mode == "channel" else None
        if fading is not None and fading.kind == "two_state" and self.band_limits.frequency_range == "fr2":
            raise ValueError(
                f"channel.fading: two_state is made for carriers below 6 GHz (ITU-R P.681), got band: {self.band}"
            )
        return self

    @model_validator(mode="after")
    def _adaptation_fits_link(self) -> Self:
        if self.adaptation.table == 4 and (
            self.direction,
            self.band_limits.frequency_range,
        ) != ("dl", "fr1"):
            raise ValueError(
                "adaptation.table: 4 (1024QAM) is for the downlink below 6 GHz (TS 38.214, 5.1.3.1), "
                f"got direction: {self.direction}, band: {self.band}"
            )
        if self.adaptation.table == 4 and self.adaptation.thresholds != "measured_nr_ldpc_awgn":
            raise ValueError(
                "adaptation.table: 4 (1024QAM) has thresholds in measured_nr_ldpc_awgn only, "
                f"got thresholds: {self.adaptation.thresholds}"
            )
        if self.retransmission.feedback == "enabled" and self.retransmission.blind_repeats > 1:
            raise ValueError(
                f"retransmission.blind_repeats: {self.retransmission.blind_repeats} needs feedback: disabled or auto, "
                "got feedback: enabled"
            )
        if self.retransmission.blind_repeat_interval_s > 0 and self.retransmission.repetitions > 1:
            raise ValueError(
                "retransmission.blind_repeat_interval_s: works with repetitions: 1, "
                f"got repetitions: {self.retransmission.repetitions}"
            )
        return self

    @model_validator(mode="after")
    def _channel_fits_band(self) -> Self:
        band = self.band_limits
        if self.spacing_khz not in band.spacings_khz:
            raise ValueError(
                f"subcarrier_spacing_khz: {self.spacing_khz} is not used in band {self.band}; "
                f"allowed: {', '.join(map(str, band.spacings_khz))}"
            )
        narrowest_hz = band.narrowest_hz(self.spacing_khz)
        if self.bandwidth_hz is not None and self.bandwidth_hz < narrowest_hz:
            raise ValueError(
                f"bandwidth_hz: {self.bandwidth_hz:g} is less than one resource block with "
                f"{self.spacing_khz} kHz subcarriers, {narrowest_hz:g}"
            )
        widest_hz = band.widest_hz(self.spacing_khz)
        if self.bandwidth_hz is not None and self.bandwidth_hz > widest_hz:
            raise ValueError(
                f"bandwidth_hz: {self.bandwidth_hz:g} is more than the widest channel of band {self.band} with "
                f"{self.spacing_khz} kHz subcarriers, {widest_hz:g}"
            )
        low_hz, high_hz = band.range_hz(self.direction)
        half_hz = (self.bandwidth_hz or 0.0) / 2 if band.widest else 0.0
        carrier_hz = self.carrier_in_force_hz
        if not low_hz <= carrier_hz - half_hz <= carrier_hz + half_hz <= high_hz:
            of = f" with bandwidth_hz: {self.bandwidth_hz:g}" if half_hz else ""
            raise ValueError(
                f"carrier_hz: {carrier_hz:g}{of} is not in band {self.band} {self.direction}; "
                f"allowed: {low_hz:g} to {high_hz:g}"
            )
        return self
