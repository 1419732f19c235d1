"""What an interrupted run keeps: finished schemes, the records of the one under way, and what its policy had learned.

The world of a scheme cannot be stopped and gone on with; it is replayed from its seed, and takes what the networks had
computed from the outcome store. Finished schemes are not run again: their records lie in ``DIR/.ntnsim/unfinished``,
and ``DIR/.ntnsim/kept/state.json`` tells how far they reach. The records of the scheme under way lie behind them, to be
read; the replay writes them again. The results are the same bytes as of an undisturbed run.
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

NEXT = f"{WORK}/unfinished"  # the results that are being written
KEPT = f"{WORK}/kept"
LEARNED = f"{WORK}/engines"  # engines/SCHEME of a policy that was still learning
_STATE = "state.json"


class Checkpoint:
    """The finished schemes of a run into *directory*, by name, with what the summary tells of their worlds."""

    def __init__(self, directory: Path, identity: str, *, repeatable: bool) -> None:
        """Take up what an interrupted run left, after `discard_other`.

        identity: digest of everything that the results depend on, as far as digests tell. repeatable: they tell all of
        it; otherwise nothing is gone on with.
        """
        self._directory = directory
        self._repeatable = repeatable
        state = kept_state(directory) or {}
        self.worlds: dict[str, Any] = dict(state.get("worlds", {}))
        self.gallery: Mapping[str, Any] | None = state.get("gallery")  # what :meth:`keep` was given
        self.n_parts = len(state.get("parts", {}))  # of records that are written already
        self._finished_rows = 0
        self._state = (
            {"format": 1, "identity": identity, "worlds": {}, "parts": {}} | state | {"under_way": None}
        )
        if not repeatable:
            shutil.rmtree(directory / SHARDS, ignore_errors=True)

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
        self._finished_rows = records.n_rows
        if not self._repeatable:
            return
        place = self._place()
        shutil.rmtree(place, ignore_errors=True)
        records.keep(place)
        timeline.keep(place)
        parts = sorted((self._directory / NEXT / RECORDS).glob("part-[0-9]*.parquet"))
        self._state |= {
            "worlds": self.worlds,
            "gallery": gallery,
            "parts": {part.name: file_digest(part) for part in parts},
        }
        self._write_state()  # last: from here on this is what is kept
        for earlier in (self._directory / KEPT).iterdir():
            if earlier.is_dir() and earlier != place:
                shutil.rmtree(earlier)

    def show(self, scheme: str, records: RecordWriter) -> None:
        """Let the records so far be read; those of finished schemes are followed by those of *scheme*, under way."""
        if (n_rows := records.n_rows - self._finished_rows) or self.worlds:
            records.show()
            self._write_state(under_way={"scheme": scheme, "records": n_rows} if n_rows else None)

    def go_on(self, records: RecordWriter, timeline: TimelineWriter) -> None:
        """Give the writers what they had when the last scheme finished."""
        if self.worlds:
            records.go_on(self._place())
            timeline.go_on(self._place())
        self._finished_rows = records.n_rows

    def _place(self) -> Path:
        return self._directory / KEPT / str(len(self.worlds))

    def _write_state(self, under_way: Mapping[str, Any] | None = None) -> None:
        write_json(self._directory / KEPT / _STATE, self._state | {"under_way": under_way})


def kept_state(directory: Path) -> dict[str, Any] | None:
    """Return what an interrupted run into *directory* kept; None if nothing, or if finished schemes are damaged."""
    try:
        state = read_json(directory / KEPT / _STATE)
        records = directory / NEXT / RECORDS
        whole = all(file_digest(records / name) == digest for name, digest in state["parts"].items())
        return state if whole and isinstance(state["worlds"], dict) else None
    except (InputError, OSError, KeyError, AttributeError, TypeError):
        return None


def discard_other(directory: Path, identity: str, *, force: bool) -> None:
    """Remove what an earlier, interrupted run left in *directory*, unless it is to be gone on with.

    Raises InputError where records of another run would be lost, unless *force*.
    """
    state = kept_state(directory)
    same = state is not None and state.get("identity") == identity
    if state is not None and same and state["worlds"]:
        return
    if state is not None and not same and not force:
        raise InputError(
            f"{directory}: holds an interrupted run of another scenario, seed, bundle or version, with "
            f"{' and '.join(_told(state))}; --force discards it, or choose another --out"
        )
    for left in (NEXT, KEPT) if same or state is None else (NEXT, KEPT, LEARNED):
        shutil.rmtree(directory / left, ignore_errors=True)


def discard(directory: Path) -> None:
    """Remove what was kept in case of an interruption; the results are complete."""
    for left in (KEPT, LEARNED, SHARDS):
        shutil.rmtree(directory / left, ignore_errors=True)


def what_is_kept(directory: Path) -> str:
    """Return what an interrupted run into *directory* left, in words."""
    state = kept_state(directory)
    kept = _told(state) if state else []
    if state and state.get("under_way"):
        kept[-1] += f" (all in {directory / NEXT / RECORDS})"
    engines = directory / LEARNED
    if done := len(list((directory / SHARDS / CELLS).glob("[!.]*"))):
        kept += [f"{done} finished shards"]
    if engines.is_dir():
        kept += [f"what {path.name} had learned ({path})" for path in sorted(engines.iterdir())]
    return f"kept: {'; '.join(kept)}" if kept else "no image had ended yet"


def _told(state: Mapping[str, Any]) -> list[str]:
    """Return which records are kept, in words."""
    told = [f"finished schemes ({', '.join(state['worlds'])})"] if state["worlds"] else []
    if under_way := state.get("under_way"):
        told += [f"{under_way['records']} records of {under_way['scheme']}, unfinished"]
    return told
