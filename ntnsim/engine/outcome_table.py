"""Real outcomes of a full grid of configurations, image by image: what the oracle searches and offline training reads.

One table belongs to one codec. Stored as Parquet, one row per (image, configuration). The builder, which runs the real
pipeline, is `ntnsim.experiments.outcomes`; nothing here knows a codec.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ntnsim.arrays import FloatArray
from ntnsim.errors import InputError
from ntnsim.protocols.configuration import ConfigurationSpace
from ntnsim.protocols.policy import ImageState, Trial


@dataclass(frozen=True, eq=False)
class OutcomeTable:
    """Outcomes of every image under every point of a full grid.

    axes: the grid's values of each entry of x, ascending. size_bits: [n_images, *grid]; pf, sf: [n_images, *grid, R].
    """

    space: ConfigurationSpace
    axes: tuple[tuple[float, ...], ...]
    image_ids: tuple[str, ...]
    images: tuple[ImageState, ...]
    size_bits: FloatArray
    pf: FloatArray
    sf: FloatArray

    def __post_init__(self) -> None:
        grid = tuple(len(axis) for axis in self.axes)
        expected = (len(self.images), *grid)
        if len(self.axes) != self.space.dimension:
            raise ValueError(f"{len(self.axes)} axes do not span a space of dimension {self.space.dimension}")
        if self.size_bits.shape != expected or len(self.image_ids) != len(self.images):
            raise ValueError(f"size_bits must be {expected}, got {self.size_bits.shape}")
        for name, values in (("pf", self.pf), ("sf", self.sf)):
            if values.shape != (*expected, self.space.n_ranks):
                raise ValueError(f"{name} must be {(*expected, self.space.n_ranks)}, got {values.shape}")
        object.__setattr__(self, "_places", {image: place for place, image in enumerate(self.images)})

    @property
    def grid(self) -> FloatArray:
        """Every configuration vector [n_configurations, dimension], in the arrays' order."""
        return np.array(list(product(*self.axes)))

    def place_of(self, image: ImageState) -> int:
        """Return the index of *image*, recognised by its state."""
        place: int | None = getattr(self, "_places").get(image)  # noqa: B009 - set on a frozen instance
        if place is None:
            raise InputError(
                f"the outcome table has no image with rank fractions {image.rank_fractions} and "
                f"{image.source_bits} source bits: build it over the same images, segmenter and relevance"
            )
        return place

    def outcomes(self, place: int) -> FloatArray:
        """Return image *place*'s outcomes [n_configurations, 2R+1]: bits share, then per_0, sem_0, per_1, …"""
        n_configurations = self.size_bits[place].size
        share = self.size_bits[place].reshape(-1, 1) / self.images[place].source_bits
        pairs = np.stack((self.pf[place], self.sf[place]), -1).reshape(n_configurations, -1)
        return np.concatenate((share, pairs), 1)

    def between(self, place: int, x: FloatArray) -> FloatArray:
        """Return the outcome [2R+1] at any x within the axes, multilinear between the grid's points."""
        grid = tuple(len(axis) for axis in self.axes)
        corners: list[list[tuple[int, float]]] = []
        for axis, value in zip(self.axes, x, strict=True):
            if len(axis) == 1:
                corners.append([(0, 1.0)])
                continue
            upper = int(np.clip(np.searchsorted(axis, value), 1, len(axis) - 1))
            share = float(np.clip((value - axis[upper - 1]) / (axis[upper] - axis[upper - 1]), 0.0, 1.0))
            corners.append([(upper - 1, 1.0 - share), (upper, share)])
        all_outcomes = self.outcomes(place).reshape(*grid, -1)
        result: FloatArray = np.zeros(all_outcomes.shape[-1])
        for corner in product(*corners):
            weight = float(np.prod([share for _, share in corner]))
            result += weight * all_outcomes[tuple(index for index, _ in corner)]
        return result

    def select(self, places: list[int]) -> "OutcomeTable":
        """Return the table of some of the images, for a split into training and test."""
        return OutcomeTable(
            self.space,
            self.axes,
            tuple(self.image_ids[place] for place in places),
            tuple(self.images[place] for place in places),
            self.size_bits[places],
            self.pf[places],
            self.sf[places],
        )

    def save(self, path: Path) -> None:
        """Write the table as Parquet."""
        rows: list[dict[str, object]] = []
        for place, (name, image) in enumerate(zip(self.image_ids, self.images, strict=True)):
            outcomes = self.size_bits[place].reshape(-1), self.pf[place], self.sf[place]
            pf, sf = (values.reshape(-1, self.space.n_ranks) for values in outcomes[1:])
            for index, x in enumerate(self.grid):
                row: dict[str, object] = {
                    "image_id": name,
                    "source_bits": image.source_bits,
                    "width_px": image.width_px,
                    "height_px": image.height_px,
                    "has_coarse_layer": self.space.has_coarse_layer,
                    "size_bits": outcomes[0][index],
                    **trial_columns(image, self.space),
                }
                row.update({f"fraction_{rank}": share for rank, share in enumerate(image.rank_fractions)})
                row.update({f"x_{entry}": value for entry, value in enumerate(x)})
                row.update({f"pf_{rank}": value for rank, value in enumerate(pf[index])})
                row.update({f"sf_{rank}": value for rank, value in enumerate(sf[index])})
                rows.append(row)
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_parquet(path, index=False)

    @classmethod
    def load(cls, path: Path) -> "OutcomeTable":
        """Read a table; an incomplete grid is an error."""
        if not path.is_file():
            raise InputError(f"{path}: no such outcome table")
        frame = pd.read_parquet(path)
        n_ranks = sum(column.startswith("fraction_") for column in frame.columns)
        dimension = sum(column.startswith("x_") for column in frame.columns)
        if n_ranks < 2 or "image_id" not in frame.columns or "size_bits" not in frame.columns:
            raise InputError(f"{path}: not an outcome table: columns {', '.join(map(str, frame.columns))}")
        space = ConfigurationSpace(n_ranks, bool(frame["has_coarse_layer"].iloc[0]))
        entries = [f"x_{entry}" for entry in range(dimension)]
        axes = tuple(tuple(sorted(frame[entry].unique().tolist())) for entry in entries)
        frame = frame.sort_values(["image_id", *entries], kind="stable")
        grid = tuple(len(axis) for axis in axes)
        names = tuple(frame["image_id"].unique().tolist())
        if len(frame) != len(names) * int(np.prod(grid)):
            raise InputError(
                f"{path}: {len(frame)} rows are not {len(names)} images × {int(np.prod(grid))} configurations"
            )
        firsts = frame.drop_duplicates("image_id")
        images = tuple(
            ImageState(
                tuple(float(row[f"fraction_{rank}"]) for rank in range(n_ranks)),
                int(row["source_bits"]),
                int(row["width_px"]),
                int(row["height_px"]),
                trials=trials_of(row, space),
            )
            for _, row in firsts.iterrows()
        )

        def stacked(prefix: str) -> FloatArray:
            columns = [f"{prefix}_{rank}" for rank in range(n_ranks)]
            return frame[columns].to_numpy(dtype=np.float64).reshape(len(names), *grid, n_ranks)

        sizes = frame["size_bits"].to_numpy(dtype=np.float64).reshape(len(names), *grid)
        return cls(space, axes, names, images, sizes, stacked("pf"), stacked("sf"))


