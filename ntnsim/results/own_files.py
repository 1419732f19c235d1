"""Figures, pages, tables and pictures that commands write: own ones are made anew, others are never written over.

``.ntnsim-files.json`` in their directory lists each file with its digest; a page carries its own digest as its last
line. A file of which neither speaks, or that was changed since, is somebody's work.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ntnsim.errors import InputError
from ntnsim.results.atomic import atomic_path, check_writable, read_json, write_bytes, write_json
from ntnsim.results.lock import only_writer
from ntnsim.results.provenance import file_digest

LIST = ".ntnsim-files.json"


@contextmanager
def own_path(path: Path) -> Iterator[Path]:
    """Yield a name to write to; on success it becomes *path*, if nothing of somebody else's is there."""
    try:
        with atomic_path(path) as partial:
            yield partial
            digest = file_digest(partial)
            if not path.is_file() or file_digest(path) != digest:
                check_own(path)
        with only_writer(path.parent, f"{LIST}.lock", wait=True):
            write_json(path.parent / LIST, {**_written(path.parent), path.name: digest})
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def write_own_text(path: Path, content: str) -> None:
    """Write *content* to *path* as UTF-8, if nothing of somebody else's is there."""
    write_own_bytes(path, content.encode())


def write_own_bytes(path: Path, content: bytes) -> None:
    """Write *content* to *path*, if nothing of somebody else's is there."""
    with own_path(path) as partial:
        partial.write_bytes(content)


def with_seal(page: str) -> str:
    """Return the HTML of *page* with its digest as the last line."""
    return f"{page}<!-- ntnsim {blake2b(page.encode(), digest_size=16).hexdigest()} -->\n"


def write_own_page(path: Path, page: str) -> None:
    """Write *page*, which has its seal, to *path*, if nothing of somebody else's is there."""
    check_own_page(path)
    write_bytes(path, page.encode())


def check_own_page(path: Path) -> None:
    """Refuse what `check_own` does of *path*, but take a page whose seal is whole for our own."""
    if path.is_file() and _is_own_page(path.read_bytes()):
        check_writable(path.parent)
    else:
        check_own(path)


def _is_own_page(content: bytes) -> bool:
    page = content.decode(errors="replace")
    start = page.rfind("<!-- ntnsim ")
    return start >= 0 and page == with_seal(page[:start])


def check_own(path: Path, endings: Collection[str] = ()) -> None:
    """Refuse to write to *path* where that cannot be, or a file is that no command wrote or that was changed since.

    endings: those that the file's name may have, such as ".png"; any if there are none.
    """
    if endings and path.suffix.lower() not in endings:
        raise InputError(f"{path}: is no kind of file that can be written; allowed are {', '.join(endings)}")
    if path.is_dir():
        raise InputError(f"{path}: is a directory; the name of a file is needed")
    if not path.exists():
        check_writable(path.parent)
        return
    if not path.is_file() or _written(path.parent).get(path.name) != file_digest(path):
        raise InputError(
            f"{path}: is there already, and not as ntnsim wrote it; move it, or write to another name"
        )


def _written(directory: Path) -> dict[str, Any]:
    return read_json(directory / LIST) if (directory / LIST).exists() else {}
