"""What a learning experiment is at: lines that stay, and between them one that moves."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic

from ntnsim.run_progress import duration, status_shown


class Stage:
    """Prints what is said; while :meth:`shown`, tells every ten seconds what was said last, and since when.

    >>> stage = Stage()
    >>> stage("seed 0: training the engine")
    seed 0: training the engine
    >>> stage.moves_on("log of spiff: 12 of 80 pictures")
    >>> stage.line()
    'log of spiff: 12 of 80 pictures, 0:00'
    """

    def __init__(self, say: Callable[[str], None] = print, clock: Callable[[], float] = monotonic) -> None:
        self._say, self._clock = say, clock
        self._what, self._began = "reading the photographs", clock()

    def __call__(self, line: str) -> None:
        """Print *line*: a new stage begins."""
        self._say(line)
        self._what, self._began = line, self._clock()

    def moves_on(self, what: str) -> None:
        """Take note of how far the stage is; nothing is printed."""
        self._what = what

    def line(self) -> str:
        """Return what is being done, and the time since the last printed line."""
        return f"{self._what}, {duration(self._clock() - self._began)}"

    def shown(self) -> AbstractContextManager[None]:
        """Show :meth:`line` on stderr while the block runs."""
        return status_shown(self.line)
