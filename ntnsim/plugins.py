"""Code of the user's own that a scenario names: find it, say so, make a part of it; or refuse to.

``kind: python`` names module and class; the module is a file beside the scenario, or installed. ``kind: custom`` names
an entry point, where ``ntnsim.run`` was given nothing of that name.
"""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ntnsim.errors import ScenarioError, first_line
from ntnsim.results.provenance import file_digest
from ntnsim.scenario.own_part import OwnPartSpec
from ntnsim.scenario.scenario import Scenario


def own_parts_of(scenario: Scenario) -> Iterator[tuple[str, OwnPartSpec]]:
    """Yield every part of the user's own that *scenario* asks for, with the place where it does."""
    for scheme in scenario.schemes:
        for place, part in (("policy", scheme.policy), ("codec", scheme.codec)):
            if isinstance(part, OwnPartSpec):
                yield f"scheme {scheme.name!r}: {place}", part
    if isinstance(scenario.satellite_link, OwnPartSpec):
        yield "satellite_link", scenario.satellite_link


def refuse_plugins(scenario: Scenario) -> None:
    """Raise ScenarioError if *scenario* asks for code of the user's own."""
    for place, part in own_parts_of(scenario):
        raise ScenarioError(f"{place}: asks for the code of {part.wanted}, which --no-plugins forbids")


def part_digests(scenario: Scenario) -> dict[str, str]:
    """Return the digest of each file that the classes of *scenario* are in, by class, without running any."""
    digests = {}
    for _, part in own_parts_of(scenario):
        file = _file_of(part)
        if file is not None:
            digests[f"class {part.class_}"] = file_digest(file)
    return digests


def find_parts(scenario: Scenario) -> None:
    """Raise ScenarioError where a class that *scenario* names is in no file; none is run."""
    for place, part in own_parts_of(scenario):
        if part.class_ is not None:
            _found_file(place, part)


def made(place: str, part: OwnPartSpec, *arguments: Any) -> Any:
    """Return what the class of *part* makes of *arguments* and the part's options. place: for complaints.

    Raises ScenarioError where there is no such class, or where it does not take these arguments.
    """
    assert part.class_ is not None
    module_name, _, name = part.class_.partition(":")
    module = _imported(place, part, module_name)
    print(f"ntnsim: runs the code of {part.class_} in {module.__file__}", file=sys.stderr)
    maker = getattr(module, name, None)
    if not callable(maker):
        raise ScenarioError(f"{place}.class: {module.__file__} has no class {name}")
    try:
        inspect.signature(maker).bind(*arguments, **part.options)
    except TypeError as error:
        given = ", ".join([*(type(argument).__name__ for argument in arguments), *part.options])
        raise ScenarioError(f"{place}: {part.class_} does not take ({given}): {error}") from None
    return maker(*arguments, **part.options)


def offered(kind: str, name: str) -> Any:
    """Return what an installed package offers under *name* among the entry points ``ntnsim.KIND``; None if nothing."""
    for entry in entry_points(group=f"ntnsim.{kind}", name=name):
        print(f"ntnsim: runs the code of {entry.value}, which offers {name!r}", file=sys.stderr)
        try:
            return entry.load()
        except (ImportError, AttributeError) as error:
            raise ScenarioError(
                f"{kind}[{name!r}]: {entry.value} cannot be loaded: {first_line(error)}"
            ) from error
    return None


def _file_of(part: OwnPartSpec) -> Path | None:
    """Return the file of the module that *part* names: beside the scenario, or installed."""
    if part.class_ is None:
        return None
    module_name = part.class_.partition(":")[0]
    beside = part.directory.location / Path(*module_name.split(".")).with_suffix(".py")
    if beside.is_file():
        return beside.resolve()
    try:
        found = importlib.util.find_spec(module_name)
    except (ImportError, ValueError):
        return None
    return Path(found.origin) if found is not None and found.origin is not None else None


def _found_file(place: str, part: OwnPartSpec) -> Path:
    file = _file_of(part)
    if file is None:
        module_name = str(part.class_).partition(":")[0]
        folder = part.directory.location.resolve()
        raise ScenarioError(
            f"{place}.class: {part.class_}: no {module_name.replace('.', '/')}.py in {folder}, "
            "and no such module is installed"
        )
    return file


def _imported(place: str, part: OwnPartSpec, module_name: str) -> Any:
    file = _found_file(place, part)
    known = sys.modules.get(module_name)
    if known is not None and Path(getattr(known, "__file__", None) or ".").resolve() == file.resolve():
        return known
    beside = str(part.directory.location.resolve())
    if beside not in sys.path:
        sys.path.append(beside)  # at the end: a file beside a scenario hides nothing that is installed
    spec = importlib.util.spec_from_file_location(module_name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise ScenarioError(
            f"{place}.class: {file} cannot be run: {type(error).__name__}: {first_line(error)}"
        ) from error
    return module
