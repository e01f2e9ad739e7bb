"""A take: what was shown, moment by moment, while somebody recorded; as a motion with its sound, and as a film."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera
from avatar3d.drawing import as_bytes, draw_gaussians
from avatar3d.errors import UserError
from avatar3d.motion import CHANNELS, ROTATIONS, Motion, between
from avatar3d.mp4 import VideoWriter
from avatar3d.progress import Progress, silent
from avatar3d.render.cpu import Workspace
from viewer.export.provenance import provenance
from viewer.film import write_while_drawing
from viewer.live.browser import framed
from viewer.live.look import Look, lit
from viewer.live.scene import Painter, Scene

LONGEST = 600.0
"""Seconds of a take."""
FPS = Fraction(25)
_JUMP = 0.08
"""Seconds by which a motion may go faster or slower between two moments than it plays; beyond, somebody went elsewhere in it."""
_GAP = 0.5
"""Seconds of a pause between moments up to which both are taken to lie in one stretch of sound."""


@dataclass(frozen=True, eq=False)
class Moment:
    """What was shown at a time."""

    time: float
    """Seconds on any clock."""
    frame: Motion
    """As shown, with all adjustments."""
    camera: Camera | None
    """Of the browser that records."""
    avatar: Avatar
    look: Look
    source: Motion
    """What played."""
    position: float
    """Seconds into it."""
    speed: float
    """At which it ran; 0 where it rested."""
    painter: Painter | None = None
    """Painted what the browser saw, where that was not the view of its camera."""


def motion_of_take(moments: Sequence[Moment]) -> Motion:
    """The moments as a motion of `FPS` with the sound that was heard.

    Raises:
        UserError: nothing was recorded.
    """
    if len(moments) < 2:
        raise UserError("recording: nothing was recorded; press Record, and Stop a little later")
    times = np.array([moment.time for moment in moments]) - moments[0].time
    first, second, share = _between(times)
    frames = [moment.frame for moment in moments]
    values = {}
    for name in ("expr", *CHANNELS):
        if getattr(frames[0], name) is not None and all(getattr(frame, name) is not None for frame in frames):
            track = np.concatenate([getattr(frame, name) for frame in frames])
            values[name] = np.ascontiguousarray(between(track[first], track[second], share[:, None], name in ROTATIONS), np.float32)
    missing = {name: None for name in ("neck_translation", "eyelids") if name not in values}
    sound, rate = sound_of_take(moments, len(first))
    return replace(frames[0], **values, **missing, shape=moments[-1].avatar.shape.numpy(), fps=FPS, valid=None, sound=sound, sound_rate=rate)


def _between(times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every frame of the take: the moments before and after it, and how far between them it lies."""
    count = max(round(times[-1] * float(FPS)), 1)
    grid = np.arange(count) / float(FPS)
    second = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    first = second - 1
    share = np.clip((grid - times[first]) / np.maximum(times[second] - times[first], 1e-9), 0, 1)
    return first, second, share.astype(np.float32)


def sound_of_take(moments: Sequence[Moment], frames: int) -> tuple[np.ndarray | None, int]:
    """What was heard in a take of so many frames [samples], and its rate; None where nothing was."""
    rate = max((moment.source.sound_rate for moment in moments if moment.source.sound is not None), default=0)
    if rate == 0:
        return None, 0
    out = np.zeros(round(frames / FPS * rate), np.float32)
    for stretch in _stretches(moments):
        one = stretch[0]
        if one.speed == 0 or one.source.sound is None:
            continue
        begin, end = (round((moment.time - moments[0].time) * rate) for moment in (one, stretch[-1]))
        seconds = one.position + one.speed * np.arange(min(end, len(out)) - begin) / rate
        heard = np.interp(seconds * one.source.sound_rate, np.arange(len(one.source.sound)), one.source.sound, left=0, right=0)
        out[begin : begin + len(heard)] = heard
    return out, rate


