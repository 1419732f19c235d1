"""An interruption waits for the end of a step that is done whole."""

import signal
from threading import Thread

import pytest

from ntnsim.uninterrupted import uninterrupted


@pytest.fixture(autouse=True)
def ctrl_c_interrupts():
    """As in a shell's foreground; what a shell starts in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interruption_waits_for_the_end_of_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append("step")
    assert done == ["step"]


def test_a_second_interruption_does_not_wait():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append("step")
        signal.raise_signal(signal.SIGINT)
        done.append("another step")
    assert done == ["step"]


def test_a_block_within_a_block_waits_for_the_outer_one_and_handlers_are_as_before():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_other_threads_are_left_alone():
    done = []

    def work() -> None:
        with uninterrupted():
            done.append("step")

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["step"]
