"""Training on several processes, one for each GPU or share of the cores, as torchrun starts them.

Every process (rank) has all of the network and draws windows of its own; the ranks' gradients are averaged before each
step, so that their weights stay the same bit for bit. One process alone is a single rank.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from avatar3d.errors import UserError

_PATIENCE = timedelta(hours=12)
"""For one rank, until the others are where it is: the first one makes the corpus meanwhile."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together."""

    rank: int
    count: int
    local: int
    """Number of this process on its machine."""
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            distributed.barrier()

    def agreed(self, value: float) -> float:
        """The first rank's value, for decisions that all must take alike."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return float(shared)

    def average_gradients(self, net: nn.Module) -> None:
        """Replace every gradient by its mean over the ranks, all of them in one message.

        A parameter without a gradient counts as zero: which ones have none may differ from rank to rank.
        """
        if self.count == 1:
            return
        parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
        flat = torch.cat([_gradient(parameter).flatten() for parameter in parameters])
        distributed.all_reduce(flat)
        flat /= self.count
        for parameter, part in zip(parameters, flat.split([parameter.numel() for parameter in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


@contextmanager
def joined_ranks(device: str) -> Iterator[Ranks]:
    """The ranks that torchrun started, or this process alone where it did not.

    Args:
        device: "cpu" (they talk by gloo), or "cuda" (by nccl; each rank has the GPU of its number on its machine).

    Raises:
        UserError: there are fewer GPUs than ranks on a machine.
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device == "cuda" and local >= torch.cuda.device_count():
        raise UserError(f"cuda: rank {local} of this machine has no GPU, there are {torch.cuda.device_count()}; start so many processes")
    place = torch.device("cuda", local) if device == "cuda" else torch.device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks(0, 1, 0, place)
        return
    if device == "cuda":
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size(), local, place)
    finally:
        distributed.destroy_process_group()
