"""How many threads torch may use."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
