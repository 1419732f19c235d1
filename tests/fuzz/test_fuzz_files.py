"""A few mutants of every kind of file; the full campaign is benchmarks/fuzz.py, its figures benchmarks/fuzz.json."""

import importlib.util
import random
from pathlib import Path

import pytest

from ntnsim.errors import InputError

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
_spec = importlib.util.spec_from_file_location("fuzz_files", BENCHMARKS / "fuzz.py")
fuzz = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fuzz)

KINDS = {
    "streams": 60,
    "scenarios": 20,
    "element sets": 100,
    "masks": 100,
    "CSV files": 60,
    "annotations": 60,
    "manifests": 60,
}


@pytest.mark.parametrize("kind", KINDS)
def test_mutants_are_read_or_refused_by_lines(tmp_path, kind):
    figures = fuzz.campaign(kind, fuzz.kinds(tmp_path)[kind], tmp_path, KINDS[kind], seed=7)
    assert figures["reasons"] == []
    assert figures["wrong"] == 0 < figures["refused"]


def test_sound_files_are_read(tmp_path):
    for name, kind in fuzz.kinds(tmp_path).items():
        if name in ("masks", "streams"):  # their readers ask for what no one file is; plain JPEG is no stream
            continue
        for file, data in kind.seeds:
            (tmp_path / file).write_bytes(data)
            assert fuzz.judged(kind.read, tmp_path / file)[0] == "read", file


def test_commands_end_as_they_should_or_say_so(tmp_path):
    streams = fuzz.kinds(tmp_path)["streams"].seeds
    (tmp_path / streams[0][0]).write_bytes(streams[0][1])
    fuzz.command("decode", tmp_path / streams[0][0], "-o", tmp_path / "o.png", "--inpaint", "nearest")
    assert (tmp_path / "o.png").is_file()
    with pytest.raises(InputError, match="does not exist"):
        fuzz.command("models", "check", tmp_path / "nowhere")
    assert fuzz.deep_stream("", streams[0][1], random.Random(1)) != streams[0][1]


def test_a_traceback_counts_as_wrong(tmp_path):
    def crash(path):
        raise KeyError("field")

    verdict, _, reason = fuzz.judged(crash, tmp_path)
    assert verdict == "wrong" and "KeyError" in reason
