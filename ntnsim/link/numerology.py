"""NR's time-frequency grid: slots, resource blocks, overhead, and the bits that fit (TS 38.211, 38.101, 38.306)."""

from ntnsim.link.tables import table

SYMBOLS_PER_SLOT = 14
SUBCARRIERS_PER_BLOCK = 12
FR2_FROM_HZ = 10e9  # NTN bands in Ka count as FR2 (TS 38.101-5); so does Ku here, an assumption
ALLOCATION_BELOW_HZ = 3e6  # smaller than any channel: an allocation inside one, without guard bands


def slot_s(subcarrier_spacing_hz: float) -> float:
    """Return the length of a slot: 1 ms at 15 kHz, halved with each doubling of the spacing."""
    return 1e-3 * 15e3 / subcarrier_spacing_hz


def resource_blocks(bandwidth_hz: float, carrier_hz: float, subcarrier_spacing_hz: float) -> int:
    """Return the number of resource blocks in *bandwidth_hz*.

    A channel bandwidth of TS 38.101 has its tabulated number. Any other width from 3 MHz on is filled to the same
    share as the widest tabulated channel that fits in it; narrower ones are allocations and are filled wholly.
    Raises ValueError where not one block fits.
    """
    block_hz = SUBCARRIERS_PER_BLOCK * subcarrier_spacing_hz
    if not bandwidth_hz >= block_hz:
        raise ValueError(f"bandwidth_hz must be >= {block_hz:.0f}, one block, got {bandwidth_hz!r}")
    band = "fr2" if carrier_hz >= FR2_FROM_HZ else "fr1"
    rows = table("nr")["prb"][band].get(f"{subcarrier_spacing_hz / 1e3:.0f}kHz")
    if rows is None:
        raise ValueError(f"subcarrier_spacing_hz: {subcarrier_spacing_hz:.0f} is not used in {band.upper()}")
    fitting = [
        (float(width), blocks)
        for width, blocks in rows.items()
        if float(width) * 1e6 <= bandwidth_hz * (1 + 1e-9)
    ]
    if bandwidth_hz < ALLOCATION_BELOW_HZ or not fitting:
        return int(bandwidth_hz / block_hz + 1e-9)
    widest_mhz, blocks = max(fitting)
    return int(bandwidth_hz / (widest_mhz * 1e6) * blocks + 1e-9)


def default_overhead(carrier_hz: float, direction: str) -> float:
    """Return the share of resource elements that carry no data (TS 38.306, 4.1.2)."""
    band = "FR2" if carrier_hz >= FR2_FROM_HZ else "FR1"
    return float(table("nr")["overhead"][f"{band}_{direction}"])


def resource_elements_per_s(blocks: int, subcarrier_spacing_hz: float, overhead: float) -> float:
    """Return how many resource elements per second carry data in *blocks* resource blocks."""
    per_slot = blocks * SUBCARRIERS_PER_BLOCK * SYMBOLS_PER_SLOT
    return per_slot / slot_s(subcarrier_spacing_hz) * (1.0 - overhead)
