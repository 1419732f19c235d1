"""From a YAML file to a validated scenario, with errors that name file, line, field, value and what is allowed."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ntnsim.errors import ScenarioError, first_line
from ntnsim.given import kind_of, path_given
from ntnsim.scenario.complaint import DataPath, complaint, shown
from ntnsim.scenario.override import apply_override
from ntnsim.scenario.scenario import Scenario
from ntnsim.scenario.tree import tree_of
from ntnsim.scenario.yaml_limits import LARGEST_CHARACTERS, YamlLimitError, check_yaml

Model = TypeVar("Model", bound=BaseModel)

_DATE = re.compile(r"\d{4}-\d\d?-\d\d?")  # what may be a timestamp in YAML


def load_scenario(path: Path | str, overrides: Sequence[str] = ()) -> Scenario:
    """Return the scenario in the YAML file at *path*, with each ``a.b=c`` of *overrides* applied.

    Relative paths in the file start from its directory. Raises ScenarioError, an InputError, with one line per mistake:
    file, line, field, value, and what is allowed.

    >>> import ntnsim
    >>> ntnsim.load_scenario("scenarios/quickstart.yaml", ["horizon.n_jobs=3"]).horizon.n_jobs
    3
    """
    path = path_given("scenario", path, "the path of a YAML file")
    tree = read_yaml(path)
    overridden = {apply_override(tree, text): text for text in texts_given(overrides)}
    return validated(Scenario, tree, str(path), overridden)


def scenario_given(given: Any, overrides: Sequence[str] = ()) -> Scenario:
    """Return the scenario that a caller gave, or gave the file of, with *overrides* applied."""
    if isinstance(given, Scenario):
        if not texts_given(overrides):
            return given
        tree = tree_of(given)
        return validated(Scenario, tree, "Scenario", {apply_override(tree, text): text for text in overrides})
    path = path_given("scenario", given, "a Scenario or the path of a YAML file")
    return load_scenario(path, overrides)


def texts_given(overrides: Any) -> Sequence[str]:
    """Return *overrides*, which must be a list of texts."""
    listed = isinstance(overrides, Sequence) and not isinstance(overrides, str)
    if not listed or any(not isinstance(text, str) for text in overrides):
        raise ScenarioError(
            f'overrides: must be a list of texts such as ["seed=2"], got {kind_of(overrides)}'
        )
    return list(overrides)


def read_yaml(path: Path) -> CommentedMap:
    """Return the mapping in the YAML file at *path*; every node remembers its line, and stands in one place only."""
    try:
        if path.stat().st_size > 4 * LARGEST_CHARACTERS:
            raise ScenarioError(f"{path}: is larger than a scenario may be, {LARGEST_CHARACTERS} characters")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot be read as text ({error})") from None
    try:
        check_yaml(text)
        tree = YAML(typ="rt").load(text)
    except YamlLimitError as error:
        raise ScenarioError(f"{path}:{error.line}: {error}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = (error.problem or error.context or "not valid YAML").splitlines()[0]
        if error.problem and error.context and error.context_mark:
            problem += f" ({error.context} that begins in line {error.context_mark.line + 1})"
        raise ScenarioError(f"{where}: {problem}") from None
    except YAMLError as error:
        raise ScenarioError(f"{path}: not valid YAML ({first_line(error)})") from None
    except (ValueError, OverflowError) as error:  # a value that YAML takes for a date, but no calendar has
        raise ScenarioError(f"{path}{_impossible_scalar(text)}: {first_line(error)}") from None
    except Exception as error:  # the parser's own, on damaged text: KeyError, TypeError, AssertionError, …
        raise ScenarioError(f"{path}: not valid YAML ({first_line(error)})") from None
    if not isinstance(tree, CommentedMap):
        raise ScenarioError(
            f"{path}: a scenario is a mapping of keys to values; this file holds {shown(tree)}"
        )
    return _unshared(tree)


def _unshared(node: Any) -> Any:
    """Return *node* with a copy of its own wherever an alias or ``<<:`` repeats another: what is changed here must not
    change there.
    """
    if isinstance(node, CommentedMap):
        mapping = CommentedMap()
        for source in (*reversed(node.merge or ()), node):  # merged keys keep the line where they are written
            for key, place in (source.lc.data or {}).items():
                mapping.lc.add_kv_line_col(key, place)
        for key, value in node.items():
            mapping[key] = _unshared(value)
        return mapping
    if isinstance(node, CommentedSeq):
        sequence = CommentedSeq(_unshared(value) for value in node)
        for index, place in (node.lc.data or {}).items():
            sequence.lc.add_kv_line_col(index, place)
        return sequence
    return node


def _impossible_scalar(text: str) -> str:
    """Return ``:LINE: VALUE`` of the first date in *text* that cannot be; nothing if none is found."""
    for event in YAML(typ="rt").parse(text):
        value = getattr(event, "value", None)
        if isinstance(value, str) and _DATE.match(value):
            try:
                YAML(typ="rt").load(value)
            except (ValueError, OverflowError):
                return f":{event.start_mark.line + 1}: {value}"
    return ""


def validated(
    model: type[Model], tree: dict[str, Any], source: str, overridden: dict[DataPath, str] | None = None
) -> Model:
    """Return *tree* as a *model*, or raise ScenarioError with one line per mistake.

    source: what to call the file in messages. overridden: the paths that ``--set`` changed, with its text.
    """
    try:
        return model.model_validate(tree, context={"directory": Path(source).parent})
    except ValidationError as failure:
        raise ScenarioError(complaint(failure, model, tree, source, overridden)) from None
