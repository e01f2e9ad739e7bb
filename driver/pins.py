"""Pinned motion: which values of which frames are given, so that the driver makes the rest around them."""

import json
from dataclasses import dataclass
from pathlib import Path
from sys import float_info

import numpy as np
import torch
from torch import Tensor

from avatar3d.arkit import EXPR_NAMES
from avatar3d.errors import UserError
from avatar3d.files import check_input
from driver.channels import CHANNELS, INDEX, JAW, NUM_CHANNELS, POSES, REGIONS
from driver.features import FPS

_LARGEST_FILE = 16 << 20
_LIMITS = {"jaw_pose": 0.7, "neck_pose": 0.9, "eyes_pose": 0.7, "rotation": 1.2, "translation": 0.5}
"""Radians, and metres for the translation, beyond which a keyframe is a mistake: degrees taken for radians, mostly."""


@dataclass(frozen=True, eq=False)
class Pins:
    """What is given of T frames, in the driver's channels."""

    values: np.ndarray
    """[T, NUM_CHANNELS] float32."""
    known: np.ndarray
    """[T, NUM_CHANNELS] bool: where they count."""

    def __len__(self) -> int:
        return len(self.values)

    def pinning(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """Values and known of the frames first..last - 1; beyond the end nothing is given."""
        values, known = np.zeros((last - first, NUM_CHANNELS), np.float32), np.zeros((last - first, NUM_CHANNELS), bool)
        inside = slice(first, min(last, len(self)))
        values[: max(0, inside.stop - first)], known[: max(0, inside.stop - first)] = self.values[inside], self.known[inside]
        return torch.from_numpy(values), torch.from_numpy(known)


def no_pins(frames: int) -> Pins:
    """Nothing is given."""
    return Pins(np.zeros((frames, NUM_CHANNELS), np.float32), np.zeros((frames, NUM_CHANNELS), bool))


def region_pins(frames: np.ndarray, region: str, length: int) -> Pins:
    """One region of a motion [T, NUM_CHANNELS] in the first of `length` frames; after the motion's end the rest is free."""
    pins, shared = no_pins(length), min(len(frames), length)
    rows = REGIONS[region]
    pins.values[:shared, rows], pins.known[:shared, rows] = frames[:shared, rows], True
    return pins


def stretch_pins(frames: np.ndarray, first: int, last: int) -> Pins:
    """All of a motion [T, NUM_CHANNELS] but the frames first..last - 1, which are to be made anew."""
    known = np.ones(frames.shape, bool)
    known[first:last] = False
    return Pins(np.asarray(frames, np.float32), known)


def sized(pins: Pins, frames: int) -> Pins:
    """Pins of so many frames: cut, or with nothing given at the end."""
    missing = max(0, frames - len(pins))
    values = np.concatenate([pins.values[:frames], np.zeros((missing, NUM_CHANNELS), np.float32)])
    return Pins(values, np.concatenate([pins.known[:frames], np.zeros((missing, NUM_CHANNELS), bool)]))


def held(frames: np.ndarray, pins: Pins | None) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] with what is given put back exactly, and nothing that leads to it."""
    if pins is None:
        return frames
    given = sized(pins, len(frames))
    return np.where(given.known, given.values, frames)


def joined_pins(one: Pins, other: Pins, names: str) -> Pins:
    """What either gives.

    Args:
        one: some pins.
        other: of as many frames.
        names: what the two are called, for the error.

    Raises:
        UserError: both give the same value of the same frame.
    """
    both = one.known & other.known
    if both.any():
        frame, channel = (int(index) for index in np.argwhere(both)[0])
        raise UserError(f"{names}: both say what {CHANNELS[channel]} is at {frame / FPS:.2f} s; leave one of them out")
    return Pins(np.where(other.known, other.values, one.values), one.known | other.known)


def keyframe_pins(path: Path, frames: int, jaw_open_angle: float) -> Pins:
    """Pins of a keyframe file: `{"keyframes": [{"time": 1.2, "expr": {"mouthSmileLeft": 0.6}, "neck_pose": [0.1, 0, 0]}, ...]}`.

    Each keyframe has a `time` in seconds or a `frame`, and any of: `expr`, by name; `jaw_pose`, `neck_pose`, `eyes_pose`, `rotation`, radians,
    and `translation`, metres, as in a motion file; the driver's channel of the jaw is a fraction of the head's opening.

    Args:
        path: of the file.
        frames: of the motion that is to be made.
        jaw_open_angle: of the head, radians.

    Raises:
        UserError: unreadable, malformed, outside of the motion; names the keyframe.
    """
    pins, seen = no_pins(frames), set()
    for number, entry in enumerate(_entries(path), 1):
        where = f"{path}: keyframe {number}"
        if not isinstance(entry, dict):
            raise UserError(f'{where}: is no object; write {{"time": seconds, "expr": {{...}}}}')
        frame = _frame(entry, frames, where)
        if frame in seen:
            raise UserError(f"{where}: is at {frame / FPS:.2f} s like another one; say all of one frame in one keyframe")
        seen.add(frame)
        unknown = set(entry) - {"time", "frame", "expr", *POSES}
        if unknown:
            raise UserError(f"{where}: has {min(unknown)!r}, which means nothing here; there are expr, {', '.join(POSES)}")
        given = _expressions(entry.get("expr", {}), where)
        for pose, width in POSES.items():
            if pose in entry:
                given |= _pose(entry[pose], pose, width, where)
        if not given:
            raise UserError(f"{where}: pins nothing; give it expr or a pose")
        for channel, value in given.items():
            pins.values[frame, channel], pins.known[frame, channel] = value, True
    pins.values[:, JAW] /= jaw_open_angle
    return pins


def _entries(path: Path) -> list:
    check_input(path, "a keyframe file (JSON)")
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise UserError(f"{path}: is too large for keyframes; pin whole tracks with --keep")
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except _Doubled as error:
        raise UserError(f"{path}: says {error.args[0]!r} twice in one place; leave one of them out") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f'{path}: cannot be read as JSON; write {{"keyframes": [{{"time": 1.2, "expr": {{"mouthSmileLeft": 0.6}}}}]}}') from error
    unknown = set(content) - {"keyframes"} if isinstance(content, dict) else set()
    if unknown and "keyframes" in content:
        hint = f"; frames count {FPS} a second, and a time needs no rate" if "fps" in unknown else ""
        raise UserError(f"{path}: has {min(unknown)!r} beside its keyframes, which means nothing here{hint}; leave it out")
    entries = content.get("keyframes") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not entries:
        raise UserError(f'{path}: holds no keyframes; write {{"keyframes": [{{"time": 1.2, "expr": {{"mouthSmileLeft": 0.6}}}}]}}')
    return entries


class _Doubled(Exception):
    """A name that one object says twice."""


def _once(pairs: list[tuple[str, object]]) -> dict:
    """An object of JSON, each of whose names must be there once: of two, readers would take the last one and say nothing."""
    found = {}
    for name, value in pairs:
        if name in found:
            raise _Doubled(name[:40])
        found[name] = value
    return found


def _frame(entry: dict, frames: int, where: str) -> int:
    if ("time" in entry) == ("frame" in entry):
        raise UserError(f"{where}: give it either a time in seconds or a frame")
    name = "time" if "time" in entry else "frame"
    value = _number(entry[name], f"{where}: {name}")
    if name == "frame" and value != round(value):
        raise UserError(f"{where}: frame {value:g} is no whole number")
    frame = round(np.clip(value * (FPS if name == "time" else 1), -1, frames))
    if not 0 <= frame < frames:
        raise UserError(f"{where}: {name} {value:g} lies outside of the motion, which lasts {frames / FPS:.2f} s")
    return frame


def _expressions(given, where: str) -> dict[int, float]:
    if not isinstance(given, dict):
        raise UserError(f"{where}: expr is no object of names and values")
    found = {}
    for name, value in given.items():
        if name not in EXPR_NAMES:
            hint = "the jaw is opened by jaw_pose" if name == "jawOpen" else f"the names are ARKit's, such as {EXPR_NAMES[0]} and mouthSmileLeft"
            raise UserError(f"{where}: no expression is called {name!r}; {hint}")
        found[INDEX[name]] = _number(value, f"{where}: {name}")
        if not 0 <= found[INDEX[name]] <= 1:
            raise UserError(f"{where}: {name} is {value}; choose 0 to 1")
    return found


def _pose(given, pose: str, width: int, where: str) -> dict[int, float]:
    if not isinstance(given, list) or len(given) != width:
        raise UserError(f"{where}: {pose} needs {width} numbers, as in a motion file")
    values = [_number(value, f"{where}: {pose}") for value in given]
    if max(map(abs, values)) > _LIMITS[pose] or (pose == "jaw_pose" and values[0] < -0.05):
        unit = "metres" if pose == "translation" else "radians"
        raise UserError(f"{where}: {pose} is {max(map(abs, values)):g}, which no head does; it counts in {unit}")
    return {INDEX[f"{pose}_{axis}"]: value for axis, value in enumerate(values)}


def _number(value, where: str) -> float:
    # Whole numbers of JSON may be larger than any float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= float_info.max:
        raise UserError(f"{where}: {str(value)[:20]} is no number")
    return float(value)
