"""Whether the sections of an .a3d file fit together: their types, their shapes, and that every index points at something. docs/a3d.md lists them."""

import numpy as np

_SHAPES: dict[str, tuple[str | int, ...]] = {
    "faces": ("F", 3), "rest_area": ("F",), "splat_face": ("N",), "splat_bary": ("N", 2), "splat_position": ("N", 3), "splat_rotation": ("N", 4),
    "splat_log_scale": ("N", 3), "splat_opacity_logit": ("N", 1), "splat_colour": ("N", 3), "basis": ("K", "N", 10),
}  # fmt: skip
"""A letter is the same number wherever it stands."""
_RIG: dict[str, tuple[str | int, ...]] = {
    "rest": ("V", 3), "joints": (5, 3), "skin_weights": ("V", 5), "expr_start": ("E + 1",), "expr_vertex": ("X",), "expr_offset": ("X", 3),
    "pose_start": (37,), "pose_vertex": ("P",), "pose_offset": ("P", 3), "input_mean": ("D",), "input_std": ("D",), "jaw_open_angle": (1,),
}  # fmt: skip
_LIDS: dict[str, tuple[str | int, ...]] = {"eyelids_start": (3,), "eyelids_vertex": ("L",), "eyelids_offset": ("L", 3)}
_TRACKS: dict[str, tuple[str | int, ...]] = {"track_mean": ("V", 3), "track_components": ("C", "3 V"), "root": (3,)}
_MOTION: dict[str, tuple[str | int, ...]] = {"motion.fps": (2,), "motion.rotation": ("T", 3), "motion.translation": ("T", 3)}
_RIG_MOTION: dict[str, tuple[str | int, ...]] = {
    "motion.expr": ("T", "E"), "motion.jaw_pose": ("T", 3), "motion.neck_pose": ("T", 3), "motion.eyes_pose": ("T", 6),
}  # fmt: skip
_RIG_MORE: dict[str, tuple[str | int, ...]] = {"motion.neck_translation": ("T", 3), "motion.eyelids": ("T", 2)}
_TRACK_MOTION: dict[str, tuple[str | int, ...]] = {"motion.coefficients": ("T", "C"), "motion.weights": ("T", "K")}
_INDICES = {"faces": "V", "splat_face": "F", "expr_vertex": "V", "pose_vertex": "V", "eyelids_vertex": "V"}
_RISING = {"expr_start": "X", "pose_start": "P", "eyelids_start": "L"}
_WHOLE = {*_INDICES, *_RISING, "motion.fps"}
"""Sections of whole numbers; the others are real."""
_MAX_LAYERS = 8


def check_shapes(arrays: dict[str, np.ndarray]) -> None:
    """What the C++ runtime checks too, before anything is posed.

    Raises:
        KeyError: a section is missing.
        ValueError: one does not fit.
    """
    sides: dict[str, int] = {}
    wanted = dict(_SHAPES)
    if tracks := "track_mean" in arrays:
        wanted |= _TRACKS | _MOTION | _TRACK_MOTION
    else:
        wanted |= _RIG | (_LIDS if "eyelids_start" in arrays else {})
        if "motion.fps" in arrays:
            wanted |= _MOTION | _RIG_MOTION | {name: shape for name, shape in _RIG_MORE.items() if name in arrays}
    for name, shape in wanted.items():
        _check(name, arrays[name], shape, sides)
        if name == "expr_start":
            sides["E"] = len(arrays[name]) - 1
        if "V" in sides:
            sides["3 V"] = 3 * sides["V"]
    for name, limit in _INDICES.items():
        if name in wanted and arrays[name].max(initial=0) >= sides[limit]:
            raise ValueError(f"section {name} has an index that points at nothing")
    for name, entries in _RISING.items():
        if name in wanted:
            starts = arrays[name].astype(np.int64)
            if starts[0] != 0 or starts[-1] != sides[entries] or (np.diff(starts) < 0).any():
                raise ValueError(f"section {name} does not rise from 0 to {sides[entries]}")
    if sides["N"] == 0 or ("T" in sides and (sides["T"] == 0 or (arrays["motion.fps"] == 0).any())):
        raise ValueError("it holds no Gaussian, or a motion without frames")
    if not tracks:
        _check_network(arrays, sides)


def _check(name: str, array: np.ndarray, shape: tuple[str | int, ...], sides: dict[str, int]) -> None:
    known = array.ndim == len(shape) and all(
        side == (want if isinstance(want, int) else sides.setdefault(want, side)) for side, want in zip(array.shape, shape, strict=True)
    )
    if not known or array.dtype.kind != ("u" if name in _WHOLE else "f"):
        raise ValueError(f"section {name} is {array.dtype} of shape {array.shape}")


def _check_network(arrays: dict[str, np.ndarray], sides: dict[str, int]) -> None:
    width, layers = sides["D"], 0
    if width not in (sides["E"] + 15, sides["E"] + 17) or (arrays["input_std"] == 0).any():
        raise ValueError("its network does not take what its frames hold")
    while layers == 0 or f"network.{layers}.weight" in arrays:
        weight, bias = arrays[f"network.{layers}.weight"], arrays[f"network.{layers}.bias"]
        if bias.ndim != 1 or weight.shape != (len(bias), width):
            raise ValueError(f"section network.{layers}.weight has shape {weight.shape}")
        width, layers = len(bias), layers + 1
    if width != sides["K"] or layers > _MAX_LAYERS:
        raise ValueError(f"its network has {layers} layers and gives {width} weights for {sides['K']} bases")
