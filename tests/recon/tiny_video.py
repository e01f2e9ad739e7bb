"""Tiny videos whose every frame says which one it is."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

STEP = 8
"""Brightness from one frame to the next."""


def numbered(index: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """Grey frame of brightness 16 + STEP * index, with a white block top left and a red one top right."""
    width, height = size
    frame = np.full((height, width, 3), 16 + STEP * index, np.uint8)
    frame[: height // 4, : width // 4] = 255
    frame[: height // 4, -width // 4 :] = (255, 0, 0)
    return frame


def number(frame: np.ndarray) -> int:
    """The index that `numbered` drew."""
    height, width = frame.shape[:2]
    return round((float(frame[height // 2 :, width // 3 : width // 2].mean()) - 16) / STEP)


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    times: Sequence[Fraction] | None = None,
    fps: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    matrix: int | None = None,
    sound: np.ndarray | None = None,
    sound_start: Fraction = Fraction(0),
    sound_rate: int = 16000,
    setup: Callable | None = None,
    change: Callable[[av.VideoFrame], None] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write frames [H, W, 3] uint8 at their times (seconds), optionally with sound from `sound_start` on.

    Args:
        matrix: swscale's code of the colour matrix to convert with, untagged; None leaves it to swscale (BT.601).
        setup: called with the video stream before anything is written.
        change: called with every converted frame.
    """
    with av.open(str(path), "w", options=options or {}) as container:
        video = container.add_stream(codec, rate=fps)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = pix_fmt
        video.codec_context.time_base = Fraction(1, 90000)
        if setup is not None:
            setup(video)
        audio = None if sound is None else container.add_stream("aac", rate=sound_rate, layout="mono")
        for i, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pix_fmt, dst_colorspace=matrix)
            if matrix is not None:
                frame.colorspace = 2
            time = Fraction(i, fps) if times is None else times[i]
            frame.pts, frame.time_base = round(time * 90000), Fraction(1, 90000)
            if change is not None:
                change(frame)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            piece = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="fltp", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = sound_rate, round(sound_start * sound_rate), Fraction(1, sound_rate)
            container.mux(audio.encode(piece))
            container.mux(audio.encode(None))
    return path
