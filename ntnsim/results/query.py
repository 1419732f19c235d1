"""SQL over results: what duckdb answers about records, timelines and the tables of fluid runs, read as far as needed.

Everything is a view of the files; a query can neither change them nor reach any other file.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from ntnsim.errors import InputError
from ntnsim.results.read import dataset_of, find_runs

FLOW_TABLES = ("sites", "delays", "savings", "satellites")
ROWS_AT_ONCE = 10_000
# A view's data come from Python; the database itself needs no file, and statements cannot open one.
CLOSED: dict[str, Any] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "lock_configuration": "true",
}


def query(directories: Iterable[Path | str], sql: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Return the names of the columns that *sql* asks for, and its rows one by one.

    directories: of runs or sweeps. Tables: ``records`` and ``timeline`` of runs of images, ``sites``, ``delays``,
    ``savings`` and ``satellites`` of fluid ones, each with ``run``, ``replication`` and what a sweep varied.

    Raises InputError where duckdb is missing, a directory holds no finished run, or *sql* is not one question.
    """
    try:
        import duckdb
    except ImportError as error:
        raise InputError("query: needs the package duckdb; install ntnsim[sql]") from error
    tables = _tables(directories)
    with _in_one_line(duckdb.Error):
        connection = duckdb.connect(":memory:", config=CLOSED)
        for name, rows in tables.items():
            connection.register(name, rows)
        statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise InputError(f"SQL: must be one SELECT over {', '.join(tables)}, got {sql!r}")
    with _in_one_line(duckdb.Error):
        answer = connection.execute(statements[0])
    names = [str(column[0]) for column in answer.description or ()]

    def rows_of_answer() -> Iterator[tuple[Any, ...]]:
        while True:
            with _in_one_line(duckdb.Error):
                some = answer.fetchmany(ROWS_AT_ONCE)
            if not some:
                return
            yield from some

    return names, rows_of_answer()


def _tables(directories: Iterable[Path | str]) -> dict[str, Any]:
    """Return the datasets that there are, by name."""
    runs = find_runs(directories)
    parts = {"records": [(part, run) for run in runs if not run.is_fluid for part in run.parts()]}
    parts["timeline"] = [(path, run) for run in runs if (path := run.timeline_file()) is not None]
    for table in FLOW_TABLES:
        parts[table] = [(run.flow_file(table), run) for run in runs if run.is_fluid]
    return {name: dataset_of(files) for name, files in parts.items() if files}


@contextmanager
def _in_one_line(error_type: type[Exception]) -> Iterator[None]:
    """Tell the first line of what the database complains of; the others show where it stands in the text."""
    try:
        yield
    except (error_type, pa.ArrowException, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        hint = "".join(
            f"; {line[0].lower()}{line[1:]}" for line in lines[1:] if line.startswith(("Did", "Cand"))
        )
        raise InputError(f"SQL: {lines[0].rstrip('!')}{hint}") from None
