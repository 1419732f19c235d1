"""Result directories → pandas: find the runs below the given directories, read only the columns asked for.

A directory is a run (it holds ``records/``) or a sweep (it holds ``sweep.json`` and one run per cell). Runs of a sweep
carry the values that the sweep gave them, as columns named by their paths, and their replication.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache, reduce
from operator import and_
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from ntnsim.errors import InputError
from ntnsim.given import path_given
from ntnsim.results.atomic import read_json
from ntnsim.results.checkpoint import NEXT
from ntnsim.results.directory import settle
from ntnsim.results.files import CELLS, FLOW, PROVENANCE, RECORDS, SUMMARY, SWEEP, TIMELINE
from ntnsim.results.seal import check_file, sealed_files

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset


@dataclass(frozen=True)
class RunDirectory:
    """One finished run on disk, and its place in a sweep if it has one.

    parameters: path → value, as the sweep set them; empty outside a sweep.
    labels: path → what to call its value, where the sweep's author said so.
    replication: which repetition of its point this is; 0 outside a sweep.
    """

    path: Path
    label: str
    parameters: dict[str, Any] = field(default_factory=dict)
    replication: int = 0
    labels: dict[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return ``summary.json``."""
        check_file(self.path, SUMMARY)
        path = self.path / SUMMARY
        return _summary_at(path, path.stat().st_mtime_ns if path.exists() else 0)

    def provenance(self) -> dict[str, Any]:
        """Return ``provenance.json``."""
        return read_json(self.path / PROVENANCE)

    @property
    def is_fluid(self) -> bool:
        """Whether its world was fluid: it has tables in ``flow/`` instead of records."""
        return (self.path / FLOW).is_dir()

    def flow(self, table: str, scheme: str) -> pd.DataFrame:
        """Return a *scheme*'s rows of a table of a fluid run: ``sites``, ``delays``, ``savings`` or ``satellites``."""
        rows = _read_part(self.flow_file(table), None).to_pandas()
        return rows[rows["scheme"] == scheme].reset_index(drop=True)

    def flow_file(self, table: str) -> Path:
        """Return the file of a table of a fluid run, which is as the run sealed it."""
        name = f"{FLOW}/{table}.parquet"
        check_file(self.path, name)
        return self.path / name

    def record_columns(self) -> list[str]:
        """Return the names of the records' columns."""
        return list(_schema_of(self.parts()[0]).names)

    def records(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the records, one row per job in order of writing; only *columns*, unless all are wanted."""
        wanted = list(columns) if columns else None
        tables = [_read_part(part, wanted) for part in self.parts()]
        if missing := [name for name in wanted or () if name not in tables[0].column_names]:
            near = get_close_matches(str(missing[0]), tables[0].column_names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; ntnsim.columns() lists them"
            raise InputError(f"{self.path / RECORDS}: has no column {', '.join(map(str, missing))}{hint}")
        return pa.concat_tables(tables)

    def record_column(self, name: str) -> pa.ChunkedArray:
        """Return one column of the records."""
        return self.records([name]).column(0)

    def timeline(self) -> pd.DataFrame | None:
        """Return the timeline's rows, or None when the run kept none."""
        path = self.timeline_file()
        return None if path is None else _read_part(path, None).to_pandas()

    def timeline_file(self) -> Path | None:
        """Return the timeline's file, which is as the run sealed it; None when the run kept none."""
        check_file(self.path, TIMELINE)
        path = self.path / TIMELINE
        return path if path.exists() else None

    def parts(self) -> list[Path]:
        """Return the records' files, in order: those that the run sealed, where it did."""
        sealed = [name for name in sealed_files(self.path) if name.startswith(f"{RECORDS}/part-")]
        for name in sealed:
            check_file(self.path, name)
        parts = [self.path / name for name in sealed] or (self.path / RECORDS).glob("part-*.parquet")
        if self.is_fluid:
            raise InputError(f"{self.path}: holds no records, as its world was fluid; read {FLOW}/*.parquet")
        if not (ordered := sorted(parts)):
            raise InputError(f"{self.path / RECORDS}: holds no part-*.parquet")
        return ordered


@lru_cache(maxsize=64)  # a table asks for each figure of a run in turn
def _summary_at(path: Path, _modified_ns: int) -> dict[str, Any]:
    return read_json(path)


def _schema_of(part: Path) -> pa.Schema:
    try:
        return pq.read_schema(part)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{part}: cannot be read as Parquet ({error})") from None


def _read_part(part: Path, columns: list[str] | None) -> pa.Table:
    # ParquetFile rather than read_table: a sweep has thousands of small files, and the dataset layer costs 10 ms each.
    try:
        with pq.ParquetFile(part, page_checksum_verification=True) as opened:
            return opened.read(columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{part}: cannot be read as Parquet ({error})") from None


def find_runs(directories: Iterable[Path | str]) -> list[RunDirectory]:
    """Return the runs in *directories*, in the given order; a sweep's cells in the order of its plan.

    Cells that a sweep has not finished are left out.
    """
    given = [path for directory in directories for path in _paths_of(directory)]
    runs: list[RunDirectory] = []
    for directory in given:
        if not directory.is_dir():
            raise InputError(f"{directory}: no such directory")
        settle(directory)
        if (directory / SWEEP).exists():
            runs += _cells(directory)
        elif (directory / RECORDS).is_dir() or (directory / FLOW).is_dir():
            runs.append(RunDirectory(directory, directory.name or str(directory.resolve().name)))
        elif (directory / NEXT).is_dir():
            raise InputError(f"{directory}: its run is not finished; run the scenario again")
        else:
            raise InputError(f"{directory}: holds neither a run (records/) nor a sweep (sweep.json)")
    if not runs:
        raise InputError(f"{', '.join(map(str, given)) or 'no directory'}: no finished run")
    return runs


def _paths_of(given: Any) -> list[Path]:
    """Return the directories that *given* is or has: a path, a finished run or sweep, or several of them."""
    if isinstance(given, list | tuple):
        return [path for part in given for path in _paths_of(part)]
    place = getattr(given, "directory", given)  # of a Run or a Sweep
    return [path_given("directory", place, "a result directory, a Run or a Sweep")]


def _cells(directory: Path) -> list[RunDirectory]:
    plan = read_json(directory / SWEEP)
    return [
        RunDirectory(
            path,
            cell["label"],
            dict(cell["parameters"]),
            int(cell["replication"]),
            dict(cell.get("labels", {})),
        )
        for cell in plan["cells"]
        if (path := directory / CELLS / cell["digest"]).is_dir()
    ]


def load(*directories: Any, columns: Sequence[str] | str | None = None) -> pd.DataFrame:
    """Return the jobs of all runs in *directories* as one table: a row per image and scheme.

    directories: of runs or sweeps (a sweep's are all its cells); a `Run` or a `Sweep` does as well.
    columns: names of those wanted; all unless given. ``ntnsim.columns()`` says what each holds, and its unit.

    Besides the records' own columns there are ``run``, ``replication`` and one per parameter that a sweep varied. Texts
    that repeat become categories, which keeps a million jobs small.

    Raises InputError where a directory holds no finished run, or a run has no such column.

    >>> import ntnsim
    >>> drawn = "schemes=[{name: drawn, codec: {kind: sizes, size_bits: 8.0e+5}}]"
    >>> run = ntnsim.run("scenarios/quickstart.yaml", overrides=[drawn, "horizon.n_jobs=3"])
    >>> ntnsim.load(run, columns=["delay_s", "reason"]).columns.tolist()
    ['run', 'replication', 'delay_s', 'reason']
    """
    columns = [columns] if isinstance(columns, str) else columns
    frames = []
    for run in find_runs(directories):
        frame = run.records(columns).to_pandas(strings_to_categorical=True)
        added = {"run": run.label, "replication": run.replication, **run.parameters}
        for position, (name, value) in enumerate(added.items()):
            frame.insert(position, name, [value] * len(frame) if isinstance(value, (list, dict)) else value)
        frames.append(frame)
    if len(frames) == 1:
        return frames[0]
    return _concatenated(frames)


def scan(*directories: Any) -> "Dataset":
    """Return the records of all runs in *directories* as a pyarrow dataset, which reads only what is asked of it.

    directories: of runs or sweeps, as for `load`. Beside the records' columns there are ``run``, ``replication`` and
    those that a sweep varied (as text, where they are no numbers). ``to_table`` and ``scanner`` take columns and a
    filter, part by part: a few sites of many, or one column of a million images, fill no memory.

    Raises InputError where a directory holds no finished run.

    >>> import ntnsim
    >>> from pyarrow.compute import field
    >>> drawn = "schemes=[{name: drawn, codec: {kind: sizes, size_bits: 8.0e+5}}]"
    >>> run = ntnsim.run("scenarios/quickstart.yaml", overrides=[drawn, "horizon.n_jobs=3"])
    >>> ntnsim.scan(run).to_table(["job"], filter=field("source") == "road")["job"].to_pylist()
    ['road/0', 'road/1', 'road/2']
    """
    return dataset_of([(part, run) for run in find_runs(directories) for part in run.parts()])


def dataset_of(parts: Sequence[tuple[Path, RunDirectory]]) -> "Dataset":
    """Return Parquet files, each of a run, as one dataset; columns say the run, and what a sweep gave it."""
    from pyarrow import dataset

    facts = [
        {"run": run.label, "replication": run.replication}
        | {name: _plain(value) for name, value in run.parameters.items()}
        for _, run in parts
    ]
    added = pa.Table.from_pylist(facts).schema
    schemas = [_schema_of(part) for part in dict.fromkeys(part for part, _ in parts)]
    return dataset.FileSystemDataset.from_paths(
        [str(part) for part, _ in parts],
        schema=pa.unify_schemas([*schemas, added]),
        format=dataset.ParquetFileFormat(),
        filesystem=pa.fs.LocalFileSystem(),
        partitions=[
            reduce(and_, [dataset.field(name) == value for name, value in fact.items() if value is not None])
            for fact in facts
        ],
    )


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)


def _concatenated(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate, keeping columns categorical whose categories differ between *frames*."""
    for name in frames[0].columns:
        kinds = [frame[name].dtype for frame in frames if name in frame]
        if len(kinds) == len(frames) and all(isinstance(kind, pd.CategoricalDtype) for kind in kinds):
            union = pd.api.types.union_categoricals([frame[name] for frame in frames]).categories
            for frame in frames:
                frame[name] = frame[name].cat.set_categories(union)
    table = pd.concat(frames, ignore_index=True)
    table["run"] = table["run"].astype("category")
    return table
