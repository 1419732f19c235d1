"""One writer at a time in a directory of results; the system frees the lock when a process ends, however it ends."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ntnsim.errors import InputError

# Some network file systems have no locks; a run there goes on without one.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EINVAL}


@contextmanager
def only_writer(directory: Path, lock: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock file *lock*, a name relative to *directory*, while the block runs; it is gone afterwards.

    wait: wait for a process that holds it instead of refusing.
    """
    path = directory / lock
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while not _is_file_at(descriptor := os.open(path, os.O_RDWR | os.O_CREAT, 0o666), path, wait):
            os.close(descriptor)  # the last holder removed it after we had opened it
    except BlockingIOError:
        raise InputError(f"{directory}: another process ({_holder(path)}) is writing to it") from None
    except OSError as error:
        raise InputError(f"{directory}: cannot be written to ({error.strerror})") from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _is_file_at(descriptor: int, path: Path, wait: bool) -> bool:
    """Lock the open file, and return whether it is still the one at *path*."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            os.close(descriptor)
            raise
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        return path.read_text().strip() or "unknown"
    except (OSError, UnicodeDecodeError):
        return "unknown"
