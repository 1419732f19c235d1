"""An engine on disk: weights, Adam's moments and the memory as safetensors, everything else as JSON.

A restored engine goes on exactly as the saved one would have: same draws, same updates, same bytes.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ntnsim.engine.bandit import Bandit
from ntnsim.errors import InputError

FORMAT = 1
ARRAYS = "engine.safetensors"
VARIABLES = "engine.json"


def save_engine(engine: Bandit, directory: Path) -> None:
    """Write *engine* to *directory*; each file appears whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray[Any, Any]] = {"replay": engine.replay.rows[: len(engine.replay)].copy()}
    for name, network in engine.networks().items():
        arrays.update({f"{name}.{part}": values for part, values in network.state().items()})
    description = {"format": FORMAT, **_identity(engine), "variables": engine.variables()}
    # The JSON goes last and names the format: without it the directory is no checkpoint.
    temporary = directory / f".{ARRAYS}.{os.getpid()}"
    save_file(arrays, temporary)
    temporary.replace(directory / ARRAYS)
    temporary = directory / f".{VARIABLES}.{os.getpid()}"
    temporary.write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")
    temporary.replace(directory / VARIABLES)


def restore_engine(engine: Bandit, directory: Path) -> None:
    """Bring *engine*, made with the same kind, space and network settings, to the saved state."""
    description = read_description(directory)
    found, wanted = description["identity"], _identity(engine)["identity"]
    for key, value in wanted.items():
        if found.get(key) != value:
            raise InputError(
                f"{directory}: this engine was trained with {key} = {found.get(key)}, not {value}"
            )
    try:
        arrays = load_file(directory / ARRAYS)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{directory / ARRAYS}: cannot be read: {error}") from error
    for name, network in engine.networks().items():
        prefix = f"{name}."
        network.restore(
            {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
        )
    variables = description["variables"]
    engine.replay.restore(arrays["replay"], int(variables["n_seen"]))
    engine.restore_variables(variables)


def read_description(directory: Path) -> dict[str, Any]:
    """Return a checkpoint's JSON, checked for its format."""
    path = directory / VARIABLES
    try:
        description: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{directory}: no engine checkpoint here ({VARIABLES} is missing)") from None
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if description.get("format") != FORMAT:
        raise InputError(f"{path}: format {description.get('format')!r} is not {FORMAT}")
    return description


def _identity(engine: Bandit) -> dict[str, Any]:
    """Return what must agree between a checkpoint and the engine that takes it over."""
    settings = engine.settings
    identity = {
        "kind": getattr(settings, "kind", type(engine).__name__),
        "n_ranks": engine.space.n_ranks,
        "has_coarse_layer": engine.space.has_coarse_layer,
        "paper_state": settings.paper_state,
        "hidden_units": settings.hidden_units,
        "n_quantiles": getattr(settings, "n_quantiles", None),
        "nominal_deadline_s": settings.nominal_deadline_s,
        "replay_capacity": settings.replay_capacity,
    }
    return {"identity": identity}
