"""Command-line arguments of experiments: a parser that bears the experiment's name, and where photographs lie."""

import argparse
import os
from pathlib import Path
from typing import NoReturn

from ntnsim.errors import InputError

DATA_VARIABLE = "NTNSIM_DATA"  # a directory with persons/ and scenes/


class ExperimentParser(argparse.ArgumentParser):
    """A parser whose complaints are one line, as those of the other commands."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments."""
        raise InputError(f"{self.prog.removeprefix('ntnsim ')}: {message}; see {self.prog} --help")


def experiment_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser for the experiment in *module*, whose first docstring line is its description."""
    name = module.rpartition(".")[2]
    return ExperimentParser(
        prog=f"ntnsim experiment {name}", description=(description or "").partition("\n")[0]
    )


def add_persons_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``, the photographs of persons; it must be given unless the environment names a directory."""
    home = os.environ.get(DATA_VARIABLE)
    parser.add_argument(
        "--data",
        type=Path,
        required=not home,
        default=Path(home) / "persons" if home else None,
        metavar="PERSONS",
        help=f"photographs of persons with index.csv; ${DATA_VARIABLE}/persons unless given",
    )
