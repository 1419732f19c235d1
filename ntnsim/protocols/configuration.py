"""The configuration vector x: what the decision engine chooses for each image (paper Sec. IV-C)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real


@dataclass(frozen=True, slots=True)
class Configuration:
    """One image's x = (β, p(0) … p(R−2)[, q]), every entry in [0, 1].

    box_growth: β, from 0 (the box is tight) to 1 (the box is the image).
    patch_fractions: p(l) for the ranks below the highest, lowest rank first.
    coarse_quality: q, the quality of the coarse layer; 0 sends none. The paper's codec has none.

    Raises ValueError for an entry outside [0, 1].

    >>> import ntnsim
    >>> ntnsim.Configuration(0.1, [0.25], 0.4)
    Configuration(box_growth=0.1, patch_fractions=(0.25,), coarse_quality=0.4)
    """

    box_growth: float
    patch_fractions: tuple[float, ...]
    coarse_quality: float = 0.0

    def __post_init__(self) -> None:
        fractions = self.patch_fractions
        if isinstance(fractions, str) or not isinstance(fractions, Iterable):
            raise ValueError(
                f"patch_fractions must be one per rank below the top, as in (0.1,), got {fractions!r}"
            )
        fractions = tuple(fractions)
        named = [("box_growth", self.box_growth), ("coarse_quality", self.coarse_quality)]
        named += [(f"patch_fractions[{rank}]", value) for rank, value in enumerate(fractions)]
        for name, value in named:
            if not isinstance(value, Real) or not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {value!r}")
        # Plain numbers, whatever array they come from: configurations are keys, and are written as JSON.
        object.__setattr__(self, "box_growth", float(self.box_growth))
        object.__setattr__(self, "patch_fractions", tuple(map(float, fractions)))
        object.__setattr__(self, "coarse_quality", float(self.coarse_quality))


@dataclass(frozen=True, slots=True)
class ConfigurationSpace:
    """The unit cube that a codec lets an engine choose from.

    n_ranks: R, the number of relevance ranks that the codec serves. has_coarse_layer: whether x has an entry q.

    >>> import ntnsim
    >>> space = ntnsim.ConfigurationSpace(n_ranks=2, has_coarse_layer=True)
    >>> space.dimension, space.configuration([0.1, 0.25, 0.4]).patch_fractions
    (3, (0.25,))
    """

    n_ranks: int
    has_coarse_layer: bool

    def __post_init__(self) -> None:
        if not isinstance(self.n_ranks, int) or not self.n_ranks >= 1:
            raise ValueError(f"n_ranks must be a whole number >= 1, got {self.n_ranks!r}")

    @property
    def dimension(self) -> int:
        """Number of entries of x: 1 + (R − 1), plus one for the coarse layer."""
        return self.n_ranks + int(self.has_coarse_layer)

    def configuration(self, vector: Sequence[float]) -> Configuration:
        """Return the configuration that *vector* [dimension] describes."""
        if len(vector) != self.dimension:
            raise ValueError(f"vector must have {self.dimension} entries, got {len(vector)}")
        values = [float(value) for value in vector]
        coarse_quality = values.pop() if self.has_coarse_layer else 0.0
        return Configuration(values[0], tuple(values[1:]), coarse_quality)

    def vector(self, configuration: Configuration) -> tuple[float, ...]:
        """Return the inverse of :meth:`configuration`."""
        coarse = (configuration.coarse_quality,) if self.has_coarse_layer else ()
        return (configuration.box_growth, *configuration.patch_fractions, *coarse)
