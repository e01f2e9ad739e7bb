"""Writing MP4 video (H.264 and AAC) that every player shows with the right colours and in step with its sound."""

import contextlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from avatar3d.errors import UserError
from avatar3d.files import atomic_path

SYNTHETIC = "Synthetic video made with avatar3d: this is not a recording of the person."
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_SOUND_CHUNK = 1024


class VideoWriter(contextlib.AbstractContextManager):
    """Frames in, one MP4 out, whole or not at all.

    Colours are sRGB values written as BT.709, limited range, and tagged so. Frame i is shown at i / fps, sound sample k
    heard at k / sound_rate; sound beyond the last frame is cut, missing sound is silence. H.264 with 4:2:0 chroma wants
    even sides: an odd picture is extended by repeating its last column or row.

        with VideoWriter("talk.mp4", fps=Fraction(25), size=(512, 512), sound=samples, sound_rate=16000) as video:
            for frame in frames:
                video.write(frame)

    Args:
        path: the output; written under a temporary name and renamed at the end.
        fps: frames per second.
        size: (width, height) of the frames, pixels.
        sound: [samples] mono float32, -1..1, or None for a silent file.
        sound_rate: Hz; rates that AAC lacks are resampled to 48 kHz.
        title: container title.
        comment: container comment; the default says that the video is synthetic.
        crf: x264's quality, lower is better.
        preset: x264's preset.

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
        crf: int = 17,
        preset: str = "veryfast",
    ) -> None:
        self.path, self.fps, self.size = Path(path), Fraction(fps), size
        self.frames = 0
        self._sound = None if sound is None else np.ascontiguousarray(sound, np.float32)
        self._sound_rate = sound_rate
        self._metadata = {"title": title, "comment": comment}
        self._options = {"crf": str(crf), "preset": preset}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "VideoWriter":
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            stack.enter_context(_disk_errors(self.path))
            self._container = av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"})
            stack.push(self._close)
            self._container.metadata.update({key: value for key, value in self._metadata.items() if value})
            self._video = self._video_stream()
            self._audio = None if self._sound is None else self._audio_stream()
            self._stack = stack.pop_all()
        return self

    def write(self, rgb: np.ndarray) -> None:
        """Append a frame [height, width, 3], uint8 sRGB."""
        width, height = self.size
        if rgb.shape != (height, width, 3) or rgb.dtype != np.uint8:
            raise ValueError(f"frame has shape {rgb.shape} and type {rgb.dtype}, expected {(height, width, 3)} and uint8")
        if width % 2 or height % 2:
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, interpolation="BICUBIC"
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
        stream = self._container.add_stream("libx264", rate=self.fps, options=self._options)
        stream.width, stream.height = (side + side % 2 for side in self.size)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / self.fps
        # Threads change the bytes, by their number and now and then by themselves: one, so that the same frames give the same file.
        context.thread_count = 1
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return stream

    def _audio_stream(self) -> AudioStream:
        rate = self._sound_rate if self._sound_rate in _AAC_RATES else 48000
        stream = self._container.add_stream("aac", rate=rate, layout="mono")
        stream.codec_context.bit_rate = 128_000 if rate >= 32000 else 64_000
        self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
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


@contextlib.contextmanager
def _disk_errors(path: Path):
    """FFmpeg's write errors are OSErrors with the system's reason in `strerror`; others mean an unusable file, too."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UserError(f"{path}: cannot be written ({reason}); free some space or choose another output path") from error
