"""Results take their place in a directory whole or not at all, and nobody's own files are touched.

A run is written into ``DIR/.ntnsim/unfinished``. When it is complete and sealed, one rename makes it
``DIR/.ntnsim/ready``: from then on it is the result, and its files are moved into DIR one by one. A process that is
killed meanwhile leaves the rest in ``ready``; whoever opens the directory next moves it. What is replaced are the
files that the earlier run's seal lists and that still are as it wrote them; every other file stays.
"""

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

from ntnsim.errors import InputError
from ntnsim.results.checkpoint import NEXT, discard, discard_other, kept_state
from ntnsim.results.files import (
    GROUND_TRACK,
    IMAGES_INDEX,
    PROVENANCE,
    RECORDS,
    SEAL,
    SUMMARY,
    SWEEP,
    TIMELINE,
    WALL_TIME,
    WORK,
)
from ntnsim.results.lock import only_writer
from ntnsim.results.seal import is_as_sealed, seal, sealed_files

LOCK, READY = f"{WORK}/lock", f"{WORK}/ready"
CHANGED = (
    ".changed"  # ending of a file of an earlier run that somebody changed, when a new one takes its name
)
_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_free(directory: Path) -> bool:
    """Return whether nothing is in *directory* but what an interrupted run may have left."""
    return not directory.is_dir() or all(path.name == WORK for path in directory.iterdir())


def check_replaceable(directory: Path, *, force: bool = False) -> None:
    """Refuse to write a run's results where something else is, or, unless *force*, an earlier run's results."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory}: is a file; --out needs a directory")
    if is_free(directory):
        return
    if (directory / SWEEP).exists():
        raise InputError(f"{directory}: holds a sweep; choose another --out")
    if not (directory / SEAL).is_file():
        held = "results without a seal, whose files cannot be told from yours"
        held = held if (directory / PROVENANCE).is_file() else "files that are not results of a run"
        raise InputError(f"{directory}: holds {held}; choose another --out")
    if not force:
        raise InputError(
            f"{directory}: holds the results of a finished run; --resume keeps them if they are this scenario's, "
            "--force replaces them (files of your own stay), or choose another --out"
        )
    sealed = sealed_files(directory)
    ours = [SUMMARY, PROVENANCE, TIMELINE, WALL_TIME, GROUND_TRACK, IMAGES_INDEX]
    for name in [*ours, *(f"{RECORDS}/{path.name}" for path in directory.glob(f"{RECORDS}/part-*.parquet"))]:
        if name not in sealed and (directory / name).exists():
            raise InputError(f"{directory / name}: is not the run's, and in the way of a new one; move it")


@contextmanager
def new_results(directory: Path, *, force: bool = False, identity: str = "") -> Iterator[Path]:
    """Yield a directory; what the block writes there is sealed and becomes the content of *directory*.

    It is empty, unless an interrupted run of the same *identity* kept finished schemes. A block that fails leaves
    *directory* as it was, but for what `ntnsim.results.checkpoint` keeps. Raises InputError where the directory cannot
    be used, another process writes to it, or the disk is full.
    """
    check_replaceable(directory, force=force)
    existed = directory.is_dir()
    try:
        with only_writer(directory, LOCK):
            finish_replacement(directory)
            check_replaceable(directory, force=force)  # again, now that nobody else can change it
            scratch = directory / NEXT
            discard_other(directory, identity, force=force)
            scratch.mkdir(exist_ok=True)
            try:
                yield scratch
                seal(scratch)
                scratch.rename(directory / READY)
            except BaseException:
                if kept_state(directory) is None:
                    shutil.rmtree(scratch, ignore_errors=True)
                raise
            discard(directory)
            finish_replacement(directory)
    except OSError as error:
        if error.errno in _FULL:
            raise InputError(f"{directory}: the disk is full; make room and run again") from None
        raise
    finally:
        _remove_empty(directory, [WORK] if existed else [WORK, "."])


def settle(directory: Path) -> None:
    """Finish a replacement of the results in *directory* that a killed process left half-way."""
    if (directory / READY).is_dir():
        with only_writer(directory, LOCK, wait=True):
            finish_replacement(directory)
        _remove_empty(directory, [WORK])


def finish_replacement(directory: Path) -> None:
    """Move the complete results that wait in *directory* into their place; call only with its lock.

    It may be cut short anywhere and started again: the earlier run's seal stays until everything else is done.
    """
    ready = directory / READY
    if (ready / SEAL).is_file():
        new, old = sealed_files(ready), sealed_files(directory)
        for name, entry in old.items():
            if name not in new and is_as_sealed(directory, name, entry):
                (directory / name).unlink()
                _remove_empty(directory, list(PurePath(name).parents)[:-1])
        for name in new:
            if (ready / name).exists():  # else it was moved before the interruption
                target = directory / name
                if target.exists() and not (name in old and is_as_sealed(directory, name, old[name])):
                    target.rename(_free_name(target))
                target.parent.mkdir(parents=True, exist_ok=True)
                (ready / name).rename(target)
        (ready / SEAL).rename(directory / SEAL)
    shutil.rmtree(ready, ignore_errors=True)


def set_aside(path: Path, where: Path) -> Path:
    """Move the directory *path* into *where*, under its own name or a numbered one, and return the new place."""
    where.mkdir(parents=True, exist_ok=True)
    target, number = where / path.name, 1
    while target.exists():
        number += 1
        target = where / f"{path.name}-{number}"
    return path.rename(target)


def _free_name(path: Path) -> Path:
    ending, number = CHANGED, 1
    while (free := path.with_name(path.name + ending)).exists():
        number += 1
        ending = f"{CHANGED}-{number}"
    return free


def _remove_empty(directory: Path, names: Iterable[str | PurePath]) -> None:
    """Remove those of the directories *names*, relative to *directory*, that hold nothing."""
    for name in names:
        with suppress(OSError):  # not empty: somebody's files are in it
            (directory / name).rmdir()
