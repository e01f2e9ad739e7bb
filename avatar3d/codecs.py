"""The kinds of film that are written: which container, picture and sound each has, chosen by the end of a file's name."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Codec:
    """How a film is packed."""

    container: str
    """FFmpeg's name of it."""
    video: str
    """FFmpeg's name of the encoder."""
    pixels: str
    """Format in which colour alone is encoded."""
    alpha_pixels: str | None
    """Format with alpha, or None where the codec has none."""
    depth: int
    """Bits of a channel that are given to the encoder, 8 or 16."""
    sound: str
    sound_rates: tuple[int, ...]
    """Hz; a rate that is not among them is resampled to 48000. Empty: any."""
    sound_format: str
    """Samples as the encoder takes them."""
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    even: bool = False
    """Whether sides must be even, because two pixels share a colour."""


_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

H264 = Codec(
    "mp4", "libx264", "yuv420p", None, 8, "aac", _AAC_RATES, "fltp",
    {"crf": "17", "preset": "veryfast"}, {"movflags": "+faststart"}, even=True,
)  # fmt: skip
PRORES_4444 = Codec("mov", "prores_ks", "yuv444p10le", "yuva444p10le", 16, "pcm_s16le", (), "s16", {"profile": "4444", "alpha_bits": "16"})
# With alternate reference frames the encoder lets colour and alpha go out of step.
VP9 = Codec(
    "webm", "libvpx-vp9", "yuv420p", "yuva420p", 8, "libopus", (8000, 12000, 16000, 24000, 48000), "s16",
    {"crf": "16", "b": "0", "auto-alt-ref": "0", "deadline": "good", "cpu-used": "4"}, even=True,
)  # fmt: skip

CODECS = {".mp4": H264, ".mov": PRORES_4444, ".webm": VP9}
"""By suffix."""


def codec_of(path: Path | str) -> Codec:
    """The codec that a name's suffix stands for; H.264 for anything else, such as a device."""
    return CODECS.get(Path(path).suffix.lower(), H264)
