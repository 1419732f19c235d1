"""The outcome store: computed once, safe between processes, and never fooled by a damaged file."""

import ast
import json
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

import ntnsim
from ntnsim.images.outcome_store import OutcomeKey, OutcomeStore, image_digest
from ntnsim.protocols.configuration import Configuration
from ntnsim.results.provenance import PICTURE_ROOMS, code_digest
from ntnsim.runs import pictures_digest, program_digest

KEY = OutcomeKey(image_digest(b"image"), Configuration(0.1, (0.2,), 0.3), "spiff", "tiny", 7, "encode")
ntnsim_directory = Path(ntnsim.__file__).parent


def test_an_outcome_is_found_again_by_the_same_and_another_store_alike(tmp_path):
    first = OutcomeStore(tmp_path)
    assert first.get(KEY) is None
    first.put(KEY, {"bits": 12, "pf_rank": (0.5, 1.0), "caption_sf": None})
    again = first.get(KEY)
    other = OutcomeStore(tmp_path).get(KEY)
    # Where it was found makes no difference, down to the types.
    assert again == other == {"bits": 12, "pf_rank": [0.5, 1.0], "caption_sf": None}
    assert (first.hits, first.misses) == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "x"},
        {"configuration": Configuration(0.1, (0.2,), 0.30001)},
        {"codec": "spiff-paper"},
        {"models": "other"},
        {"seed": 8},
        {"stage": "reconstruct"},
    ],
)
def test_every_part_of_the_key_counts(tmp_path, change):
    store = OutcomeStore(tmp_path)
    store.put(KEY, {"bits": 1})
    assert OutcomeStore(tmp_path).get(replace(KEY, **change)) is None
    assert OutcomeStore(tmp_path).get(KEY) == {"bits": 1}


def only_file(directory):
    (path,) = (path for path in directory.rglob("*") if path.is_file())
    return path


def test_damaged_and_foreign_entries_are_computed_anew(tmp_path):
    OutcomeStore(tmp_path).put(KEY, {"bits": 1234})
    path = only_file(tmp_path)
    good = path.read_text()
    foreign = json.loads(good)
    foreign["key"]["seed"] = 99
    for damage in ("", "{}", "[1]", good[:-9], good.replace("1234", "1235"), json.dumps(foreign)):
        path.write_text(damage)
        store = OutcomeStore(tmp_path)
        assert store.get(KEY) is None and store.rejected == 1
        store.put(KEY, {"bits": 1234})
        assert path.read_text() == good


def fill(directory, worker):
    store = OutcomeStore(directory)
    for seed in range(60):
        if store.get(replace(KEY, seed=seed)) is None:
            store.put(replace(KEY, seed=seed), {"seed": seed})
    return store.rejected


def test_processes_share_a_directory(tmp_path):
    with get_context("spawn").Pool(3) as pool:
        rejected = pool.starmap(fill, [(tmp_path, worker) for worker in range(3)])
    assert rejected == [0, 0, 0]
    store = OutcomeStore(tmp_path)
    assert [store.get(replace(KEY, seed=seed)) for seed in range(60)] == [
        {"seed": seed} for seed in range(60)
    ]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".json"]


def test_a_hundred_thousand_lookups_take_less_than_a_second():
    store = OutcomeStore()
    keys = [replace(KEY, seed=seed) for seed in range(1000)]
    for key in keys:
        store.put(key, {"bits": 1})
    started = time.process_time()
    for _ in range(100):
        for key in keys:
            store.get(key)
    assert time.process_time() - started < 1


def test_a_store_that_cannot_be_used_keeps_outcomes_in_memory_and_says_so_once(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    store = OutcomeStore(tmp_path / "file" / "store")
    store.put(KEY, {"bits": 12})
    assert store.get(KEY) == {"bits": 12}
    assert capsys.readouterr().err.count("outcomes are not kept between runs") == 1


def test_a_disk_that_fills_up_does_not_end_a_run(tmp_path, monkeypatch):
    store = OutcomeStore(tmp_path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ntnsim.images.outcome_store.Path.write_text", full)
    store.put(KEY, {"bits": 12})
    assert store.get(KEY) == {"bits": 12}
    assert store.trouble.endswith("No space left on device")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ("spiff/encoder.py", False),
        ("fidelity/metrics.py", False),
        ("schemes.py", False),
        ("engine/spiff_engine.py", True),
        ("world/world.py", True),
        ("experiments/study.py", True),
    ],
)
def test_outcomes_outlive_changes_of_engine_and_world_but_not_of_the_codec(
    changed, kept, tmp_path, monkeypatch
):
    for name in ("spiff/encoder.py", "fidelity/metrics.py", "schemes.py", "engine/spiff_engine.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("before\n")
    monkeypatch.setattr("ntnsim.results.provenance.PACKAGE", tmp_path)
    code_digest.cache_clear()
    pictures, program = pictures_digest(), program_digest()
    code_digest.cache_clear()
    (tmp_path / changed).parent.mkdir(exist_ok=True)
    (tmp_path / changed).write_text("after\n")
    after = pictures_digest(), program_digest()
    code_digest.cache_clear()
    assert (after[0] == pictures) is kept
    assert after[1] != program


def test_what_pictures_come_from_is_in_their_digest():
    # Given by value in other parts of an outcome's key, or without influence on pixels and scores.
    by_value = {"scenario", "results", "errors", "engine", "own_parts", "plugins", "world", "given"}
    imported = set()
    for path in ntnsim_directory.rglob("*.py"):
        if path.relative_to(ntnsim_directory).parts[0] not in PICTURE_ROOMS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ntnsim."):
                room = node.module.split(".")[1]
                imported.add(f"{room}.py" if (ntnsim_directory / f"{room}.py").is_file() else room)
    assert {room.removesuffix(".py") for room in imported - PICTURE_ROOMS} <= by_value
