"""Records are the same bytes for the same data, however they are handed over, and there whole or not at all."""

import errno

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ntnsim.results import atomic
from ntnsim.results.timeline import SCHEMA, TimelineWriter
from ntnsim.results.writer import PartWriter, RecordWriter, write_table


def columns_of(first: int, last: int) -> dict:
    jobs = np.arange(first, last)
    return {
        "scheme": ["spiff" if job % 2 else "jpeg" for job in jobs],
        "job": jobs,
        "delay_s": np.sqrt(jobs),
        "pf_rank0": [None if job % 5 == 0 else job / 100 for job in jobs],
        "wall_encode_s": np.full(len(jobs), 0.25),
    }


def written(directory, batch_sizes, **options):
    with RecordWriter(directory, **options) as writer:
        first = 0
        for size in batch_sizes:
            writer.write(columns_of(first, first + size))
            first += size
    return {path.name: path.read_bytes() for path in sorted((directory / "records").iterdir())}


def test_records_do_not_depend_on_the_batches_they_came_in(tmp_path):
    by_one = written(tmp_path / "a", [1] * 250, rows_per_part=100)
    at_once = written(tmp_path / "b", [250], rows_per_part=100)
    uneven = written(tmp_path / "c", [99, 1, 2, 148], rows_per_part=100)
    assert list(by_one) == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert by_one == at_once == uneven


def test_only_the_part_being_filled_is_in_memory(tmp_path):
    before = pa.total_allocated_bytes()
    with RecordWriter(tmp_path, rows_per_part=1000) as writer:
        held = []
        for first in range(0, 20_000, 500):
            columns = columns_of(first, first + 500)
            del columns["wall_encode_s"]
            writer.write(columns)
            held.append(pa.total_allocated_bytes() - before)
    assert max(held[4:]) <= 1.1 * max(held[:4])


def test_records_read_back_as_they_were_written(tmp_path):
    written(tmp_path, [130, 120], rows_per_part=100)
    table = pa.concat_tables([pq.read_table(path) for path in sorted((tmp_path / "records").iterdir())])
    expected = columns_of(0, 250)
    assert table.column_names == ["scheme", "job", "delay_s", "pf_rank0"]
    assert table["job"].to_pylist() == list(range(250))
    assert table["pf_rank0"].to_pylist() == expected["pf_rank0"]
    np.testing.assert_array_equal(table["delay_s"].to_numpy(), expected["delay_s"])


def test_wall_times_are_kept_apart_from_the_records(tmp_path):
    fast, slow = columns_of(0, 10), columns_of(0, 10)
    slow["wall_encode_s"] = slow["wall_encode_s"] * 3
    for name, columns in (("fast", fast), ("slow", slow)):
        with RecordWriter(tmp_path / name) as writer:
            writer.write(columns)
    part = "records/part-00000.parquet"
    assert (tmp_path / "fast" / part).read_bytes() == (tmp_path / "slow" / part).read_bytes()
    wall = pq.read_table(tmp_path / "slow" / "wall_time.parquet")
    assert wall.column_names == ["scheme", "job", "wall_encode_s"]
    assert wall["wall_encode_s"].to_pylist() == [0.75] * 10


def test_a_batch_with_other_columns_is_refused_by_name(tmp_path):
    writer = PartWriter(tmp_path / "records")
    writer.write({"job": [1], "delay_s": [2.0]})
    with pytest.raises(ValueError, match=r"missing \['delay_s'\], new \['delay'\]"):
        writer.write({"job": [2], "delay": [2.0]})


def test_parts_of_an_earlier_run_do_not_survive(tmp_path):
    written(tmp_path, [300], rows_per_part=100)
    assert list(written(tmp_path, [50], rows_per_part=100)) == ["part-00000.parquet"]


def test_a_run_without_jobs_leaves_a_readable_empty_table(tmp_path):
    schema = pa.schema([("job", pa.int64()), ("wall_encode_s", pa.float64())])
    RecordWriter(tmp_path, schema=schema).close()
    assert pq.read_table(tmp_path / "records" / "part-00000.parquet").schema.names == ["job"]


def test_a_full_disk_leaves_the_old_file_and_no_partial_one(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    write_table(pa.table({"job": [1]}), path)

    def full_disk(table, where, **_options):
        where.write_bytes(b"PAR1 half a file")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_table(pa.table({"job": [2]}), path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.parquet"]
    assert pq.read_table(path)["job"].to_pylist() == [1]


def test_timeline_bytes_depend_on_the_data_alone(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with TimelineWriter(tmp_path / name) as writer:
            writer.write(
                {field: [0.0, 1.0] if field in ("time_s", "value") else ["x", "y"] for field in SCHEMA.names}
            )
    assert (tmp_path / "a/timeline.parquet").read_bytes() == (tmp_path / "b/timeline.parquet").read_bytes()


def test_timeline_of_a_run_that_failed_is_not_written(tmp_path):
    with pytest.raises(ZeroDivisionError), TimelineWriter(tmp_path) as writer:
        writer.write({field: [0.0] if field in ("time_s", "value") else ["x"] for field in SCHEMA.names})
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_canonical_json_ignores_the_order_of_keys_and_refuses_nan():
    assert atomic.canonical_json({"b": 1, "a": [1.5]}) == atomic.canonical_json({"a": [1.5], "b": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        atomic.canonical_json({"a": float("nan")})
