"""What a long command is doing, told by time: one line that moves on a terminal, a line every ten seconds elsewhere."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from ntnsim.scenario.scenario import Scenario

EVERY_S = 10.0  # between two lines in a file or a pipe
REDRAWN_EVERY_S = 0.2  # on a terminal


class Progress(Protocol):
    """What a run reports to."""

    def stage(self, what: str, done: int = 0, of: int = 0) -> None:
        """Take note of what is being done: *what*, at *done* of *of* where these are known."""
        ...

    def advance(self, scheme: str, ended: int, time_s: float) -> None:
        """Take note of how many images of *scheme* ended by the simulated time."""
        ...


class ProgressCall:
    """Hands on how far the schemes are to a function of the user's, and leaves out the stages."""

    def __init__(self, call: Callable[[str, int, float], None]) -> None:
        self.advance = call

    def stage(self, what: str, done: int = 0, of: int = 0) -> None:
        """Do nothing."""


class RunStatus:
    """The state of a run, and the line that tells it."""

    def __init__(self, scenario: "Scenario", clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._scheme_began = clock()
        self._n_images = expected_images(scenario)
        self._duration_s = scenario.horizon.duration_s
        self._schemes = [scheme.name for scheme in scenario.schemes]
        self._scheme, self._ended, self._time_s = "", 0, 0.0
        self._stage, self._done, self._of = "", 0, 0

    def stage(self, what: str, done: int = 0, of: int = 0) -> None:
        """Take note of what is being done."""
        self._stage, self._done, self._of = what, done, of

    def advance(self, scheme: str, ended: int, time_s: float) -> None:
        """Take note of how far *scheme* is."""
        if scheme != self._scheme:
            self._scheme, self._scheme_began = scheme, self._clock()
        self._ended, self._time_s = ended, time_s

    def line(self) -> str:
        """Return, for example, ``spiff (1 of 2): 12 of 48 images, 31 s simulated, 2.1 images/s, 0:17 left; restoring
        3 of 9``."""
        stage = f"{self._stage} {self._done} of {self._of}" if self._of else self._stage
        if not self._scheme:
            return f"{stage or 'starting'}, {duration(self._clock() - self._began)}"
        elapsed_s = self._clock() - self._scheme_began
        of = f" of {self._n_images}" if self._n_images else ""
        parts = [f"{self._ended}{of} images", f"{self._time_s:.0f} s simulated"]
        if self._ended and elapsed_s > 0:
            parts.append(f"{self._ended / elapsed_s:.3g} images/s")
        if (share := self._share_done()) > 0:
            parts.append(f"{duration(elapsed_s * (1 / share - 1))} left")
        else:
            parts.append(f"{duration(elapsed_s)} gone")
        number = self._schemes.index(self._scheme) + 1 if self._scheme in self._schemes else 0
        place = f" ({number} of {len(self._schemes)})" if len(self._schemes) > 1 else ""
        return f"{self._scheme}{place}: {', '.join(parts)}" + (f"; {stage}" if stage else "")

    def _share_done(self) -> float:
        if self._n_images:
            return min(self._ended / self._n_images, 1.0)
        return min(self._time_s / self._duration_s, 1.0) if self._duration_s else 0.0


@contextmanager
def status_shown(
    line: Callable[[], str], stream: TextIO | None = None, *, every_s: float | None = None
) -> Iterator[None]:
    """Show what *line* returns while the block runs, on stderr unless *stream* is given.

    every_s: time between two looks; by default a terminal is redrawn five times a second, and anything else gets a
    line every ten seconds, so that what ends sooner leaves no line.
    """
    stream = stream or sys.stderr
    moving = stream.isatty()
    wait_s = every_s or (REDRAWN_EVERY_S if moving else EVERY_S)
    over = Event()

    def tell() -> None:
        while not over.wait(wait_s):
            if moving:
                width = shutil.get_terminal_size().columns - 1
                stream.write(f"\r\x1b[K{line()[:width]}")
            else:
                stream.write(f"{line()}\n")
            stream.flush()

    teller = Thread(target=tell, daemon=True, name="ntnsim-progress")
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
        if moving:
            stream.write("\r\x1b[K")
            stream.flush()


@contextmanager
def at_work(what: str) -> Iterator[Callable[[str], None]]:
    """Show *what* is being done, and for how long, while the block runs; what is yielded takes the next stage."""
    stage, began = what, time.monotonic()

    def moves_on(to: str) -> None:
        nonlocal stage
        stage = to

    with status_shown(lambda: f"{stage}, {duration(time.monotonic() - began)}"):
        yield moves_on


def duration(seconds: float) -> str:
    """Return *seconds* as ``0:07``, ``12:30`` or ``3:04:05``."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def expected_images(scenario: "Scenario") -> int | None:
    """Return how many images a scheme will send, where their number and not the time ends the run."""
    horizon = scenario.horizon
    counts = [(source.n_jobs or horizon.n_jobs, source.count) for source in scenario.sources]
    if horizon.duration_s is not None or any(number is None for number, _ in counts):
        return None
    return sum(number * count for number, count in counts if number is not None)
