"""A scenario as the keys and values that it was made of, so that some of them can be changed."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def tree_of(node: Any) -> Any:
    """Return what *node*, a scenario or a part of it, was made of: mappings, lists and plain values.

    Defaults are left out. Paths stay as they were resolved, so that they lead to the same files from anywhere.
    """
    if isinstance(node, BaseModel):
        return {
            field.alias or name: tree_of(getattr(node, name))
            for name, field in type(node).model_fields.items()
            if name in node.model_fields_set
        }
    if isinstance(node, Mapping):
        return {key: tree_of(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [tree_of(value) for value in node]
    return node
