"""Reading video: upright, progressive, square pixels, sRGB, at a constant rate, whatever the file."""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import BlockingIOError as NoFrameYet
from av.error import EOFError as NoFrameLeft
from av.error import FFmpegError, InvalidDataError
from av.filter import Graph
from av.stream import Disposition
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from avatar3d.errors import UserError
from avatar3d.media import open_media, sound_stream, start_seconds
from avatar3d.sound import read_sound
from recon.crop import Crop
from recon.picture import Converter, colour

MAX_FPS = 60
MAX_SECONDS = 4 * 3600
_STANDARD_RATES = [Fraction(n) for n in (15, 24, 25, 30, 48, 50, 60)] + [Fraction(n, 1001) for n in (24000, 30000, 60000)]
_SEEK_SECONDS = 90
_MISSING_SECONDS = 0.5
"""A file that ends this much before the end it promises was cut off."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says about itself, checked against its first frame."""

    path: Path
    width: int
    """Pixels of the upright picture with square pixels."""
    height: int
    fps: Fraction
    """The constant rate at which `read_frames` reads it, unless told otherwise."""
    duration: float
    """Seconds, as the file says; 0 where it does not."""
    has_sound: bool
    sound_offset: Fraction
    """Seconds by which the sound's first sample comes before the first frame (negative: after it)."""
    interlaced: bool
    matrix: str
    """Colour matrix in use: ITU709, ITU601, BT2020, ..."""
    full_range: bool


def probe(path: Path | str) -> VideoInfo:
    """Read a file's properties and decode its first frame.

    Raises:
        UserError: missing, empty, not a video, without a video track, or without a frame that can be decoded.
    """
    path = Path(path)
    with open_media(path, "video") as container:
        stream = _video_stream(container, path)
        fps = _constant_rate(stream)
        sound = sound_stream(container)
        frame = next(_decoded(container, stream, path), None)
        if frame is None:
            raise UserError(f"{path}: no frame can be decoded; export the video again as H.264 .mp4")
        first = start_seconds(stream) if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
        width, height = Converter(frame, stream.sample_aspect_ratio).size
        seconds = container.duration / av.time_base if container.duration else 0.0
        matrix, colour_range = colour(frame)
        return VideoInfo(
            path=path,
            width=width,
            height=height,
            fps=fps,
            duration=seconds,
            has_sound=sound is not None,
            sound_offset=Fraction(0) if sound is None else first - start_seconds(sound),
            interlaced=frame.interlaced_frame,
            matrix=matrix.name,
            full_range=colour_range == ColorRange.JPEG,
        )


def read_frames(path: Path | str, fps: Fraction | None = None, crop: Crop | None = None, frames: range | None = None) -> Iterator[np.ndarray]:
    """Stream the frames at a constant rate: frame i is the one nearest in time to i / fps after the first.

    Args:
        path: the video.
        fps: wanted rate; None takes the video's own (`VideoInfo.fps`).
        crop: read only this window, scaled to its size; None reads whole frames.
        frames: which of them; None for all.

    Yields:
        [height, width, 3] uint8 sRGB, not to be written to; may be the same array again where the video holds a frame.

    Raises:
        UserError: as `probe`; also a video that claims to be longer than `MAX_SECONDS`.
    """
    wanted = _at_constant_rate(path, fps)
    if frames is not None:
        wanted = islice(wanted, frames.start, frames.stop, frames.step)
    for frame in wanted:
        yield frame(crop)


def sample_frames(path: Path | str, count: int) -> Iterator[np.ndarray]:
    """About `count` frames spread over the video, one at a time; see `read_frames`.

    A long video is sought through, which lands on key frames; a short one is decoded, since it has few of them.
    """
    info = probe(path)
    if info.duration > _SEEK_SECONDS:
        with contextlib.suppress(FFmpegError):
            yield from _sought(info, count)
            return
    step = max(1, int(info.duration * info.fps / count))
    for i, frame in enumerate(_at_constant_rate(path, info.fps)):
        if i % step == 0:
            yield frame()


def _sought(info: VideoInfo, count: int) -> Iterator[np.ndarray]:
    with open_media(info.path, "video") as container:
        stream = _video_stream(container, info.path)
        assert stream.time_base is not None
        for k in range(count):
            container.seek(int((start_seconds(stream) + Fraction(info.duration) * k / count) / stream.time_base), stream=stream)
            frame = next(_decoded(container, stream, info.path), None)
            if frame is not None:
                yield Converter(frame, stream.sample_aspect_ratio).whole(frame)


