"""The sound of a capture: that of its videos one after the other, on the clock of its frames."""

import warnings
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from recon.video import read_aligned_sound


def joined_sound(videos: Sequence[Path], lengths: Sequence[int], fps: Fraction, rate: int) -> np.ndarray | None:
    """The sounds of videos one after the other, each as long as its frames.

    Args:
        videos: the files; a silent one, or one whose sound cannot be read, gives silence.
        lengths: frames taken of each.
        fps: frames per second of all.
        rate: Hz of the sound.

    Returns:
        [samples] mono float32, no longer than something is heard; None where all are silent.
    """
    borders = [round(sum(lengths[:k]) / fps * rate) for k in range(len(lengths) + 1)]
    common, heard = np.zeros(borders[-1], np.float32), 0
    for video, (first, last) in zip(videos, pairwise(borders), strict=True):
        try:
            sound = read_aligned_sound(video, rate)
        except UserError as error:
            warnings.warn(f"{error} (the capture goes without sound)", stacklevel=3)
            continue
        if sound is not None and len(sound):
            heard = first + min(len(sound), last - first)
            common[first:heard] = sound[: last - first]
    return common[:heard] if heard else None
