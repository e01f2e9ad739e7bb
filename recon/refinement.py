"""Photometric refinement: a tracked motion fitted to the pixels through an avatar whose Gaussians stay as they are.

Every frame is a small problem of its own, some seventy channels, solved by L-BFGS in coordinates in which the picture changes about
alike in all directions: the mean Gauss-Newton matrix of a few frames, measured by drawing them with each channel moved a little.
Such coordinates are worth several times the steps, since a turn of the torso and a blink differ a hundredfold in what they change.
With the same matrix the frames are then joined: what their pictures hardly say yields to a motion that does not shake.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numba import njit
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.head.model import ROOT
from avatar3d.motion import Motion
from avatar3d.progress import Progress, silent
from avatar3d.render.cpu import Workspace
from recon.channel_layout import Layout
from recon.frozen_avatar import FrozenAvatar
from recon.rig_gradient import frame_channels
from recon.training_frames import TrainingFrame

DEVIATION = {
    "expr": 0.1, "jaw_pose": 0.03, "neck_pose": 0.01, "eyes_pose": 0.05, "rotation": 0.01, "translation": 0.002, "neck_translation": 0.002,
    "eyelids": 0.1,
}  # fmt: skip
"""By how much a channel may be off before the prior speaks up: coefficients, radians, metres."""
PRIOR = 1e-6
"""Squared error of the picture that one such deviation is worth."""
ROBUST = 0.2
"""Differences of colour above this count linearly: they are matte and clothes rather than pose."""
HEAD_IMPORTANCE = 3.0
"""Weight of the head's pixels against those of the clothes, which the rig cannot explain; mouth and eyes have theirs from the frames."""
CALM = 2e-7
"""Squared error of the picture that an acceleration as large as usual in the tracked motion is worth."""
_LEAST_ACCELERATION = 0.02
"""Of a channel that hardly moves, as a part of its deviation."""
SAMPLES = 3
"""Frames from which the coordinates are measured."""
_UNIT = 0.01
"""Length in the coordinates that the optimizer takes for its first step: half of the way that a tracked frame is usually off."""
BLACK = np.zeros(3, np.float32)


class Pictures(Protocol):
    """Where the frames come from (`recon.training_frames.FrameStore`)."""

    def get(self, index: int, shrink: int) -> TrainingFrame:
        """Frame `index` at 1 / `shrink` of the camera's resolution."""
        ...


@dataclass(frozen=True, eq=False)
class _Target:
    """What one frame should look like."""

    rgb: np.ndarray
    """[H, W, 3] over black."""
    weight: np.ndarray
    """[H, W] of each pixel, 1 on average."""


