"""The relevance function r(c): from class names to perceptual relevance ranks (paper, Sec. II-B, Table I)."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ntnsim.errors import ScenarioError


@dataclass(frozen=True)
class Relevance:
    """Ranks by class name.

    ranks: rank of each class that is named; 0 is the lowest.
    default_rank: rank of every other class.
    """

    name: str
    ranks: Mapping[str, int]
    default_rank: int = 0

    def __post_init__(self) -> None:
        used = {*self.ranks.values(), self.default_rank}
        if min(used) < 0 or max(used) < 1:
            raise ScenarioError(
                f"relevance {self.name}: ranks must be >= 0 and some must be >= 1, got {sorted(used)}"
            )

    @property
    def n_ranks(self) -> int:
        """R: one more than the highest rank."""
        return max(*self.ranks.values(), self.default_rank) + 1

    def rank_of(self, class_name: str) -> int:
        """Return r(c)."""
        return self.ranks.get(class_name, self.default_rank)

    def rank_map(self, class_map: NDArray[np.uint8], class_names: tuple[str, ...]) -> NDArray[np.uint8]:
        """Return the rank of every pixel, uint8 [H, W], for a map of indices into *class_names*.

        Indices without a name (such as 255, unlabelled) get the default rank.
        """
        table = np.full(256, self.default_rank, dtype=np.uint8)
        table[: len(class_names)] = [self.rank_of(name) for name in class_names]
        ranks: NDArray[np.uint8] = table[class_map]
        return ranks


def _levels(*levels: str) -> dict[str, int]:
    return {name.strip(): rank for rank, level in enumerate(levels) for name in level.split(",")}


# Paper, Table I, rows Low, Medium, High. COCO-Stuff is ranked by supercategory, so its dataset's classes are those.
# Table I lists furniture and food under High, furniture also under Medium; the later, higher row wins here. The
# furniture that is stuff has a supercategory of its own in COCO-Stuff ("furniture-stuff") and is Medium.
PRESETS: dict[str, Relevance] = {
    "person": Relevance("person", {"person": 1, "marked": 1}),
    "coco-stuff": Relevance(
        "coco-stuff",
        _levels(
            "water, ground, sky, plant",
            "solid, structural, building, textile, furniture-stuff, window, floor, ceiling, wall, raw-material",
            "sports, accessory, animal, outdoor, vehicle, person, indoor, appliance, electronic, furniture, food, "
            "kitchen, food-stuff",
        ),
    ),
    "sssid": Relevance(
        "sssid",
        _levels(
            "water_body, vegetation, flooded, trees, grass, background",
            "industrial_site, sports_complex, water_tank, power_lines, construction_site, trampoline, garbage_bins, "
            "satellite_antenna, window, street_light, chimney, solar_panels, swimming_pool, secondary_structure, roof",
            "boat, parking_area, road, vehicle",
        ),
    ),
    "mastr1325": Relevance("mastr1325", _levels("water, sky", "obstacle", "unknown")),
}

_AMBIGUOUS = {
    "coco-stuff": "Table I ranks furniture as Medium and as High: things are High, furniture-stuff Medium"
}


def relevance_preset(name: str) -> Relevance:
    """Return the preset *name* of Table I, or the person task."""
    if name not in PRESETS:
        raise ScenarioError(f"relevance preset {name!r} is unknown; allowed are {', '.join(PRESETS)}")
    if name in _AMBIGUOUS:
        warnings.warn(f"relevance preset {name}: {_AMBIGUOUS[name]}", stacklevel=2)
    return PRESETS[name]
