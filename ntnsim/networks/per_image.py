"""Run a network over images one by one, so that a result never depends on its company.

Batched convolutions and matrix products choose their summation order by batch size and thread count, which moves the
last bits and, after rounding, whole pixel values. Here every image is one call on one torch thread, and a batch is
spread over plain threads instead (torch releases the interpreter lock): same bytes, and all cores at work.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

_lock = Lock()
_nested = 0
_threads_before = 1


@contextmanager
def one_torch_thread() -> Iterator[int]:
    """Hold torch at one thread inside the block; yields the number it had, and restores it."""
    global _nested, _threads_before
    with _lock:
        if _nested == 0:
            _threads_before = torch.get_num_threads()
            torch.set_num_threads(1)
        _nested += 1
        threads = _threads_before
    try:
        yield threads
    finally:
        with _lock:
            _nested -= 1
            if _nested == 0:
                torch.set_num_threads(_threads_before)


def map_images(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return [function(item) for item in items], each on one torch thread, as many at once as torch had threads."""

    def alone(item: Item) -> Result:
        torch.set_num_threads(1)  # the setting is each thread's own
        with torch.no_grad():
            return function(item)

    with one_torch_thread() as threads:
        if threads == 1 or len(items) <= 1:
            return [alone(item) for item in items]
        with ThreadPoolExecutor(max_workers=min(threads, len(items))) as pool:
            return list(pool.map(alone, items))
