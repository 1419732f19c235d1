"""The rows of a world that was simulated in parts: kept in Arrow files, read again, put in order with their ends."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ntnsim.results.record import Column, Columns, arrow_schema
from ntnsim.results.writer import ROWS_PER_PART, ClosedOnSuccess

SCORES = ("pf_rank_", "sf_rank_")


class PartRowsWriter(ClosedOnSuccess):
    """Writes rows to one Arrow file, batch by batch."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._schema = arrow_schema(columns)
        self._writer = pa.ipc.new_file(path, self._schema)

    def write(self, columns: Columns) -> None:
        """Append a batch."""
        self._writer.write_table(pa.table(dict(columns), schema=self._schema))

    def close(self) -> None:
        """Write the end of the file."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self


def read_part_rows(paths: Sequence[Path]) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Return the rows of all files, and from which file, by its place, each is."""
    tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in paths]
    part = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
    return pa.concat_tables(tables).combine_chunks(), part


def values_of(table: pa.Table, names: Sequence[str]) -> dict[str, Any]:
    """Return columns as arrays; what is null in an integer column is -1, which no count is."""
    found = {}
    for name in names:
        column = table.column(name)
        if pa.types.is_integer(column.type):
            column = column.fill_null(-1)
        found[name] = column.to_numpy()
    return found


def rows_with_ends(
    table: pa.Table,
    schema: pa.Schema,
    order: npt.NDArray[np.int64],
    ends: Mapping[str, Any],
    scored: npt.NDArray[np.bool_],
    score_names: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """Yield batches of the records, in *order* [n] of the rows of *table*.

    ends: columns [n] by row that take the place of the table's; masked where null.
    scored: [n] by row, whether what a reconstruction gave counts: its size and its scores.
    """
    known = {name: pa.array(values, schema.field(name).type) for name, values in ends.items()}
    for field in schema:
        if field.name == "reconstructed_bits":
            known[field.name] = _where(scored, table.column(field.name), pa.scalar(None, field.type))
        elif field.name.startswith(SCORES) or field.name in score_names:
            known[field.name] = _where(scored, table.column(field.name), pa.scalar(np.nan, field.type))
    whole = pa.table([known.get(name, table.column(name)) for name in schema.names], schema=schema)
    for first in range(0, len(order), ROWS_PER_PART):
        some = whole.take(pa.array(order[first : first + ROWS_PER_PART]))
        yield {name: some.column(name) for name in schema.names}


def _where(scored: npt.NDArray[np.bool_], values: pa.ChunkedArray, otherwise: pa.Scalar) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.if_else(pa.array(scored), values, otherwise)
