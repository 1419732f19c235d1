"""The base of every part of a scenario: frozen, strict about keys, and silent about everything else."""

import ast
import re
from functools import cache
from inspect import cleandoc, getsource
from itertools import pairwise
from textwrap import dedent
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

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

    # Built when first used: a scenario is then built once, and not each of its parts before it.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Give each property the text below its field: only here, as reading the source takes long."""
        schema = handler(core_schema)
        own = handler.resolve_ref_schema(schema)
        properties = own.get("properties", {})
        for entity in reversed(cls.__mro__):
            for name, text in _texts_below_fields(entity).items() if issubclass(entity, Entity) else ():
                field = cls.model_fields[name]
                properties[field.alias or name].setdefault("description", text)
        for node in properties.values():
            if "const" in node and "description" in own:  # a kind is described as the entity that it chooses
                node.setdefault("description", own["description"])
        return schema


@cache
def _texts_below_fields(entity: type) -> dict[str, str]:
    """Return the text that stands below each field of *entity* in its source."""
    [written] = ast.parse(dedent(getsource(entity))).body
    assert isinstance(written, ast.ClassDef)
    texts = {}
    for before, after in pairwise(written.body):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = cleandoc(text)
    return texts
