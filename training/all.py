"""Train the whole tiny bundle and put it together: ``make train-tiny``.

Each recipe runs on one thread, two at a time: the VAE and the inpainter's two parts in one lane, segmenter and
captioner in the other. With ``--resume`` each goes on from its checkpoint where there is one.
"""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from training.loop import add_data_argument


@dataclass(frozen=True)
class Job:
    """One recipe: its module, the name of its checkpoint, wall minutes on a quiet core, and further arguments."""

    recipe: str
    name: str
    minutes: float
    options: tuple[str, ...] = ()


def lanes(work: Path) -> tuple[tuple[Job, ...], ...]:
    """Return the jobs, each lane in order. The shipped bundle's own hours are in models/tiny/README.md."""
    sharpened = ("--perceptual", "1.2", "--start", str(work / "inpainter_plain"), "--rate", "6e-4")
    return (
        (
            Job("vae", "vae", 10),
            Job("inpainter", "inpainter_plain", 120, ("--name", "inpainter_plain")),
            Job("inpainter", "inpainter", 120, ("--name", "inpainter", *sharpened)),
        ),
        (Job("segmenter", "segmenter", 60), Job("captioner", "captioner", 20)),
    )


def train(job: Job, data: Path, work: Path, scale: float, resume: bool) -> None:
    """Run *job* as a process of its own; its log goes to WORK/NAME.log."""
    command = [sys.executable, "-m", f"training.{job.recipe}", "--data", str(data), "--work", str(work)]
    command += ["--minutes", str(job.minutes * scale), *job.options]
    if resume and (work / f"{job.name}.pt").exists():
        command.append("--resume")
    print(f"{job.name}: {job.minutes * scale:g} minutes, log in {work / job.name}.log", flush=True)
    with (work / f"{job.name}.log").open("a") as log:
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_argument(parser)
    parser.add_argument("--work", type=Path, default=Path("training_work"), help="checkpoints and logs")
    parser.add_argument("--out", type=Path, default=Path("models/tiny"), help="the bundle's directory")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies every recipe's minutes")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --work")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)

    def run_lane(lane: tuple[Job, ...]) -> None:
        for job in lane:
            train(job, arguments.data, arguments.work, arguments.scale, arguments.resume)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run_lane, lanes(arguments.work)))
    command = [sys.executable, "-m", "training.assemble", "--work", str(arguments.work)]
    subprocess.run([*command, "--out", str(arguments.out)], check=True)


if __name__ == "__main__":
    main()
