"""Training frames on a device: kept there as bytes while memory allows, fetched ahead of their turn where it does not."""

from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon.training_frames import FrameStore, TrainingFrame

MEMORY_SHARE = 0.4
"""Part of a GPU's free memory that frames may take."""
HOST_BYTES = 1 << 30
"""What they may take on the CPU, where the store keeps its own besides."""


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """B frames at one resolution, on a device."""

    rgb: Tensor
    """[B, H, W, 3] uint8."""
    matte: Tensor
    """[B, H, W] uint8."""
    importance: Tensor
    """[B, H, W] float16: a weight needs no more, and thousands of frames lie in memory."""
    shown: Tensor | None
    """[B, H, W] float16: 0 where something is in front of the person, 1 elsewhere; None where nothing is in any of them."""
    boxes: list[tuple[int, int, int, int]]
    """(top, left, bottom, right) around the subject in each."""

    def over(self, background: Tensor) -> tuple[Tensor, Tensor]:
        """The frames over colours [B, 3] through their mattes [B, H, W, 3] float32, and the mattes [B, H, W] float32."""
        matte, rgb = self.matte.float() * (1 / 255), self.rgb.float() * (1 / 255)
        behind = background[:, None, None]
        return behind + matte[..., None] * (rgb - behind), matte

    def heeded(self, picture: Tensor) -> Tensor:
        """A picture [B, H, W, ...] as it is, that learns nothing where something is in front of the person."""
        if self.shown is None:
            return picture
        shown = self.shown.float().view(*self.shown.shape, *[1] * (picture.dim() - 3))
        return torch.lerp(picture.detach(), picture, shown)


@dataclass(frozen=True, eq=False)
class _Kept:
    """One frame of a `FrameBatch`."""

    rgb: Tensor
    matte: Tensor
    importance: Tensor
    shown: Tensor | None
    box: tuple[int, int, int, int]

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in (self.rgb, self.matte, self.importance, self.shown) if part is not None)


class DeviceFrames:
    """Frames of a store on a device. What is drawn next may be asked for beforehand."""

    def __init__(self, device: torch.device, limit: int | None = None):
        """Args:
        device: where the frames go.
        limit: bytes that may be kept there; default a share of what is free.
        """
        if limit is None:
            limit = int(MEMORY_SHARE * torch.cuda.mem_get_info(device.index)[0]) if device.type == "cuda" else HOST_BYTES
        self._device, self._limit, self._bytes = device, limit, 0
        self._kept: dict[tuple[int, int], _Kept] = {}
        self._coming: dict[tuple[int, int], Future[TrainingFrame]] = {}

    def request(self, store: FrameStore, indices: np.ndarray, shrink: int, pool: Executor) -> None:
        """Have frames decoded on the pool's threads that are neither here nor on their way."""
        for index in dict.fromkeys(indices.tolist()):
            key = (index, shrink)
            if key not in self._kept and key not in self._coming:
                self._coming[key] = pool.submit(store.get, index, shrink)

    def batch(self, store: FrameStore, indices: np.ndarray, shrink: int, pool: Executor) -> FrameBatch:
        """Frames `indices` at 1 / `shrink` of the capture's resolution."""
        self.request(store, indices, shrink, pool)
        got: dict[int, _Kept] = {}
        for index in dict.fromkeys(indices.tolist()):
            got[index] = self._kept[index, shrink] if (index, shrink) in self._kept else self._receive(index, shrink)
        chosen = [got[index] for index in indices.tolist()]
        rgb, matte, importance = (torch.stack([getattr(each, name) for each in chosen]) for name in ("rgb", "matte", "importance"))
        shown = None
        if any(each.shown is not None for each in chosen):
            shown = torch.stack([torch.ones_like(each.importance) if each.shown is None else each.shown for each in chosen])
        return FrameBatch(rgb, matte, importance, shown, [each.box for each in chosen])

    def _receive(self, index: int, shrink: int) -> _Kept:
        frame = self._coming.pop((index, shrink)).result()
        top, left, bottom, right = (int(edge) for edge in frame.box)
        shown = None if frame.shown is None else self._sent(frame.shown.astype(np.float16))
        entry = _Kept(
            self._sent(frame.rgb), self._sent(frame.matte), self._sent(frame.importance.astype(np.float16)), shown, (top, left, bottom, right)
        )
        if self._bytes + entry.nbytes <= self._limit:
            self._kept[index, shrink] = entry
            self._bytes += entry.nbytes
        return entry

    def _sent(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
