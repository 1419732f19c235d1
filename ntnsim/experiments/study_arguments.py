"""Command-line arguments that the learning experiments share."""

import argparse
from pathlib import Path

from ntnsim.experiments.arguments import add_persons_argument
from ntnsim.experiments.study import Study


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


def study_from(arguments: argparse.Namespace) -> Study:
    """Return the study that the arguments describe; torch is held to one thread, as several may run side by side."""
    import torch

    torch.set_num_threads(1)
    inpaint = {"method": arguments.inpaint}
    if arguments.steps is not None:
        inpaint["steps"] = arguments.steps
    return Study(
        data=arguments.data,
        out=arguments.out,
        work=arguments.work,
        n_logged=arguments.logged_images,
        n_test=arguments.test_images,
        seeds=tuple(arguments.seeds),
        training_images=arguments.learned_images,
        inpaint=inpaint,
        final=arguments.final,
    )
