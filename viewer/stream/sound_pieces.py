"""Sound cut into pieces for the wire: as it is in 16 bits, and compressed."""

from fractions import Fraction

import av
import numpy as np

PIECE_SECONDS = Fraction(1, 25)
"""What a piece lasts: Opus knows this length, and a frame of motion lasts as long."""
_BIT_RATE = 24_000
RATES = (16_000, 24_000, 48_000)
"""Hz at which Opus may be fed such pieces."""
OPUS_DELAY = 0.0065
"""Seconds by which what a decoder makes lies behind what went in: the look-ahead of libopus in its mode for audio."""


class SoundPieces:
    """Takes samples in as they come, and gives whole pieces out."""

    def __init__(self, rate: int) -> None:
        """For mono sound at `rate` Hz, one of `RATES`."""
        self.rate, self.samples = rate, int(rate * PIECE_SECONDS)
        self._waiting = np.zeros(0, np.float32)
        encoder = av.AudioCodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = rate, "mono", "flt", _BIT_RATE
        encoder.options = {"application": "audio", "frame_duration": str(int(1000 * PIECE_SECONDS))}
        encoder.open()
        self._encoder, self._fed = encoder, 0

    def push(self, samples: np.ndarray) -> list[tuple[bytes, bytes]]:
        """Mono float32 samples in; out, for each piece that they complete, its 16-bit samples and its Opus packet."""
        self._waiting = np.concatenate([self._waiting, np.asarray(samples, np.float32)])
        pieces = []
        while len(self._waiting) >= self.samples:
            piece, self._waiting = self._waiting[: self.samples], self._waiting[self.samples :]
            pieces.append((np.round(np.clip(piece, -1, 1) * 32767).astype("<i2").tobytes(), self._compressed(piece)))
        return pieces

    def _compressed(self, piece: np.ndarray) -> bytes:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece)[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self._fed, Fraction(1, self.rate)
        self._fed += len(piece)
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))
