"""Sound as mono float32 samples."""

import wave
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError

from avatar3d.errors import UserError
from avatar3d.files import atomic_path, check_input
from avatar3d.media import open_media, sound_stream

MAX_SECONDS = 4 * 3600
"""Longer sound is refused instead of filling the memory."""
_GAP_SECONDS = 0.04
"""Time stamps of muxers jitter by less than this; a larger jump is a hole in the recording."""


def read_sound(path: Path | str, rate: int = 16000) -> np.ndarray:
    """The first sound track of any file that FFmpeg reads, from its first sample on.

    Channels are averaged. Holes in the recording become silence, so that sample k stays at k / rate seconds.

    Args:
        path: a sound or video file.
        rate: wanted sampling rate, Hz.

    Returns:
        [samples] mono float32, nominally -1..1.

    Raises:
        UserError: unreadable, no sound track, no sample in it, or longer than `MAX_SECONDS`.
    """
    with open_media(path, "sound") as container:
        stream = sound_stream(container)
        if stream is None:
            raise UserError(f"{path}: has no sound track; give a file with speech in it")
        chunks, length = [], 0
        for position, chunk in _chunks(container, stream, rate):
            missing = position - length
            if length + max(missing, 0) + len(chunk) > MAX_SECONDS * rate:
                raise UserError(f"{path}: the sound is longer than {MAX_SECONDS // 3600} hours; cut out the part you need")
            if missing > _GAP_SECONDS * rate:
                chunks.append(np.zeros(missing, np.float32))
                length += missing
            chunks.append(chunk)
            length += len(chunk)
    if length == 0:
        raise UserError(f"{path}: the sound track holds no sample; record it again")
    return np.concatenate(chunks)


def read_tracks(path: Path | str, rate: int = 16000) -> list[np.ndarray]:
    """The channels of a sound file [samples] each, mono float32 at `rate`: one voice on each.

    Raises:
        UserError: unreadable, or no sample in it.
    """
    from math import gcd

    import soundfile
    from scipy.signal import resample_poly

    check_input(Path(path), "a sound file with two tracks")
    try:
        info = soundfile.info(path)
        if info.duration > MAX_SECONDS:
            raise UserError(f"{path}: the sound is longer than {MAX_SECONDS // 3600} hours; cut out the part you need")
        sound, own_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise UserError(f"{path}: is no sound file with tracks that can be read; give a WAV or FLAC") from error
    if not len(sound):
        raise UserError(f"{path}: the sound track holds no sample; record it again")
    divisor = gcd(own_rate, rate)
    return [np.ascontiguousarray(resample_poly(channel, rate // divisor, own_rate // divisor), np.float32) for channel in sound.T]


def _chunks(container: InputContainer, stream: AudioStream, rate: int) -> Iterator[tuple[int, np.ndarray]]:
    """Decoded pieces with the sample index that their time stamp stands for."""
    resampler: av.AudioResampler | None = None
    form, start = None, None
    position = 0
    for frame in _frames(container, stream):
        seconds = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
        if start is None:
            start = seconds
        if seconds is not None and start is not None:
            position = round((seconds - start) * rate)
        if form != (frame.format.name, frame.layout.name, frame.sample_rate):
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is not None:
                for piece in _mono(resampler, None):
                    yield position, piece
            resampler = av.AudioResampler(format="fltp", layout=frame.layout.name, rate=rate)
        assert resampler is not None
        for piece in _mono(resampler, frame):
            yield position, piece
    if resampler is not None:
        for piece in _mono(resampler, None):
            yield 0, piece


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]:
    """Decoded frames; damaged packets are skipped, and a file that breaks off ends there."""
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except InvalidDataError:
                continue
    except FFmpegError:
        return


def _mono(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
    for piece in resampler.resample(frame):
        samples = piece.to_ndarray()
        yield samples.mean(axis=0, dtype=np.float32) if samples.shape[0] > 1 else samples[0].astype(np.float32)


def write_wav(path: Path | str, samples: np.ndarray, rate: int) -> None:
    """Write 16-bit PCM; what exceeds -1..1 is clipped.

    Args:
        path: the .wav file.
        samples: [samples] mono float.
        rate: Hz.

    Raises:
        UserError: the file cannot be written.
    """
    integers = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    with atomic_path(path) as temporary, temporary.open("wb") as raw, wave.open(raw, "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.setnframes(len(integers))
        stream.writeframes(integers.tobytes())
