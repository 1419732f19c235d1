"""Published tables as JSON files, each with its source, read once."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(name: str) -> dict[str, Any]:
    """Return the table file *name*: tr38811, tr38821, nr, p676 or fading."""
    content: dict[str, Any] = json.loads((files(__name__) / f"{name}.json").read_text(encoding="utf-8"))
    return content
