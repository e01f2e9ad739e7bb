"""Posing a fixed number of frames on a CUDA device as one recorded piece of work.

Posing is a hundred small kernels: telling the device of each in turn takes longer than they do. Recorded once, they are started together.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from avatar3d.render.frames import GaussianFrames

if TYPE_CHECKING:
    from avatar3d.device_avatar import Performance

_WARM_UP = 3
"""Rounds before recording: libraries reserve their memory on first use, which may not happen while recording."""


class PosingGraph:
    """A recorded `DeviceAvatar.pose` of B frames."""

    def __init__(self, pose: Callable[["Performance"], GaussianFrames], performance: "Performance"):
        """Record.

        Args:
            pose: what is recorded; may not wait for the device.
            performance: B frames on a CUDA device; others of as many are posed afterwards.
        """
        self._performance = performance.clone()
        device = self._performance.weights.device
        with torch.cuda.device(device), torch.no_grad():
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UP):
                    pose(self._performance)
            torch.cuda.current_stream().wait_stream(aside)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._frames = pose(self._performance)

    def __call__(self, performance: "Performance") -> GaussianFrames:
        """The Gaussians of B frames. They are overwritten by the next call: draw them before."""
        self._performance.copy_(performance)
        self._graph.replay()
        return self._frames
