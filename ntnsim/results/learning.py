"""``DIR/learning/SCHEME.csv``: how a policy's predictions compared with its deliveries while it learned."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ntnsim.results.atomic import write_text
from ntnsim.results.files import LEARNING
from ntnsim.results.seal import check_file


def write_learning(directory: Path, scheme: str, rows: Sequence[Mapping[str, float]]) -> None:
    """Write the *rows* of a scheme's log of learning, six digits each; without rows, write nothing."""
    if rows:
        path = directory / LEARNING / f"{scheme}.csv"
        path.parent.mkdir(exist_ok=True)
        write_text(path, pd.DataFrame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def read_learning(directory: Path, scheme: str) -> pd.DataFrame | None:
    """Return the log of learning of *scheme* in the results *directory*; None if it has none."""
    name = f"{LEARNING}/{scheme}.csv"
    if not (directory / name).exists():
        return None
    check_file(directory, name)
    return pd.read_csv(directory / name)
