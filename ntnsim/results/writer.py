"""Columns of records → Parquet files whose bytes depend on the data alone.

Rows are regrouped into parts of a fixed number of rows, so that the size of the batches in which the world hands them
over leaves no trace; nothing in the files tells when, where or how fast they were made. What this host's clock
measured (columns named ``wall_…``) goes to a file of its own, ``wall_time.parquet``: the records of two runs with one
seed can then be compared byte by byte.
"""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ntnsim.results.atomic import atomic_path
from ntnsim.results.files import RECORDS, WALL_TIME
from ntnsim.uninterrupted import uninterrupted

ROWS_PER_PART = 32_768  # some 30 MB while they wait to be written
WALL_PREFIX = "wall_"
_WAITING = "waiting.parquet"  # rows that fill no part yet
_TAIL = "part-unfinished.parquet"  # the same rows beside the parts, for whoever reads an unfinished run

Columns = Mapping[str, Sequence[Any] | np.ndarray]


def write_table(table: pa.Table, path: Path) -> None:
    """Write *table* to the Parquet file *path*, whole or not at all, as the same bytes for the same table."""
    with atomic_path(path) as partial:
        pq.write_table(
            table.replace_schema_metadata(None),
            partial,
            compression="zstd",
            compression_level=3,
            version="2.6",
            row_group_size=ROWS_PER_PART,
            use_dictionary=True,
            write_statistics=True,
            write_page_checksum=True,
            store_schema=True,  # keeps dictionary and null types on reading; holds no time and no path
        )


class PartWriter:
    """Writes one table as ``DIRECTORY/part-00000.parquet`` …, each part whole or not at all.

    The first batch, or *schema*, fixes the columns and their types; a batch that lacks a column or has a new one is
    refused. The directory is a part of results that are being written: what an earlier try left in it is removed, but
    for the first *n_kept* parts, which :meth:`go_on` goes on from.
    """

    def __init__(
        self,
        directory: Path,
        *,
        schema: pa.Schema | None = None,
        rows_per_part: int = ROWS_PER_PART,
        n_kept: int = 0,
    ) -> None:
        if not rows_per_part > 0:
            raise ValueError(f"rows_per_part must be > 0, got {rows_per_part}")
        self._directory = directory
        self._schema = schema
        self._rows_per_part = rows_per_part
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._n_parts = n_kept
        if directory.is_dir() and not n_kept:
            shutil.rmtree(directory)
        directory.mkdir(parents=True, exist_ok=True)
        for part in sorted(directory.glob("part-*.parquet"))[n_kept:]:
            part.unlink()

    def write(self, columns: Columns) -> None:
        """Append a batch: equally long columns, one value per row."""
        if not columns or len(next(iter(columns.values()))) == 0:
            return
        if self._schema is None:
            self._schema = _without_null_types(pa.table(dict(columns)).schema)
        names = set(self._schema.names)
        if set(columns) != names:
            missing, unknown = sorted(names - set(columns)), sorted(set(columns) - names)
            raise ValueError(f"a batch must have the columns of the first: missing {missing}, new {unknown}")
        batch = pa.table({name: columns[name] for name in self._schema.names}, schema=self._schema)
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        while self._pending_rows >= self._rows_per_part:
            self._flush(self._rows_per_part)

    @property
    def n_rows(self) -> int:
        """How many rows were written, those included that wait for their part."""
        return self._n_parts * self._rows_per_part + self._pending_rows

    def show(self) -> None:
        """Write the rows that wait for their part beside the parts, so that all rows so far can be read."""
        if self._pending_rows:
            write_table(pa.concat_tables(self._pending), self._directory / _TAIL)

    def close(self) -> None:
        """Write what is left; a table without rows still gets one part when its schema is known."""
        (self._directory / _TAIL).unlink(missing_ok=True)
        if self._pending_rows or (self._n_parts == 0 and self._schema is not None):
            self._flush(self._pending_rows)

    def keep(self, path: Path) -> None:
        """Write the rows that wait for their part to *path*, so that :meth:`go_on` can take them up."""
        if self._schema is not None:
            write_table(pa.concat_tables([self._schema.empty_table(), *self._pending]), path)

    def go_on(self, path: Path) -> None:
        """Take up the rows at *path*, which waited for their part when an earlier run was interrupted."""
        if path.exists():
            table = pq.read_table(path)
            self._schema, self._pending, self._pending_rows = table.schema, [table], table.num_rows

    def _flush(self, n_rows: int) -> None:
        assert self._schema is not None
        table = pa.concat_tables(self._pending) if self._pending else self._schema.empty_table()
        # One chunk per column: chunk borders would show in the encoded pages.
        part = table.slice(0, n_rows).combine_chunks()
        (self._directory / _TAIL).unlink(missing_ok=True)  # its rows are in the part
        write_table(part, self._directory / f"part-{self._n_parts:05d}.parquet")
        self._n_parts += 1
        self._pending_rows -= n_rows
        self._pending = [table.slice(n_rows).combine_chunks()] if self._pending_rows else []


