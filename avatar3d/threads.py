"""How many threads there may be: cores of this process, and those that torch takes."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")


def num_cores() -> int:
    """Cores that this process may use, where the system knows that (Linux), else all that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Torch on the calling thread alone, for work whose pieces are too small to share or that has threads of its own.

    Torch's threads wait for one another at every operation: on a machine with anything else to do, sharing small pieces
    costs several times what it saves.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_order(make: Callable[[int], T], count: int) -> Iterator[T]:
    """What `make` makes of 0 to count - 1, in this order, a few pieces made ahead on other threads; the first error ends it.

    Args:
        make: lets the interpreter go for most of its time, as numba, compressors and the disk do.
        count: of pieces.
    """
    threads = num_cores()
    with ThreadPoolExecutor(threads) as pool:
        waiting: list[Future[T]] = []
        try:
            for index in range(count):
                waiting.append(pool.submit(make, index))
                if len(waiting) > 2 * threads:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
