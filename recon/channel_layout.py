"""A frame's channels as one vector, for solvers."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from avatar3d.motion import Motion
from recon.rig_gradient import frame_channels


@dataclass(frozen=True, eq=False)
class Layout:
    """Where each channel lies in the vector of a frame's parameters."""

    slices: dict[str, slice]

    @staticmethod
    def of(motion: Motion) -> "Layout":
        """The channels that a motion has."""
        slices, start = {}, 0
        for name, value in frame_channels(motion, 0).items():
            slices[name] = slice(start, start + len(value))
            start += len(value)
        return Layout(slices)

    @property
    def size(self) -> int:
        """P."""
        return max(part.stop for part in self.slices.values())

    def pack(self, channels: dict[str, np.ndarray]) -> np.ndarray:
        """[P] float64."""
        return np.concatenate([channels[name] for name in self.slices]).astype(np.float64)

    def unpack(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """float32 channels of [..., P]."""
        return {name: np.ascontiguousarray(values[..., part], np.float32) for name, part in self.slices.items()}

    def spread(self, by_channel: dict[str, float]) -> np.ndarray:
        """[P] float64: every parameter's value is its channel's."""
        return np.concatenate([np.full(part.stop - part.start, by_channel[name]) for name, part in self.slices.items()])

    def columns(self, names: Iterable[str]) -> np.ndarray:
        """[Q] int: which parameters are these channels'."""
        return np.concatenate([np.arange(self.slices[name].start, self.slices[name].stop) for name in names])

    def tracks(self, motion: Motion) -> np.ndarray:
        """[T, P] float64 of a motion that has these channels."""
        return np.concatenate([getattr(motion, name).reshape(len(motion), -1) for name in self.slices], axis=1).astype(np.float64)
