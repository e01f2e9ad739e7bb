"""Correcting the tracked motion while Gaussians are fitted to it.

The trainer knows how every drawn frame's picture would change with its vertices; this turns that into small steps of the frame's own
channels. A frame is visited a few dozen times, too seldom for an optimizer that learns its own scales, so the scales are known
beforehand: how far, in pixels, each channel moves the visible surface. What the pose of a frame foretells, all frames learn together
(`recon.pose_bias`); it holds for frames that were never visited too. What all frames agree on belongs to the Gaussians, not to the
motion, and is taken out.
"""

from dataclasses import fields, replace

import numpy as np
import torch
from torch import Tensor

from avatar3d.camera import Camera
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from recon.channel_layout import Layout
from recon.pose_bias import PoseBias, learn_pose_bias
from recon.refinement import DEVIATION
from recon.rig_gradient import Pose, RigArrays, pose, pose_backward, rig_arrays

PIXELS = 0.1
"""Motion of the visible surface, root mean square in pixels of the camera, that one deviation of a channel is held to be worth."""
STEP = 0.15
"""Root mean square length of the first step of a frame in pixels, at a rate of 1."""
FORGET = 0.02
"""Part of a frame's own correction, beside what its pose foretells, that is given up at every visit, at a rate of 1."""
LEARN_INTERVAL = 8
"""Steps from one learning of what poses foretell to the next."""
_SAMPLES = 6
_MEMORY = 0.98


