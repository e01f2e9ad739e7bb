"""What the tracker takes for granted about faces: ranges, symmetry, gaze, smoothness."""

import torch
from torch import Tensor

from avatar3d.arkit import LOOK_ANGLE
from avatar3d.head.model import HeadModel
from recon.landmark_problem import Prior
from recon.landmark_rig import EXPR, EYES, JAW, NUM_POSE, POSITION, ROTATION

EXPR_STD = 0.4
SELDOM_STD = 0.1
"""Of expressions that landmarks hardly show."""
SELDOM = ("tongueOut", "cheekPuff", "cheekSquintLeft", "cheekSquintRight")
ASYMMETRY_STD = 0.3
JAW_RIVALS = ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthShrugLower", "mouthClose")
"""Expressions that move the chin or the lower lip much as the jaw does: what the jaw can explain, it shall."""
RIVAL_STD = 0.05
LID_STD = 0.07
"""Of squints and widened eyes: a closing lid shall be a blink."""
LOOK_STD = 0.2
"""Of lids that follow the eyes."""
GAZE_STD = 0.25
"""Radians."""
VERGENCE_STD = (0.03, 0.06)
"""Radians: by how much the eyes differ in pitch and yaw."""
LID_GAZE_STD = 0.4
UNBOUNDED_EXPR_STD = 1.0
"""Of expression bases without names, whose coefficients are in standard deviations."""
POSITION_STD = (1e3, 1e3, 0.02)
JAW_STD = (0.3, 0.03, 0.02)
"""Radians about x (opening), y, z."""
CURVATURE_STD = {"rotation": 0.007, "position": 0.001, "jaw": 0.05, "eyes": 0.15, "expr": 0.15, "lids": 0.8}
"""Standard deviation of the second difference over time at 25 frames a second."""
FAST = ("eyeBlink", "eyeSquint", "eyeWide", "eyeLook")
"""Expressions that move as fast as lids."""


def frame_prior(head: HeadModel, fps: float) -> Prior:
    """The prior of a frame's parameters (layout: `landmark_rig`) for heads with and without named expressions."""
    num_lids = 0 if head.eyelid_basis is None else 2
    E = head.num_expr
    P = NUM_POSE + E + num_lids
    std = torch.full((P,), 1e3)
    std[POSITION] = torch.tensor(POSITION_STD)
    std[JAW] = torch.tensor(JAW_STD)
    std[EYES] = torch.tensor((GAZE_STD, GAZE_STD, 0.01) * 2)
    std[EXPR] = EXPR_STD if head.expr_names else UNBOUNDED_EXPR_STD
    std[NUM_POSE + E :] = 0.7
    lower, upper = torch.full((P,), -torch.inf), torch.full((P,), torch.inf)
    lower[JAW.start], upper[JAW.start] = 0.0, 1.2 * head.jaw_open_angle
    lower[NUM_POSE + E :], upper[NUM_POSE + E :] = 0.0, 1.0
    if head.expr_names:
        lower[EXPR], upper[EXPR] = 0.0, 1.0
    for column, name in enumerate(head.expr_names, NUM_POSE):
        if name in SELDOM:
            std[column] = SELDOM_STD
        elif name in JAW_RIVALS:
            std[column] = RIVAL_STD
        elif name.startswith("eyeBlink"):
            std[column] = 0.7
        elif name.startswith(("eyeSquint", "eyeWide")):
            std[column] = LID_STD
        elif name.startswith("eyeLook"):
            std[column] = LOOK_STD
    precision = torch.diag(std**-2)
    for axis, spread in enumerate(VERGENCE_STD):
        _tie(precision, {EYES.start + axis: 1.0, EYES.start + 3 + axis: -1.0}, spread)
    _tie_named(precision, head.expr_names)
    return Prior(precision, lower, upper, _curvature(head.expr_names, E, P, fps))


def _tie(precision: Tensor, terms: dict[int, float], std: float) -> None:
    """Expect the linear combination `terms` (column: factor) to vanish, with a standard deviation."""
    row = torch.zeros(len(precision))
    for column, factor in terms.items():
        row[column] = factor
    precision += torch.outer(row, row) / std**2


def _tie_named(precision: Tensor, names: tuple[str, ...]) -> None:
    columns = {name: column for column, name in enumerate(names, NUM_POSE)}
    for name, column in columns.items():
        mirrored = columns.get(name.removesuffix("Left") + "Right") if name.endswith("Left") else None
        if mirrored is not None and not name.startswith("eyeLook") and name not in ("jawLeft", "mouthLeft"):
            _tie(precision, {column: 1.0, mirrored: -1.0}, ASYMMETRY_STD)
    # The lids follow the eyes: down (+x) and towards the subject's left (+y), seen from each eye as out or in.
    for eye, (side, left, right) in enumerate((("Left", "Out", "In"), ("Right", "In", "Out"))):
        pitch = EYES.start + 3 * eye
        for positive, negative, angle in (("Down", "Up", pitch), (left, right, pitch + 1)):
            pair = [columns.get(f"eyeLook{direction}{side}") for direction in (positive, negative)]
            if pair[0] is not None and pair[1] is not None:
                _tie(precision, {pair[0]: 1.0, pair[1]: -1.0, angle: -1 / LOOK_ANGLE}, LID_GAZE_STD)


def _curvature(names: tuple[str, ...], E: int, P: int, fps: float) -> Tensor:
    std = torch.empty(P)
    std[ROTATION], std[POSITION] = CURVATURE_STD["rotation"], CURVATURE_STD["position"]
    std[JAW], std[EYES], std[EXPR] = CURVATURE_STD["jaw"], CURVATURE_STD["eyes"], CURVATURE_STD["expr"]
    std[NUM_POSE + E :] = CURVATURE_STD["lids"]
    for column, name in enumerate(names, NUM_POSE):
        if name.startswith(FAST):
            std[column] = CURVATURE_STD["lids"]
    # Second differences shrink with the square of the rate; bounded, so that odd rates do not switch the term on or off.
    scale = min(max((25.0 / fps) ** 2, 0.5), 2.0)
    return (std * scale) ** -2
