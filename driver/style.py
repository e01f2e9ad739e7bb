"""Style: the code of somebody's way, read off their motion."""

import numpy as np
import torch

from driver.model import STYLE_CLIP, DriverNet


def style_code(frames: np.ndarray, net: DriverNet) -> np.ndarray:
    """Code [STYLE] of a clip, the mean over its stretches of four seconds, for `Direction(style=...)`.

    Args:
        frames: [T, NUM_CHANNELS] of somebody who speaks, zero being their calm face (`avatar3d.statistics.relative`).
        net: the driver that will perform.

    Raises:
        ValueError: the clip is shorter than two seconds, in which no manner shows.
    """
    if len(frames) < STYLE_CLIP // 2:
        raise ValueError(f"a clip of {len(frames)} frames shows no manner; give {STYLE_CLIP // 2} or more")
    starts = range(0, max(1, len(frames) - STYLE_CLIP + 1), STYLE_CLIP // 2)
    clips = [torch.from_numpy(np.ascontiguousarray(frames[start : start + STYLE_CLIP])) for start in starts]
    with torch.no_grad():
        return net.style_of(torch.stack(clips)).mean(0).numpy()
