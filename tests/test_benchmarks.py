"""Benchmarks are run by hand, so that nothing else would notice that the package has moved on under them."""

import importlib.util
from pathlib import Path

import pytest
from fork_server import forked

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_benchmark_finds_all_that_it_imports_and_can_be_started(path, monkeypatch):
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    if path.stem != "many_sites":  # what others share
        assert f"benchmarks/{path.name}" in benchmark.__doc__
        assert callable(benchmark.main)


def test_a_command_that_hangs_is_named():
    with pytest.raises(TimeoutError, match="took longer than 1 s"):
        forked(cwd=ROOT, site=ROOT, program="import time; time.sleep(60)", limit_s=1)
