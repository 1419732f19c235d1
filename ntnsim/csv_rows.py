"""CSV files that users bring: commas, decimal points, UTF-8, one header line; all else is refused by line and column.

pyarrow reads them, with every part of the dialect said; nothing is guessed, filled in or left out.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ntnsim.errors import InputError, ScenarioError

LARGEST_BYTES = 100 << 20
LONGEST_NAME = 40
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of values, by column. kind: what its complaints are raised as."""

    path: Path
    line: int
    values: dict[str, str]
    kind: type[InputError] = ScenarioError

    def number(self, column: str, least: float = -math.inf, most: float = math.inf) -> float:
        """Return the finite number in *column*, least ≤ number ≤ most."""
        text = self.values[column].strip(" \t")
        value = float(text) if len(text) <= 40 and _NUMBER.fullmatch(text) else math.nan
        if not math.isfinite(value):
            raise self.error(f"needs a number in column {column}, got {text[:40]!r}")
        if not least <= value <= most:
            raise self.error(f"column {column} is {text[:40]}, allowed are {least:g} to {most:g}")
        return value

    def whole(self, column: str, least: int, most: int) -> int:
        """Return the whole number in *column*, least ≤ number ≤ most."""
        value = self.number(column, least, most)
        if value != round(value):
            raise self.error(f"needs a whole number in column {column}, got {self.values[column][:40]!r}")
        return int(value)

    def error(self, problem: str) -> InputError:
        """Return *problem* as a complaint about this line."""
        return self.kind(f"{self.path}:{self.line}: {problem}")


def read_rows(
    path: Path, required: Sequence[str] = (), *, kind: type[InputError] = ScenarioError
) -> tuple[list[str], list[Row]]:
    """Return the columns of the CSV file at *path*, and its rows; blank lines at the end are none.

    required: columns that must be there. kind: what is raised, with file, line and column.
    """
    import pyarrow as pa
    from pyarrow import csv

    data = _plain_text(path, kind)
    header = data.partition(b"\n")[0].decode().strip("\r")
    columns = [name.strip().strip('"') for name in header.split(",")]
    if len(columns) == 1 and (other := next((mark for mark in ";\t|" if mark in header), None)):
        raise kind(f"{path}:1: columns are separated by {other!r}; write commas, and points in numbers")
    if odd := next((name for name in columns if len(name) > LONGEST_NAME or not name.isprintable()), None):
        raise kind(f"{path}:1: {odd[:40]!r} is no column's name: at most {LONGEST_NAME} printable characters")
    for name in required:
        if name not in columns:
            raise kind(f"{path}: lacks the column {name}; needed are {', '.join(required)}")
    if twice := next((name for name in columns if columns.count(name) > 1), None):
        raise kind(f"{path}:1: the column {twice!r} stands there twice")
    uneven: list[tuple[int, int]] = []

    def note(row: csv.InvalidRow) -> str:
        uneven.append((row.number or 0, row.actual_columns))
        return "skip"

    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            read_options=csv.ReadOptions(use_threads=False, column_names=columns, skip_rows=1),
            parse_options=csv.ParseOptions(
                delimiter=",",
                quote_char='"',
                double_quote=True,
                escape_char=False,
                newlines_in_values=False,
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return columns, []
        raise kind(f"{path}: not a readable CSV file ({str(error).splitlines()[0][:100]})") from None
    if uneven:
        line, found = uneven[0]
        hint = "; is a comma meant as a decimal point?" if found > len(columns) else ""
        raise kind(f"{path}:{line}: {found} values under {len(columns)} column names{hint}")
    rows = table.to_pylist()
    return columns, [Row(path, line, row, kind) for line, row in enumerate(rows, 2)]


def _plain_text(path: Path, kind: type[InputError]) -> bytes:
    """Return the file's UTF-8 bytes, without a byte order mark and blank lines at its end, lines ended by \\n."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise kind(f"{path}: is larger than {LARGEST_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise kind(f"{path}: cannot be read ({error.strerror})") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise kind(f"{path}: is UTF-16 or no text; save it as UTF-8")
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise kind(f"{path}:{line}: character {column} is not UTF-8 (Latin-1?); save it as UTF-8") from None
    data = data.rstrip(b"\n ")
    if not data:
        raise kind(f"{path}: is empty; a header line with the columns' names is needed")
    return data + b"\n"
