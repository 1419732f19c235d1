"""Commands about scenarios: run one, check one, and export the schema that editors understand."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ntnsim.run_progress import at_work

Scenario = Annotated[
    Path, typer.Argument(metavar="SCENARIO", help="YAML file, for example scenarios/quickstart.yaml")
]
Override = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="A.B=C", help="Change one value: --set gateways[0].servers=2. May be repeated."
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Keep the results if they are this scenario's; make what is missing.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace the results of an earlier run; files of your own stay.")
]
NoPlugins = Annotated[
    bool,
    typer.Option("--no-plugins", help="Refuse scenarios that name Python code of your own or of a package."),
]
CheckpointEvery = Annotated[
    float,
    typer.Option(
        min=0.1,
        metavar="SECONDS",
        help="How often the records so far and what policies have learned are saved while the run goes on.",
    ),
]
TensorBoard = Annotated[
    Path | None,
    typer.Option(metavar="LOGDIR", help="Log what policies learn for TensorBoard (extra tensorboard)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to *app*."""
    app.command()(run)
    app.command()(validate)
    app.command()(schema)
    app.command()(profile)


def run(
    scenario: Scenario,
    set_: Override = None,
    out: Annotated[Path | None, typer.Option(help="Result directory; results/NAME unless given.")] = None,
    resume: Resume = False,
    force: Force = False,
    checkpoint_every: CheckpointEvery = 300.0,
    tensorboard: TensorBoard = None,
    no_plugins: NoPlugins = False,
    shards: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Parts of the gateways that run at the same time; same results."
        ),
    ] = 1,
    executor: Annotated[
        str,
        typer.Option(help="Where shards run: local, dask, or a Dask scheduler's address (tcp://host:port)."),
    ] = "local",
    as_json: AsJson = False,
) -> None:
    """Simulate a scenario and write its results.

    Example: ntnsim run scenarios/quickstart.yaml --set seed=8 --out results/seed8
    """
    from ntnsim.api.run import run as run_scenario
    from ntnsim.plugins import refuse_plugins
    from ntnsim.scenario.load import load_scenario

    loaded = load_scenario(scenario, set_ or [])
    if no_plugins:
        refuse_plugins(loaded)
    directory = out or Path("results") / loaded.name
    with interruptible(directory):
        done = run_scenario(
            scenario,
            directory,
            overrides=set_ or [],
            resume=resume,
            force=force,
            checkpoint_s=checkpoint_every,
            tensorboard=tensorboard,
            command=sys.argv,
            progress=True,
            shards=shards,
            executor=executor,
        )
    typer.echo(json.dumps(done.summary, indent=2) if as_json else str(done))
    say_what_next(done.directory)


@contextmanager
def interruptible(directory: Path) -> Iterator[None]:
    """Say what a run into *directory* keeps when it is interrupted while the block runs, and how to go on."""
    from ntnsim.errors import InterruptionError
    from ntnsim.results.checkpoint import what_is_kept
    from ntnsim.runs import place_of_outcomes

    try:
        yield
    except KeyboardInterrupt:
        outcomes = place_of_outcomes()
        raise InterruptionError(
            what_is_kept(directory)
            + (f"; what networks computed is in {outcomes}" if outcomes else "")
            + "; the same command with --resume goes on: finished schemes stay, others are replayed from their seeds"
        ) from None


def say_what_next(directory: Path) -> None:
    """Name the directory of results and the commands that show them, on stderr."""
    typer.echo(
        f"results in {directory}; figures: ntnsim plot {directory}; page: ntnsim report {directory}", err=True
    )


def validate(
    scenario: Scenario,
    set_: Override = None,
    files: Annotated[
        bool, typer.Option("--files/--no-files", help="Open the files, bundles and devices that it names.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Check a scenario without running it; every mistake is shown with its line.

    Example: ntnsim validate scenarios/quickstart.yaml
    """
    from ntnsim.scenario.load import load_scenario

    loaded = load_scenario(scenario, set_ or [])
    if files:
        from ntnsim.named_files import check_files

        check_files(loaded)
    typer.echo(loaded.model_dump_json(indent=2) if as_json else f"{scenario}: valid")


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors and other tools.

    Example: ntnsim schema > scenario.schema.json
    """
    from ntnsim.scenario.scenario import Scenario

    typer.echo(json.dumps(Scenario.model_json_schema(), indent=2))


def profile(
    name: Annotated[str, typer.Option(help="What scenarios will call the profile.")] = "this-host",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="YAML file to write; printed unless given.")
    ] = None,
    bundle: Annotated[str, typer.Option(help="Model bundle whose networks are timed.")] = "tiny",
    device: Annotated[str, typer.Option(help="Torch device of the networks: cpu, cuda.")] = "cpu",
    repeats: Annotated[int, typer.Option(min=2, help="Photographs per size.")] = 3,
) -> None:
    """Measure this host into a device profile for scenarios.

    Example: ntnsim profile --name my-laptop -o my-laptop.yaml, then in a scenario: device: my-laptop.yaml#my-laptop
    """
    from ntnsim.host_profile import measure_host, profile_yaml
    from ntnsim.networks.bundle import open_bundle
    from ntnsim.results.own_files import check_own, write_own_text

    if output is not None:
        check_own(output)
    with at_work("measuring this host"):
        text = profile_yaml(name, measure_host(open_bundle(bundle), repeats=repeats, device=device))
    if output is None:
        typer.echo(text)
    else:
        write_own_text(output, text)
        typer.echo(str(output))
