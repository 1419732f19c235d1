"""What the files that a scenario names hold, by the place where it names them.

A scenario remembers paths; results depend on what lies there. ``--resume`` and the addresses of a sweep's cells compare
these digests, so that a replaced photograph, mask, trace, element set or checkpoint is not taken for the former one.
Bundles and classes have digests of their own.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ntnsim.results.provenance import files_digest
from ntnsim.scenario.own_part import OwnPartSpec
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.sizes import SizesCodecSpec

OF_INPUT = "content of "  # how the digest of a file begins among the other digests of a run
_PICTURES = ("datasets", "task", "delivered_file")  # sections that only schemes with pictures read


def input_digests(scenario: Scenario, known: dict[Path, str] | None = None) -> dict[str, str]:
    """Return the 128-bit digest of each file or directory that *scenario* names and a run of it reads, by its place.

    Files are read in pieces. known: digests of an earlier call, which are not worked out again; it grows.
    """
    known = {} if known is None else known
    digests = {}
    for place, path in _named(scenario):
        location = _file_of(path)
        if location is None:
            continue
        if location not in known:
            known[location] = files_digest([location])
        digests[f"{OF_INPUT}{place}"] = known[location]
    return digests


def changed_inputs(now: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    """Return the digests' names whose content is another *now* than *before*, or that only one of both has."""
    names = {name for name in (*now, *before) if name.startswith(OF_INPUT)}
    return sorted(name for name in names if now.get(name) != before.get(name))


def _named(scenario: Scenario) -> Iterator[tuple[str, ScenarioPath]]:
    without_pictures = all(isinstance(scheme.codec, SizesCodecSpec) for scheme in scenario.schemes)
    for section in type(scenario).model_fields:
        if not (without_pictures and section in _PICTURES):
            yield from _paths_of(getattr(scenario, section), section)


def _paths_of(node: Any, place: str) -> Iterator[tuple[str, ScenarioPath]]:
    if isinstance(node, ScenarioPath):
        yield place, node
    elif isinstance(node, BaseModel):
        if isinstance(node, OwnPartSpec) or getattr(node, "of_sites", False):
            return  # classes have digests of their own; what sites make is named once, in sites
        for key in type(node).model_fields:
            if place != "task" or key != "bundle":
                yield from _paths_of(getattr(node, key), f"{place}.{key}")
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _paths_of(value, f"{place}.{key}")
    elif isinstance(node, tuple):
        for index, value in enumerate(node):
            yield from _paths_of(value, f"{place}[{index}]")


def _file_of(path: ScenarioPath) -> Path | None:
    """Return the file or directory that *path* leads to; None for a name of something that ships."""
    location = path.location
    if not location.exists() and "#" in path.written:  # file.yaml#profile
        location = Path(str(location).rsplit("#", 1)[0])
    return location if location.exists() else None
