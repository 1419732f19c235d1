"""The summary as a table for the terminal."""

import io
import math
from collections.abc import Mapping
from typing import Any


def with_half_width(value: float, half_width: float) -> str:
    """Return ``7.53 ± 0.21``: the half-width to two digits, and the value as far as that says anything about it."""
    if not 1e-6 < half_width < math.inf:
        return f"{value:.4g} ± {half_width:.2g}"
    decimals = max(0, 1 - math.floor(math.log10(half_width)))
    if half_width > 1e-4:
        decimals = min(decimals, 4)  # a fidelity's fifth digit helps nobody
    return f"{value:.{decimals}f} ± {half_width:.{decimals}f}"


def with_limits(value: float, low: float, high: float) -> str:
    """Return ``98.4 [95.2, 100.0]``, for percentages: near 0 and 100 their intervals are not symmetric."""
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


ROWS_OF_RANKS = 4  # a table wider than a terminal helps nobody; the JSON has every rank


def summary_table(summary: Mapping[str, Any], *, width: int = 110) -> str:
    """Return *summary* as text: one column per scheme, one row per figure, intervals as ±half-width."""
    from rich.console import Console
    from rich.table import Table

    schemes: dict[str, Any] = summary["schemes"]
    confidence = f"{100 * summary['confidence']:g} %"
    table = Table(title=f"{summary.get('name', 'run')} (± {confidence} confidence)", title_justify="left")
    table.add_column("")
    for scheme in schemes:
        table.add_column(scheme, justify="right")
    for label, cells in _rows(list(schemes.values())):
        table.add_row(label, *cells)
    text = io.StringIO()
    Console(file=text, width=width, color_system=None, highlight=False).print(table)
    return text.getvalue().rstrip()


def _rows(entries: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    rows = [("images", [str(entry["jobs"]) for entry in entries])]
    states = sorted({state for entry in entries for state in entry["states"]})
    rows += [(f"  {state}", [str(entry["states"].get(state, 0)) for entry in entries]) for state in states]
    rows += [
        ("delay, mean (s)", [_mean(entry["delay_s"]) for entry in entries]),
        ("delay, median (s)", [_value(entry["delay_s"]["quantiles"].get("q50")) for entry in entries]),
        (
            "delay, 95th percentile (s)",
            [_value(entry["delay_s"]["quantiles"].get("q95")) for entry in entries],
        ),
        ("within the deadline", [_share(entry["deadline_met"]) for entry in entries]),
        ("savings, mean", [_mean(entry["savings"], 100, " %") for entry in entries]),
        ("sent per image (kbit)", [_mean(entry["transmitted_bits"], 1e-3) for entry in entries]),
    ]
    for score in ("pf", "sf"):
        n_ranks = max((len(entry["fidelity"][f"{score}_rank"]) for entry in entries), default=0)
        for rank in range(min(n_ranks, ROWS_OF_RANKS)):
            per_scheme = [entry["fidelity"][f"{score}_rank"] for entry in entries]
            cells = [_mean(ranks[rank]) if rank < len(ranks) else "–" for ranks in per_scheme]
            if any(cell != "–" for cell in cells):
                rows.append((f"{score.upper()}, rank {rank}", cells))
    return rows


def _mean(entry: Mapping[str, Any], scale: float = 1.0, unit: str = "") -> str:
    if entry["mean"] is None:
        return "–"
    if entry["low"] is None:
        return f"{scale * entry['mean']:.4g}{unit}"
    half = scale * (entry["high"] - entry["low"]) / 2
    return f"{with_half_width(scale * entry['mean'], half)}{unit}"


def _value(entry: Mapping[str, Any] | None) -> str:
    return "–" if entry is None or entry["value"] is None else f"{entry['value']:.4g}"


def _share(entry: Mapping[str, Any]) -> str:
    if entry["value"] is None:
        return "–"
    if entry["low"] is None:
        return f"{100 * entry['value']:.1f} %"
    return f"{100 * entry['value']:.1f} % [{100 * entry['low']:.1f}, {100 * entry['high']:.1f}]"