def read_aligned_sound(path: Path | str, rate: int = 16000) -> np.ndarray | None:
    """The sound on the clock of `read_frames`: sample k is heard k / rate seconds after the first frame is shown.

    Sound from before the first frame is cut; where the sound starts later, silence is put in front.

    Returns:
        [samples] mono float32, or None for a silent video.

    Raises:
        UserError: as `probe` and `avatar3d.sound.read_sound`.
    """
    info = probe(path)
    if not info.has_sound:
        return None
    sound = read_sound(path, rate)
    shift = round(info.sound_offset * rate)
    return sound[shift:] if shift >= 0 else np.concatenate([np.zeros(-shift, np.float32), sound])


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    # A sound file's cover picture is a video stream to FFmpeg, but not to anybody else.
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise UserError(f"{path}: has no video track; give a video of the person")
    stream = streams[0]
    stream.thread_type = "AUTO"
    return stream


def _constant_rate(stream: VideoStream) -> Fraction:
    """The rate that suits the stream: its average, snapped to a standard rate nearby, since averages include start offsets and dropped frames."""
    average = stream.average_rate or stream.guessed_rate or Fraction(25)
    nominal = stream.guessed_rate or average
    if nominal > 0 and abs(nominal / average - 1) < Fraction(1, 100):
        average = nominal
    nearest = min(_STANDARD_RATES, key=lambda rate: abs(rate - average))
    fps = nearest if abs(nearest / average - 1) < Fraction(1, 2000) else average.limit_denominator(1001)
    divisor = -(-fps // MAX_FPS)
    return fps / max(divisor, 1)


def _decoded(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[av.VideoFrame]:
    """Decoded frames; damaged packets are skipped, and a file that breaks off ends there, with a warning."""
    damaged, reached = 0, start_seconds(stream)
    try:
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    if frame.pts is not None and frame.time_base is not None:
                        reached = max(reached, frame.pts * frame.time_base)
                    yield frame
            except InvalidDataError:
                damaged += 1
    except FFmpegError as error:
        warnings.warn(f"{path}: cannot be read to its end ({error.strerror}); only the part before is used", stacklevel=2)
        return
    if damaged:
        warnings.warn(f"{path}: {damaged} damaged pieces were skipped", stacklevel=2)
    if stream.duration and stream.time_base:
        promised = start_seconds(stream) + stream.duration * stream.time_base
        if promised - reached > _MISSING_SECONDS:
            seconds = float(reached - start_seconds(stream))
            warnings.warn(f"{path}: breaks off after {seconds:.1f} s; only that part is used", stacklevel=2)


def _progressive(frames: Iterator[av.VideoFrame], stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Deinterlace with bwdif from the first interlaced frame on; progressive frames pass unchanged."""
    graph = None
    for frame in frames:
        if graph is None and frame.interlaced_frame:
            graph = Graph()
            source = graph.add_buffer(template=stream, width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
            graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")).configure()
        if graph is None:
            yield frame
        else:
            graph.vpush(frame)
            yield from _pulled(graph)
    if graph is not None:
        graph.vpush(None)
        yield from _pulled(graph)


def _pulled(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (NoFrameYet, NoFrameLeft):
            return


def _at_constant_rate(path: Path | str, fps: Fraction | None) -> Iterator["_Frame"]:
    """Frames nearest in time to the grid, not yet converted."""
    path = Path(path)
    with open_media(path, "video") as container:
        stream = _video_stream(container, path)
        native = 1 / _constant_rate(stream)
        period = 1 / Fraction(fps) if fps is not None else native
        first = previous = converter = None
        time = Fraction(0)
        index = 0
        for frame in _progressive(_decoded(container, stream, path), stream):
            now = time + period if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
            first = now if first is None else first
            if now - first > MAX_SECONDS:
                raise UserError(f"{path}: the video is longer than {MAX_SECONDS // 3600} hours; cut out the minutes you need")
            if previous is not None:
                while first + index * period <= (time + now) / 2:
                    yield previous
                    index += 1
            converter = converter or Converter(frame, stream.sample_aspect_ratio)
            previous, time = _Frame(frame, converter), max(now, time)
        if previous is None or first is None:
            raise UserError(f"{path}: no frame can be decoded; export the video again as H.264 .mp4")
        # The last frame lasts as long as the others, which may be several periods.
        while first + index * period < time + max(period, 2 * native - period) / 2:
            yield previous
            index += 1


class _Frame:
    """A decoded frame that becomes a picture when called, once."""

    def __init__(self, frame: av.VideoFrame, converter: Converter) -> None:
        self._frame, self._converter = frame, converter
        self._picture: np.ndarray | None = None

    def __call__(self, crop: Crop | None = None) -> np.ndarray:
        if self._picture is None:
            self._picture = self._converter.whole(self._frame) if crop is None else self._converter.window(self._frame, crop)
        return self._picture
