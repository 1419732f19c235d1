"""What every recipe shares: arguments, a clock, checkpoints and the log line."""

import argparse
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``, which must be given unless the environment names the directory."""
    home = os.environ.get("NTNSIM_DATA")
    parser.add_argument(
        "--data",
        type=Path,
        required=not home,
        default=Path(home) if home else None,
        help="directory of the photographs; $NTNSIM_DATA unless given",
    )


def recipe_arguments(
    description: str, *, minutes: float, batch: int, seed: int, reads_photographs: bool = True
) -> argparse.ArgumentParser:
    """Return the arguments every recipe takes, with this recipe's defaults."""
    parser = argparse.ArgumentParser(description=description)
    if reads_photographs:
        add_data_argument(parser)
    parser.add_argument(
        "--work", type=Path, default=Path("training_work"), help="checkpoints and logs go here"
    )
    parser.add_argument(
        "--minutes", type=float, default=minutes, help="wall time of this part of the training"
    )
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --work")
    return parser


@dataclass
class Progress:
    """The clock of one training, kept in its checkpoint so that a resumed one goes on counting."""

    name: str
    work: Path
    minutes: float
    step: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    curve: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        self._wall_start = time.monotonic()
        self._cpu_last = time.process_time()

    @property
    def fraction(self) -> float:
        """Share of the training's wall time that has passed, in [0, 1]; a resumed one goes on counting."""
        return min(self.passed_s / (60.0 * self.minutes), 1.0)

    @property
    def passed_s(self) -> float:
        """Wall time since the training began, without its interruptions."""
        return self.wall_s + time.monotonic() - self._wall_start

    def charge(self) -> None:
        """Add the processor time since the last call."""
        now = time.process_time()
        self.cpu_s += now - self._cpu_last
        self._cpu_last = now

    def log(self, **values: float) -> None:
        """Append one row to the curve, rewrite the curve's file, and print the row."""
        self.charge()
        row = {
            "step": self.step,
            "cpu_s": round(self.cpu_s, 1),
            "wall_s": round(self.passed_s, 1),
            **{k: round(float(v), 5) for k, v in values.items()},
        }
        self.curve.append(row)
        (self.work / f"{self.name}_curve.json").write_text(json.dumps(self.curve, indent=0) + "\n")
        print(json.dumps(row), flush=True)

    @property
    def checkpoint(self) -> Path:
        """The file that save() writes and resume() reads."""
        return self.work / f"{self.name}.pt"

    def save(self, **states: Any) -> None:
        """Write the checkpoint atomically: an interrupted write leaves the last one whole."""
        self.charge()
        payload = {
            "step": self.step,
            "cpu_s": self.cpu_s,
            "wall_s": self.passed_s,
            "curve": self.curve,
            **states,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(payload, partial)
        partial.replace(self.checkpoint)

    def resume(self) -> dict[str, Any]:
        """Read the checkpoint and go on counting from it."""
        payload: dict[str, Any] = torch.load(self.checkpoint, weights_only=True)
        self.step, self.cpu_s, self.curve = payload["step"], payload["cpu_s"], payload["curve"]
        self.wall_s = payload["wall_s"]
        return payload
