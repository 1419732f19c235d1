"""Commands about many runs and about results: sweep a scenario, draw figures, write the report page."""

import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ntnsim.cli.simulate import NoPlugins, say_what_next
from ntnsim.run_progress import at_work

if TYPE_CHECKING:
    from ntnsim.api.sweep import Sweep
    from ntnsim.sweeps.cells import SweepPlan

Directories = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="Result directories of runs or sweeps.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to *app*."""
    app.command()(sweep)
    app.command()(plot)
    app.command()(report)
    app.command()(table)
    app.command()(columns)
    app.command()(query)


def sweep(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="YAML file with a sweep: section.")],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="A.B=C", help="Change one value: --set sweep.replications=2. May be repeated."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Result directory; results/NAME unless given.")] = None,
    executor: Annotated[
        str, typer.Option(help="local; dask for a cluster on this machine; tcp://… of a Dask scheduler.")
    ] = "local",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Cells at a time; one per processor unless given.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Run only what is missing in the directory.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the cells and estimate the time; run none.")
    ] = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="With --dry-run: run the first missing cell to estimate from.")
    ] = False,
    no_plugins: NoPlugins = False,
    as_json: AsJson = False,
) -> None:
    """Run a scenario at every point of its sweep section, and repeat each point.

    Example: ntnsim sweep scenarios/load_sweep.yaml --jobs 2 --out results/load_sweep
    """
    from ntnsim.api.sweep import CellFailure
    from ntnsim.api.sweep import sweep as run_sweep
    from ntnsim.errors import InterruptionError
    from ntnsim.plugins import refuse_plugins
    from ntnsim.sweeps.cells import SweepPlan

    overrides = set_ or []
    plan = SweepPlan(scenario, overrides)
    if no_plugins:
        for point in range(len(plan.points)):
            refuse_plugins(plan.cell(point, 0).scenario())
    directory = out or Path("results") / plan.name
    if dry_run:
        _show_plan(plan, directory, jobs or os.cpu_count() or 1, probe=probe, as_json=as_json)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CellFailure)  # said below, with the exit code
        swept = run_sweep(
            scenario,
            directory,
            overrides=overrides,
            executor=executor,
            jobs=jobs,
            resume=resume,
            progress=True,
        )
    outcome = swept.outcome
    if outcome.interrupted:
        raise InterruptionError(f"--resume --out {directory} goes on from here")
    _show_swept(swept, directory, as_json)
    say_what_next(directory)
    if outcome.failed:
        label, error = outcome.failed[0]
        typer.echo(
            f"{len(outcome.failed)} failed; first {label}: {error}; see {directory / 'failed'}", err=True
        )
        raise typer.Exit(1)


def _show_swept(swept: "Sweep", directory: Path, as_json: bool) -> None:
    """Print the table of a sweep, and what became of its cells."""
    outcome = swept.outcome
    if outcome.changed_inputs:
        typer.echo(f"changed since: {', '.join(outcome.changed_inputs)}; cells run anew", err=True)
    damaged = f" ({outcome.n_damaged} had been damaged)" if outcome.n_damaged else ""
    if as_json:
        counts = {"cells": outcome.n_cells, "run": outcome.n_run, "reused": outcome.n_reused}
        counts["damaged"] = outcome.n_damaged
        failed = [{"cell": label, "error": error} for label, error in outcome.failed]
        shown = {"directory": str(directory), **counts, "failed": failed, **swept.summary}
        typer.echo(json.dumps(shown, indent=2))
    else:
        typer.echo(str(swept))
        typer.echo(
            f"{outcome.n_run} cells run, {outcome.n_reused} reused, {len(outcome.failed)} failed{damaged}: {directory}"
        )


def _show_plan(plan: "SweepPlan", directory: Path, n_workers: int, *, probe: bool, as_json: bool) -> None:
    from ntnsim.results.files import CELLS
    from ntnsim.results.seal import is_whole
    from ntnsim.sweeps.drive import estimated_wall_s
    from ntnsim.sweeps.execute import execute, simulate_cell
    from ntnsim.sweeps.show import plan_text

    cells = plan.first_cells()
    missing = [cell for cell in cells if not is_whole(directory / CELLS / cell.digest)]
    median_wall_s = estimated_wall_s(directory)
    if probe and missing:
        with at_work(f"probing the cell {missing[0].label}"):
            result = execute(missing[0], directory, simulate_cell)
        if result.error:
            typer.echo(f"the probed cell failed: {result.error}", err=True)
            raise typer.Exit(1)
        median_wall_s = result.wall_s
        missing = missing[1:]
    if as_json:
        entries = [cell.entry() for cell in cells]
        content = {"cells": entries, "done": len(cells) - len(missing), "cell_wall_s": median_wall_s}
        typer.echo(json.dumps(content, indent=2))
        return
    n_done = len(cells) - len(missing)
    typer.echo(plan_text(cells, n_done, median_wall_s, n_workers, open_end=plan.sweep.adaptive is not None))


