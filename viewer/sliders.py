"""The sliders of a face: what each is called and what it moves. The workbench and the web player show the same ones.

Left and right in the names of expressions are the subject's, as in ARKit's; gaze and head go where the viewer sees them go.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from avatar3d.head.model import HeadModel
from viewer.expressions import grouped, readable

POSES = "Jaw, gaze, head"
"""Title of the group of joints, which comes first."""
_DEGREE = math.radians(1)


@dataclass(frozen=True)
class Slider:
    """One slider; at zero it moves nothing."""

    name: str
    """What moves, as the head calls it where the head has a name for it."""
    label: str
    low: float
    high: float
    step: float
    moves: tuple[tuple[str, int, float], ...]
    """Channel of a motion, number in it, and what 1 of the slider adds to that; to rotations all three numbers at once, in the joint's own frame."""
    partner: str | None = None
    """Name of the same on the other side of the face."""


def face_sliders(head: HeadModel) -> dict[str, list[Slider]]:
    """All sliders of a head by title of their group."""
    low, high = (0.0, 1.0) if head.expr_names else (-3.0, 3.0)
    sliders = {POSES: _poses(head.jaw_open_angle)}
    for title, entries in grouped(head.expr_names, head.num_expr).items():
        names: dict[int | None, str] = {entry.index: entry.name for entry in entries}
        sliders[title] = [
            Slider(entry.name, readable(entry.name), low, high, 0.01, (("expr", entry.index, 1.0),), names.get(entry.partner)) for entry in entries
        ]
    if head.eyelid_basis is not None:
        sides = ("left", "right")
        sliders["Lids"] = [
            Slider(f"close {side}", f"close {side}", -0.5, 1.5, 0.01, (("eyelids", index, 1.0),), f"close {sides[1 - index]}")
            for index, side in enumerate(sides)
        ]
    return sliders


def _poses(jaw_open_angle: float) -> list[Slider]:
    def joint(label: str, low: float, high: float, channel: str, numbers: Sequence[int], size: float) -> Slider:
        step = 0.01 if high - low < 20 else 0.5
        return Slider(label, label, low, high, step, tuple((channel, number, size) for number in numbers))

    # Right is the viewer's right, which is the subject's left: turning around +y goes there.
    return [
        joint("jaw open", 0.0, 1.2, "jaw_pose", (0,), jaw_open_angle),
        joint("jaw aside", -1.0, 1.0, "jaw_pose", (1,), -0.15),
        joint("gaze right, °", -30.0, 30.0, "eyes_pose", (1, 4), _DEGREE),
        joint("gaze up, °", -15.0, 15.0, "eyes_pose", (0, 3), -_DEGREE),
        joint("head right, °", -40.0, 40.0, "neck_pose", (1,), _DEGREE),
        joint("head up, °", -40.0, 40.0, "neck_pose", (0,), -_DEGREE),
        joint("head tilt, °", -40.0, 40.0, "neck_pose", (2,), -_DEGREE),
    ]


def moved(sliders: Sequence[Slider], values: Sequence[float]) -> dict[str, dict[int, float]]:
    """What sliders at these values add to a frame: by channel, by number in it."""
    out: dict[str, dict[int, float]] = {}
    for slider, value in zip(sliders, values, strict=True):
        if value:
            for channel, number, size in slider.moves:
                numbers = out.setdefault(channel, {})
                numbers[number] = numbers.get(number, 0.0) + size * value
    return out
