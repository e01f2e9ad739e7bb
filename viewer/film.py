"""An avatar performing a motion, as a video file."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.drawing import as_bytes, draw
from avatar3d.errors import UserError
from avatar3d.motion import Motion
from avatar3d.mp4 import VideoWriter
from avatar3d.progress import Progress, silent
from avatar3d.render.cpu import Workspace
from avatar3d.threads import num_cores
from viewer.cameras import CameraPath
from viewer.export.provenance import provenance

Background = Callable[[int], np.ndarray]
"""Frame number -> [3] or [H, W, 3] float32 sRGB."""


def colour_background(name: str) -> Background:
    """A plain background by name or as #rrggbb.

    Raises:
        UserError: no such colour.
    """
    from matplotlib.colors import to_rgb

    try:
        colour = np.array(to_rgb(name), np.float32)
    except ValueError as error:
        raise UserError(f"{name}: is not a colour; give a name such as white or a code such as #204060") from error
    return lambda frame: colour


def film(
    avatar: Avatar,
    motion: Motion,
    path: Path | str,
    *,
    cameras: CameraPath,
    background: Background,
    fps: Fraction | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> int:
    """Draw a motion and write it as MP4 with the motion's sound; returns the number of frames.

    Args:
        avatar: who performs.
        motion: what, with its sound.
        path: of the MP4.
        cameras: camera over time; its size must not change.
        background: behind the avatar.
        fps: frames per second of the video; default the motion's.
        threads: for drawing; default all cores.
        progress: called after every frame.

    Raises:
        UserError: the file cannot be written.
    """
    return film_together([(avatar, motion, cameras)], path, background=background, fps=fps, threads=threads, progress=progress)


def film_together(
    performers: Sequence[tuple[Avatar, Motion, CameraPath]],
    path: Path | str,
    *,
    background: Background,
    fps: Fraction | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> int:
    """Draw several avatars side by side, each with its camera, and write them as MP4 with the first one's sound; returns the number of frames.

    Args:
        performers: avatar, motion and camera over time of each; all pictures are of one height.
        path: of the MP4.
        background: behind each.
        fps: frames per second; default the first motion's.
        threads: for drawing; default all cores.
        progress: called after every frame.

    Raises:
        UserError: the file cannot be written.
    """
    _, lead, _ = performers[0]
    fps = fps or lead.fps
    threads = threads or num_cores()
    workspace = Workspace()

    def picture(index: int) -> np.ndarray:
        time = float(index / fps)
        drawn = (draw(who, what, time, seen(time), background(index), threads=threads, workspace=workspace) for who, what, seen in performers)
        return np.concatenate([as_bytes(each.rgb) for each in drawn], axis=1)

    count = max(int(lead.duration * fps), 1)
    first = picture(0)
    facts = provenance([avatar for avatar, _, _ in performers])
    height, width = first.shape[:2]
    writer = VideoWriter(path, fps=fps, size=(width, height), sound=lead.sound, sound_rate=lead.sound_rate, title=facts.title, comment=facts.sentence)
    with writer as video:
        write_while_drawing(video, itertools.chain([first], map(picture, range(1, count))), count, progress)
    return count


def write_while_drawing(video: VideoWriter, pictures: Iterable[np.ndarray], count: int, progress: Progress = silent) -> None:
    """Write pictures as they are drawn: one is encoded while the next is being made.

    Args:
        video: an open film.
        pictures: its `count` frames, made when they are asked for; none may be changed afterwards.
        count: of them.
        progress: called after every frame.
    """
    with ThreadPoolExecutor(1) as pool:
        pending: Future | None = None
        for index, picture in enumerate(pictures):
            if pending is not None:
                pending.result()
                progress(index, count)
            pending = pool.submit(video.write, picture)
        if pending is not None:
            pending.result()
    progress(count, count)
