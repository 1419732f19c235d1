"""A run's seal: size and digest of each of its files.

It tells damage from results, and the run's own files from those that somebody put beside them. ``seal.json`` is the
same bytes for the same results: what tells time and host is listed without a digest.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from ntnsim.errors import InputError
from ntnsim.results.atomic import read_json, write_json
from ntnsim.results.files import PROVENANCE, SEAL, WALL_TIME, WORK
from ntnsim.results.provenance import file_digest

DIFFERS_FROM_RUN_TO_RUN = {PROVENANCE, WALL_TIME}

Entry = list[Any] | None  # size in bytes and digest; None where only the name is sealed


def seal(directory: Path) -> None:
    """Seal the files of a finished run in *directory*."""
    names = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    kept = [name for name in names if name != SEAL and not name.startswith(f"{WORK}/")]
    write_json(directory / SEAL, {"format": 1, "files": {name: _entry(directory, name) for name in kept}})


def sealed_files(directory: Path) -> Mapping[str, Entry]:
    """Return the entry of each file that the run in *directory* sealed, by name relative to it; none without a seal.

    Raises InputError where the seal cannot be read, or names a file outside of the directory.
    """
    path = directory / SEAL
    try:
        stat = path.stat()
    except FileNotFoundError:
        return {}
    return _seal_at(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


def is_as_sealed(directory: Path, name: str, entry: Entry) -> bool:
    """Return whether the file *name* is there as its *entry* says."""
    try:
        return _entry(directory, name) == entry
    except OSError:
        return False


def damaged_files(directory: Path) -> list[str]:
    """Return the sealed files of the run in *directory* that are missing, or not as they were written."""
    files = sealed_files(directory)
    return [name for name, entry in files.items() if not is_as_sealed(directory, name, entry)]


def is_whole(directory: Path) -> bool:
    """Return whether *directory* holds a sealed run with every file as it was; files added later do not matter."""
    try:
        return (directory / SEAL).is_file() and not damaged_files(directory)
    except InputError:
        return False


def check_file(directory: Path, name: str) -> None:
    """Refuse to read the file *name* of the run in *directory* where it is not as the run sealed it."""
    files = sealed_files(directory)
    if name in files and not is_as_sealed(directory, name, files[name]):
        how = "damaged: it is not as the run wrote it" if (directory / name).exists() else "missing"
        raise InputError(f"{directory / name}: {how} ({SEAL}); run the scenario again")


def _entry(directory: Path, name: str) -> Entry:
    path = directory / name
    stat = path.stat()  # raises where it is missing
    if name in DIFFERS_FROM_RUN_TO_RUN:
        return None
    return [stat.st_size, _digest(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)]


@lru_cache(maxsize=4096)  # a figure reads a part once for each column
def _digest(path: Path, *_state: int) -> str:
    return file_digest(path)


@lru_cache(maxsize=4096)
def _seal_at(path: Path, *_state: int) -> Mapping[str, Entry]:
    files = read_json(path).get("files")
    if not isinstance(files, dict):
        raise InputError(f"{path}: damaged: lists no files; run the scenario again")
    for name in files:
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts or parts[0] == WORK:
            raise InputError(f"{path}: lists {name!r}, which is not a file of the run")
    return files
