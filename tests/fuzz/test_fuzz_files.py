"""A few mutants of every kind of file; the full campaign is benchmarks/fuzz.py, its figures benchmarks/fuzz.json."""

import importlib.util
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
_spec = importlib.util.spec_from_file_location("fuzz_files", BENCHMARKS / "fuzz.py")
fuzz = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fuzz)

KINDS = {
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
        if name == "masks":  # its readers ask for kinds of mask that no one file is
            continue
        for file, data in kind.seeds:
            (tmp_path / file).write_bytes(data)
            assert fuzz.judged(kind.read, tmp_path / file)[0] == "read", file


def test_a_traceback_counts_as_wrong(tmp_path):
    def crash(path):
        raise KeyError("field")

    verdict, _, reason = fuzz.judged(crash, tmp_path)
    assert verdict == "wrong" and "KeyError" in reason
