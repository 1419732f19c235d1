"""The summary as a table for the terminal."""

import io
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ntnsim.results.latex import latex_table
from ntnsim.results.pictures import FEWEST_PICTURES
from ntnsim.results.possible import possible
from ntnsim.results.statistics import Interval
from ntnsim.results.within_run import FEWEST_EFFECTIVE, FEWEST_JOBS, TOO_SMALL

# A half-width below this share of the value is rounding of the sum, not spread.
ROUNDING = 1e-9
FEWEST_REPLICATIONS = 5  # with fewer, Student's factor is above 2.7, and the limits say little


SMALL = " (n too small)"


def interval_text(
    interval: Interval,
    *,
    metric: str = "",
    scale: float = 1.0,
    unit: str = "",
    n: int | None = None,
    kind: str = "",
) -> str:
    """Return ``7.53 ± 0.21``; ``98.4 [95.2, 100.0]`` where *metric* cannot go further; a dash for no value.

    scale: from the interval's unit to the one shown. n: independent values behind it, if known, and kind what they are
    (``pictures``); too few give no interval, and the text says so.
    """
    if not math.isfinite(interval.value):
        return "–"
    if n is not None and n < (FEWEST_PICTURES if kind else FEWEST_REPLICATIONS):
        return f"{scale * interval.value:.4g}{unit} ({f'{n} {kind}' if kind else f'n = {n}'})"
    if not math.isfinite(interval.half_width):
        return f"{scale * interval.value:.4g}{unit}{'' if n is None else SMALL}"
    cut = possible(interval, metric)
    lean = (cut.high - cut.value) - (cut.value - cut.low)
    if abs(lean) <= 1e-6 * cut.half_width or cut.half_width <= ROUNDING * abs(cut.value):
        return f"{with_half_width(scale * cut.value, scale * cut.half_width)}{unit}"
    return with_limits(scale * cut.value, scale * cut.low, scale * cut.high, unit)


def with_half_width(value: float, half_width: float) -> str:
    """Return ``7.53 ± 0.21``: the half-width to two digits, and the value as far as that says anything about it."""
    if half_width <= ROUNDING * max(abs(value), 1e-300):
        return f"{value:.4g} ± 0"
    if not 1e-6 < half_width < math.inf:
        return f"{value:.4g} ± {half_width:.2g}"
    decimals = _decimals(half_width)
    return f"{value:.{decimals}f} ± {half_width:.{decimals}f}"


def with_limits(value: float, low: float, high: float, unit: str = "") -> str:
    """Return ``98.4 [95.2, 100.0]``, where the interval is not symmetric: near the end of what is possible."""
    decimals = max(1, _decimals((high - low) / 2)) if 1e-6 < high - low < math.inf else 1
    return f"{value:.{decimals}f}{unit} [{low:.{decimals}f}, {high:.{decimals}f}]"


def _decimals(half_width: float) -> int:
    decimals = max(0, 1 - math.floor(math.log10(half_width)))
    return min(decimals, 4) if half_width > 1e-4 else decimals  # a fidelity's fifth digit helps nobody


ROWS_OF_RANKS = 4  # a table wider than a terminal helps nobody; the JSON has every rank


def summary_table(summary: Mapping[str, Any], *, width: int = 110) -> str:
    """Return *summary* as text: one column per scheme, one row per figure, intervals as ±half-width."""
    from rich.console import Console
    from rich.table import Table

    headings, rows = summary_cells(summary)
    table = Table(title=summary_title(summary), title_justify="left")
    table.add_column(headings[0])
    for scheme in headings[1:]:
        table.add_column(scheme, justify="right")
    for row in rows:
        table.add_row(*row)
    text = io.StringIO()
    Console(file=text, width=width, color_system=None, highlight=False, markup=False, emoji=False).print(
        table
    )
    return "\n".join([text.getvalue().rstrip(), *_notes(summary)])


def summary_title(summary: Mapping[str, Any]) -> str:
    """Return what the table is of, and what its intervals are."""
    return f"{summary.get('name', 'run')} (± {100 * summary['confidence']:g} % confidence)"


