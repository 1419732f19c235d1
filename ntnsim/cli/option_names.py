"""Complaints about a function's arguments, told to whoever gave command-line options."""

from collections.abc import Iterator
from contextlib import contextmanager

from ntnsim.errors import InputError


@contextmanager
def option_names(*arguments: str, **renamed: str) -> Iterator[None]:
    """Write ``--name: …`` where a complaint begins with ``name: …``.

    arguments: arguments that are options of the same name. renamed: argument=option, where the names differ.
    """
    options = {name: name for name in arguments} | renamed
    try:
        yield
    except InputError as error:
        name, colon, rest = str(error).partition(": ")
        if colon and name in options:
            raise type(error)(f"--{options[name]}: {rest}") from None
        raise
