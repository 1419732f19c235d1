"""The dictionary of the records' columns: name, type, unit and meaning of each, from the list that makes them."""

from collections.abc import Iterable
from pathlib import Path

from ntnsim.results.read import find_runs
from ntnsim.results.record import Column, record_columns

# The scores that a run with pictures has; those of two ranks stand for any number.
WHOLE_SCORES = ("pf", "sf", "caption_sf", "psnr_db", "ssim", "ms_ssim")


def columns(directory: Path | str | None = None) -> list[Column]:
    """Return the columns of records, with unit and meaning: those of the run in *directory*, or of a run of two ranks.

    directory: a result directory; a finished `Run` does as well. Each column has ``name``, ``type``, ``unit`` and
    ``meaning``. Raises InputError where *directory* holds no run.

    >>> import ntnsim
    >>> {column.name: column.unit for column in ntnsim.columns()}["delay_s"]
    's'
    """
    if directory is None:
        return list(record_columns(2, WHOLE_SCORES))
    names = find_runs([directory])[0].record_columns()
    ranks = [int(name.rpartition("_")[2]) for name in names if name.startswith("rank_fraction_")]
    known = {column.name: column for column in record_columns(max(ranks, default=0) + 1, WHOLE_SCORES)}
    return [known.get(name, Column(name, "real", "score of the whole image")) for name in names]


def table(rows: Iterable[Column]) -> str:
    """Return the columns as a table in Markdown."""
    lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    lines += [f"| `{row.name}` | {row.type} | {row.unit} | {row.meaning} |" for row in rows]
    return "\n".join(lines) + "\n"
