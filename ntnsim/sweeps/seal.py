"""A cell's seal: size and digest of each of its files, so that a damaged cell is noticed and run again.

``seal.json`` is the same bytes for the same results: what tells time and host is listed without a digest.
"""

from pathlib import Path
from typing import Any

from ntnsim.errors import InputError
from ntnsim.results.atomic import write_json
from ntnsim.results.files import PROVENANCE, WALL_TIME
from ntnsim.results.provenance import file_digest
from ntnsim.results.read import read_json

SEAL = "seal.json"
DIFFERS_FROM_RUN_TO_RUN = {PROVENANCE, WALL_TIME}


def seal(directory: Path) -> None:
    """Seal the files of a finished cell in *directory*."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    entries: dict[str, Any] = {path.relative_to(directory).as_posix(): _entry(path) for path in files}
    write_json(directory / SEAL, {"format": 1, "files": entries})


def is_whole(directory: Path) -> bool:
    """Return whether *directory* holds a sealed cell with every file as it was; files added later do not matter."""
    if not directory.is_dir():
        return False
    try:
        files = read_json(directory / SEAL)["files"]
        return all(_entry(directory / name) == entry for name, entry in files.items())
    except (InputError, OSError, KeyError, AttributeError):
        return False


def _entry(path: Path) -> list[Any] | None:
    if path.name in DIFFERS_FROM_RUN_TO_RUN:
        path.stat()  # raises where it is missing
        return None
    return [path.stat().st_size, file_digest(path)]
