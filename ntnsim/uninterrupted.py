"""Steps that are done whole: Ctrl-C and SIGTERM wait until they are, so that what is kept afterwards is sound."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM take effect after the block; a second one takes effect at once.

    Python runs the handlers of signals in its main thread alone; in another one there is nothing to do.
    """
    if current_thread() is not main_thread():
        yield
        return
    waiting: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        waiting.append(number)
        restore()

    def restore() -> None:
        for each, handler in before.items():
            # None: it was not Python that set it.
            signal.signal(each, signal.SIG_DFL if handler is None else handler)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, wait)
    try:
        yield
    finally:
        restore()
        for name in waiting:
            signal.raise_signal(name)
