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
    boxes: list[tuple[int, int, int, int]]
    """(top, left, bottom, right) around the subject in each."""

    def over(self, background: Tensor) -> tuple[Tensor, Tensor]:
        """The frames over colours [B, 3] through their mattes [B, H, W, 3] float32, and the mattes [B, H, W] float32."""
        matte, rgb = self.matte.float() * (1 / 255), self.rgb.float() * (1 / 255)
        behind = background[:, None, None]
        return behind + matte[..., None] * (rgb - behind), matte


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
        self._kept: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor, tuple[int, int, int, int]]] = {}
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
        got: dict[int, tuple[Tensor, Tensor, Tensor, tuple[int, int, int, int]]] = {}
        for index in dict.fromkeys(indices.tolist()):
            got[index] = self._kept[index, shrink] if (index, shrink) in self._kept else self._receive(index, shrink)
        rgb, matte, importance, boxes = zip(*(got[index] for index in indices.tolist()), strict=True)
        return FrameBatch(torch.stack(rgb), torch.stack(matte), torch.stack(importance), list(boxes))

    def _receive(self, index: int, shrink: int) -> tuple[Tensor, Tensor, Tensor, tuple[int, int, int, int]]:
        frame = self._coming.pop((index, shrink)).result()
        arrays = (frame.rgb, frame.matte, frame.importance.astype(np.float16))
        rgb, matte, importance = (torch.from_numpy(np.ascontiguousarray(array)).to(self._device) for array in arrays)
        top, left, bottom, right = (int(edge) for edge in frame.box)
        entry = (rgb, matte, importance, (top, left, bottom, right))
        size = sum(array.nbytes for array in arrays)
        if self._bytes + size <= self._limit:
            self._kept[index, shrink] = entry
            self._bytes += size
        return entry
