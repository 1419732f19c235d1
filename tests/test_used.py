"""What is in ntnsim is used by ntnsim: a function that only tests call shows nothing about the program."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import ntnsim

ROOT = Path(ntnsim.__file__).parents[1]
USERS = [
    path for room in ("ntnsim", "benchmarks", "training", "docs") for path in ROOT.glob(f"{room}/**/*.py")
]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in USERS}
PROSE = "".join(path.read_text(encoding="utf-8") for path in [*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])

# Read by others under names that are theirs: notebooks, pydantic, pickle, transformers, and the command line (`main` of an experiment).
OF_OTHERS = {"main", "_repr_png_", "_repr_html_", "model_config", "persistent_id"} | {
    "config_class",
    "main_input_name",
    "base_model_prefix",
    "_init_weights",
}


def uses() -> Counter[str]:
    """How often each name is read, passed as a keyword, imported under another name or written in a text of one word."""
    found: Counter[str] = Counter()
    for tree in TREES.values():
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name):
                    found[name] += 1
                case ast.keyword(arg=str(name)):
                    found[name] += 1
                case ast.alias(name=name, asname=str()):
                    found[name.split(".")[-1]] += 1
                case ast.Constant(value=str(text)) if text.replace(".", "").isidentifier():
                    found.update(text.split("."))
    return found


def definitions(body: list[ast.stmt], place: str) -> Iterator[tuple[str, str]]:
    """Each function, class, method and constant in *body*: where it is, and its name."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name, decorator_list=decorators):
                # What a decorator registers (commands, validators) is called by whoever it is registered with.
                if all(isinstance(decorator, ast.Name | ast.Attribute) for decorator in decorators):
                    yield f"{place}:{node.lineno}", name
            case ast.ClassDef(name=name):
                yield f"{place}:{node.lineno}", name
                yield from definitions(node.body, place)
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield f"{place}:{node.lineno}", name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield f"{place}:{node.lineno}", name


def test_no_name_is_used_by_tests_alone():
    used = uses()
    unused = [
        f"{place} {name}"
        for path, tree in TREES.items()
        if path.is_relative_to(ROOT / "ntnsim")
        for place, name in definitions(tree.body, str(path.relative_to(ROOT)))
        if not name.startswith("__") and not used[name] and name not in OF_OTHERS
        if name not in PROSE
    ]
    assert unused == []