class ClosedOnSuccess(ABC):
    """A writer as a context manager: leaving it without an error writes what is left, an error leaves it unwritten."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()


class RecordWriter(ClosedOnSuccess):
    """Writes the records of a run: ``DIR/records/part-*.parquet`` and, beside them, ``DIR/wall_time.parquet``.

    keys: columns that identify a row, repeated in the wall-time file.
    n_kept: parts that an interrupted run left to go on from.
    """

    def __init__(
        self,
        directory: Path,
        *,
        keys: tuple[str, ...] = ("scheme", "job"),
        schema: pa.Schema | None = None,
        rows_per_part: int = ROWS_PER_PART,
        n_kept: int = 0,
    ) -> None:
        self._directory = directory
        self._keys = keys
        simulated = None
        if schema is not None:
            simulated = pa.schema([field for field in schema if not field.name.startswith(WALL_PREFIX)])
        self._records = PartWriter(
            directory / RECORDS, schema=simulated, rows_per_part=rows_per_part, n_kept=n_kept
        )
        self._wall: list[pa.Table] = []

    def write(self, columns: Columns) -> None:
        """Append a batch of jobs, equally long columns; an interruption waits until that is done."""
        with uninterrupted():
            self._write(columns)

    def _write(self, columns: Columns) -> None:
        measured = [name for name in columns if name.startswith(WALL_PREFIX)]
        self._records.write({name: values for name, values in columns.items() if name not in measured})
        if measured:
            kept = [*(key for key in self._keys if key in columns), *measured]
            self._wall.append(pa.table({name: columns[name] for name in kept}))

    @property
    def n_rows(self) -> int:
        """How many jobs were written."""
        return self._records.n_rows

    def show(self) -> None:
        """Let all records so far be read where they are written."""
        self._records.show()

    def keep(self, directory: Path) -> None:
        """Write what waits in memory into *directory*."""
        self._records.keep(directory / _WAITING)
        if self._wall:
            write_table(pa.concat_tables(self._wall, promote_options="permissive"), directory / WALL_TIME)

    def go_on(self, directory: Path) -> None:
        """Take up what :meth:`keep` wrote into *directory*."""
        self._records.go_on(directory / _WAITING)
        if (directory / WALL_TIME).exists():
            self._wall = [pq.read_table(directory / WALL_TIME)]

    def close(self) -> None:
        """Write what is left."""
        self._records.close()
        if self._wall:
            wall = pa.concat_tables(self._wall, promote_options="permissive").combine_chunks()
            write_table(wall, self._directory / WALL_TIME)
            self._wall = []


def _without_null_types(schema: pa.Schema) -> pa.Schema:
    """Return *schema* with columns that were all ``None`` in the first batch typed as floating point."""
    return pa.schema(
        [pa.field(field.name, pa.float64()) if pa.types.is_null(field.type) else field for field in schema]
    )
