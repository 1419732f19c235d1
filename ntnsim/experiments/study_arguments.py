"""Command-line arguments that the learning experiments share."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ntnsim.errors import InputError
from ntnsim.experiments.arguments import add_judges, add_persons_argument, experiment_parser, judges_from
from ntnsim.experiments.study import Study


def as_command(
    arguments: Sequence[str], name: str, doc: str | None, run: Callable[[Study], pd.DataFrame]
) -> pd.DataFrame:
    """Return what experiment *name* makes of the command line's *arguments*, and tell meanwhile how far it is."""
    parser = experiment_parser(name, doc)
    add_study_arguments(parser)
    study = study_from(parser.parse_args(arguments))
    with study.say.shown():
        return run(study)


def add_study_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the scale and place of a study to *parser*."""
    add_persons_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="directory for table, figure and caption")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("results/learning-work"),
        help="directory for outcomes, engines and runs, shared by the learning experiments",
    )
    parser.add_argument("--logged-images", type=int, default=400, help="training photographs in a log")
    parser.add_argument("--test-images", type=int, default=30, help="test photographs, never trained on")
    parser.add_argument(
        "--learned-images", type=int, default=2000, help="deliveries learned from online, in fig12 and adapt"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="seeds of the training")
    parser.add_argument(
        "--rival-seeds",
        type=int,
        metavar="N",
        help="in table4 and rivals: rivals, variants of the engine and the engine on the paper's codec learn with the "
        "first N seeds; all unless given",
    )
    parser.add_argument(
        "--inpaint",
        choices=["bundle", "telea", "ns", "nearest", "none"],
        default="bundle",
        help="the decoder's fill",
    )
    parser.add_argument(
        "--final",
        action="store_true",
        help="judge on the photographs set aside for final tables (val), not on training photographs after the logged",
    )
    parser.add_argument("--steps", type=int, help="denoising steps; the bundle's own unless given")
    parser.add_argument(
        "--charged-steps",
        type=int,
        metavar="N",
        help="steps that the GPU is charged for (the paper's model takes 50); those that run unless given",
    )
    parser.add_argument(
        "--bundle", default="tiny", help="name or directory of the model bundle: tiny, paper, a path"
    )
    parser.add_argument(
        "--segmenter",
        choices=["truth", "bundle"],
        default="truth",
        help="the data's masks, or the bundle's network",
    )
    add_judges(parser)
    parser.add_argument(
        "--targets",
        choices=["calibrated", "table3"],
        default="calibrated",
        help="targets on the judges' own scale, or Table III's, which are for LPIPS and CLIP",
    )
    parser.add_argument(
        "--codec",
        choices=["spiff", "spiff-paper"],
        default="spiff",
        help="of rivals, ablation and adapt; table4 has both, fig12 the paper's",
    )


def study_from(arguments: argparse.Namespace) -> Study:
    """Return the study that the arguments describe; torch is held to one thread, as several may run side by side."""
    import torch

    torch.set_num_threads(1)
    if arguments.rival_seeds is not None and arguments.rival_seeds < 1:
        raise InputError(f"--rival-seeds: must be >= 1, got {arguments.rival_seeds}")
    inpaint: dict[str, Any] = {"method": arguments.inpaint}
    if arguments.steps is not None:
        inpaint["steps"] = arguments.steps
    if arguments.charged_steps is not None:
        inpaint["charged_steps"] = arguments.charged_steps
    return Study(
        data=arguments.data,
        out=arguments.out,
        work=arguments.work,
        n_logged=arguments.logged_images,
        n_test=arguments.test_images,
        seeds=tuple(arguments.seeds),
        rival_seeds=arguments.rival_seeds,
        training_images=arguments.learned_images,
        inpaint=inpaint,
        final=arguments.final,
        task=_task(arguments),
        table_iii=arguments.targets == "table3",
        kind=arguments.codec,
    )


def _task(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the scenario's task; what is the default is left out, so that outcomes in a store are found again."""
    bundle = arguments.bundle
    if "/" in bundle or Path(bundle).is_dir():
        bundle = str(Path(bundle).resolve())
    return {"segmenter": arguments.segmenter, "bundle": bundle, **judges_from(arguments)}
