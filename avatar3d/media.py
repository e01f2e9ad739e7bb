"""Opening media files of unknown origin: one door, so that every reader refuses the same things in the same words."""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream

from avatar3d.errors import UserError

# FFmpeg's log stays switched off, as PyAV leaves it: a log that goes through Python deadlocks with the decoder's threads.
# FFmpeg renders plain text as a video of a terminal and follows playlists to other files: neither is a recording.
_REFUSED = {"tty", "concat", "hls", "dash", "ffmetadata", "lavfi"}


@contextlib.contextmanager
def open_media(path: Path | str, kind: str) -> Iterator[InputContainer]:
    """Open a local video or sound file for reading.

    Args:
        path: the file; never taken for a URL.
        kind: what the caller wants, "video" or "sound", for the messages.

    Raises:
        UserError: missing, a folder, empty, or in no format that FFmpeg knows.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file; give the path of a {kind} file")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give the path of a {kind} file")
    if path.is_file() and path.stat().st_size == 0:
        raise UserError(f"{path}: is empty (0 bytes); copy or record it again")
    not_media = UserError(f"{path}: is not a {kind} file, or is damaged at its start; give a {kind} file that a media player can play")
    try:
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read (permission denied); change its permissions") from error
    except (FFmpegError, OSError, ValueError) as error:
        raise not_media from error
    with container:
        if _REFUSED & set(container.format.name.split(",")):
            raise not_media
        yield container


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The first sound track that can be decoded: phones add tracks of their own kind. None where there is none."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def start_seconds(stream: Stream) -> Fraction:
    """Time stamp of the stream's first sample on the clock of its file, seconds; 0 where the file does not say."""
    if stream.start_time is None or stream.time_base is None:
        return Fraction(0)
    return stream.start_time * stream.time_base
