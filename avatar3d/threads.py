"""How many threads there may be: cores of this process, and those that torch takes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
