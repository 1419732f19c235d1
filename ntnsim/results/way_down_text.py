"""What limits images on their way down, in one sentence, from a scenario's `space` section as results keep it."""

from collections.abc import Mapping
from typing import Any

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def way_down_text(space: Mapping[str, Any]) -> str:
    """Return the capacities of feeder link, links between satellites and buffers; "" where nothing is limited."""
    payload, links = space["payload"], space["inter_satellite_links"]
    parts = []
    if payload["kind"] == "transparent":
        channels = payload["feeder"].get("channels")
        if channels is not None:
            parts.append(f"feeder link for {channels:g} channels per satellite")
    else:
        if payload.get("feeder_rate_bps") is not None:
            parts.append(f"feeder link {_rate(payload['feeder_rate_bps'])} per satellite")
        if links["kind"] == "plus_grid" and links.get("rate_bps") is not None:
            parts.append(f"links between satellites {_rate(links['rate_bps'])} each way")
        if payload.get("store_and_forward"):
            parts.append("store and forward")
        if payload.get("buffer_bits") is not None:
            parts.append(f"{_scaled(payload['buffer_bits'])}bit kept per satellite at most")
    if payload.get("service_beams") is not None:
        parts.append(f"{payload['service_beams']} service beams per satellite")
    return ", ".join(parts)


def _rate(bps: float) -> str:
    return f"{_scaled(bps)}bit/s"


def _scaled(value: float) -> str:
    for size, prefix in _PREFIXES:
        if value >= size:
            return f"{value / size:g} {prefix}"
    return f"{value:g} "
