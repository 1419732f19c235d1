"""Train the whole tiny bundle and put it together: ``make train-tiny``.

Two lanes run side by side: the VAE, the prepared data and the inpainter in one, segmenter and captioner in the other,
each recipe on one thread. ``--device cuda`` trains the inpainter on a GPU; nothing else is worth one. With ``--resume``
each goes on from its checkpoint where there is one.
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
    """One recipe: its module, the name of its checkpoint, wall minutes, and further arguments.

    minutes: of training; None for what is made once. A recipe that makes something once has no checkpoint.
    """

    recipe: str
    name: str
    minutes: float | None
    options: tuple[str, ...] = ()


def lanes(data: Path, device: str) -> tuple[tuple[Job, ...], ...]:
    """Return the jobs, each lane in order. The shipped bundle's own minutes are in models/tiny/README.md."""
    photographs = ("--data", str(data))
    on_gpu = ("--device", "cuda", "--compile")
    inpainter = (
        Job("inpainter", "inpainter", 20, on_gpu) if device == "cuda" else Job("inpainter", "inpainter", 2400)
    )
    return (
        (
            Job("vae", "vae", 10, photographs),
            Job("text", "text", None, photographs),
            Job("prepare", "prepare", None, photographs),
            inpainter,
        ),
        (Job("segmenter", "segmenter", 60, photographs), Job("captioner", "captioner", 20, photographs)),
    )


def train(job: Job, work: Path, scale: float, resume: bool) -> None:
    """Run *job* as a process of its own; its log goes to WORK/NAME.log."""
    command = [sys.executable, "-m", f"training.{job.recipe}", "--work", str(work), *job.options]
    if job.minutes is not None:
        command += ["--minutes", str(job.minutes * scale)]
        if resume and (work / f"{job.name}.pt").exists():
            command.append("--resume")
    print(f"{job.name}: {' '.join(command[2:])}, log in {work / job.name}.log", flush=True)
    with (work / f"{job.name}.log").open("a") as log:
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_argument(parser)
    parser.add_argument("--work", type=Path, default=Path("training_work"), help="checkpoints and logs")
    parser.add_argument("--out", type=Path, default=Path("models/tiny"), help="the bundle's directory")
    parser.add_argument(
        "--device", default="cpu", choices=("cpu", "cuda"), help="of the inpainter's training"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies every recipe's minutes")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints in --work")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)

    def run_lane(lane: tuple[Job, ...]) -> None:
        for job in lane:
            train(job, arguments.work, arguments.scale, arguments.resume)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run_lane, lanes(arguments.data, arguments.device)))
    command = [sys.executable, "-m", "training.assemble", "--work", str(arguments.work)]
    subprocess.run([*command, "--out", str(arguments.out)], check=True)


if __name__ == "__main__":
    main()
