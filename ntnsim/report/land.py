"""Where land is, for maps: outlines by Natural Earth, in the public domain."""

import json
from functools import cache
from importlib.resources import files

LAND = files("ntnsim.report") / "assets" / "land.json"


@cache
def land_outlines() -> list[list[int]]:
    """Return the coasts: each a closed outline of longitude, latitude, longitude …, in tenths of a degree."""
    outlines: list[list[int]] = json.loads(LAND.read_text(encoding="utf-8"))["outlines"]
    return outlines
