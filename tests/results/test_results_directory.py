"""Results in their directory: whole or not at all, whenever the process dies; nobody's own files are touched."""

import json
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest
from synthetic_run import write_run

from ntnsim.errors import InputError
from ntnsim.results import directory as directory_module
from ntnsim.results.directory import new_results, settle
from ntnsim.results.read import find_runs, load
from ntnsim.results.seal import damaged_files, is_whole

OLD, NEW = 6, 14  # records, half of them of each scheme


def write(directory: Path, n_records: int, *, force: bool = False) -> None:
    with new_results(directory, force=force) as scratch:
        write_run(scratch, n_jobs=n_records // 2)
        if n_records == OLD:
            (scratch / "only-old").mkdir()
            (scratch / "only-old/file").write_text("old")


class Killed(BaseException):
    pass


def test_a_replacement_killed_at_any_step_leaves_results_that_can_be_read(tmp_path, monkeypatch):
    write(tmp_path / "old", OLD)
    (tmp_path / "old/notes.md").write_text("mine")
    files_moved = 0
    for step in range(100):
        out = tmp_path / f"out-{step}"
        shutil.copytree(tmp_path / "old", out)
        remaining = [step]

        def dies(method, remaining=remaining):
            def counted(path, *arguments, **options):
                if remaining[0] == 0:
                    raise Killed
                remaining[0] -= 1
                return method(path, *arguments, **options)

            return counted

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", dies(Path.rename))
            patch.setattr(Path, "unlink", dies(Path.unlink))
            # A killed process cleans nothing up.
            patch.setattr(directory_module.shutil, "rmtree", lambda *_, **__: None)
            try:
                write(out, NEW, force=True)
            except Killed:
                pass
            else:
                break
        (out / ".ntnsim/lock").unlink(missing_ok=True)
        assert len(load(out)) in (OLD, NEW)
        assert is_whole(out)
        assert (out / "notes.md").read_text() == "mine"
        assert (out / "only-old").exists() == (len(load(out)) == OLD)
        files_moved += len(load(out)) == NEW
    assert files_moved > 4  # deaths after the new results stood
    assert len(load(out)) == NEW


def hold(directory: Path, begun, end) -> None:
    with new_results(directory) as scratch:
        begun.set()
        end.wait(60)
        write_run(scratch, n_jobs=OLD // 2)


def test_a_second_run_into_the_same_directory_is_refused_and_the_first_unharmed(tmp_path):
    context = multiprocessing.get_context("spawn")
    begun, end = context.Event(), context.Event()
    first = context.Process(target=hold, args=(tmp_path / "out", begun, end))
    first.start()
    assert begun.wait(60)
    with pytest.raises(InputError, match=rf"out: another process \({first.pid}\) is writing to it"):
        write(tmp_path / "out", NEW)
    end.set()
    first.join()
    assert len(load(tmp_path / "out")) == OLD


def test_what_a_killed_run_left_is_gone_after_the_next(tmp_path):
    left = tmp_path / "out/.ntnsim/unfinished/records"
    left.mkdir(parents=True)
    (left / "part-00000.parquet").write_text("half")
    with pytest.raises(InputError, match="its run is not finished"):
        find_runs([tmp_path / "out"])
    write(tmp_path / "out", OLD)
    assert not (tmp_path / "out/.ntnsim").exists()
    assert len(load(tmp_path / "out")) == OLD


def test_every_flipped_bit_and_every_cut_of_the_records_is_noticed(tmp_path):
    write(tmp_path, OLD)
    part = tmp_path / "records/part-00000.parquet"
    whole = part.read_bytes()
    for position in range(0, len(whole), max(1, len(whole) // 100)):
        part.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with pytest.raises(InputError, match=r"part-00000.parquet: damaged: it is not as the run wrote it"):
            load(tmp_path)
        part.write_bytes(whole[:position])
        with pytest.raises(InputError, match=r"part-00000.parquet: damaged"):
            load(tmp_path)
    part.unlink()
    with pytest.raises(InputError, match=r"part-00000.parquet: missing"):
        load(tmp_path)
    part.write_bytes(whole)
    assert len(load(tmp_path)) == OLD


def test_page_checksums_notice_damage_where_no_seal_is(tmp_path):
    write_run(tmp_path, n_jobs=2000)
    part = tmp_path / "records/part-00000.parquet"
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 1
    part.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        load(tmp_path)


def test_a_part_that_somebody_put_there_is_not_read(tmp_path):
    write(tmp_path, OLD)
    shutil.copy(tmp_path / "records/part-00000.parquet", tmp_path / "records/part-00001.parquet")
    assert len(load(tmp_path)) == OLD
    with pytest.raises(InputError, match=r"part-00001.parquet: is not the run's, and in the way"):
        write(tmp_path, NEW, force=True)


def test_a_seal_that_names_files_elsewhere_is_refused(tmp_path):
    write(tmp_path / "out", OLD)
    (tmp_path / "precious").write_text("mine")
    content = json.loads((tmp_path / "out/seal.json").read_text())
    for name in ("../precious", "/etc/hostname", "records/../../precious", ""):
        (tmp_path / "out/seal.json").write_text(json.dumps({**content, "files": {name: None}}))
        with pytest.raises(InputError, match="which is not a file of the run"):
            write(tmp_path / "out", NEW, force=True)
        os.utime(tmp_path / "out/seal.json", ns=(0, len(name)))
    assert (tmp_path / "precious").read_text() == "mine"


def test_results_without_a_seal_are_never_replaced(tmp_path):
    write_run(tmp_path, n_jobs=OLD // 2)
    with pytest.raises(
        InputError, match="holds results without a seal, whose files cannot be told from yours"
    ):
        write(tmp_path, NEW, force=True)
    assert damaged_files(tmp_path) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="out: the disk is full"), new_results(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert not (tmp_path / "out").exists()


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"/proc/nothing: cannot be written to"):
        write(Path("/proc/nothing"), OLD)


def test_settling_an_ordinary_directory_changes_nothing(tmp_path):
    write(tmp_path, OLD)
    settle(tmp_path)
    assert is_whole(tmp_path)