def _stretches(moments: Sequence[Moment]) -> list[list[Moment]]:
    """Moments in which one motion ran through at one speed."""
    stretches: list[list[Moment]] = [[moments[0]]]
    for moment in moments[1:]:
        before = stretches[-1][-1]
        passed = moment.time - before.time
        expected = before.position + before.speed * passed
        same = moment.source is before.source and moment.speed == before.speed and passed < _GAP
        if same and abs(moment.position - expected) < _JUMP:
            stretches[-1].append(moment)
        elif before.speed and moment.source is before.source and passed < _GAP:
            # What was heard until now was heard up to here.
            stretches[-1].append(replace(moment, position=expected))
            stretches.append([moment])
        else:
            stretches.append([moment])
    return stretches


def film_take(
    moments: Sequence[Moment], motion: Motion, path: Path, *, height: int, fallback: Camera, threads: int = 1, progress: Progress = silent
) -> int:
    """Draw a take as it was looked at, with our own rasterizer, and write it as MP4; returns the number of frames.

    Args:
        moments: of the take.
        motion: from `motion_of_take`.
        path: of the MP4.
        height: of the film, pixels.
        fallback: camera where the browser's is not known.
        threads: that draw.
        progress: called after every frame.

    Raises:
        UserError: the file cannot be written.
    """
    times = np.array([moment.time for moment in moments]) - moments[0].time
    first, second, share = _between(times)
    known = [moment.camera for moment in moments if moment.camera is not None]
    begin = known[0] if known else fallback
    size = (2 * max(round(height * begin.width / begin.height / 2), 8), height)
    facts = provenance(moments[0].avatar)
    workspace = Workspace()
    writer = VideoWriter(path, fps=FPS, size=size, sound=motion.sound, sound_rate=motion.sound_rate, title=facts.title, comment=facts.sentence)

    def picture(index: int) -> np.ndarray:
        after, along = second[index], float(share[index])
        moment = moments[after if along > 0.999 else first[index]]
        if moment.painter is not None:
            # Frames of a capture are not blended: what was seen last stands.
            return _painted(moment, size, workspace, threads)
        camera = camera_between(moment.camera or fallback, moments[after].camera or fallback, along, size)
        scene = _scene(moment, motion.frames(slice(index, index + 1)))
        drawn = draw_gaussians(scene.gaussians, camera, scene.backdrop, threads=threads, workspace=workspace).rgb
        return as_bytes(drawn)

    with writer as video:
        write_while_drawing(video, map(picture, range(len(first))), len(first), progress)
    return len(first)


def _scene(moment: Moment, frame: Motion) -> Scene:
    """A frame of motion as it was shown at a moment."""
    gaussians = lit(moment.avatar.pose(frame, 0.0), moment.look, moment.avatar, frame)
    return Scene(0, moment.position, moment.avatar, frame, gaussians, moment.look.background)


def _painted(moment: Moment, size: tuple[int, int], workspace: Workspace, threads: int) -> np.ndarray:
    """[H, W, 3] uint8 of `size` (width, height): what a moment's painter showed, with grey beside it as in the browser."""
    assert moment.painter is not None
    picture = framed(moment.painter(_scene(moment, moment.frame), workspace, threads), size[0] / size[1])
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def camera_between(before: Camera, after: Camera, share: float, size: tuple[int, int]) -> Camera:
    """A camera on the way from one to another, for a picture of `size` (width, height); its height shows what theirs do."""
    turns = [Rotation.from_matrix(camera.T_cam_world[:3, :3]) for camera in (before, after)]
    centres = [-camera.T_cam_world[:3, :3].T @ camera.T_cam_world[:3, 3] for camera in (before, after)]
    turn = turns[0] * Rotation.from_rotvec((turns[0].inv() * turns[1]).as_rotvec() * share)
    centre = centres[0] + share * (centres[1] - centres[0])
    T_cam_world = np.eye(4)
    T_cam_world[:3, :3] = turn.as_matrix()
    T_cam_world[:3, 3] = -T_cam_world[:3, :3] @ centre
    width, height = size
    focal = height * ((1 - share) * before.fy / before.height + share * after.fy / after.height)
    return Camera(focal, focal, width / 2, height / 2, width, height, T_cam_world)
