"""Writing films that every player shows with the right colours and in step with their sound: MP4, and others by their codec."""

import contextlib
from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from avatar3d.codecs import H264, Codec
from avatar3d.errors import UserError
from avatar3d.files import atomic_path
from avatar3d.spherical import Stereo, mark_stereo

SYNTHETIC = "Synthetic video made with avatar3d: this is not a recording of the person."
_SOUND_CHUNK = 1024


class VideoWriter(contextlib.AbstractContextManager):
    """Frames in, one film out, whole or not at all.

    Colours are sRGB values written as BT.709, limited range, and tagged so. Frame i is shown at i / fps, sound sample k
    heard at k / sound_rate; sound beyond the last frame is cut, missing sound is silence. Where two pixels share a colour
    (4:2:0) sides are even: an odd picture is extended by repeating its last column or row. Alpha is straight: colours are
    not multiplied by it.

        with VideoWriter("talk.mp4", fps=Fraction(25), size=(512, 512), sound=samples, sound_rate=16000) as video:
            for frame in frames:
                video.write(frame)

    Args:
        path: the output; written under a temporary name and renamed at the end.
        fps: frames per second.
        size: (width, height) of the frames, pixels.
        sound: [samples] mono float32, -1..1, or None for a silent file.
        sound_rate: Hz; rates that the sound's codec lacks are resampled to 48 kHz.
        title: container title.
        comment: container comment; the default says that the video is synthetic.
        codec: how it is packed; default MP4.
        alpha: frames have a fourth channel, for a codec with alpha.
        stereo: how two eyes share the frames, for players: written into MP4 and MOV whole, into WebM without the projection.
        options: of the encoder, over the codec's own.

    Raises:
        UserError: the file cannot be written (folder, permission, full disk), also from `write` and on leaving the block.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        fps: Fraction,
        size: tuple[int, int],
        sound: np.ndarray | None = None,
        sound_rate: int = 0,
        title: str = "",
        comment: str = SYNTHETIC,
        codec: Codec = H264,
        alpha: bool = False,
        stereo: Stereo | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.fps, self.size = Path(path), Fraction(fps), size
        self.frames = 0
        self._sound = None if sound is None else np.ascontiguousarray(sound, np.float32)
        self._sound_rate = sound_rate
        self._metadata = {"title": title, "comment": comment}
        self.codec, self.channels, self.stereo = codec, 4 if alpha else 3, stereo
        self._pixels = codec.alpha_pixels if alpha else codec.pixels
        if self._pixels is None:
            raise ValueError(f"{codec.video} has no alpha")
        self._options = codec.options | dict(options or {})
        self._given = {(8, 3): "rgb24", (8, 4): "rgba", (16, 3): "rgb48le", (16, 4): "rgba64le"}[codec.depth, self.channels]
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "VideoWriter":
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            stack.enter_context(_disk_errors(self.path))
            self._container = av.open(str(temporary), "w", format=self.codec.container, options=self.codec.container_options)
            if self.stereo is not None and self.codec.container != "webm" and temporary.is_file():
                # After closing, before the file gets its name.
                stack.push(partial(_mark, temporary, self.stereo))
            stack.push(self._close)
            self._container.metadata.update({key: value for key, value in self._metadata.items() if value})
            self._video = self._video_stream()
            self._audio = None if self._sound is None else self._audio_stream()
            self._stack = stack.pop_all()
        return self

    def write(self, picture: np.ndarray) -> None:
        """Append a frame [height, width, 3 or, with alpha, 4] sRGB, uint8 or uint16 after the codec's depth."""
        width, height = self.size
        shape, kind = (height, width, self.channels), np.dtype(f"uint{self.codec.depth}")
        if picture.shape != shape or picture.dtype != kind:
            raise ValueError(f"frame has shape {picture.shape} and type {picture.dtype}, expected {shape} and {kind}")
        if self.codec.even and (width % 2 or height % 2):
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), self._given).reformat(
            format=self._pixels, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, interpolation="BICUBIC"
        )
        frame.pts, frame.time_base = self.frames, 1 / self.fps
        frame.color_primaries, frame.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        with _disk_errors(self.path):
            self._container.mux(self._video.encode(frame))
            self.frames += 1
            self._write_sound(last=False)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def _close(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        """Finish the file, or after an error only release it: the half-written file is thrown away anyway."""
        if kind is not None:
            with contextlib.suppress(FFmpegError, OSError):
                self._container.close()
            return False
        if self.frames == 0:
            self._container.close()
            raise UserError(f"{self.path}: there is no frame to write; give a motion of at least one frame")
        self._container.mux(self._video.encode(None))
        self._write_sound(last=True)
        self._container.close()
        return False

    def _video_stream(self) -> VideoStream:
        stream = cast(VideoStream, self._container.add_stream(self.codec.video, rate=self.fps, options=self._options))
        stream.width, stream.height = (side + (side % 2 if self.codec.even else 0) for side in self.size)
        stream.pix_fmt = self._pixels
        if self.channels == 4 and self.codec.container == "webm":
            stream.metadata["alpha_mode"] = "1"
        if self.stereo is not None and self.codec.container == "webm":
            stream.metadata["stereo_mode"] = "top_bottom" if self.stereo.over_under else "left_right"
        context = stream.codec_context
        context.time_base = 1 / self.fps
        # Threads change the bytes, by their number and now and then by themselves: one, so that the same frames give the same file.
        context.thread_count = 1
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return stream

    def _audio_stream(self) -> AudioStream:
        rate = self._sound_rate if not self.codec.sound_rates or self._sound_rate in self.codec.sound_rates else 48000
        stream = cast(AudioStream, self._container.add_stream(self.codec.sound, rate=rate, layout="mono"))
        stream.codec_context.bit_rate = 128_000 if rate >= 32000 else 64_000
        self._resampler = av.AudioResampler(format=self.codec.sound_format, layout="mono", rate=rate)
        self._heard = 0
        return stream

    def _write_sound(self, last: bool) -> None:
        """Encode the sound up to the end of the frames written so far, in step with them, so that neither has to wait."""
        if self._audio is None or self._sound is None:
            return
        end = round(self.frames / self.fps * self._sound_rate)
        while self._heard < end and (last or end - self._heard >= _SOUND_CHUNK):
            stop = min(self._heard + _SOUND_CHUNK, end)
            samples = self._sound[self._heard : stop]
            samples = np.pad(samples, (0, stop - self._heard - len(samples)))
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self._sound_rate, self._heard, Fraction(1, self._sound_rate)
            self._encode_sound(frame)
            self._heard = stop
        if last:
            self._encode_sound(None)
            self._container.mux(self._audio.encode(None))

    def _encode_sound(self, frame: av.AudioFrame | None) -> None:
        assert self._audio is not None
        for piece in self._resampler.resample(frame):
            self._container.mux(self._audio.encode(piece))


def _mark(path: Path, stereo: Stereo, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
    if kind is None:
        mark_stereo(path, stereo)
    return False


@contextlib.contextmanager
def _disk_errors(path: Path):
    """FFmpeg's write errors are OSErrors with the system's reason in `strerror`; others mean an unusable file, too."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UserError(f"{path}: cannot be written ({reason}); free some space or choose another output path") from error