def refine_motion(
    avatar: Avatar,
    motion: Motion,
    camera: Camera,
    frames: np.ndarray,
    pictures: Pictures,
    *,
    steps: int = 8,
    shrink: int = 1,
    threads: int = 2,
    progress: Progress = silent,
) -> Motion:
    """The motion with some of its frames fitted to their pictures, each on its own and starting as tracked, then joined without jitter.

    All channels are free, held near their tracked values by a weak prior; frames without a face stay as they are. The result does not
    depend on the number of threads.

    Args:
        avatar: stays as it is.
        motion: as tracked.
        camera: at full resolution.
        frames: indices of the frames to refine.
        pictures: of all frames.
        steps: pictures drawn and differentiated per frame, at most about as many.
        shrink: 2 fits at half resolution: a quarter faster, but Gaussians made for full resolution do not fit there as well.
        threads: frames that are worked on at once.
        progress: told how many frames are done.
    """
    chosen = [int(i) for i in np.unique(frames) if motion.valid is None or motion.valid[i]]
    if not chosen:
        return motion
    frozen, layout = FrozenAvatar(avatar), Layout.of(motion)
    seen = camera.resized(camera.width // shrink, camera.height // shrink)
    deviation = layout.spread(DEVIATION)
    tracked = {i: layout.pack(frame_channels(motion, i)) for i in chosen}
    samples = [chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, SAMPLES + 2).astype(int)[1:-1])]
    small = camera.resized(camera.width // 2, camera.height // 2)
    heads = _head_vertices(avatar)

    def target(index: int, shrink: int, camera: Camera) -> _Target:
        return _target(pictures.get(index, shrink), frozen, layout.unpack(tracked[index]), heads, camera)

    def sample(index: int) -> np.ndarray:
        return _gauss_newton(frozen, layout, tracked[index], target(index, 2, small), small, deviation)

    def work(index: int) -> np.ndarray:
        objective = _objective(frozen, layout, tracked[index], target(index, shrink, seen), seen, deviation)
        return tracked[index] + _descend(objective, tracked[index], basis, steps)

    with ThreadPoolExecutor(threads) as pool:
        curvature = np.mean(list(pool.map(sample, samples)), axis=0) + 2 * PRIOR * np.diag(deviation**-2)
        basis = _UNIT * np.linalg.inv(np.linalg.cholesky(curvature)).T
        found = []
        for refined in pool.map(work, chosen):
            found.append(refined)
            progress(len(found), len(chosen))
    every = np.stack([layout.pack(frame_channels(motion, i)) for i in range(len(motion))])
    calm = calmed(np.stack(found), every[chosen], np.array(chosen), curvature, usual_acceleration(every, deviation))
    return _with_frames(motion, chosen, layout.unpack(calm))


def usual_acceleration(tracked: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """[P] root mean square of the second differences of a motion's parameters [T, P], not less than a part of their `deviation` [P]."""
    least = _LEAST_ACCELERATION * deviation
    return np.maximum(np.sqrt(np.square(np.diff(tracked, 2, axis=0)).mean(axis=0)), least) if len(tracked) > 2 else least


def calmed(values: np.ndarray, tracked: np.ndarray, frames: np.ndarray, curvature: np.ndarray, acceleration: np.ndarray) -> np.ndarray:
    """Refined frames joined to a motion without jitter: [T, P], the least of the curvature's cost and that of accelerations.

    An acceleration costs by its square over the usual one, or over the tracked one where that is larger, so that fast motion does not
    lag. Frames that do not follow one another are not joined.

    Args:
        values: [T, P] as refined one by one.
        tracked: [T, P] before.
        frames: [T] their indices, ascending.
        curvature: [P, P] second derivatives of a frame's cost around its refined values.
        acceleration: [P] usual, per frame squared.
    """
    joined = ((frames[2:] - frames[:-2]) == 2)[:, None]
    if not joined.any():
        return values
    cost = 2 * CALM * joined / np.maximum(acceleration, np.abs(np.diff(tracked, 2, axis=0))) ** 2

    def apply(flat: np.ndarray) -> np.ndarray:
        x = flat.reshape(values.shape)
        pull = cost * np.diff(x, 2, axis=0)
        out = x @ curvature
        out[:-2] += pull
        out[1:-1] -= 2 * pull
        out[2:] += pull
        return out.ravel()

    # Frame by frame, with what an acceleration costs at most, the system is easily inverted.
    inverse = np.linalg.inv(curvature + np.diag(6 * cost.max(axis=0)))
    size = values.size
    system = LinearOperator((size, size), matvec=apply)  # pyright: ignore[reportCallIssue]
    guess = LinearOperator((size, size), matvec=lambda flat: (flat.reshape(values.shape) @ inverse).ravel())  # pyright: ignore[reportCallIssue]
    found, _ = cg(system, (values @ curvature).ravel(), x0=values.ravel(), rtol=1e-5, maxiter=200, M=guess)
    return found.reshape(values.shape)


def _with_frames(motion: Motion, frames: list[int], channels: dict[str, np.ndarray]) -> Motion:
    tracks = {name: getattr(motion, name).copy() for name in channels}
    for name, values in channels.items():
        tracks[name][frames] = values
    return replace(motion, **tracks)


def _head_vertices(avatar: Avatar) -> np.ndarray:
    """Indices of the vertices that follow the head rather than the torso; carriers have no place of their own."""
    return np.flatnonzero(avatar.head.skin_weights[:, ROOT].numpy() < 0.5)


def _target(frame: TrainingFrame, frozen: FrozenAvatar, channels: dict[str, np.ndarray], heads: np.ndarray, camera: Camera) -> _Target:
    rgb, _ = frame.over(BLACK)
    corners = camera.project(frozen.vertices(channels)[heads].astype(np.float64))
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = 0.1 * (high - low)
    left, top = np.clip(low - margin, 0, (camera.width, camera.height)).astype(int)
    right, bottom = np.clip(high + margin, 0, (camera.width, camera.height)).astype(int)
    weight = frame.importance.copy()
    weight[top:bottom, left:right] *= HEAD_IMPORTANCE
    return _Target(rgb, weight / weight.mean())


def _objective(
    frozen: FrozenAvatar, layout: Layout, tracked: np.ndarray, target: _Target, camera: Camera, deviation: np.ndarray
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """The loss of one frame and its gradient [P]: pseudo-Huber of the picture, and the distance from the tracked values."""
    workspace, g_rgb = Workspace(), np.empty_like(target.rgb)

    def evaluate(values: np.ndarray) -> tuple[float, np.ndarray]:
        drawing = frozen.draw(layout.unpack(values), camera, BLACK, workspace)
        loss = _compare(drawing.pictures.rgb, target.rgb, target.weight, np.float32(ROBUST), g_rgb)
        gradient = layout.pack(frozen.backward(drawing, g_rgb))
        off = (values - tracked) / deviation
        return loss + PRIOR * float(off @ off), gradient + 2 * PRIOR * off / deviation

    return evaluate


@njit(cache=True, nogil=True, fastmath=True)
def _compare(rgb, target, weight, robust, g_rgb):
    # Pseudo-Huber, the weighted mean square for differences well below `robust`, and its gradient.
    inverse, share = 1 / robust, np.float32(2.0 / rgb.size)
    total = 0.0
    for r in range(rgb.shape[0]):
        row = np.float32(0.0)
        for c in range(rgb.shape[1]):
            for k in range(3):
                d = rgb[r, c, k] - target[r, c, k]
                root = np.sqrt(1 + (d * inverse) * (d * inverse))
                row += weight[r, c] * (root - 1)
                g_rgb[r, c, k] = share * weight[r, c] * d / root
        total += row
    return total * share * robust * robust


def _gauss_newton(frozen: FrozenAvatar, layout: Layout, tracked: np.ndarray, target: _Target, camera: Camera, deviation: np.ndarray) -> np.ndarray:
    """[P, P] second derivatives of the squared error by the parameters, from differences of pictures."""
    workspace = Workspace()
    root = np.sqrt(target.weight)[:, :, None]

    def picture(values: np.ndarray) -> np.ndarray:
        return (frozen.draw(layout.unpack(values), camera, BLACK, workspace).pictures.rgb * root).ravel()

    start = picture(tracked)
    slopes = np.empty((len(tracked), len(start)), np.float32)
    for row, step in enumerate(0.5 * deviation):
        moved = tracked.copy()
        moved[row] += step
        slopes[row] = (picture(moved) - start) / np.float32(step)
    return 2 * (slopes @ slopes.T).astype(np.float64) / slopes.shape[1]


def _descend(objective: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, basis: np.ndarray, steps: int) -> np.ndarray:
    """[P] the correction of one frame, by L-BFGS (Liu and Nocedal 1989) in the coordinates `basis` [P, P]."""

    def moved(x: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = objective(start + basis @ x)
        return loss / PRIOR, basis.T @ gradient / PRIOR

    found = minimize(moved, np.zeros(len(start)), jac=True, method="L-BFGS-B", options={"maxfun": steps, "maxcor": steps})
    return basis @ found.x
