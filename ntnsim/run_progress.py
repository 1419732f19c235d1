"""How a run's progress is shown on a terminal: a bar for each scheme."""

from collections.abc import Iterator
from contextlib import contextmanager

from ntnsim.runs import Progress
from ntnsim.scenario.scenario import Scenario


@contextmanager
def progress_bars(scenario: Scenario) -> Iterator[Progress]:
    """Show a bar per scheme on the terminal while the block runs; yields what a run reports to."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(
            "{task.fields[ended]} images, {task.fields[rate]:.3g} a second, {task.fields[time_s]:.0f} s simulated,"
        ),
        TimeElapsedColumn(),
        TextColumn("gone,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    n_images = _expected_images(scenario)
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks = {
            scheme.name: bars.add_task(
                scheme.name,
                total=n_images or scenario.horizon.duration_s,
                start=False,
                ended=0,
                rate=0.0,
                time_s=0.0,
            )
            for scheme in scenario.schemes
        }

        def update(scheme: str, ended: int, time_s: float) -> None:
            task = bars.tasks[tasks[scheme]]
            if not task.started:
                bars.start_task(task.id)
            rate = ended / task.elapsed if task.elapsed else 0.0
            completed = ended if n_images else time_s
            bars.update(task.id, completed=completed, ended=ended, rate=rate, time_s=time_s)

        yield update


def _expected_images(scenario: Scenario) -> int | None:
    """Return how many images a scheme will send, where their number and not the time ends the run."""
    horizon = scenario.horizon
    counts = [(source.n_jobs or horizon.n_jobs, source.count) for source in scenario.sources]
    if horizon.duration_s is not None or any(number is None for number, _ in counts):
        return None
    return sum(number * count for number, count in counts if number is not None)
