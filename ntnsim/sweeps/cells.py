"""Points × replications → cells: runs that are known by the digest of everything that determines their result.

A cell's address covers the resolved scenario with its seed, ntnsim's code and tables, the model bundle, and the content
of the files that the scenario names (photographs, masks, traces, element sets, checkpoints).
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from ntnsim.errors import BundleError, ScenarioError
from ntnsim.input_digests import input_digests
from ntnsim.networks.bundle import open_bundle
from ntnsim.own_digest import UNKNOWN
from ntnsim.plugins import part_digests
from ntnsim.results.atomic import canonical_json
from ntnsim.results.provenance import code_digest, digest
from ntnsim.scenario.load import read_yaml, scenario_given, validated
from ntnsim.scenario.override import PathKey, apply_override, parse_path, set_value
from ntnsim.scenario.path import ScenarioPath
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.sweep import SweepSpec
from ntnsim.scenario.tree import tree_of
from ntnsim.streams import integer_seed
from ntnsim.sweeps.points import PointValues, labels_of, points_of_design

IN_CODE = Path("scenario")  # what complaints call a scenario that is in no file


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a sweep.

    digest: its address. code: the digest of ntnsim's code that the address covers. inputs: those of the files.
    labels: path → what to call its value; empty for a value that is its own name.
    tree: the scenario as keys and values, before validation. source: the file it came from.
    overrides: what makes the file this cell, as ``--set`` takes it.
    """

    digest: str
    code: str
    inputs: dict[str, str]
    point: int
    parameters: PointValues
    labels: dict[str, str]
    replication: int
    seed: int
    tree: dict[str, Any] = field(repr=False)
    source: str
    overrides: tuple[str, ...]

    @property
    def label(self) -> str:
        """What to call the cell in messages and tables."""
        settings = ", ".join(
            part
            for path, value in self.parameters.items()
            if (part := self.labels.get(path, f"{path}={_shown(value)}"))
        )
        return f"{settings or 'scenario'} #{self.replication}"

    def scenario(self) -> Scenario:
        """Return the validated scenario."""
        return validated(Scenario, self.tree, self.source)

    def entry(self) -> dict[str, Any]:
        """Return the cell's line of ``sweep.json``."""
        inputs = {"inputs": self.inputs} if self.inputs else {}
        return inputs | {
            "digest": self.digest,
            "label": self.label,
            "point": self.point,
            "parameters": self.parameters,
            "labels": self.labels,
            "replication": self.replication,
            "seed": self.seed,
        }


class SweepPlan:
    """A scenario with a ``sweep:`` section, ready to give the cell of any point and replication.

    path: the scenario's file; `IN_CODE` where there is none. own: digests of the user's own parts, for the addresses.
    """

    def __init__(
        self,
        given: Scenario | Path | str,
        overrides: Sequence[str] = (),
        own: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.path = IN_CODE if isinstance(given, Scenario) else Path(given)
        self.overrides = tuple(overrides)
        self._inputs: dict[Path, str] = {}  # digests of files, each read once for the plan
        # What cannot be known again has an address of its own.
        self._own = {name: uuid4().hex if value == UNKNOWN else value for name, value in own.items()}
        scenario = scenario_given(given, overrides)
        if scenario.sweep is None:
            raise ScenarioError(f"{self.path}: has no sweep: section; add one, or use ntnsim run")
        self.name = scenario.name
        self.seed = scenario.seed
        self.sweep: SweepSpec = scenario.sweep
        tree = tree_of(given) if isinstance(given, Scenario) else _plain(read_yaml(self.path))
        for text in overrides:
            apply_override(tree, text)
        tree.pop("sweep", None)
        self._tree = tree
        self.points = [_plain(point) for point in points_of_design(self.sweep.design)]
        self.labels = [labels_of(point, self.sweep.design) for point in self.points]

    def cell(self, point: int, replication: int) -> Cell:
        """Return one cell; raises ScenarioError when its values do not make a valid scenario."""
        parameters = self.points[point]
        tree = copy.deepcopy(self._tree)
        overrides = list(self.overrides)
        places: dict[tuple[PathKey, ...], str] = {}
        for path, value in parameters.items():
            place, text = _apply(tree, path, value, self.path)
            overrides.append(text)
            if other := next((known for known in places if known[: len(place)] == place), None):
                raise ScenarioError(f"{self.path}: sweep: {path} overwrites what {places[other]} has set")
            places[place] = path
        tree["seed"] = seed = self.seed_of(point, replication)
        overrides.append(f"seed={seed}")
        try:
            scenario = validated(Scenario, tree, str(self.path))
        except ScenarioError as error:
            values = ", ".join(f"{path}={_shown(value)}" for path, value in parameters.items())
            raise ScenarioError(f"{self.path}: sweep point {values}: {error}") from None
        code = code_digest()
        bundle = _bundle_digest(scenario.task.bundle)
        resolved = scenario.model_dump(mode="json")
        content: dict[str, Any] = {"scenario": resolved, "code": code, "bundle": bundle}
        inputs = input_digests(scenario, self._inputs)
        more = {"classes": part_digests(scenario) | self._own, "inputs": inputs}
        address = digest(content | {name: digests for name, digests in more.items() if digests})
        return Cell(
            address,
            code,
            inputs,
            point,
            parameters,
            self.labels[point],
            replication,
            seed,
            tree,
            str(self.path),
            tuple(overrides),
        )

    def seed_of(self, point: int, replication: int) -> int:
        """Return the seed of a cell: by replication only under common random numbers.

        Replication 0 has the scenario's own seed, so that ``ntnsim run`` with the same values repeats it.
        """
        if self.sweep.common_random_numbers:
            return self.seed if replication == 0 else integer_seed(self.seed, "replication", str(replication))
        return integer_seed(self.seed, "point", canonical_json(self.points[point]), str(replication))

    def first_cells(self) -> list[Cell]:
        """Return the cells known at the start: every point, ``replications`` times, points varying fastest.

        With points fastest, an interrupted sweep has the same number of replications everywhere.
        """
        return [
            self.cell(point, replication)
            for replication in range(self.sweep.replications)
            for point in range(len(self.points))
        ]


@cache
def _bundle_digest(wanted: ScenarioPath) -> str:
    """Return the digest that the manifest of the *wanted* bundle has, "" where there is no such bundle.

    A scenario without networks needs no bundle; one that does says at its first cell what is missing.
    """
    try:
        return open_bundle(wanted.name_or_location).digest
    except BundleError:
        return ""


def _apply(tree: dict[str, Any], path: str, value: Any, source: Path) -> tuple[tuple[PathKey, ...], str]:
    """Set *value* at *path*; return the path as keys and indices, and the text that makes ``--set`` do the same."""
    text = f"{path}={json.dumps(value, default=str, ensure_ascii=False)}"  # every JSON text is a YAML text
    try:
        keys, rest = parse_path(path)
        if rest or not keys:
            raise ScenarioError(f"{path!r} is no path, as in gateways[0].servers")
        return set_value(tree, keys, copy.deepcopy(value), text), text
    except ScenarioError as error:
        raise ScenarioError(f"{source}: sweep: {str(error).removeprefix('--set ')}") from None


def _plain(node: Any) -> Any:
    """Return *node* without the line numbers and comments of its file."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    # As text: a copy of the YAML library's time stamps loses their time zone.
    return node.isoformat() if isinstance(node, (date, datetime)) else node


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
