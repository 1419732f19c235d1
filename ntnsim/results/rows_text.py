"""Rows of any table as lines of text: aligned columns, CSV, JSON."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain, islice
from math import isfinite
from typing import Any

Rows = Iterable[Sequence[Any]]
WIDTHS_FROM = 1000  # rows; what is longer in later ones stands out


def as_table(names: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield lines of columns as wide as their first values; numbers stand to the right, with six digits."""
    rows = iter(rows)
    first = list(islice(rows, WIDTHS_FROM))
    numeric = [
        any(row[column] is not None for row in first)
        and all(row[column] is None or _is_number(row[column]) for row in first)
        for column in range(len(names))
    ]
    widths = [
        max(len(name), *(len(_text(row[column])) for row in first), 1) for column, name in enumerate(names)
    ]

    def line(texts: Sequence[str]) -> str:
        cells = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(texts, widths, numeric, strict=True)
        ]
        return "  ".join(cells).rstrip()

    yield line(names)
    for row in chain(first, rows):
        yield line([_text(value) for value in row])


def as_csv(names: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield lines of CSV, the names first; what is null is empty."""
    for row in chain([names], rows):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(row)  # which says what to quote
        yield text.getvalue().removesuffix("\n")


def as_json_rows(names: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield lines of a JSON array of an object per row; numbers that JSON does not have are null."""
    before = "["
    for row in rows:
        values = {name: _of_json(value) for name, value in zip(names, row, strict=True)}
        yield before + json.dumps(values, ensure_ascii=False, default=str)
        before = ","
    yield "[]" if before == "[" else "]"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def _of_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    return None if isinstance(value, float) and not isfinite(value) else value
