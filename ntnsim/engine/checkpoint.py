"""An engine on disk: weights, Adam's moments and the memory as safetensors, everything else as JSON.

A restored engine goes on exactly as the saved one would have: same draws, same updates, same bytes.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ntnsim.engine.replay import Replay
from ntnsim.errors import InputError

FORMAT = 3
ARRAYS = "engine.safetensors"
VARIABLES = "engine.json"

Array = np.ndarray[Any, Any]


def write_checkpoint(
    directory: Path,
    identity: Mapping[str, Any],
    variables: Mapping[str, Any],
    groups: Mapping[str, Mapping[str, Array]],
    replay: Replay,
) -> None:
    """Write an engine's state to *directory*; each file appears whole or not at all.

    groups: arrays by name, of each network and of what else was learned.
    """
    directory.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Array] = {"replay": replay.rows[: len(replay)].copy()}
    for name, state in groups.items():
        arrays.update({f"{name}.{part}": values for part, values in state.items()})
    description = {"format": FORMAT, "identity": identity, "variables": variables}
    # The JSON goes last and names the format: without it the directory is no checkpoint.
    temporary = directory / f".{ARRAYS}.{os.getpid()}"
    save_file(arrays, temporary)
    temporary.replace(directory / ARRAYS)
    temporary = directory / f".{VARIABLES}.{os.getpid()}"
    temporary.write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")
    temporary.replace(directory / VARIABLES)


def read_checkpoint(
    directory: Path, identity: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, dict[str, Array]], Array]:
    """Return variables, groups of arrays and the memory's rows, if an engine of this *identity* wrote *directory*."""
    description = _description(directory)
    found = description["identity"]
    for key, value in identity.items():
        if found.get(key) != value:
            raise InputError(
                f"{directory}: this engine was trained with {key} = {found.get(key)}, not {value}"
            )
    try:
        arrays = load_file(directory / ARRAYS)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{directory / ARRAYS}: cannot be read: {error}") from error
    groups: dict[str, dict[str, Array]] = {}
    for key, values in arrays.items():
        name, _, part = key.partition(".")
        if part:
            groups.setdefault(name, {})[part] = values
    return description["variables"], groups, arrays["replay"]


def _description(directory: Path) -> dict[str, Any]:
    """Return a checkpoint's JSON, checked for its format."""
    path = directory / VARIABLES
    try:
        description: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{directory}: no engine checkpoint here ({VARIABLES} is missing)") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        found = description.get("format") if isinstance(description, dict) else description
        raise InputError(f"{path}: format {found!r} is not {FORMAT}")
    return description
