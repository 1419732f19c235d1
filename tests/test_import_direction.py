"""The rooms of the house: which package may import which, and which imports stay out of the quick commands."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

import ntnsim

ROOT = Path(ntnsim.__file__).parent
MEDIAN_LINES, MOST_LINES = 130, 400  # of a module: what one idea takes
LARGEST_ROOM = 0.12  # of all lines

# Each room with the rooms it may import from. A room is a package or a module directly under ntnsim/.
GROUND = {"units", "streams", "errors", "arrays", "csv_rows", "given", "uninterrupted"}
BELOW = GROUND | {"protocols"}
MAY_IMPORT: dict[str, set[str]] = {
    **{room: set() for room in GROUND},
    "csv_rows": {"errors"},
    "given": {"errors"},
    "protocols": GROUND,
    "scenario": GROUND,
    "orbit": GROUND,
    "link": BELOW | {"orbit"},
    "spiff": BELOW,
    "results": BELOW,
    "report": GROUND | {"results"},
    "datasets": BELOW | {"scenario"},
    "engine": BELOW | {"scenario"},
    "networks": BELOW | {"spiff"},
    "fidelity": BELOW | {"networks", "spiff"},
    "sky": BELOW | {"scenario", "orbit", "link", "results"},
    "images": BELOW | {"datasets", "fidelity", "results"},
    "chance": BELOW | {"scenario"},
    "rates": BELOW | {"chance", "scenario"},
    "flow": BELOW | {"chance", "rates", "scenario", "orbit", "link", "sky"},
    "world": BELOW | {"chance", "rates", "scenario", "results"},
}
COMPOSERS = {
    "host_profile",
    "input_digests",
    "own_answers",
    "own_digest",
    "own_parts",
    "plugins",
    "named_files",
    "schemes",
    "scheme_worlds",
    "runs",
    "fluid_runs",
    "run_progress",
    "sweeps",
    "api",
    "experiments",
    "cli",
}  # may import any room above
ONLY_IN = {"simpy": {"world"}}
NO_TORCH = (
    "spiff",
    "protocols",
    "orbit",
    "link",
    "scenario",
    "results",
    "report",
    "sky",
    "chance",
    "rates",
    "world",
    "flow",
    "datasets",
)


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


def test_every_room_is_listed():
    rooms = {
        path.stem
        for path in ROOT.iterdir()
        if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py")))
    }
    assert rooms - {"__init__", "__main__"} == set(MAY_IMPORT) | COMPOSERS


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_no_permission_stands_that_nobody_uses(room):
    used = {
        name.split(".")[1]
        for path in files_of(room)
        for name in imported_modules(path)
        if name.startswith("ntnsim.")
    }
    assert MAY_IMPORT[room] - GROUND - {"protocols"} <= used


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_modules_hold_one_idea_each():
    lines = {str(path.relative_to(ROOT)): lines_of(path) for path in ROOT.rglob("*.py")}
    assert median(lines.values()) <= MEDIAN_LINES
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}


def test_no_room_takes_more_than_its_share_of_the_house():
    lines = {room: sum(map(lines_of, files_of(room))) for room in sorted(set(MAY_IMPORT) | COMPOSERS)}
    limit = LARGEST_ROOM * sum(map(lines_of, ROOT.rglob("*.py")))
    assert not {room: count for room, count in lines.items() if count > limit}


def test_no_import_runs_in_a_circle():
    modules = {
        "ntnsim." + ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in ROOT.rglob("*.py")
        if path.name != "__init__.py"
    }
    graph = {name: imported_modules(path) & set(modules) - {name} for name, path in modules.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


@pytest.mark.parametrize("room", NO_TORCH)
def test_room_does_without_torch(room):
    names = [
        "ntnsim." + ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in files_of(room)
    ]
    code = f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("ntnsim.cli", "torch"),
        ("ntnsim.cli", "numpy"),
        ("ntnsim.engine.build", "torch"),
        ("ntnsim.link", "torch"),
        ("ntnsim.report", "torch"),
        ("ntnsim.report", "simpy"),
        ("ntnsim.scenario.load", "torch"),
    ],
)
def test_import_leaves_heavy_libraries_alone(module, unwanted):
    code = f"import sys, {module}; sys.exit({unwanted!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
