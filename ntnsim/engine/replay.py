"""The engine's memory of deliveries: a ring of rows, the newest 2,000 by default."""

import numpy as np
import numpy.typing as npt

from ntnsim.arrays import Float32Array, FloatArray


class Replay:
    """A ring buffer. A row is kept in one piece, so that a minibatch is one gather; `columns` names its parts.

    Parts: ``state`` [n_features]; ``action`` x [dimension]; ``outcome`` [2R+2] bits share, fidelities, remaining delay
    in nominal deadlines; ``requirement`` [4R+2]; ``elapsed`` [1] nominal deadlines spent before the decision;
    ``residual`` [2R+2], what least squares leave of each term, in spreads: the engine's alone, 0 with other policies.

    half_life: deliveries after which a row counts half as much; None: all rows count alike.
    """

    def __init__(
        self, capacity: int, *, n_features: int, dimension: int, n_ranks: int, half_life: float | None = None
    ) -> None:
        widths = {
            "state": n_features,
            "action": dimension,
            "outcome": 2 * n_ranks + 2,
            "requirement": 4 * n_ranks + 2,
            "elapsed": 1,
            "residual": 2 * n_ranks + 2,
        }
        self.columns: dict[str, slice] = {}
        start = 0
        for name, width in widths.items():
            self.columns[name] = slice(start, start + width)
            start += width
        self.capacity = capacity
        self._half_life = half_life
        self.n_seen = 0
        self.rows: Float32Array = np.zeros((capacity, start), dtype=np.float32)

    def __len__(self) -> int:
        return min(self.n_seen, self.capacity)

    def append(self, **parts: npt.ArrayLike) -> None:
        """Remember one delivery, given by its parts, 0 where one lacks; a full ring forgets its oldest."""
        row = self.rows[self.n_seen % self.capacity]
        for name, columns in self.columns.items():
            row[columns] = parts.get(name, 0.0)
        self.n_seen += 1

    def part(self, name: str) -> Float32Array:
        """Return one part [len, width] of all that is remembered (a view)."""
        return self.rows[: len(self), self.columns[name]]

    def draw(self, n_rows: int, rng: np.random.Generator) -> dict[str, Float32Array]:
        """Return the parts of *n_rows* rows, drawn with repetition by their weights."""
        if self._half_life is None:
            places = rng.integers(len(self), size=n_rows)
        else:
            # The inverse of the weights' sum from the newest on: ages are geometric, cut at the oldest.
            forgotten = 0.5 ** (len(self) / self._half_life)
            ages = -self._half_life * np.log2(1.0 - rng.random(n_rows) * (1.0 - forgotten))
            newest = (self.n_seen - 1) % self.capacity
            places = (newest - np.minimum(ages.astype(np.int64), len(self) - 1)) % self.capacity
        drawn = self.rows[places]
        return {name: drawn[:, columns] for name, columns in self.columns.items()}

    def weights(self) -> FloatArray:
        """Return how much each row counts [len], the newest 1."""
        if self._half_life is None:
            return np.ones(len(self))
        ages = (self.n_seen - 1 - np.arange(len(self))) % self.capacity
        weights: FloatArray = 0.5 ** (ages / self._half_life)
        return weights

    def restore(self, rows: Float32Array, n_seen: int) -> None:
        """Take over the filled rows of another memory of the same shape."""
        if rows.shape != (min(n_seen, self.capacity), self.rows.shape[1]):
            raise ValueError(
                f"{rows.shape} rows do not fit a memory of {self.rows.shape} after {n_seen} deliveries"
            )
        self.rows[: len(rows)] = rows
        self.n_seen = n_seen
