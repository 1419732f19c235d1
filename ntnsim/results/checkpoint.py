"""What an interrupted run keeps: the schemes that had finished, and what a learning policy knew at its last checkpoint.

The world of a scheme cannot be stopped and gone on with; it is replayed from its seed, and takes what the networks had
computed from the outcome store. Finished schemes are not run again: their records lie in ``DIR/.ntnsim/next``, and
``DIR/.ntnsim/kept/state.json`` tells how far they reach. The results are the same bytes as of an undisturbed run.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ntnsim.errors import InputError
from ntnsim.results.atomic import read_json, write_json
from ntnsim.results.files import CELLS, RECORDS, SHARDS, WORK
from ntnsim.results.provenance import file_digest
from ntnsim.results.timeline import TimelineWriter
from ntnsim.results.writer import RecordWriter

NEXT = f"{WORK}/next"  # the results that are being written
KEPT = f"{WORK}/kept"
LEARNED = f"{WORK}/engines"  # engines/SCHEME of a policy that was still learning
_STATE = "state.json"


class Checkpoint:
    """The finished schemes of a run into *directory*, by name, with what the summary tells of their worlds."""

    def __init__(self, directory: Path, identity: str) -> None:
        """identity: digest of everything that the results depend on; "" where that is unknown, and nothing is kept."""
        self._directory = directory
        self._identity = identity
        state = kept_state(directory) or {}
        self.worlds: dict[str, Any] = dict(state.get("worlds", {}))
        self.gallery: Mapping[str, Any] | None = state.get("gallery")  # what :meth:`keep` was given
        self.n_parts = len(state.get("parts", {}))  # of records that are written already

    def keep(
        self,
        scheme: str,
        world: Mapping[str, Any],
        records: RecordWriter,
        timeline: TimelineWriter,
        gallery: Mapping[str, Any],
    ) -> None:
        """Note that *scheme* has finished, with all that was written until now. gallery: which pictures were."""
        self.worlds[scheme] = dict(world)
        if not self._identity:
            return
        place = self._place()
        shutil.rmtree(place, ignore_errors=True)
        records.keep(place)
        timeline.keep(place)
        parts = sorted((self._directory / NEXT / RECORDS).glob("part-*.parquet"))
        state = {
            "format": 1,
            "identity": self._identity,
            "worlds": self.worlds,
            "gallery": gallery,
            "parts": {part.name: file_digest(part) for part in parts},
        }
        write_json(self._directory / KEPT / _STATE, state)  # last: from here on this is what is kept
        for earlier in (self._directory / KEPT).iterdir():
            if earlier.is_dir() and earlier != place:
                shutil.rmtree(earlier)

    def go_on(self, records: RecordWriter, timeline: TimelineWriter) -> None:
        """Give the writers what they had when the last scheme finished."""
        if self.worlds:
            records.go_on(self._place())
            timeline.go_on(self._place())

    def _place(self) -> Path:
        return self._directory / KEPT / str(len(self.worlds))


def kept_state(directory: Path) -> dict[str, Any] | None:
    """Return what an interrupted run into *directory* kept of finished schemes; None if nothing or damaged."""
    try:
        state = read_json(directory / KEPT / _STATE)
        records = directory / NEXT / RECORDS
        whole = all(file_digest(records / name) == digest for name, digest in state["parts"].items())
        return state if whole and isinstance(state["worlds"], dict) else None
    except (InputError, OSError, KeyError, AttributeError, TypeError):
        return None


def discard_other(directory: Path, identity: str, *, force: bool) -> None:
    """Remove what an earlier, interrupted run left in *directory*, unless it is to be gone on with.

    Raises InputError where finished schemes of another run would be lost, unless *force*.
    """
    state = kept_state(directory)
    if state is not None and identity and state.get("identity") == identity:
        return
    if state is not None and not force:
        raise InputError(
            f"{directory}: holds an interrupted run of another scenario, seed, bundle or version "
            f"({', '.join(state['worlds'])} finished); --force discards it, or choose another --out"
        )
    for left in (NEXT, KEPT):
        shutil.rmtree(directory / left, ignore_errors=True)


def discard(directory: Path) -> None:
    """Remove what was kept in case of an interruption; the results are complete."""
    for left in (KEPT, LEARNED, SHARDS):
        shutil.rmtree(directory / left, ignore_errors=True)


def what_is_kept(directory: Path) -> str:
    """Return what an interrupted run into *directory* left, in words."""
    state = kept_state(directory)
    kept = [f"finished schemes ({', '.join(state['worlds'])})"] if state else []
    engines = directory / LEARNED
    if done := len(list((directory / SHARDS / CELLS).glob("[!.]*"))):
        kept += [f"{done} finished shards"]
    if engines.is_dir():
        kept += [f"what {path.name} had learned ({path})" for path in sorted(engines.iterdir())]
    if not kept:
        return "no scheme had finished; what the networks computed is in the outcome store"
    return f"kept: {'; '.join(kept)}; what the networks computed is in the outcome store"