class MotionRefiner:
    """Corrections [T, P] to the channels of some frames of a tracked motion, and how they have been learned so far."""

    def __init__(self, motion: Motion, rig: HeadModel, camera: Camera, frames: np.ndarray):
        """Start from the tracked motion.

        Args:
            motion: as tracked.
            rig: the head with its carriers.
            camera: of the capture.
            frames: indices that may be corrected; frames without a face among them are left alone.
        """
        self._motion, self._layout = motion, Layout.of(motion)
        self._rig = rig_arrays(rig, torch.from_numpy(motion.shape))
        self._tracked = self._layout.tracks(motion)
        self._free = np.zeros(len(motion), bool)
        self._free[frames] = True if motion.valid is None else motion.valid[frames]
        self._posed: dict[int, Pose] = {}
        self._correction = np.zeros_like(self._tracked)
        self._visited = np.zeros(len(motion), bool)
        self._sum = np.zeros(self._layout.size)
        """Of the corrections of all visited frames."""
        self._applied = 0
        self._bias: PoseBias | None = None
        self._size = np.zeros(2)
        """Mean square of the gradients in the scaled coordinates, and the weight it rests on."""
        free = np.flatnonzero(self._free)
        samples = free[np.unique(np.linspace(0, len(free) - 1, min(_SAMPLES, len(free))).astype(int))]
        faces = np.ascontiguousarray(rig.faces.numpy().astype(np.int32))
        deviation = self._layout.spread(DEVIATION)
        metric = np.mean([_pixel_metric(self._rig, self._layout, self._tracked[i], deviation, faces, camera) for i in samples], axis=0)
        self._basis = np.linalg.inv(np.linalg.cholesky(metric + np.diag((PIXELS / deviation) ** 2))).T

    @property
    def bias(self) -> PoseBias | None:
        """What poses foretell; None as long as nothing is known of it."""
        return self._bias

    def motion(self) -> Motion:
        """The motion with its corrections; frames that were never visited have what their pose foretells."""
        everything = np.arange(len(self._tracked))
        return replace(self._motion, **self._layout.unpack(self._tracked + self._settled(everything)))

    @property
    def layout(self) -> Layout:
        """Of the P channels of a frame."""
        return self._layout

    def channels(self, frames: np.ndarray) -> np.ndarray:
        """[B, P] channels of some frames as they stand."""
        return self._tracked[frames] + self._settled(frames)

    def vertices(self, frames: np.ndarray) -> np.ndarray:
        """[B, V, 3] posed vertices of some frames as they stand."""
        self._posed = {int(i): pose(self._rig, self._layout.unpack(each)) for i, each in zip(frames, self.channels(frames), strict=True)}
        return np.stack([self._posed[int(i)].vertices for i in frames])

    def apply(self, frames: np.ndarray, g_vertices: np.ndarray, rate: float = 1.0) -> None:
        """One step for every frame, down the gradient of its loss.

        Args:
            frames: [B] as last given to `vertices`.
            g_vertices: [B, V, 3] gradient of each frame's own loss.
            rate: factor of the step, for a schedule.
        """
        found = [pose_backward(self._rig, self._posed[int(i)], np.ascontiguousarray(g)) for i, g in zip(frames, g_vertices, strict=True)]
        self.descend(frames, np.stack([self._layout.pack(each) for each in found]), rate)

    def descend(self, frames: np.ndarray, g_channels: np.ndarray, rate: float = 1.0) -> None:
        """`apply` where the gradients [B, P] of the channels themselves are known."""
        foretold = self._foretold(frames)
        for i, gradient, usual in zip(frames, g_channels, foretold, strict=True):
            if not self._free[i]:
                continue
            scaled = self._basis.T @ gradient
            self._size = _MEMORY * self._size + (1 - _MEMORY) * np.array([scaled @ scaled, 1.0])
            step = self._basis @ scaled * (STEP / max(np.sqrt(self._size[0] / self._size[1]), 1e-30))
            before = self._correction[i] if self._visited[i] else usual + self._common
            after = before + FORGET * rate * (usual - before) - rate * step
            self._sum += after - self._correction[i]
            self._correction[i], self._visited[i] = after, True
        if self._applied % LEARN_INTERVAL == 0:
            self._learn()
        self._applied += 1

    def _learn(self) -> None:
        found = self._correction[self._visited]
        if len(found):
            self._bias = learn_pose_bias(self._layout, self._tracked[self._visited], found)

    @property
    def _common(self) -> np.ndarray:
        """[P] what the corrections of all visited frames have in common."""
        return self._sum / max(self._visited.sum(), 1)

    def _foretold(self, frames: np.ndarray) -> np.ndarray:
        """[B, P] corrections that the poses of some frames foretell; nil for frames that may not be corrected."""
        if self._bias is None:
            return np.zeros((len(frames), self._layout.size))
        return self._bias.of(self._layout, self._tracked[frames]) * self._free[frames, None]

    def _settled(self, frames: np.ndarray) -> np.ndarray:
        """[B, P] corrections of some frames, without what all frames have in common."""
        return np.where(self._visited[frames, None], self._correction[frames] - self._common, self._foretold(frames))

    def state(self) -> dict[str, Tensor]:
        """All that a checkpoint needs, by name."""
        arrays = {"correction": self._correction, "size": self._size, "visited": self._visited, "sum": self._sum}
        arrays |= {"applied": np.array(self._applied)} | ({} if self._bias is None else self._bias.arrays())
        return {f"refiner.{name}": torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from a `state`. Raises KeyError or ValueError where it is of another motion."""
        arrays = {name.removeprefix("refiner."): value.numpy().copy() for name, value in state.items() if name.startswith("refiner.")}
        if arrays["correction"].shape != self._correction.shape:
            raise ValueError(f"corrections have shape {arrays['correction'].shape}, expected {self._correction.shape}")
        self._correction, self._size, self._visited, self._sum = (arrays[name] for name in ("correction", "size", "visited", "sum"))
        self._applied = int(arrays["applied"])
        self._bias = PoseBias(*(arrays[field.name] for field in fields(PoseBias))) if "matrix" in arrays else None


def _pixel_metric(rig: RigArrays, layout: Layout, values: np.ndarray, deviation: np.ndarray, faces: np.ndarray, camera: Camera) -> np.ndarray:
    """[P, P] M such that a step d of the channels moves the visible surface by sqrt(d M d) pixels, root mean square."""
    vertices = pose(rig, layout.unpack(values)).vertices
    start = camera.project(vertices.astype(np.float64))
    weight = _visible_area(vertices, start, faces)
    root = np.sqrt(weight / weight.sum())[:, None]
    slopes = np.empty((len(values), start.size))
    for row, step in enumerate(0.5 * deviation):
        moved = values.copy()
        moved[row] += step
        slopes[row] = ((camera.project(pose(rig, layout.unpack(moved)).vertices.astype(np.float64)) - start) / step * root).ravel()
    return slopes @ slopes.T


def _visible_area(vertices: np.ndarray, pixels: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """[V] area of the triangles around each vertex that face the camera, square pixels."""
    a, b, c = (pixels[faces[:, corner]] for corner in range(3))
    # The picture's y runs downwards, so that a triangle seen from outside turns the other way round.
    area = -0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    out = np.zeros(len(vertices))
    np.add.at(out, faces.ravel(), np.repeat(np.maximum(area, 0) / 3, 3))
    return out
