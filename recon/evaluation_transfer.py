"""A motion that was tracked with an identity of its own, for an avatar with another: the same person in another video."""

from dataclasses import replace

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.head.model import NECK
from avatar3d.motion import Motion
from avatar3d.render.mesh import to_camera
from recon.overlay import pose_frames

_CHUNK = 64


def carried_over(motion: Motion, camera: Camera, avatar: Avatar) -> Motion:
    """The motion moved so that the avatar's head stands where the tracked one stood in the picture, and as large.

    One camera cannot tell size from distance, so two trackings of one person disagree in both together: the avatar is put at the
    distance at which it looks as large, frame by frame. Everything else stays as tracked, expression included, so that what the
    two identities explain differently remains an error. A motion that was tracked with the avatar's identity is returned as it is.

    Args:
        motion: as tracked, T frames.
        camera: of the capture.
        avatar: who is to perform it.
    """
    shape = avatar.shape.numpy()
    if motion.shape.shape == shape.shape and np.allclose(motion.shape, shape, atol=1e-4):
        return motion
    head = avatar.head
    skull = np.flatnonzero(head.skin_weights[:, NECK].numpy() > 0.5)
    if not len(skull):
        return motion
    rest = head.shaped(torch.from_numpy(motion.shape)).numpy()
    larger = _spread(avatar.rest[skull]) / _spread(rest[skull])
    translation = motion.translation.copy()
    for first in range(0, len(motion), _CHUNK):
        rows = slice(first, min(first + _CHUNK, len(motion)))
        tracked = to_camera(pose_frames(head, motion, rows)[:, skull].mean(axis=1), camera)
        own = [avatar.vertices(motion.frames(slice(i, i + 1)))[skull].mean(axis=0) for i in range(rows.start, rows.stop)]
        shift = larger * tracked - to_camera(np.stack(own), camera)
        translation[rows] += (shift @ camera.T_cam_world[:3, :3]).astype(np.float32)
    return replace(motion, translation=translation, shape=shape.copy())


def _spread(points: np.ndarray) -> float:
    return float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=1).mean()))
