"""Commands about results: draw figures."""

import json
from pathlib import Path
from typing import Annotated

import typer

Directories = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="Result directories of runs or sweeps.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to *app*."""
    app.command()(plot)


def plot(
    directories: Directories,
    figure: Annotated[
        list[str] | None,
        typer.Option(
            "--figure",
            metavar="NAME",
            help="delay_cdf, savings_cdf, delay_breakdown, gallery … May be repeated; all that apply unless given.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; DIR/figures of the first DIR unless given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the files written as JSON.")] = False,
) -> None:
    """Draw figures of results as PDF and PNG.

    Example: ntnsim plot results/quickstart --figure delay_cdf --figure savings_cdf
    """
    from ntnsim.report.figures import applicable, draw
    from ntnsim.results.read import find_runs

    runs = find_runs(directories)
    written = draw(runs, figure or applicable(runs), out or directories[0] / "figures")
    typer.echo(json.dumps([str(path) for path in written]) if as_json else "\n".join(map(str, written)))