def trial_columns(image: ImageState, space: ConfigurationSpace) -> dict[str, float]:
    """Return the columns that hold an image's trial encodings, none if it had none; `trials_of` reads them."""
    columns: dict[str, float] = {}
    for number, trial in enumerate(image.trials):
        columns[f"trial_{number}_bits"] = trial.size_bits
        parts = {"x": space.vector(trial.configuration), "pf": trial.pf, "sf": trial.sf}
        for name, values in parts.items():
            columns |= {f"trial_{number}_{name}_{entry}": value for entry, value in enumerate(values)}
    return columns


def trials_of(row: Mapping[Any, Any] | pd.Series, space: ConfigurationSpace) -> tuple[Trial, ...]:
    """Return the trial encodings in a *row* with the columns of `trial_columns`."""
    trials: list[Trial] = []
    while f"trial_{len(trials)}_bits" in row:
        head = f"trial_{len(trials)}"
        x = space.configuration([float(row[f"{head}_x_{entry}"]) for entry in range(space.dimension)])
        pf, sf = (
            tuple(float(row[f"{head}_{name}_{rank}"]) for rank in range(space.n_ranks))
            for name in ("pf", "sf")
        )
        trials.append(Trial(x, int(row[f"{head}_bits"]), pf, sf))
    return tuple(trials)
