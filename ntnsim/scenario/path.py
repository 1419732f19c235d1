"""Paths in a scenario: remembered as written, and where they lead, seen from the scenario's own directory.

A scenario that was loaded from a file resolves its relative paths from that file's directory; one built in code, from
the working directory. Either happens once, when the scenario is validated. What is written into results, digests and
the schema is the text alone, so that a scenario means the same wherever its directory lies.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationInfo, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, slots=True)
class ScenarioPath:
    """One path of a scenario.

    written: the text of the file. directory: where relative paths start.
    """

    written: str
    directory: Path = Path()

    @property
    def location(self) -> Path:
        """Where the path leads: absolute, or relative to the working directory."""
        return self.directory / Path(self.written).expanduser()

    @property
    def name_or_location(self) -> str | Path:
        """The text where it has no separator, and so may name something that ships; else where the path leads."""
        return self.location if "/" in self.written else self.written

    def __str__(self) -> str:
        return self.written

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_wrap_validator_function(
            _resolved,
            core_schema.str_schema(min_length=1),
            serialization=core_schema.plain_serializer_function_ser_schema(
                str, return_schema=core_schema.str_schema()
            ),
        )


def _resolved(value: Any, check_text: ValidatorFunctionWrapHandler, info: ValidationInfo) -> ScenarioPath:
    """Return *value* (text, a path object, or resolved already) with the directory that the validation names."""
    if isinstance(value, ScenarioPath):
        return value
    text = check_text(str(value) if isinstance(value, Path) else value)
    return ScenarioPath(text, (info.context or {}).get("directory", Path()))
