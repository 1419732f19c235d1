"""The base of every part of a scenario: frozen, strict about keys, and silent about everything else."""

from pydantic import BaseModel, ConfigDict


class Entity(BaseModel):
    """A frozen pydantic model that refuses unknown keys, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
