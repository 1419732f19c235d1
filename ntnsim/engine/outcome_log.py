"""Real outcomes of single decisions, many images with one configuration each: what offline learning reads.

Beside an outcome table (few images, a full grid each) a log is the better teacher: what an engine has to learn is how
outcomes differ between images of like state, and no outcome in a log is interpolated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ntnsim.engine.bandit import Bandit
from ntnsim.engine.outcome_table import trial_columns, trials_of
from ntnsim.engine.practice import Moment, delivered_in
from ntnsim.errors import InputError
from ntnsim.protocols.configuration import Configuration, ConfigurationSpace
from ntnsim.protocols.policy import DeliveredImage, ImageState, Requirement


@dataclass(frozen=True, slots=True)
class LoggedOutcome:
    """One image, what was done with it, and what came of it; pf and sf have one entry per rank."""

    image: ImageState
    configuration: Configuration
    size_bits: int
    pf: tuple[float, ...]
    sf: tuple[float, ...]


def deliveries_from_log(
    log: Sequence[LoggedOutcome],
    moments: Sequence[Moment],
    requirements: Sequence[Requirement],
    n_images: int,
    rng: np.random.Generator,
) -> Iterator[DeliveredImage]:
    """Yield *n_images* deliveries: logged outcomes in turn, in drawn surroundings and requirements."""
    for index in range(n_images):
        logged = log[index % len(log)]
        moment = moments[int(rng.integers(len(moments)))]
        requirement = requirements[int(rng.integers(len(requirements)))]
        image = replace(logged.image, age_s=moment.age_s)
        yield delivered_in(
            moment, image, requirement, logged.configuration, logged.size_bits, logged.pf, logged.sf
        )


def fill_from_log(
    engine: Bandit,
    log: Sequence[LoggedOutcome],
    moments: Sequence[Moment],
    requirements: Sequence[Requirement],
    n_images: int,
    rng: np.random.Generator,
) -> None:
    """Put *n_images* deliveries in the engine's memory: logged outcomes in drawn surroundings and requirements."""
    for delivered in deliveries_from_log(log, moments, requirements, n_images, rng):
        engine.remember(delivered)


def save_log(log: Sequence[LoggedOutcome], space: ConfigurationSpace, path: Path) -> None:
    """Write the log as Parquet, one row per outcome."""
    rows = []
    for seen in log:
        row: dict[str, object] = {
            "source_bits": seen.image.source_bits,
            "width_px": seen.image.width_px,
            "height_px": seen.image.height_px,
            "size_bits": seen.size_bits,
            **trial_columns(seen.image, space),
        }
        values = {
            "fraction": seen.image.rank_fractions,
            "x": space.vector(seen.configuration),
            "pf": seen.pf,
            "sf": seen.sf,
        }
        row |= {f"{name}_{entry}": value for name, part in values.items() for entry, value in enumerate(part)}
        rows.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(path, index=False)


def load_log(space: ConfigurationSpace, path: Path) -> list[LoggedOutcome]:
    """Read a log of a codec with *space*."""
    if not path.is_file():
        raise InputError(f"{path}: no such outcome log")
    frame = pd.read_parquet(path)
    widths = {"fraction": space.n_ranks, "x": space.dimension, "pf": space.n_ranks, "sf": space.n_ranks}
    wanted = {f"{name}_{entry}" for name, width in widths.items() for entry in range(width)}
    wanted |= {"source_bits", "width_px", "height_px", "size_bits"}
    if {name for name in frame.columns if not name.startswith("trial_")} != wanted:
        raise InputError(f"{path}: not a log of this codec: columns {', '.join(map(str, frame.columns))}")
    log = []
    for row in frame.to_dict("records"):
        parts = {
            name: tuple(float(row[f"{name}_{entry}"]) for entry in range(width))
            for name, width in widths.items()
        }
        image = ImageState(
            parts["fraction"],
            int(row["source_bits"]),
            int(row["width_px"]),
            int(row["height_px"]),
            trials=trials_of(row, space),
        )
        x = space.configuration(parts["x"])
        log.append(LoggedOutcome(image, x, int(row["size_bits"]), parts["pf"], parts["sf"]))
    return log
