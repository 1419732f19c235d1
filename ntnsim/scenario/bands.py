"""The service link's bands: carriers, widest channels, and whose radio of TR 38.821 is taken where none is written.

Bands that begin with n are those of TS 38.101-5: ranges of its 5.2, widest channels of its 5.3.5. The latter are as
open-source tables of V19.5.0 repeat them; ntnsim's authors have not compared them with the document. In other bands a
channel is as wide as NR's widest at its subcarrier spacing (TS 38.101-1 and -2, 5.3.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

BandName = Literal["s", "ka", "ku", "uhf", "n254", "n255", "n256", "n508", "n509", "n510", "n511", "n512"]
Antennas = Literal["reference", "same_size", "same_gain"]
WIDEST_CHANNEL_HZ: Mapping[str, Mapping[int, float]] = {
    "fr1": {15: 50e6, 30: 100e6, 60: 100e6},
    "fr2": {60: 200e6, 120: 400e6},
}


@dataclass(frozen=True, slots=True)
class Band:
    """One band: ranges of carriers, low and high in Hz, and defaults in it.

    reference: the band of TR 38.821 whose satellites and terminals serve: s or ka.
    system_hz: bandwidth that all reuse colours share.
    carriers_hz: default down and up; None: the middle of the range.
    antennas: what becomes of the reference radio's at other carriers: nothing, or their size or their gain stays.
    widest: widest channel in Hz by subcarrier spacing in kHz, of a band of TS 38.101-5; the channel, not its carrier
        alone, then has to lie in the range.
    """

    down_hz: tuple[float, float]
    up_hz: tuple[float, float]
    reference: Literal["s", "ka"]
    system_hz: float
    carriers_hz: tuple[float, float] | None = None
    antennas: Antennas = "reference"
    widest: Mapping[int, float] | None = None

    @property
    def frequency_range(self) -> Literal["fr1", "fr2"]:
        """NR's frequency range, which decides on spacings and overhead. Ku counts as FR2, as n508 and n509 do."""
        return "fr1" if self.reference == "s" else "fr2"

    @property
    def spacings_khz(self) -> tuple[int, ...]:
        """Subcarrier spacings of data channels (TS 38.101-1, -2)."""
        return tuple(self.widest or WIDEST_CHANNEL_HZ[self.frequency_range])

    @property
    def default_spacing_khz(self) -> int:
        """15 kHz below 6 GHz, 120 above."""
        return {"fr1": 15, "fr2": 120}[self.frequency_range]

    def range_hz(self, direction: str) -> tuple[float, float]:
        """Return the lowest and the highest frequency of dl or ul."""
        return self.down_hz if direction == "dl" else self.up_hz

    def carrier_hz(self, direction: str) -> float:
        """Return the default carrier of dl or ul."""
        if self.carriers_hz is not None:
            return self.carriers_hz[direction == "ul"]
        return sum(self.range_hz(direction)) / 2

    def narrowest_hz(self, spacing_khz: int) -> float:
        """Return the bandwidth of one resource block: 12 subcarriers (TS 38.211, 4.4.4.1)."""
        return 12 * spacing_khz * 1e3

    def widest_hz(self, spacing_khz: int) -> float:
        """Return the bandwidth of the widest channel."""
        return (self.widest or WIDEST_CHANNEL_HZ[self.frequency_range])[spacing_khz]


_UP_TO_20 = {15: 20e6, 30: 20e6, 60: 20e6}
_KA = {60: 200e6, 120: 400e6}
_KU = {120: 400e6}

BANDS: dict[BandName, Band] = {
    # TR 38.821, Table 6.1.3.2-1: 2 GHz with 30 MHz; 20 GHz down and 30 GHz up with 400 MHz.
    "s": Band((1e9, 6e9), (1e9, 6e9), "s", 30e6, (2e9, 2e9)),
    "ka": Band((17e9, 31e9), (17e9, 31e9), "ka", 400e6, (20e9, 30e9)),
    # No radio of the TR is for these; carriers and bandwidths are assumptions within customary allocations.
    "ku": Band((10.7e9, 14.5e9), (10.7e9, 14.5e9), "ka", 200e6, (12e9, 14e9), "same_size"),
    "uhf": Band((0.41e9, 1e9), (0.41e9, 1e9), "s", 5e6, (0.85e9, 0.85e9), "same_gain"),
    "n254": Band((2483.5e6, 2500e6), (1610e6, 1626.5e6), "s", 15e6, widest={15: 15e6, 30: 15e6, 60: 15e6}),
    "n255": Band((1525e6, 1559e6), (1626.5e6, 1660.5e6), "s", 20e6, widest=_UP_TO_20),
    "n256": Band((2170e6, 2200e6), (1980e6, 2010e6), "s", 20e6, widest=_UP_TO_20),
    # n508 has 400 MHz downwards only: left out.
    "n508": Band((10.7e9, 12.75e9), (13.75e9, 14e9), "ka", 200e6, antennas="same_size", widest={120: 200e6}),
    "n509": Band((10.7e9, 12.75e9), (14e9, 14.5e9), "ka", 400e6, antennas="same_size", widest=_KU),
    "n510": Band((17.3e9, 20.2e9), (27.5e9, 28.35e9), "ka", 400e6, widest=_KA),
    "n511": Band((17.3e9, 20.2e9), (28.35e9, 30e9), "ka", 400e6, widest=_KA),
    "n512": Band((17.3e9, 20.2e9), (27.5e9, 30e9), "ka", 400e6, widest=_KA),
}
