"""One frame of an avatar whose Gaussians stay as they are: drawn from the motion's channels, and differentiated back to them."""

from dataclasses import dataclass

import numpy as np

from avatar3d import posing
from avatar3d.avatar import Avatar
from avatar3d.basis_network import NECK_TRANSLATION_UNIT
from avatar3d.camera import Camera
from avatar3d.gaussians import SH_C0
from avatar3d.render.cpu import Pictures, Workspace, backward_arrays, render_arrays
from recon.rig_gradient import Pose, pose, pose_backward, rig_arrays

Channels = dict[str, np.ndarray]
"""One frame of a motion by channel name, each [width]."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """A drawn frame and what its backward pass needs; valid until its workspace draws again."""

    pictures: Pictures
    pose: Pose
    frames: posing.Frames
    local: np.ndarray
    """[10N] triangle-local position, rotation and colour."""
    rotation: np.ndarray
    """[N, 4] in the world."""
    hidden: list[np.ndarray]
    """What entered each layer of the network, first the normalised inputs."""
    workspace: Workspace


class FrozenAvatar:
    """The avatar as plain arrays, made once; drawing and going back are safe on several threads with a workspace each."""

    def __init__(self, avatar: Avatar):
        self._avatar, self._count = avatar, len(avatar)
        self.rig = rig_arrays(avatar.rig, avatar.shape, avatar.vertex_offset)
        parts = (avatar.position, avatar.rotation, avatar.colour)
        self._base = np.concatenate([part.numpy().ravel() for part in parts])
        bases = (avatar.position_basis, avatar.rotation_basis, avatar.colour_basis)
        self._deltas = np.ascontiguousarray(np.concatenate([basis.flatten(1).numpy() for basis in bases], axis=1))
        self._layers = [(weight.double().numpy(), bias.double().numpy()) for weight, bias in avatar.layers]
        self._mean, self._std = avatar.input_mean.double().numpy(), avatar.input_std.double().numpy()

    def draw(self, channels: Channels, camera: Camera, background: np.ndarray, workspace: Workspace) -> Drawing:
        """The picture of one frame; the same as posing and drawing the avatar, on the calling thread."""
        N, avatar = self._count, self._avatar
        weights, hidden = self._weights(channels)
        local = posing.combine(self._base, weights.astype(np.float32), self._deltas)
        posed = pose(self.rig, channels)
        frames = posing.triangle_frames(posed.vertices, avatar.faces, avatar.rest_area)
        position, rotation, log_scale = posing.bind(
            posed.vertices, avatar.faces, frames, avatar.face, avatar.bary,
            local[: 3 * N].reshape(N, 3), local[3 * N : 7 * N].reshape(N, 4), avatar.log_scale.numpy(),
        )  # fmt: skip
        sh = ((local[7 * N :] - np.float32(0.5)) / np.float32(SH_C0)).reshape(N, 1, 3)
        pictures = render_arrays(position, rotation, log_scale, avatar.opacity_logit.numpy(), sh, camera, background, workspace=workspace)
        return Drawing(pictures, posed, frames, local, rotation, hidden, workspace)

    def vertices(self, channels: Channels) -> np.ndarray:
        """[V, 3] posed vertices of one frame."""
        return pose(self.rig, channels).vertices

    def backward(self, drawing: Drawing, g_rgb: np.ndarray, g_alpha: np.ndarray | None = None) -> Channels:
        """Gradients of the channels, through the rig and through the network into the bases.

        Args:
            drawing: of this frame.
            g_rgb: [H, W, 3] gradient of the picture, contiguous float32.
            g_alpha: [H, W] gradient of its coverage, likewise, or None.
        """
        N, avatar = self._count, self._avatar
        g = backward_arrays(drawing.workspace, g_rgb, g_alpha)
        g_vertices = posing.vertices_backward(
            drawing.pose.vertices, avatar.faces, drawing.frames, avatar.rest_area, avatar.face, avatar.bary,
            drawing.local[: 3 * N].reshape(N, 3), drawing.rotation, g.position, g.rotation, g.log_scale,
        )  # fmt: skip
        channels = pose_backward(self.rig, drawing.pose, g_vertices)
        g_position, g_rotation = posing.bind_backward(drawing.frames, avatar.face, g.position, g.rotation)
        g_local = np.concatenate([g_position.ravel(), g_rotation.ravel(), g.sh.ravel() / np.float32(SH_C0)])
        for name, part in self._inputs_backward(self._deltas @ g_local, drawing.hidden, channels).items():
            channels[name] = channels[name] + part
        return channels

    def _weights(self, channels: Channels) -> tuple[np.ndarray, list[np.ndarray]]:
        shift = channels["neck_translation"] if "neck_translation" in channels else np.zeros(3)
        parts = [channels["expr"], channels["jaw_pose"], channels["eyes_pose"], channels["neck_pose"], shift / NECK_TRANSLATION_UNIT]
        parts += [channels["eyelids"]] if "eyelids" in channels else []
        x = (np.concatenate(parts) - self._mean) / self._std
        hidden = [x]
        for weight, bias in self._layers[:-1]:
            hidden.append(np.tanh(weight @ hidden[-1] + bias))
        weight, bias = self._layers[-1]
        return weight @ hidden[-1] + bias, hidden

    def _inputs_backward(self, g_weights: np.ndarray, hidden: list[np.ndarray], channels: Channels) -> Channels:
        g = self._layers[-1][0].T @ g_weights.astype(np.float64)
        for (weight, _), value in zip(self._layers[-2::-1], hidden[:0:-1], strict=True):
            g = weight.T @ (g * (1 - value * value))
        g = g / self._std
        found, start = {}, 0
        for name in ("expr", "jaw_pose", "eyes_pose", "neck_pose", "neck_translation", "eyelids"):
            if name in channels:
                width = len(channels[name])
                found[name] = g[start : start + width] / (NECK_TRANSLATION_UNIT if name == "neck_translation" else 1.0)
                start += width
        return found
