"""What a YAML text may be before anything is made of it: size, depth, what its aliases unfold to, plain values.

Read as a stream of events, so that a text of a kilobyte that stands for gigabytes costs a kilobyte.
"""

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

LARGEST_CHARACTERS = 1 << 20
DEEPEST = 40
MOST_VALUES = 100_000  # with every alias counted as what it stands for
LONGEST_INTEGER = 30  # digits
_INTEGER = re.compile(r"[-+]?(0[xob][\da-fA-F_]+|[\d_]+)", re.ASCII)
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map")}
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class YamlLimitError(Exception):
    """A YAML text is beyond a limit. line: from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def check_yaml(text: str) -> None:
    """Raise YamlLimitError for the first thing in *text* that is beyond a limit; ruamel's own errors pass through."""
    if len(text) > LARGEST_CHARACTERS:
        raise YamlLimitError(1, f"{len(text)} characters; at most {LARGEST_CHARACTERS} are read")
    counts = [0]  # values in each open collection, the document first
    anchors: list[str | None] = []
    sizes: dict[str, int] = {}
    for event in YAML(typ="rt").parse(text):
        line = event.start_mark.line + 1
        if isinstance(event, CollectionEndEvent):
            size = counts.pop() + 1
            counts[-1] += size
            if anchor := anchors.pop():
                sizes[anchor] = size
        elif isinstance(event, AliasEvent):
            # Inside itself, an anchor has no size yet, and would have no end.
            if event.anchor not in sizes:
                raise YamlLimitError(line, f"*{event.anchor} stands for nothing that was finished before")
            counts[-1] += sizes[event.anchor]
        elif isinstance(event, CollectionStartEvent | ScalarEvent):
            tag = str(event.tag) if event.tag is not None else None
            if tag is not None and tag not in _PLAIN_TAGS:
                raise YamlLimitError(line, f"the tag {tag[:40]} is not understood; write plain values")
            if isinstance(event, CollectionStartEvent):
                counts.append(0)
                anchors.append(event.anchor)
                if len(anchors) > DEEPEST:
                    raise YamlLimitError(line, f"nested deeper than {DEEPEST} levels")
            else:
                counts[-1] += 1
                if event.anchor:
                    sizes[event.anchor] = 1
                _check_scalar(event, line)
        if counts[-1] > MOST_VALUES:
            raise YamlLimitError(line, f"more than {MOST_VALUES} values, with what aliases stand for")


def _check_scalar(event: Any, line: int) -> None:
    value = str(event.value)
    if found := _UNPRINTABLE.search(value):
        raise YamlLimitError(
            line, f"a text holds the character U+{ord(found[0]):04X}, which cannot be printed"
        )
    if not event.style and len(value) > LONGEST_INTEGER and _INTEGER.fullmatch(value):
        raise YamlLimitError(line, f"an integer of {len(value)} digits; at most {LONGEST_INTEGER} are read")
