"""The command line: arguments to one call. No logic lives here; heavy imports wait inside each command."""

import io
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from ntnsim import __version__
from ntnsim.cli import codec, experiments, models, results, scenarios, simulate, space
from ntnsim.errors import InputError, InterruptionError

# Not exported under a name of its own; where it comes from changes with typer's version.
UsageError: Any = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="ntnsim",
    help="Simulate image delivery over LEO satellites, with the real SPIFF codec on every image.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (simulate, results, scenarios, space, codec, models, experiments):
    group.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ntnsim {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Simulate image delivery over LEO satellites, with the real SPIFF codec on every image."""


class _Warnings:
    """Shows each of ntnsim's own warnings as a line, once; others as Python does."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Take the place of ``warnings.showwarning``.

        Python's own memory of what was said is lost wherever warnings are caught for a while, as photographs are read.
        """
        if category is not UserWarning or not Path(filename).is_relative_to(Path(__file__).parents[1]):
            sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))
        elif str(message) not in self._said:
            self._said.add(str(message))
            print(f"ntnsim: warning: {message}", file=sys.stderr)


def main() -> None:
    """Run the command line; a mistake of the user's is reported in plain lines and ends with exit code 2.

    An interrupted command says what it kept, and ends with 130 (Ctrl-C) or 143 (SIGTERM).
    """
    terminated = False
    warnings.showwarning = _Warnings().show
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a pipe or a log file has each line when it is said

    def terminate(number: int, frame: object) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)
    try:
        code = app(standalone_mode=False)
        if code == 130:  # what typer makes of a KeyboardInterrupt, without a word
            raise KeyboardInterrupt
    except InputError as error:
        for line in str(error).splitlines():
            print(f"ntnsim: {line}", file=sys.stderr)
        code = 2
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            print(f"ntnsim: {' '.join(error.format_message().split())}", file=sys.stderr)
        code = 2
    except MemoryError as error:
        print(
            f"ntnsim: not enough memory ({' '.join(str(error).split()) or 'nothing more is known'})",
            file=sys.stderr,
        )
        code = 2
    except InterruptionError as interrupted:
        print(f"ntnsim: interrupted; {interrupted}", file=sys.stderr)
        code = 130
    except (KeyboardInterrupt, typer.Abort):
        print("ntnsim: interrupted", file=sys.stderr)
        code = 130
    code = code if isinstance(code, int) else 0
    sys.exit(128 + signal.SIGTERM if terminated and code == 130 else code)
