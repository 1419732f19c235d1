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
        prog=f"ntnsim experiment {name}",
        description=(description or "").partition("\n")[0],
        allow_abbrev=False,  # --ou would be taken for --out only after the place of --out was looked at
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


def add_judges(parser: argparse.ArgumentParser) -> None:
    """Add who judges fidelity, and where the weights of LPIPS and CLIP lie."""
    parser.add_argument("--pf", choices=["st-lpips", "lpips"], default="st-lpips", help="judge of PF")
    parser.add_argument(
        "--lpips-trunk", type=Path, metavar="FILE", help="torchvision's AlexNet, for --pf lpips"
    )
    parser.add_argument(
        "--sf", choices=["efficientnet-lite0", "clip"], default="efficientnet-lite0", help="judge of SF"
    )
    parser.add_argument(
        "--clip", type=Path, metavar="DIR", help="a CLIP model as transformers saves it, for --sf clip"
    )


def judges_from(arguments: argparse.Namespace) -> dict[str, str]:
    """Return what the arguments say of judges, as a scenario's `task` says it; empty for the defaults."""
    judges: dict[str, str] = {}
    if arguments.pf == "lpips":
        trunk = _needed(arguments.lpips_trunk, "--pf lpips", "--lpips-trunk FILE", "torchvision's AlexNet")
        judges |= {"pf_backend": "lpips", "lpips_trunk": trunk}
    if arguments.sf == "clip":
        model = _needed(arguments.clip, "--sf clip", "--clip DIR", "a CLIP model as transformers saves it")
        judges |= {"sf_backend": "clip", "clip": model}
    return judges


def _needed(path: Path | None, flag: str, other: str, what: str) -> str:
    if path is None:
        raise InputError(f"{flag} needs {other}: {what}")
    if not path.exists():
        raise InputError(f"{other.split()[0]} {path}: does not exist; it should be {what}")
    return str(path.resolve())
