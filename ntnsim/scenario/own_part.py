"""Parts of the user's own that a scenario asks for: by a name, or by the Python class that they are made of."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ntnsim.scenario.entity import Entity
from ntnsim.scenario.path import ScenarioPath


class OwnPartSpec(Entity):
    """A part of the user's own. ``custom``: by the *name* under which it was given to ``ntnsim.run``, or under which an
    installed package offers it (entry points ``ntnsim.policies``, ``ntnsim.codecs``, ``ntnsim.channels``). ``python``:
    made of a *class*, whose code then runs; ``--no-plugins`` refuses both on the command line.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    kind: Literal["custom", "python"]
    """custom: by name. python: by class."""
    name: str = ""
    """With ``kind: custom``."""
    class_: str | None = Field(default=None, alias="class", pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """With ``kind: python``: module and class, as ``mymod:MyPolicy``. A policy's class is called with the codec's
    configuration space, a seed and the options; a codec's and a channel's with the options."""
    options: dict[str, Any] = Field(default_factory=dict)
    """With ``kind: python``: named arguments of the class."""
    directory: ScenarioPath = Field(default=".", validate_default=True)
    """With ``kind: python``: where the module's file lies, if it is not installed; the scenario's directory."""

    @model_validator(mode="after")
    def _named_or_made(self) -> Self:
        if self.kind == "custom" and (not self.name or self.class_ or self.options):
            raise ValueError("kind custom needs a name, and takes neither class nor options")
        if self.kind == "python" and (self.class_ is None or self.name):
            raise ValueError('kind python needs a class, as "mymod:MyPolicy", and takes no name')
        return self

    @property
    def wanted(self) -> str:
        """What is asked for, for messages."""
        return self.class_ or self.name
