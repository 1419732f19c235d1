"""Files that are there whole or not at all: written beside their place, then renamed into it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from uuid import uuid4

from ntnsim.errors import InputError


def partial_name(path: Path) -> Path:
    """Return a fresh name beside *path* under which it may be written before it is complete."""
    # The directory is the same, so that the rename never crosses a file system.
    return path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex[:8]}.partial")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a name to write to; on success it becomes *path*, on failure (a full disk, say) it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_name(path)
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def check_writable(directory: Path) -> None:
    """Refuse, before long work, a *directory* that cannot be made or written to; nothing of the try stays."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise InputError(f"{directory}: cannot be written to ({error.strerror})") from None
    finally:
        for made in missing:
            with suppress(OSError):  # not made, or another process has begun to write there
                made.rmdir()


def write_bytes(path: Path, content: bytes) -> None:
    """Write *content* to *path*, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write *content* to *path* as UTF-8, whole or not at all."""
    write_bytes(path, content.encode())


def canonical_json(value: Any) -> str:
    """Return the one compact JSON text of *value*: keys sorted, so that equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def write_json(path: Path, value: Any) -> None:
    """Write *value* to *path* as indented JSON. nan and infinity are refused: JSON has neither, use ``None``."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the mapping in a JSON file of a result directory."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; is the run complete?") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: should hold a mapping")
    return content
