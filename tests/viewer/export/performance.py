"""A tiny avatar performing, as the frames of an export, and a progress that remembers."""

from dataclasses import replace

import numpy as np

from avatar3d.avatar import Avatar
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.export.frames import Frames, open_frames
from viewer.export.selection import Selection


def performance(count: int = 6, sound: bool = True, avatar: Avatar | None = None, **selection) -> Frames:
    """Frames of the tiny avatar at 25 a second, with a tone."""
    avatar = avatar or tiny_avatar()
    motion = tiny_motion(avatar.head, count)
    if sound:
        motion = replace(motion, sound=np.sin(np.arange(640 * count) / 4).astype(np.float32) / 2, sound_rate=16000)
    return open_frames(avatar, motion, Selection(**selection))
