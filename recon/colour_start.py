"""The colour that each Gaussian starts with: the mean of the pixels in which it is seen."""

import numpy as np

from avatar3d import posing
from avatar3d.camera import Camera
from avatar3d.gaussians import SH_C0
from avatar3d.render.cpu import backward_arrays, render_arrays
from recon.belief import GRAZING, Neighbourhood, facing, spread_colours
from recon.frame_gradients import Mesh, workspace
from recon.trainer import START_OPACITY
from recon.training_frames import TrainingFrame

_LEAST_WEIGHT = 0.01


def start_colours(
    mesh: Mesh, views: list[tuple[np.ndarray, TrainingFrame]], seeds_local: dict[str, np.ndarray], camera: Camera, near: Neighbourhood
) -> np.ndarray:
    """Colours [N, 3]: sum of weight times pixel over sum of weight, from the views in which a Gaussian shows.

    The compositing weights are read off the rasterizer's own derivative with respect to colour. A Gaussian that is never
    seen takes over the colour of its neighbours, or the mean of all where it has none.

    Args:
        mesh: the binding.
        views: posed vertices [V, 3] and the frame, for some frames.
        seeds_local: position, rotation, log_scale in the triangles' frames.
        camera: of the frames.
        near: the neighbours.
    """
    count = len(mesh.face)
    logit = np.full(count, np.log(START_OPACITY / (1 - START_OPACITY)), np.float32)
    sh = np.zeros((count, 1, 3), np.float32)
    weighted, total = np.zeros((count, 3), np.float32), np.zeros((count, 1), np.float32)
    black = np.zeros(3, np.float32)
    for vertices, frame in views:
        frames = posing.triangle_frames(vertices, mesh.faces, mesh.rest_area)
        posed = posing.bind(vertices, mesh.faces, frames, mesh.face, mesh.bary, *(seeds_local[k] for k in ("position", "rotation", "log_scale")))
        render_arrays(*posed, logit, sh, camera, black, workspace=workspace())
        pixels, matte = frame.over(black)
        if frame.shown is not None:
            pixels, matte = pixels * frame.shown[..., None], matte * frame.shown
        # The back of the head shines through the face while nothing is opaque yet; what it shows there is the face's colour.
        front = (facing(posed[0], frames.rotation[mesh.face, :, 2], camera, near) > GRAZING)[:, None]
        weighted += front * backward_arrays(workspace(), pixels).sh[:, 0] / SH_C0
        total += front * backward_arrays(workspace(), np.repeat(matte[..., None], 3, axis=2)).sh[:, 0, :1] / SH_C0
    seen = total[:, 0] > _LEAST_WEIGHT
    colours = np.empty((count, 3), np.float32)
    colours[seen] = weighted[seen] / total[seen]
    colours[~seen] = colours[seen].mean(axis=0) if seen.any() else 0.5
    return np.clip(spread_colours(colours, seen, near), 0, 1)
