"""What can be asked of the driver beside the sound: one row of numbers a frame, in slots of which each may be empty."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from driver.phones import VISEME_NAMES

EMOTIONS: tuple[str, ...] = ("happy", "sad", "angry", "surprised", "afraid", "disgusted", "contemptuous", "tired")
MODES: tuple[str, ...] = ("speak", "listen", "idle")
STYLE = 16
"""Numbers of a style code."""
WIDTHS: dict[str, int] = {
    "style": STYLE, "emotion": len(EMOTIONS), "mouth": 1, "brows": 1, "head": 1, "mode": len(MODES), "blinks": 1, "gaze": 2,
    "phones": len(VISEME_NAMES),
}  # fmt: skip
"""style: a code from `DriverNet.style_of` or one that was learned; emotion: intensity 0..1 of each; mouth, brows, head: logarithm to base 2 of how
much more they move than usual; mode: one of three; blinks: the same of their rate; gaze: where the listener is, down
and left of straight ahead, in quarters of a radian; phones: how much each viseme sounds in the frame."""
SLOTS: dict[str, slice] = {}
for _name, _width in WIDTHS.items():
    _start = sum(part.stop - part.start for part in SLOTS.values())
    SLOTS[_name] = slice(_start, _start + _width)
PRESENCE: dict[str, int] = {name: sum(WIDTHS.values()) + index for index, name in enumerate(WIDTHS)}
"""Where it is said, by 1, that a slot is filled; an empty slot holds zeros."""
NUM_CONDITIONS = sum(WIDTHS.values()) + len(WIDTHS)
USUAL: dict[str, tuple[float, ...]] = {
    "emotion": (0.0,) * len(EMOTIONS), "mouth": (0.0,), "brows": (0.0,), "head": (0.0,), "mode": (1.0, 0.0, 0.0), "blinks": (0.0,),
}  # fmt: skip
"""What is asked for where nothing is: to speak, without a mood, as much as people usually move."""
GAZE_UNIT = 0.25


Asked = Mapping[str, Tensor | np.ndarray | Sequence[float] | float]
"""Values by slot."""


def conditions(frames: int, given: Asked | None = None) -> Tensor:
    """Rows [frames, NUM_CONDITIONS] with the given slots filled.

    Args:
        frames: how many.
        given: by slot, values that broadcast to [frames, width]; rows that are all zero leave the phones open.

    Raises:
        ValueError: a slot is unknown, or its values are not finite or do not fit it.
    """
    rows = torch.zeros(frames, NUM_CONDITIONS)
    for name, value in (given or {}).items():
        if name not in SLOTS:
            raise ValueError(f"no slot is called {name}; there are {', '.join(SLOTS)}")
        values = torch.as_tensor(value, dtype=torch.float32)
        try:
            rows[:, SLOTS[name]] = values
        except RuntimeError as error:
            raise ValueError(f"{name} has shape {list(values.shape)}, which does not fit [{frames}, {WIDTHS[name]}]") from error
        if not values.isfinite().all():
            raise ValueError(f"{name} holds values that are not finite")
        rows[:, PRESENCE[name]] = rows[:, SLOTS[name]].any(dim=1).float() if name == "phones" else 1
    return rows
