"""The base of every part of a scenario: frozen, strict about keys, and silent about everything else."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_PARTS_OF_PATHS = re.compile(r"[/\\\x00-\x1f\x7f\ud800-\udfff]")


def _checked_name(name: str) -> str:
    if found := _PARTS_OF_PATHS.search(name):
        raise ValueError(f"{name!r}: a name may not hold {found[0]!r}")
    if name.startswith(".") or name != name.strip():
        raise ValueError(f"{name!r}: a name may not begin with a dot, nor begin or end with a blank")
    return name


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_checked_name)]
"""A name that results may be filed under: it leads out of no directory, and fits one line."""


class Entity(BaseModel):
    """A frozen pydantic model that refuses unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
