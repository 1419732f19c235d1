"""Original, received and reconstructed pictures side by side, with fidelity, savings and configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ntnsim.errors import InputError
from ntnsim.report.groups import scores_note
from ntnsim.report.style import DOUBLE_COLUMN_IN, in_preferred_order
from ntnsim.results.files import IMAGES
from ntnsim.results.gallery import GalleryEntry, read_index
from ntnsim.results.read import RunDirectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_ROWS = 4
CAPTION_IN = 0.44  # room for three lines below a picture
MAX_PIXELS = 640  # enough for 300 dpi at a fifth of a double column


def gallery(runs: Sequence[RunDirectory]) -> "Figure":
    """Return the figure of up to four images of the first run that kept pictures, one row per image."""
    from matplotlib.figure import Figure

    run, entries = next(
        ((run, found) for run in runs if (found := read_index(run.path))), (runs[0], list[GalleryEntry]())
    )
    if not entries:
        raise InputError(f"{run.path}: kept no pictures (images/index.csv); no gallery can be drawn")
    rows = rows_of(entries)[:MAX_ROWS]
    schemes = in_preferred_order(entry.scheme for entry in entries)
    with_received = [s for s in schemes if any(e.received for e in entries if e.scheme == s)]
    n_columns = 1 + len(schemes) + len(with_received)
    column_in = DOUBLE_COLUMN_IN / n_columns
    aspects = [_aspect(run.path, next(iter(row.values())).original) for row in rows]
    heights = [column_in * min(aspect, 1.5) + CAPTION_IN for aspect in aspects]
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, sum(heights) + 0.4))
    grid = figure.subplots(len(rows), n_columns, squeeze=False, height_ratios=heights)
    for row_axes, row in zip(grid, rows, strict=True):
        anyone = next(iter(row.values()))
        _picture(row_axes[0], run.path, anyone.original, f"{anyone.original_bits / 8192:.0f} KiB")
        column = 1
        for scheme in schemes:
            entry = row.get(scheme)
            if scheme in with_received:
                received = entry.received if entry else ""
                _picture(row_axes[column], run.path, received, configuration_text(entry) if entry else "")
                column += 1
            _picture(row_axes[column], run.path, entry.reconstruction if entry else "", caption(entry))
            column += 1
    titles = ["original"]
    for scheme in schemes:
        titles += [f"{scheme}: received"] if scheme in with_received else []
        titles.append(scheme)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, pad=3)
    figure.supxlabel(
        "PF and SF per relevance rank, lowest first; savings against the file as captured"
        + scores_note([run], "\n"),
        fontsize=6,
    )
    return figure


def rows_of(entries: Sequence[GalleryEntry]) -> list[dict[str, GalleryEntry]]:
    """Group *entries* by job: scheme → entry. Schemes share their jobs, since they share the arrivals."""
    rows: dict[str, dict[str, GalleryEntry]] = {}
    for entry in entries:
        rows.setdefault(entry.job, {})[entry.scheme] = entry
    # Pictures that every scheme delivered come first: only they compare.
    return sorted(rows.values(), key=lambda row: -len(row))


def caption(entry: GalleryEntry | None) -> str:
    """Return savings, PF and SF per rank from the lowest: ``saves 91 %``, ``PF 0.62 / 0.97``, ``SF 0.80 / 0.99``."""
    if entry is None:
        return "not delivered"
    lines = [f"saves {100 * entry.savings:.1f} %"]
    scores = []
    for name, per_rank, whole in (("PF", entry.pf_rank, entry.pf), ("SF", entry.sf_rank, entry.sf)):
        values = per_rank or ((whole,) if whole is not None else ())
        if values:
            scores.append(f"{name} " + " / ".join("–" if v is None else f"{v:.2f}" for v in values))
    return "\n".join([*lines, *scores])


def configuration_text(entry: GalleryEntry) -> str:
    """Return the configuration as the paper writes it: ``β 0.1, p 0.2``."""
    symbols = {"box_growth": "β", "patch_fractions": "p", "coarse_quality": "q"}
    return ", ".join(
        f"{symbols.get(name, name)} {_short(value)}" for name, value in entry.configuration.items()
    )


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " / ".join(_short(part) for part in value)
    return f"{value:.2g}" if isinstance(value, (int, float)) else str(value)


def _aspect(run: Path, name: str) -> float:
    with Image.open(run / IMAGES / name) as picture:
        return picture.height / picture.width


def _picture(axes: "Axes", run: Path, name: str, text: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(text, fontsize=6, labelpad=2)
    if name:
        with Image.open(run / IMAGES / name) as picture:
            small = picture.convert("RGB")
            small.thumbnail((MAX_PIXELS, MAX_PIXELS))
            axes.imshow(np.asarray(small), interpolation="antialiased")
