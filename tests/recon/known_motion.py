"""Landmarks of a head whose motion is known."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch

from avatar3d.camera import Camera, look_at
from avatar3d.head.model import HeadModel, landmark_positions
from avatar3d.motion import Motion, rest_motion
from recon.lip_embedding import lips_on_edges
from recon.overlay import pose_frames

SIZE = 512


def true_motion(head: HeadModel, frames: int, seed: int = 0, fps: Fraction = Fraction(25)) -> Motion:
    """Smooth head turns, speech-like jaw, two blinks, a random identity; the torso turns with the head."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / float(fps)

    def wave(width: int, spread: float, speed: float) -> np.ndarray:
        phase, rate = rng.uniform(0, 6.28, width), speed * rng.uniform(0.6, 1.4, width)
        return (spread * np.sin(6.28 * rate * time[:, None] + phase)).astype(np.float32)

    motion = rest_motion(head, frames, fps, shape=rng.normal(0, 0.8, head.num_shape))
    expr = motion.expr
    if head.expr_names:
        for name, spread in (("browInnerUp", 0.4), ("mouthPucker", 0.4), ("mouthSmileLeft", 0.2), ("mouthSmileRight", 0.2)):
            expr[:, head.expr_names.index(name)] = np.abs(wave(1, spread, 0.8))[:, 0]
        blink = sum(np.exp(-(((np.arange(frames) - centre * frames) / 2.0) ** 2)) for centre in (0.3, 0.7))
        for side in ("Left", "Right"):
            expr[:, head.expr_names.index(f"eyeBlink{side}")] = blink
    else:
        expr[:, :10] = wave(10, 0.5, 0.8)
    jaw = np.zeros((frames, 3), np.float32)
    jaw[:, 0] = np.abs(wave(1, 0.2, 1.5))[:, 0]
    gaze = wave(2, 0.12, 0.4)
    eyes = np.zeros((frames, 6), np.float32)
    eyes[:, 0:2], eyes[:, 3:5] = gaze, gaze
    return replace(motion, jaw_pose=jaw, eyes_pose=eyes, rotation=wave(3, 0.12, 0.4), translation=wave(3, 0.01, 0.3))


def true_camera(focal: float = 921.6) -> Camera:
    """A camera that sees head and shoulders of the embedded head."""
    return look_at(np.array([0.0, -0.02, 0.85]), np.array([0.0, -0.02, 0.0]), focal=focal, size=(SIZE, SIZE))


def seen_landmarks(head: HeadModel, motion: Motion, camera: Camera, noise: float = 0.0, offset: float = 0.0, seed: int = 0) -> np.ndarray:
    """[T, 478, 3] landmarks in pixels as the detector would give them.

    Args:
        head: the head.
        motion: its motion.
        camera: the view.
        noise: pixels, per frame and landmark.
        offset: metres, by which each landmark sits elsewhere on this person.
        seed: of noise and offset.
    """
    head = lips_on_edges(head)
    assert head.landmarks is not None
    rng = np.random.default_rng(seed)
    points = landmark_positions(torch.from_numpy(pose_frames(head, motion, slice(0, len(motion)))), head).double().numpy()
    points = points + rng.normal(0, 1, (1, points.shape[1], 3)) * offset / 3**0.5
    depth = points @ camera.T_cam_world[2, :3] + camera.T_cam_world[2, 3]
    landmarks = np.zeros((len(motion), 478, 3), np.float32)
    landmarks[:, head.landmarks.index, :2] = camera.project(points) + rng.normal(0, 1, (*points.shape[:2], 2)) * noise
    landmarks[:, head.landmarks.index, 2] = (depth - depth.mean(1, keepdims=True)) * camera.fx / depth.mean()
    return landmarks
