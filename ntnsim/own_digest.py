"""Parts of the user's own as bytes: to send them to another process, and to know whether they are what they were."""

import inspect
import io
import pickle
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ntnsim.errors import InputError, first_line
from ntnsim.own_parts import OwnParts
from ntnsim.results.provenance import file_digest

UNKNOWN = "cannot be known"
_PYTHONS = ("_abc_impl", "_is_protocol", "_is_runtime_protocol")  # in every class that follows a protocol


def sent(own: OwnParts) -> bytes:
    """Return *own* as bytes that another process makes the same parts of; classes of a notebook or a script included.

    Raises InputError where a part holds what cannot be sent.
    """
    for name, part in _named(own):
        try:
            _bytes_of(part)
        except Exception as error:  # whatever the part's own parts say against it
            raise InputError(f"{name}: cannot be sent to another process: {first_line(error)}") from None
    return _bytes_of(own)


def received(data: bytes) -> OwnParts:
    """Return what `sent` made bytes of."""
    own: OwnParts = pickle.loads(data)
    return own


def own_digests(own: OwnParts) -> dict[str, str]:
    """Return a digest of each part, by its name: of what it holds and of its code; `UNKNOWN` where there is none."""
    return {f"own {name}": _digest(part) for name, part in _named(own)}


def _named(own: OwnParts) -> Iterator[tuple[str, Any]]:
    kinds: Mapping[str, Mapping[str, Any]] = {
        "policies": own.policies,
        "codecs": own.codecs,
        "channels": own.channels,
    }
    for kind, parts in kinds.items():
        for name, part in parts.items():
            yield f"{kind}[{name!r}]", part


def _bytes_of(part: Any) -> bytes:
    import cloudpickle

    data: bytes = cloudpickle.dumps(part)
    return data


def _digest(part: Any) -> str:
    stream = io.BytesIO()
    try:
        _Content(stream).dump(part)
    except Exception:
        return UNKNOWN
    return blake2b(stream.getvalue(), digest_size=16).hexdigest()


class _Content(pickle.Pickler):
    """Writes what an object holds; its code as the file that it is in or, for a script or a notebook, as its own text.

    The bytes repeat from process to process, which cloudpickle's do not: it gives the classes of a script random names.
    """

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, protocol=5)
        self._seen: set[int] = set()

    def persistent_id(self, item: Any) -> Any:
        """Return what stands for code: a module, a class or a function; None for anything else."""
        if isinstance(item, ModuleType):
            return "module", item.__name__
        if not inspect.isclass(item) and not isinstance(item, FunctionType):
            return None
        name = f"{item.__module__}.{item.__qualname__}"
        if item.__module__ != "__main__" and _is_found(item):
            return (
                "installed",
                name,
                _digest_of_file(getattr(sys.modules[item.__module__], "__file__", None) or ""),
            )
        if id(item) in self._seen:
            return "again", name
        self._seen.add(id(item))
        functions = [*map(_function, vars(item).values())] if inspect.isclass(item) else [item]
        bases = item.__bases__ if inspect.isclass(item) else ()
        values = {} if not inspect.isclass(item) else _values(vars(item))
        return (
            "own",
            name,
            bases,
            values,
            [_parts(function) for function in functions if function is not None],
        )


def _is_found(item: Any) -> bool:
    """Whether *item* is what its module has under its name, as nothing is that a function or a notebook made."""
    found: Any = sys.modules.get(item.__module__)
    for part in item.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is item


@cache
def _digest_of_file(file: str) -> str:
    return file_digest(Path(file)) if Path(file).is_file() else ""


def _function(member: Any) -> FunctionType | None:
    """Return the function behind *member* of a class: a method, a property, a static or class method."""
    member = getattr(member, "__func__", getattr(member, "fget", member))
    return member if isinstance(member, FunctionType) else None


def _values(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a class holds beside its methods, and what Python writes into every class."""
    pythons = {name for name in members if name in _PYTHONS or name.startswith("__")}
    return {
        name: member
        for name, member in members.items()
        if name not in pythons and _function(member) is None and not inspect.isdatadescriptor(member)
    }


def _parts(function: FunctionType) -> tuple[Any, ...]:
    """Return what *function* does: its code, its defaults, and the values outside of it that it names."""
    names = set(_names(function.__code__))
    outside = {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}
    closed = [cell.cell_contents for cell in function.__closure__ or ()]
    return _code(function.__code__), function.__defaults__, function.__kwdefaults__, closed, outside


def _code(code: CodeType) -> tuple[Any, ...]:
    """Return what *code* does, without where it stands: a cell that moved is the same."""
    constants = [
        _code(constant) if isinstance(constant, CodeType) else repr(constant) for constant in code.co_consts
    ]
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