def summary_cells(summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the rows of *summary*'s table, as texts."""
    schemes: dict[str, Any] = summary["schemes"]
    return ["", *schemes], [[label, *cells] for label, cells in _rows(list(schemes.values()))]


def summary_latex(summary: Mapping[str, Any]) -> str:
    """Return *summary* as a LaTeX table, its notes in the caption."""
    headings, rows = summary_cells(summary)
    caption = " ".join([f"{summary_title(summary)}.", *_notes(summary)])
    return latex_table(headings, rows, columns="l" + "r" * (len(headings) - 1), caption=caption)


def _notes(summary: Mapping[str, Any]) -> list[str]:
    lost = summary.get("satellites_lost")
    notes = [_small_note(summary["schemes"].values()), _warm_up_note(summary["schemes"])]
    notes += [_pictures_note(summary["schemes"].values())]
    notes += [f"{lost['count']} satellites {lost['note']}"] if lost else []
    return [note for note in notes if note]


def _small_note(entries: Iterable[Mapping[str, Any]]) -> str:
    """Say why a delay or a share has no interval."""
    if all(
        entry["delay_s"]["low"] is not None and entry["deadline_met"]["low"] is not None for entry in entries
    ):
        return ""
    return (
        f"{TOO_SMALL}: within a run it takes {FEWEST_JOBS} images, worth {FEWEST_EFFECTIVE} independent ones;\n"
        "replications of a sweep give one too."
    )


def _warm_up_note(schemes: Mapping[str, Mapping[str, Any]]) -> str:
    """Say for which schemes MSER-5 found no end of the warm-up."""
    unsettled = [name for name, entry in schemes.items() if entry.get("warm_up_at_limit")]
    if not unsettled:
        return ""
    return (
        f"Warm-up of {', '.join(unsettled)}: MSER-5 is at the end of its search, half of the images; "
        "the run may be too short to have settled."
    )


def _pictures_note(entries: Iterable[Mapping[str, Any]]) -> str:
    """Say over how many pictures the means are, where images repeat them."""
    counts = [(entry["savings"].get("pictures"), entry["savings"]["n"]) for entry in entries]
    repeated = {n_pictures for n_pictures, n in counts if n_pictures is not None and n_pictures < n}
    if not repeated:
        return ""
    shown = " or ".join(map(str, sorted(repeated)))
    return f"Savings, sizes and fidelity are over the {shown} pictures that were sent again and again."


def _rows(entries: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    rows = [("images", [str(entry["jobs"]) for entry in entries])]
    states = sorted({state for entry in entries for state in entry["states"]})
    rows += [(f"  {state}", [str(entry["states"].get(state, 0)) for entry in entries]) for state in states]
    rows += [
        ("delay, mean (s)", [_mean(entry["delay_s"], "delay_s") for entry in entries]),
        ("delay, median (s)", [_value(entry["delay_s"]["quantiles"].get("q50")) for entry in entries]),
        (
            "delay, 95th percentile (s)",
            [_value(entry["delay_s"]["quantiles"].get("q95")) for entry in entries],
        ),
        ("within the deadline", [_share(entry["deadline_met"]) for entry in entries]),
        ("savings, mean", [_mean(entry["savings"], "savings", 100, " %") for entry in entries]),
        (
            "sent per image (kbit)",
            [_mean(entry["transmitted_bits"], "transmitted_bits", 1e-3) for entry in entries],
        ),
    ]
    rows += _ledger_rows(entries)
    for score in ("pf", "sf"):
        n_ranks = max((len(entry["fidelity"][f"{score}_rank"]) for entry in entries), default=0)
        for rank in range(min(n_ranks, ROWS_OF_RANKS)):
            per_scheme = [entry["fidelity"][f"{score}_rank"] for entry in entries]
            cells = [
                _mean(ranks[rank], f"fidelity.{score}_rank") if rank < len(ranks) else "–"
                for ranks in per_scheme
            ]
            if any(cell != "–" for cell in cells):
                rows.append((f"{score.upper()}, rank {rank}", cells))
    return rows


def _ledger_rows(entries: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return where the bits are that were sent up and did not arrive, and what crossed between satellites, if any."""
    ledgers = [entry.get("bits", {}) for entry in entries]
    titles = {
        "between_satellites": "between satellites (Mbit)",
        "lost_on_the_way": "lost on the way (Mbit)",
        "on_the_way": "still on the way (Mbit)",
    }
    return [
        (title, [f"{ledger.get(name, 0.0) / 1e6:.4g}" for ledger in ledgers])
        for name, title in titles.items()
        if any(ledger.get(name) for ledger in ledgers)
    ]


def _mean(entry: Mapping[str, Any], metric: str, scale: float = 1.0, unit: str = "") -> str:
    n, kind = independent_values(entry)
    return interval_text(interval_of(entry, "mean"), metric=metric, scale=scale, unit=unit, n=n, kind=kind)


def independent_values(entry: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return how many independent values a mean in the summary stands on, None if unknown, and what they are."""
    n, n_pictures = entry.get("n"), entry.get("pictures")
    if n_pictures is None or (n is not None and n <= n_pictures):
        return n, ""
    return n_pictures, "picture" if n_pictures == 1 else "pictures"


def interval_of(entry: Mapping[str, Any], key: str) -> Interval:
    """Return the interval that an *entry* of the summary holds around its value *key*; what is null is nan."""
    value, low, high = (
        math.nan if entry.get(name) is None else float(entry[name]) for name in (key, "low", "high")
    )
    return Interval(value, low, high, math.nan)


def _value(entry: Mapping[str, Any] | None) -> str:
    return "–" if entry is None or entry["value"] is None else f"{entry['value']:.4g}"


def _share(entry: Mapping[str, Any]) -> str:
    if entry["value"] is None:
        return "–"
    if entry["low"] is None:
        return f"{100 * entry['value']:.1f} %{SMALL}"
    return f"{100 * entry['value']:.1f} % [{100 * entry['low']:.1f}, {100 * entry['high']:.1f}]"
