"""How the default driver listens and idles: `python -m tests.bench.listening --speech FOLDER`."""

from pathlib import Path

import numpy as np
import tyro

from avatar3d.head.store import load_head
from driver.alignment import SUFFIXES, read_recording
from driver.features import RATE
from driver.lips import lips_of
from driver.listener_table import listening_figures
from driver.weights import load_weights


def bench(speech: Path, clips: int = 20, together: int = 4, pause: float = 2.0, steps: int = 4) -> None:
    """Print the figures of `driver.listener_table` for recordings that are heard some at a time, with pauses between them.

    Args:
        speech: folder with recordings.
        clips: of them, in the order of their names.
        together: that are heard as one sound.
        pause: seconds after each.
        steps: of the sampler.
    """
    recordings = [read_recording(path) for path in sorted(speech.iterdir()) if path.suffix.lower() in SUFFIXES][:clips]
    spaced = [np.pad(sound, (0, round(pause * RATE))) for sound in recordings]
    sounds = [np.concatenate(spaced[first : first + together]) for first in range(0, len(spaced), together)]
    for name, value in listening_figures(sounds, load_weights(), lips_of(load_head()), steps).items():
        print(f"{name:28s} {value:.2f}", flush=True)


if __name__ == "__main__":
    tyro.cli(bench)
