"""A synthetic person's capture, video and truth: what the tracker is measured by."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import uniform_filter1d

from avatar3d.camera import Camera
from avatar3d.data import data_path
from avatar3d.errors import UserError
from avatar3d.files import atomic_folder
from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion, load_motion, save_motion
from avatar3d.mp4 import VideoWriter
from avatar3d.progress import Progress, silent
from recon.synthetic import backdrop, film_synthetic, synthetic_avatar, synthetic_camera
from recon.synthetic_motion import FRAMES, exercise
from recon.synthetic_person import ADORNED

SEED, SIZE, COARSENESS = 21, 512, 1.6
NOISE = 1.6
"""Grey levels of a sensor's noise: landmarks of a picture without any would stand stiller than a camera lets them."""
HAND = (272, 288)
"""First and last frame in which a hand is before the face."""
_HAND_COLOUR = (168, 122, 98)
_CRF = 14


@dataclass(frozen=True, eq=False)
class KnownCapture:
    """A video of which everything is known; T frames."""

    video: Path
    motion: Motion
    camera: Camera
    """Of the whole picture."""
    still: np.ndarray
    """[T] bool: known to rest."""
    closed: np.ndarray
    """[T] bool: lips meant to touch."""
    covered: np.ndarray
    """[T] bool: a hand is before the face."""


def demo_capture(head: HeadModel) -> KnownCapture:
    """The capture that ships: short hair, no glasses, a calm speaker.

    Raises:
        UserError: its truth is of another head.
    """
    motion = load_motion(data_path("demo", "truth.npz"), head)
    camera = Camera.from_json(json.loads(data_path("demo", "camera.json").read_text(encoding="utf-8")))
    none = np.zeros(len(motion), bool)
    return KnownCapture(data_path("demo", "demo.mp4"), motion, camera, _resting(motion), none, none)


def film_adorned(
    folder: Path | str, head: HeadModel, *, frames: int = FRAMES, coarseness: float = COARSENESS, progress: Progress = silent
) -> KnownCapture:
    """Film the second person, with long hair, glasses and beard, doing `recon.synthetic_motion.exercise`.

    Two minutes on one core; the same versions give the same pictures. A folder that holds the capture already is used as it is.

    Args:
        folder: for video.mp4, truth.npz, camera.json and events.npz.
        head: the embedded head.
        frames: stop early.
        coarseness: of the person.
        progress: told how many frames are done.
    """
    folder = Path(folder)
    if not (folder / "video.mp4").is_file():
        avatar = synthetic_avatar(head, SEED, coarseness, ADORNED)
        performed = exercise(head, avatar.shape.numpy(), frames)
        camera, motion = synthetic_camera(SIZE), performed.motion
        rng = np.random.default_rng([SEED, 8])
        with atomic_folder(folder) as made:
            with VideoWriter(
                made / "video.mp4", fps=motion.fps, size=(SIZE, SIZE), title="avatar3d: a made-up person", options={"crf": str(_CRF)}
            ) as video:
                for index, picture in enumerate(film_synthetic(avatar, motion, camera, backdrop(SIZE, SEED))):
                    seen = with_hand(picture, index) if HAND[0] <= index <= HAND[1] else picture
                    video.write(np.clip(np.round(seen + rng.normal(0, NOISE, seen.shape)), 0, 255).astype(np.uint8))
                    progress(index + 1, len(motion))
            save_motion(replace(motion, valid=np.ones(len(motion), bool)), made / "truth.npz")
            (made / "camera.json").write_text(json.dumps(camera.to_json(), indent=1), encoding="utf-8")
            time = np.arange(len(motion))
            np.savez_compressed(made / "events.npz", still=performed.still, closed=performed.closed, covered=(time >= HAND[0]) & (time <= HAND[1]))
    try:
        camera = Camera.from_json(json.loads((folder / "camera.json").read_text(encoding="utf-8")))
        with np.load(folder / "events.npz", allow_pickle=False) as events:
            still, closed, covered = (np.asarray(events[name], bool) for name in ("still", "closed", "covered"))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder}: is a damaged synthetic capture ({error}); delete it, it will be filmed again") from error
    return KnownCapture(folder / "video.mp4", load_motion(folder / "truth.npz", head), camera, still, closed, covered)


def with_hand(picture: np.ndarray, index: int) -> np.ndarray:
    """The picture [H, W, 3] uint8 with a hand before it: flat, the colour of skin, passing from one side of the chin to the other."""
    share = (index - HAND[0]) / (HAND[1] - HAND[0])
    size = len(picture)
    palm = np.array([0.30 + 0.40 * share, 0.66 + 0.14 * (2 * share - 1) ** 2]) * size
    layer = np.zeros(picture.shape[:2], np.uint8)

    def drop(x: float, y: float, width: float, height: float, angle: float) -> None:
        centre = (round(16 * float(palm[0] + x * size)), round(16 * float(palm[1] + y * size)))
        cv2.ellipse(layer, centre, (round(16 * width * size), round(16 * height * size)), angle, 0, 360, (255,), -1, cv2.LINE_AA, 4)

    drop(0, 0, 0.055, 0.065, 0)
    drop(0.01, 0.26, 0.042, 0.22, 0)
    for finger, tilt in enumerate((-14, -5, 4, 13)):
        drop(-0.042 + 0.028 * finger, -0.085 + 0.008 * abs(finger - 1.5), 0.0145, 0.060, tilt)
    drop(-0.07, -0.02, 0.016, 0.05, -38)
    alpha = cv2.GaussianBlur(layer, (0, 0), 1.0)[..., None] / 255.0
    shade = cv2.GaussianBlur(layer, (0, 0), 9.0)[..., None] / 255.0
    return (picture * (1 - alpha) + np.array(_HAND_COLOUR) * (0.55 + 0.45 * shade) * alpha).astype(np.uint8)


def _resting(motion: Motion) -> np.ndarray:
    """[T] bool: the calmest sixth of a performance in which nobody was told to rest."""
    tracks = np.concatenate([motion.neck_pose + motion.rotation, 10 * motion.translation, 0.3 * motion.jaw_pose], axis=1)
    speed = uniform_filter1d(np.linalg.norm(np.gradient(tracks, axis=0), axis=1), 9, mode="nearest")
    return speed < np.quantile(speed, 1 / 6)
