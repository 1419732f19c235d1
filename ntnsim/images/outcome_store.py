"""Outcome store: what was computed once for an image and its configuration is never computed again.

In memory a dictionary; on disk, if a directory is given, one small file per outcome, named by its key's digest. Files
appear by an atomic rename, so that any number of processes may share a directory; each holds its full key and a
checksum, so that a damaged or foreign file is noticed, counted and computed anew. It is a cache: where the directory
cannot be read or written (a full disk, no permission), outcomes are kept in memory alone and the run goes on.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ntnsim.protocols.configuration import Configuration
from ntnsim.results.atomic import atomic_path

Outcome = Mapping[str, Any]

_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class OutcomeKey:
    """Everything that an outcome depends on.

    image: digest of the image's source bytes. codec: the codec's digest, with its format version.
    models: digests of bundle and scorer; empty for what needs no model.
    stage: what was computed, e.g. "encode" or "reconstruct".
    """

    image: str
    configuration: Configuration
    codec: str
    models: str
    seed: int
    stage: str


def image_digest(source_bytes: bytes) -> str:
    """Return the digest that names an image in keys."""
    return blake2b(source_bytes, digest_size=16).hexdigest()


class OutcomeStore:
    """A mapping from :class:`OutcomeKey` to a flat, JSON-able outcome."""

    def __init__(self, directory: Path | None = None) -> None:
        """Open the store; *directory* is made if it does not exist. Without it, outcomes are kept in memory alone."""
        self._memory: dict[OutcomeKey, Outcome] = {}
        self._directory = directory
        self.hits = 0
        self.misses = 0
        self.rejected = 0
        self.trouble = ""  # why outcomes could not be kept on disk, the first time
        if directory is not None:
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                self._only_memory(directory, error)

    def get(self, key: OutcomeKey) -> Outcome | None:
        """Return the outcome of *key*, or None if it has to be computed."""
        found = self._memory.get(key)
        if found is None and self._directory is not None:
            found = self._read(key)
            if found is not None:
                self._memory[key] = found
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
        return found

    def put(self, key: OutcomeKey, outcome: Outcome) -> None:
        """Keep *outcome* for *key*, as JSON gives it back: a result must not depend on where it was found."""
        outcome = json.loads(json.dumps(outcome, allow_nan=False))
        self._memory[key] = outcome
        if self._directory is None:
            return
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as scratch:
                scratch.write_text(json.dumps(_entry(key, outcome)))
        except OSError as error:
            self._only_memory(path, error)

    def __len__(self) -> int:
        return len(self._memory)

    def _read(self, key: OutcomeKey) -> Outcome | None:
        try:
            text = self._path(key).read_bytes()
        except OSError:
            return None
        try:
            entry = json.loads(text)
            outcome = entry["outcome"]
            if isinstance(outcome, dict) and entry == _entry(key, outcome):
                return outcome
        except (ValueError, KeyError, TypeError):
            pass
        self.rejected += 1
        return None

    def _only_memory(self, path: Path, error: OSError) -> None:
        """Go on without the disk: what cannot be written now will hardly be a moment later."""
        self.trouble = f"{path}: {error.strerror}"
        self._directory = None
        print(f"ntnsim: outcomes are not kept between runs ({self.trouble})", file=sys.stderr)

    def _path(self, key: OutcomeKey) -> Path:
        assert self._directory is not None
        name = blake2b(_key_text(key).encode(), digest_size=20).hexdigest()
        return self._directory / name[:2] / f"{name[2:]}.json"


def _key_text(key: OutcomeKey) -> str:
    return json.dumps(asdict(key), sort_keys=True)


def _entry(key: OutcomeKey, outcome: Outcome) -> dict[str, Any]:
    """Return the content of an outcome's file."""
    text = json.dumps([_SCHEMA, asdict(key), outcome], sort_keys=True)
    checksum = blake2b(text.encode(), digest_size=16).hexdigest()
    return {"schema": _SCHEMA, "key": json.loads(_key_text(key)), "outcome": outcome, "checksum": checksum}
