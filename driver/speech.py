"""Text to speech with the exact time of every phoneme, through espeak-ng.

espeak-ng is GPL software: it is loaded only when speech is asked for, from the optional wheel `espeakng-loader`.
"""

import _ctypes
import ctypes
import sys
import threading
from dataclasses import dataclass

import numpy as np

from avatar3d.errors import UserError

RATE = 16000
_MAX_CHARACTERS = 20_000
_LOCK = threading.Lock()
_SEED = 1
_ALIASES = {"en-gb": "en", "fr-fr": "fr"}
"""Language codes that people write and espeak-ng lists under another name."""

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 1 << 0
_INITIALIZE_PHONEME_IPA = 1 << 1
_INITIALIZE_DONT_EXIT = 1 << 15
_CHARS_UTF8 = 1
_PARAMETER_RATE, _PARAMETER_PITCH, _PARAMETER_RANGE = 1, 3, 4
_EVENT_LIST_TERMINATED, _EVENT_PHONEME = 0, 7


@dataclass(frozen=True)
class Phone:
    """One phoneme of synthesized speech."""

    name: str
    """IPA, stress marks included ("ˈiː"); "" is a pause."""
    start: float
    """Seconds."""
    end: float
    """Seconds."""


@dataclass(frozen=True, eq=False)
class Speech:
    """Synthesized speech."""

    sound: np.ndarray
    """[samples] mono float32, -1..1."""
    rate: int
    """Hz."""
    phones: tuple[Phone, ...]
    """In order, without gaps, from 0 to the end of the sound."""


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("unique_identifier", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("id", _EventId),
    ]  # fmt: skip


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def _library() -> tuple[ctypes.CDLL, int]:
    """The loaded library and its native rate."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise UserError("speech from text: needs espeak-ng; install it with `pip install avatar3d[tts]` or give --audio") from error
    try:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        options = _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_PHONEME_IPA | _INITIALIZE_DONT_EXIT
        library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        native_rate = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), options)
    except (OSError, AttributeError) as error:
        raise UserError(f"speech from text: espeak-ng does not load ({error}); install espeakng-loader again or give --audio") from error
    if native_rate <= 0:
        raise UserError("speech from text: espeak-ng finds no voices; install espeakng-loader again or give --audio")
    library.espeak_Synth.argtypes = [
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint,
        ctypes.POINTER(ctypes.c_uint), ctypes.c_void_p,
    ]  # fmt: skip
    return library, native_rate


def _unload(library: ctypes.CDLL) -> None:
    """Make espeak-ng forget everything: it keeps the state of a voice in globals that no call of it resets, and the next sentence would depend on all
    that were spoken before. Loading it again takes a millisecond."""
    library.espeak_Terminate()
    close = _ctypes.FreeLibrary if sys.platform == "win32" else _ctypes.dlclose
    close(library._handle)


def synthesize(text: str, voice: str = "en-us", rate: int = 165, pitch: int = 50, pitch_range: int = 50) -> Speech:
    """Speak `text`.

    Args:
        text: what to say.
        voice: an espeak-ng voice, with an optional variant ("en-us", "en-gb+f2", "de").
        rate: words per minute, 80-450.
        pitch: 0-99.
        pitch_range: 0-99, liveliness of the melody.

    Raises:
        UserError: espeak-ng is not installed, the voice is unknown, or there is nothing to say.
    """
    if not text.strip():
        raise UserError("speech from text: the text is empty; give some words")
    if len(text) > _MAX_CHARACTERS:
        raise UserError(f"speech from text: the text has {len(text)} characters, at most {_MAX_CHARACTERS} are spoken at once; split it")
    language, plus, variant = voice.partition("+")
    name = _ALIASES.get(language.lower(), language) + plus + variant
    chunks: list[np.ndarray] = []
    events: list[tuple[int, str]] = []

    def receive(samples, count, event) -> int:
        if count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while event[index].type != _EVENT_LIST_TERMINATED:
            if event[index].type == _EVENT_PHONEME:
                events.append((event[index].sample, event[index].id.string.decode("utf-8", "ignore")))
            index += 1
        return 0

    callback = _Callback(receive)
    with _LOCK:
        library, native_rate = _library()
        try:
            library.espeak_SetSynthCallback(callback)
            if library.espeak_SetVoiceByName(name.encode()) != 0:
                raise UserError(f"voice {voice}: espeak-ng has no such voice; try en-us, en-gb, de, fr or en-us+f2")
            for parameter, value in ((_PARAMETER_RATE, rate), (_PARAMETER_PITCH, pitch), (_PARAMETER_RANGE, pitch_range)):
                library.espeak_SetParameter(parameter, int(value), 0)
            # Some voices breathe: their noise is to be the same every time.
            library.espeak_ng_SetRandSeed(_SEED)
            data = text.encode() + b"\0"
            library.espeak_Synth(data, len(data), 0, 1, 0, _CHARS_UTF8, None, None)
        finally:
            _unload(library)
    pcm = np.concatenate(chunks) if chunks else np.zeros(0, np.int16)
    if not len(pcm) or not any(name for _, name in events):
        raise UserError(f"speech from text: nothing in {text[:40]!r} can be pronounced; give some words")
    sound = resample(pcm.astype(np.float32) / 32768, native_rate, RATE)
    return Speech(sound, RATE, _phones(events, len(pcm) / native_rate, native_rate))


def _phones(events: list[tuple[int, str]], duration: float, native_rate: int) -> tuple[Phone, ...]:
    """Phones that tile the sound: each lasts until the next begins."""
    starts = [min(sample / native_rate, duration) for sample, _ in events] + [duration]
    phones = [Phone("", 0.0, starts[0])] if starts[0] > 0 else []
    phones += [Phone(name, start, end) for (_, name), start, end in zip(events, starts, starts[1:], strict=False) if end > start]
    return tuple(phones)


def resample(sound: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Sound [samples] at another rate, by a polyphase filter."""
    if rate == new_rate:
        return np.ascontiguousarray(sound, np.float32)
    from math import gcd

    from scipy.signal import resample_poly

    divisor = gcd(rate, new_rate)
    return np.ascontiguousarray(resample_poly(sound, new_rate // divisor, rate // divisor), np.float32)
