"""Errors that a user can cause and mend.

The command line prints such an error as one line and exits with code 2. The message says what was wrong, where, the
value that was found, and what is allowed. Anything else that is raised is a defect of ntnsim and keeps its traceback.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(Exception):
    """Something the user gave cannot be used: one line says what, where, the value and what is allowed.

    Its kinds say of what sort the mistake is: ScenarioError, ImageError, DatasetError, BundleError, BitstreamError.

    >>> import ntnsim
    >>> try:
    ...     ntnsim.link_budget("SC31")
    ... except ntnsim.InputError as error:
    ...     print(error)
    case: case must be SC1 to SC30, got 'SC31'
    """


class InterruptionError(Exception):
    """The user, or the system, ended a command; the message says what was kept and how to go on."""


class ScenarioError(InputError):
    """A scenario file, or an override of it, is not valid."""


class ImageError(InputError):
    """An image cannot be read, or does not fit the operation."""


class DatasetError(InputError):
    """A dataset's directory lacks what its layout requires."""


class BundleError(InputError):
    """A model bundle is missing, incomplete or damaged."""


class BitstreamError(InputError):
    """A SPIFF stream cannot be decoded."""


class UnsupportedVersionError(BitstreamError):
    """The stream was written by another format version."""


class TruncatedStreamError(BitstreamError):
    """The stream ends before one of its parts does."""


class CorruptStreamError(BitstreamError):
    """A part's checksum or content does not hold."""


def first_line(error: BaseException) -> str:
    """Return the first line of what a library's *error* says, as it can be printed, or its kind if it says nothing."""
    text = str(error).strip()
    return on_one_line(text.splitlines()[0].strip()) if text else type(error).__name__


def on_one_line(text: str, longest: int = 400) -> str:
    """Return *text* as it can be printed: what cannot is escaped, and what is longer than *longest* is cut."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)


@contextmanager
def while_reading(path: Path) -> Iterator[None]:
    """Add the file's name to a complaint about the stream that it holds."""
    try:
        yield
    except BitstreamError as error:
        raise type(error)(f"{path}: {error}") from None