def plot(
    directories: Directories,
    figure: Annotated[
        list[str] | None,
        typer.Option(
            "--figure",
            metavar="NAME",
            help="delay_cdf, savings_cdf, delay_breakdown, load_curves, pareto, timeline, gallery, learning "
            "or map. "
            "May be repeated; all that apply unless given.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; DIR/figures of the first DIR unless given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw figures of results as PDF and PNG.

    Example: ntnsim plot results/quickstart --figure delay_cdf --figure savings_cdf
    """
    from ntnsim.report.figures import applicable, draw, known
    from ntnsim.report.style import UNDATED
    from ntnsim.results.atomic import check_writable
    from ntnsim.results.own_files import check_own
    from ntnsim.results.read import find_runs
    from ntnsim.run_progress import status_shown

    runs = find_runs(directories)
    place = out or directories[0] / "figures"
    check_writable(place)  # before records are read
    names = figure or applicable(runs)
    written: list[Path] = []
    known(names)
    for name in names:
        for suffix in UNDATED:
            check_own(place / f"{name}.{suffix}")
    with status_shown(
        lambda: f"drawing {names[len(written) // 2]}, {len(written) // 2} of {len(names)} figures done"
    ):
        for name in names:
            written += draw(runs, [name], place)
    typer.echo(json.dumps([str(path) for path in written]) if as_json else "\n".join(map(str, written)))


def table(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Result directory of a run or a sweep.")],
    latex: Annotated[bool, typer.Option("--latex", help="For a paper; needs the package booktabs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the figures of results again, as a table.

    Example: ntnsim table results/quickstart --latex
    """
    from ntnsim.results.atomic import read_json
    from ntnsim.results.files import SWEEP
    from ntnsim.results.read import find_runs
    from ntnsim.results.show import summary_latex, summary_table
    from ntnsim.sweeps.drive import SWEEP_SUMMARY
    from ntnsim.sweeps.show import sweep_latex, sweep_table

    runs = find_runs([directory])
    swept = (directory / SWEEP).exists()
    summary = read_json(directory / SWEEP_SUMMARY) if swept else runs[0].summary()
    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    elif swept:
        typer.echo(sweep_latex(summary) if latex else sweep_table(summary))
    else:
        typer.echo(summary_latex(summary) if latex else summary_table(summary))


def columns(
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="A result directory; any run's columns unless given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what each column of the records holds: type, unit and meaning.

    Example: ntnsim columns results/quickstart
    """
    from ntnsim.results.dictionary import columns as columns_of

    rows = columns_of(directory)
    if as_json:
        entries = [{"name": r.name, "type": r.type, "unit": r.unit, "meaning": r.meaning} for r in rows]
        typer.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    for row in rows:
        typer.echo(f"{row.name:<28}{row.type:<9}{row.unit:<7}{row.meaning}")


def query(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Result directory of a run or a sweep.")],
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT.")],
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask results in SQL: tables records and timeline, of fluid runs sites, delays, savings and satellites.

    Needs ntnsim[sql]. Only what is asked for is read; nothing is changed. `ntnsim columns` says what records hold.

    Example: ntnsim query results/quickstart "SELECT scheme, avg(delay_s) FROM records GROUP BY scheme"
    """
    from ntnsim.errors import InputError
    from ntnsim.results.query import query as ask
    from ntnsim.results.rows_text import as_csv, as_json_rows, as_table

    if csv and as_json:
        raise InputError("--csv, --json: give one of them")
    with at_work("asking the results"):
        names, rows = ask([directory], sql)
    for line in (as_csv if csv else as_json_rows if as_json else as_table)(names, rows):
        typer.echo(line)


def report(
    directories: Directories,
    out: Annotated[
        Path | None,
        typer.Option(help="The page; report.html (with --czml: sky.czml) of the first DIR unless given."),
    ] = None,
    czml: Annotated[
        bool,
        typer.Option(
            "--czml", help="Write satellites, gateways and serving links over time instead, for CesiumJS."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML page about results; it opens without a network or a server.

    Example: ntnsim report results/quickstart

    Example: ntnsim report results/quickstart --czml
    """
    from ntnsim.report.page import write_page
    from ntnsim.results.read import find_runs
    from ntnsim.run_progress import status_shown

    path = out or directories[0] / ("sky.czml" if czml else "report.html")
    runs = find_runs(directories)
    if czml:
        from ntnsim.api.space import write_czml

        with at_work("writing the sky"):
            write_czml(runs[0], path)
        typer.echo(json.dumps({"czml": str(path), "bytes": path.stat().st_size}) if as_json else str(path))
        return
    with status_shown(lambda: f"writing the page about {len(runs)} runs"):
        write_page(runs, path)
    typer.echo(json.dumps({"page": str(path), "bytes": path.stat().st_size}) if as_json else str(path))
