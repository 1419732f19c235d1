"""What a bundle's manifest may say of a network beside its files, with the range of each value."""

from collections.abc import Mapping
from typing import Any

from ntnsim.errors import BundleError

# Lowest and highest value; whole numbers where both ends are.
_NUMBERS: Mapping[str, tuple[float, float]] = {
    "steps": (1, 1000),
    "stride_px": (1, 64),
    "residual_gain": (1e-3, 1e3),
    "coarse_mask": (0.0, 1.0),
    "noise_unit_grey": (1e-3, 255.0),
    "coarse_share": (0.0, 1.0),
    "share_where_much_is_lost": (0.0, 1.0),
    "little_lost_grey": (0.0, 255.0),
    "much_lost_grey": (1e-3, 255.0),
    "coarse_share_without_grain": (0.0, 1.0),
    "guidance": (0.0, 100.0),
    "coarse_strength": (0.0, 1.0),
    "batch": (1, 64),
    "max_tokens": (1, 512),
    "longest_side_px": (16, 4096),
    "shortest_side_px": (16, 4096),
    "multiple_px": (1, 256),
    "box_threshold": (0.0, 1.0),
    "text_threshold": (0.0, 1.0),
}
# Together or not at all: the share of the residual where much texture was lost, and what counts as little and as much.
MUCH_LOST = ("share_where_much_is_lost", "little_lost_grey", "much_lost_grey")
_CHANNEL_ORDERS = ("rgb", "bgr")
_MOST_CATEGORIES = 200
# Options that a kind cannot do without; alternatives stand together.
_NEEDED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "one-step-residual": (
        ("stride_px",),
        ("residual_gain",),
        ("coarse_mask",),
        ("noise_unit_grey",),
        ("coarse_share",),
        ("coarse_share_without_grain",),
    ),
    "semantic-segmentation": (("longest_side_px", "shortest_side_px"),),
    "grounded-sam": (("categories",),),
}


def check_options(where: str, kind: str, options: Mapping[str, Any]) -> None:
    """Raise BundleError unless *options* are all that a member of *kind* needs, and each is in its range."""
    for alternatives in _NEEDED.get(kind, ()):
        if not any(name in options for name in alternatives):
            raise BundleError(f"{where}: the manifest lacks option {' or '.join(alternatives)}")
    given = [name for name in MUCH_LOST if name in options]
    if given and len(given) < len(MUCH_LOST):
        lacking = ", ".join(name for name in MUCH_LOST if name not in options)
        raise BundleError(f"{where}: the manifest has option {given[0]} and lacks {lacking}")
    for name, value in options.items():
        allowed = _refusal(name, value)
        if allowed:
            raise BundleError(f"{where}: option {name} is {str(value)[:60]!r}; allowed is {allowed}")
    if given and options["little_lost_grey"] >= options["much_lost_grey"]:
        raise BundleError(f"{where}: option little_lost_grey must be below much_lost_grey, as the names say")


def _refusal(name: str, value: Any) -> str:
    """Return what is allowed where *value* is not, an empty text where it is."""
    if name in _NUMBERS:
        low, high = _NUMBERS[name]
        whole = isinstance(low, int)
        right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if right and low <= value <= high:
            return ""
        return f"a {'whole ' if whole else ''}number from {low:g} to {high:g}"
    if name == "channel_order":
        return "" if value in _CHANNEL_ORDERS else " or ".join(_CHANNEL_ORDERS)
    if name == "value_range":
        numbers = (
            isinstance(value, list | tuple)
            and len(value) == 2
            and all(isinstance(end, int | float) and -1e3 <= end <= 1e3 for end in value)
        )
        return "" if numbers and value[0] < value[1] else "two numbers, the lower first"
    if name == "categories":
        words = (
            isinstance(value, list | tuple)
            and 0 < len(value) <= _MOST_CATEGORIES
            and all(isinstance(word, str) and word.strip() for word in value)
        )
        return "" if words else f"a list of 1 to {_MOST_CATEGORIES} words"
    return "none of that name"
