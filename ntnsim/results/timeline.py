"""``DIR/timeline.parquet``: what happened to links, queues and devices over simulated time.

One value per row: (time_s, scheme, kind, entity, quantity, value, text). ``sample`` rows are looked at every so
often, others (``pass``, ``handover``, ``fault`` …) happen once. A ``pass`` has a row whose quantity is ``end_s`` and
one for its ``max_elevation_deg``; *text* names the satellite. Rows that belong to every scheme have none.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ntnsim.results.files import TIMELINE
from ntnsim.results.writer import ClosedOnSuccess, Columns, write_table

SCHEMA = pa.schema(
    [
        ("time_s", pa.float64()),
        ("scheme", pa.string()),
        ("kind", pa.string()),
        ("entity", pa.string()),
        ("quantity", pa.string()),
        ("value", pa.float64()),
        ("text", pa.string()),
    ]
)
ROWS_AT_ONCE = 20_000


class TimelineWriter(ClosedOnSuccess):
    """Collects rows from all schemes of a run and writes them as one file when closed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._batches: list[pa.Table] = []

    def write(self, columns: Columns) -> None:
        """Append a batch of rows as columns, in the order in which they happened."""
        self._batches.append(pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA))

    def write_passes(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append satellite passes and handovers: mappings with kind, terminal, time_s, end_s, satellite and
        max_elevation_deg."""
        remaining = iter(rows)
        while some := list(islice(remaining, ROWS_AT_ONCE)):
            flat = [
                (
                    row["time_s"],
                    "",
                    row["kind"],
                    row["terminal"],
                    quantity,
                    float(row[quantity]),
                    row["satellite"],
                )
                for row in some
                for quantity in ("end_s", "max_elevation_deg")
            ]
            self.write(dict(zip(SCHEMA.names, zip(*flat, strict=True), strict=True)))

    def keep(self, directory: Path) -> None:
        """Write the rows so far into *directory*."""
        if self._batches:
            write_table(pa.concat_tables(self._batches), directory / TIMELINE)

    def go_on(self, directory: Path) -> None:
        """Take up what :meth:`keep` wrote into *directory*."""
        if (directory / TIMELINE).exists():
            self._batches = [pq.read_table(directory / TIMELINE).cast(SCHEMA)]

    def close(self) -> None:
        """Write the file; nothing is written when nothing was collected."""
        if self._batches:
            write_table(pa.concat_tables(self._batches).combine_chunks(), self._directory / TIMELINE)
            self._batches = []
