"""One frame of a fit: posed, drawn, compared with the truth, and differentiated, on one thread."""

import threading
from dataclasses import dataclass

import numpy as np

from avatar3d import posing
from avatar3d.camera import Camera
from avatar3d.gaussians import SH_C0
from avatar3d.render.cpu import Workspace, backward_arrays, render_arrays
from recon.loss import LossWeights, photometric_loss
from recon.training_frames import TrainingFrame

_buffers = threading.local()


def workspace() -> Workspace:
    """The calling thread's own rasterizer buffers."""
    if not hasattr(_buffers, "workspace"):
        _buffers.workspace = Workspace()
    return _buffers.workspace


@dataclass(frozen=True, eq=False)
class Mesh:
    """What binding needs of the rig."""

    faces: np.ndarray
    rest_area: np.ndarray
    face: np.ndarray
    bary: np.ndarray


@dataclass(frozen=True, eq=False)
class FrameGradients:
    """Loss of one frame and its gradients with respect to the triangle-local parameters."""

    loss: float
    psnr: float
    position: np.ndarray
    rotation: np.ndarray
    log_scale: np.ndarray
    opacity_logit: np.ndarray
    colour: np.ndarray
    vertices: np.ndarray
    """[V, 3] of the posed mesh; empty where nobody asked."""


def frame_gradients(
    mesh: Mesh,
    vertices: np.ndarray,
    local: dict[str, np.ndarray],
    frame: TrainingFrame,
    camera: Camera,
    background: np.ndarray,
    weights: LossWeights,
    of_vertices: bool = False,
) -> FrameGradients:
    """Pose, draw, compare and differentiate one frame on the calling thread.

    Args:
        mesh: the binding.
        vertices: [V, 3] posed.
        local: position [N, 3], rotation [N, 4], log_scale [N, 3], opacity_logit [N], colour [N, 3] of this frame.
        frame: the truth.
        camera: at the frame's resolution.
        background: [3] colour that fills what is transparent.
        weights: of the loss.
        of_vertices: whether the mesh's gradient is wanted as well.
    """
    frames = posing.triangle_frames(vertices, mesh.faces, mesh.rest_area)
    position, rotation, log_scale = posing.bind(
        vertices, mesh.faces, frames, mesh.face, mesh.bary, local["position"], local["rotation"], local["log_scale"]
    )
    sh = ((local["colour"] - np.float32(0.5)) / np.float32(SH_C0))[:, None, :]
    drawn = render_arrays(position, rotation, log_scale, local["opacity_logit"], sh, camera, background, workspace=workspace())
    target, matte = frame.over(background)
    loss, g_rgb, g_alpha = photometric_loss(drawn.rgb, drawn.alpha, target, matte, frame.importance, frame.box, weights)
    if frame.shown is not None:
        g_rgb *= frame.shown[..., None]
        g_alpha *= frame.shown
    psnr = -10 * np.log10(max(float(np.square(drawn.rgb - target).mean()), 1e-10))
    g = backward_arrays(workspace(), g_rgb, g_alpha)
    g_position, g_rotation = posing.bind_backward(frames, mesh.face, g.position, g.rotation)
    g_vertices = np.zeros((0, 3), np.float32)
    if of_vertices:
        g_vertices = posing.vertices_backward(
            vertices, mesh.faces, frames, mesh.rest_area, mesh.face, mesh.bary, local["position"], rotation, g.position, g.rotation, g.log_scale
        )
    return FrameGradients(loss, psnr, g_position, g_rotation, g.log_scale, g.opacity_logit, g.sh[:, 0, :] / np.float32(SH_C0), g_vertices)
