"""The rooms of the house: which package may import which, and which imports stay out of the quick commands."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ntnsim

ROOT = Path(ntnsim.__file__).parent

# Each room with the rooms it may import from. A room is a package or a module directly under ntnsim/.
GROUND = {"units", "streams", "errors", "network_state"}
MAY_IMPORT: dict[str, set[str]] = {
    **{room: set() for room in GROUND},
    "scenario": GROUND,
    "orbit": GROUND | {"scenario"},
    "link": GROUND | {"orbit", "scenario"},
    "datasets": GROUND | {"spiff", "scenario"},
    "spiff": GROUND | {"datasets", "scenario"},
    "engine": GROUND | {"spiff", "scenario"},
    "results": GROUND | {"scenario"},
    "report": GROUND | {"results"},
    "world": GROUND | {"scenario", "orbit", "link", "spiff", "datasets", "engine", "results"},
}
ONLY_IN = {"simpy": {"world"}}
# The engine knows what a configuration is, and nothing else of the codec.
ENGINE_SEES = {"ntnsim.spiff.configuration"}


def imported_modules(path: Path) -> set[str]:
    """Return the dotted names that the file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def files_of(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py")) or [ROOT / f"{room}.py"]


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_room_imports_only_from_rooms_below_it(room):
    allowed = MAY_IMPORT[room] | {room}
    known = set(MAY_IMPORT) | {path.stem for path in ROOT.iterdir()}
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path in files_of(room)
        for name in imported_modules(path)
        if name.startswith("ntnsim.") and name.split(".")[1] in known and name.split(".")[1] not in allowed
    }
    assert not wrong


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_library_is_imported_only_in_its_room(library):
    users = {
        path.relative_to(ROOT).parts[0].removesuffix(".py")
        for path in ROOT.rglob("*.py")
        if any(name.split(".")[0] == library for name in imported_modules(path))
    }
    assert users == ONLY_IN[library]


def test_engine_sees_of_the_codec_only_the_configuration():
    seen = {
        ".".join(name.split(".")[:3])
        for path in files_of("engine")
        for name in imported_modules(path)
        if name.startswith("ntnsim.spiff.")
    }
    assert seen <= ENGINE_SEES


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("ntnsim.cli", "torch"),
        ("ntnsim.cli", "numpy"),
        ("ntnsim.engine.policy", "torch"),
        ("ntnsim.link", "torch"),
        ("ntnsim.report", "torch"),
        ("ntnsim.report", "simpy"),
        ("ntnsim.scenario.load", "torch"),
    ],
)
def test_import_leaves_heavy_libraries_alone(module, unwanted):
    code = f"import sys, {module}; sys.exit({unwanted!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
