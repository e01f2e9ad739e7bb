"""A motion as the web player reads it: 16-bit channels, and its sound as Opus."""

import io
from fractions import Fraction

import av
import numpy as np

from avatar3d.errors import UserError
from avatar3d.motion import CHANNELS, Motion
from viewer.export.packed import Packed, as_float, quantised

FORMAT = "avatar3d web motion"
_SOUND_BIT_RATE = 48_000
_OPUS_RATE = 48_000


def pack_motion(motion: Motion, *, exact: bool = False) -> Packed:
    """The motion's channels, each number of them with a range of its own, or float32 where they must be `exact`; nothing of the identity."""
    small = as_float if exact else quantised
    header = {"format": FORMAT, "fps": [motion.fps.numerator, motion.fps.denominator], "frames": len(motion), "head": motion.head_fingerprint}
    tracks = {name: getattr(motion, name) for name in ("expr", *CHANNELS)}
    return Packed(header, {name: small(track) for name, track in tracks.items() if track is not None})


def unpack_motion(packed: Packed, name: str = "the web motion") -> Motion:
    """The motion that the player performs, with all rounding.

    Raises:
        UserError: not whole.
    """
    header = packed.header
    if header.get("format") != FORMAT:
        raise UserError(f"{name}: is not a web motion; export it again")
    try:
        tracks = {key: packed.values(key) for key in ("expr", *CHANNELS) if key in packed.arrays}
        shape = np.zeros(0, np.float32)
        return Motion(**tracks, shape=shape, fps=Fraction(*header["fps"]), head_fingerprint=header["head"])  # pyright: ignore[reportArgumentType]
    except (KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise UserError(f"{name}: is damaged ({str(error)[:120]}); export it again") from error


def pack_sound(samples: np.ndarray, rate: int) -> bytes:
    """Mono samples [samples] at `rate` as Opus in WebM, which browsers play from the very first sample on.

    Args:
        samples: float32, -1..1.
        rate: Hz.
    """
    stream = io.BytesIO()
    # Without this a writing date and a random identifier would make every file different.
    with av.open(stream, "w", format="webm", options={"fflags": "+bitexact"}) as container:
        track = container.add_stream("libopus", rate=_OPUS_RATE, layout="mono", options={"application": "audio"})
        track.codec_context.bit_rate = _SOUND_BIT_RATE
        resampler = av.AudioResampler(format="flt", layout="mono", rate=_OPUS_RATE)
        whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32)[None], format="flt", layout="mono")
        whole.sample_rate, whole.pts, whole.time_base = rate, 0, Fraction(1, rate)
        for frame in (*resampler.resample(whole), *resampler.resample(None)):
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return stream.getvalue()
