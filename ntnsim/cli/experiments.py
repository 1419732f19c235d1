"""Commands of learning and of the paper's figures and tables: train an engine, reproduce an experiment."""

import sys
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from ntnsim.cli.simulate import (
    CheckpointEvery,
    Force,
    NoPlugins,
    Resume,
    TensorBoard,
    interruptible,
    say_what_next,
)

EXPERIMENTS = {
    "fig2": "pixel-relevance CDFs of datasets",
    "fig4": "fidelity against savings for one image",
    "fig5": "fidelity against denoising steps",
    "fig6": "configuration clouds of several images",
    "fig8": "one image through the pipeline, step by step",
    "fig10": "whole-image fidelity against savings, all codecs",
    "fig11": "fidelity per rank against savings, all codecs",
    "fig12": "convergence of the engine under three targets",
    "table4": "the engine against NCB, JPEG, SC and more",
    "adapt": "a change of load and of requirement",
    "diagnose": "how far to trust the engine: coverage of its quantiles, regret against the oracle, maps of its policy",
    "rivals": "the engine against simple rules, on training photographs that none of them learned from",
    "ablation": "the engine without one of its parts",
    "layers": "which codec for the coarse layer, on training photographs",
    "rate": "bits against fidelity per rank, every codec over its range",
}


def register(app: typer.Typer) -> None:
    """Add this module's commands to *app*."""
    app.command()(train)
    # Without a help option of its own, so that --help after a name reaches the experiment.
    settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(context_settings=settings, add_help_option=False)(experiment)


def train(
    scenario: Annotated[
        Path, typer.Argument(metavar="SCENARIO", help="YAML file with a scheme whose policy learns.")
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=C", help="Change one value, as for ntnsim run. May be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Result directory; results/NAME unless given.")] = None,
    resume: Resume = False,
    force: Force = False,
    checkpoint_every: CheckpointEvery = 300.0,
    tensorboard: TensorBoard = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Run a scenario whose policies learn, and keep the engines that it leaves.

    Example: ntnsim train scenarios/load_sweep.yaml --out results/learned
    """
    from ntnsim.api.run import run
    from ntnsim.errors import ScenarioError
    from ntnsim.plugins import refuse_plugins
    from ntnsim.results.files import ENGINES
    from ntnsim.scenario.load import load_scenario
    from ntnsim.scenario.policy import LearningSpec

    loaded = load_scenario(scenario, set_ or [])
    if no_plugins:
        refuse_plugins(loaded)
    learners = [scheme.name for scheme in loaded.schemes if isinstance(scheme.policy, LearningSpec)]
    if not learners:
        raise ScenarioError(
            f"{scenario}: no scheme has a policy that learns; use kind: spiff-engine, ncb or linear"
        )
    directory = out or Path("results") / loaded.name
    with interruptible(directory):
        done = run(
            scenario,
            directory,
            overrides=set_ or [],
            resume=resume,
            force=force,
            checkpoint_s=checkpoint_every,
            tensorboard=tensorboard,
            command=sys.argv,
            progress=True,
        )
    typer.echo(str(done))
    say_what_next(done.directory)
    for name in learners:
        typer.echo(f"policy: {{kind: …, evaluate: true, checkpoint: {directory / ENGINES / name}}}")


def experiment(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="; ".join(f"{k}: {v}" for k, v in EXPERIMENTS.items()))
    ],
) -> None:
    """Reproduce a figure or table of the paper; what follows the name is the experiment's own, try --help after it.

    Example: ntnsim experiment table4 --out results/table4 --seeds 0 1
    """
    from importlib import import_module

    from ntnsim.errors import InputError, InterruptionError
    from ntnsim.results.own_files import check_own

    if name == "--help":
        typer.echo(context.get_help())
        return
    if name not in EXPERIMENTS:
        raise InputError(f"experiment {name!r} is unknown; allowed are {', '.join(EXPERIMENTS)}")
    module = import_module(f"ntnsim.experiments.{name}")
    written = [f"{name}.{ending}" for ending in ("csv", "pdf", "png", "md", "tex")]
    for place in _places_of_results(context.args):  # before hours of work, not after
        for file in (*written, *getattr(module, "MORE_FILES", ())):
            check_own(place / file)
    try:
        module.main(context.args)
    except KeyboardInterrupt:
        raise InterruptionError(_what_an_experiment_keeps()) from None


def _what_an_experiment_keeps() -> str:
    from ntnsim.runs import place_of_outcomes

    outcomes = place_of_outcomes()
    kept = f" and what networks computed for runs, in {outcomes}" if outcomes else ""
    return f"kept: the files that are finished{kept}; the same command begins again and makes use of both"


def _places_of_results(arguments: list[str]) -> list[Path]:
    """Return what ``--out`` names among an experiment's *arguments*."""
    places = [Path(after) for option, after in pairwise(arguments) if option == "--out"]
    return places + [Path(text.removeprefix("--out=")) for text in arguments if text.startswith("--out=")]
