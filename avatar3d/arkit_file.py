"""ARKit weights as the CSV of Epic's Live Link Face: a time code, a count, 52 weights, and the turns of head and eyes.

Angles are in half turns, after UE's AppleARKit plugin (`HeadYaw = Rotation.Yaw / 180`), which mirrors nothing by default: yaw to the
subject's left, pitch downwards and roll about the line of sight are positive, as about our y, x and z. Time codes are HH:MM:SS:FF.fff,
FF counting frames within the second. At which rate they count the file does not say; FILE.csv.json beside it does where we wrote it.
"""

import csv
import io
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from avatar3d.arkit import ARKIT_NAMES
from avatar3d.errors import UserError
from avatar3d.files import atomic_path, read_bounded

FILE_ORDER: tuple[str, ...] = (
    "EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft", "EyeSquintLeft", "EyeWideLeft",
    "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight", "EyeLookOutRight", "EyeLookUpRight", "EyeSquintRight", "EyeWideRight",
    "JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker", "MouthRight", "MouthLeft",
    "MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft", "MouthFrownRight", "MouthDimpleLeft", "MouthDimpleRight",
    "MouthStretchLeft", "MouthStretchRight", "MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper",
    "MouthPressLeft", "MouthPressRight", "MouthLowerDownLeft", "MouthLowerDownRight", "MouthUpperUpLeft", "MouthUpperUpRight",
    "BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff",
    "CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut",
)  # fmt: skip
TURNS = ("HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll")
RATES = (24, 25, 30, 48, 50, 60, 90, 100, 120)
"""Frames a second that a time code may count in."""
USUAL_RATE = 60
"""The app's, for takes too short to show theirs."""
MAX_BYTES = 256 << 20
_MAX_NOTICE = 1 << 16
MAX_SECONDS = 6 * 3600
_COLUMN = {name.lower(): index for index, name in enumerate(ARKIT_NAMES)}


@dataclass(frozen=True, eq=False)
class ArkitTake:
    """What a Live Link Face file holds, at a fixed frame rate."""

    weights: np.ndarray
    """[T, 52] in the order of ARKIT_NAMES."""
    head: np.ndarray
    """[T, 3] yaw, pitch, roll, radians; zeros where the file has none."""
    fps: Fraction


def write_arkit(path: Path | str, weights: np.ndarray, fps: Fraction, head: np.ndarray | None = None, eyes: np.ndarray | None = None) -> None:
    """Write a Live Link Face CSV.

    Args:
        path: the file.
        weights: [T, 52] in the order of ARKIT_NAMES.
        fps: frames a second.
        head: [T, 3] yaw, pitch, roll, radians; default zeros.
        eyes: [T, 6] the same of the left and right eye.

    Raises:
        UserError: the file cannot be written.
    """
    T, counted = len(weights), timecode_rate(fps)
    turns = np.concatenate([np.zeros((T, 3)) if head is None else head, np.zeros((T, 6)) if eyes is None else eyes], axis=1) / np.pi
    values = np.concatenate([np.asarray(weights)[:, [_COLUMN[name.lower()] for name in FILE_ORDER]], turns], axis=1)
    packed = io.StringIO()
    writer = csv.writer(packed, lineterminator="\r\n")
    writer.writerow(["Timecode", "BlendShapeCount", *FILE_ORDER, *TURNS])
    for index, row in enumerate(values):
        writer.writerow([_timecode(index / fps, counted), values.shape[1], *(f"{value:.8f}" for value in row)])
    with atomic_path(path) as temporary:
        temporary.write_bytes(packed.getvalue().encode())


def notice_of(path: Path) -> Path:
    """The JSON beside a file, which says what the file has no room for: the rates of its time codes and rows, among other things."""
    return path.with_name(path.name + ".json")


def timecode_rate(fps: Fraction) -> int:
    """Frames a second that the time codes of rows at `fps` count in: a usual rate of which it is a whole part, otherwise the nearest number."""
    return next((rate for rate in RATES if (rate / fps).denominator == 1), max(round(fps), 1))


def read_arkit(path: Path | str, rate: int | None = None) -> ArkitTake:
    """Read a Live Link Face CSV, whatever the order of its columns; lost frames are filled in between their neighbours.

    Args:
        path: the file.
        rate: frames a second that its time codes count in, where neither the file (takes under a second) nor the notice beside it shows it.

    Raises:
        UserError: unreadable, not such a file, or values that make no sense; the line is named.
    """
    path = Path(path)
    header, rows = _table(path)
    places = {name.strip().lower(): index for index, name in enumerate(header)}
    missing = [name for name in FILE_ORDER if name.lower() not in places and name != "TongueOut"]
    if "timecode" not in places or len(missing) == len(FILE_ORDER) - 1:
        raise UserError(f"{path}: is not a Live Link Face file (its first line lacks Timecode, EyeBlinkLeft, ...); give the app's CSV")
    if missing:
        raise UserError(f"{path}: lacks the columns {', '.join(missing[:3])}{' and more' if len(missing) > 3 else ''}; export all blendshapes")
    wanted = [name for name in (*FILE_ORDER, *TURNS[:3]) if name.lower() in places]
    values = np.empty((len(rows), len(wanted)))
    for index, (line, row) in enumerate(rows):
        if len(row) != len(header):
            raise UserError(f"{path}: line {line} has {len(row)} fields, the first line {len(header)}; export the take again")
        try:
            values[index] = [float(row[places[name.lower()]]) for name in wanted]
        except ValueError as error:
            raise UserError(f"{path}: line {line} has a value that is not a number; export the take again") from error
    bad = np.flatnonzero(~(np.isfinite(values) & (abs(values) <= 2)).all(axis=1))
    if len(bad):
        raise UserError(f"{path}: line {rows[bad[0]][0]} has values beyond what weights (0..1) and half turns (-1..1) can be; export the take again")
    seconds, fps = _times(path, [(line, row[places["timecode"]]) for line, row in rows], rate)
    grid = np.arange(round(float(seconds[-1] - seconds[0]) * float(fps)) + 1) / float(fps)
    even = np.stack([np.interp(grid, seconds - seconds[0], column) for column in values.T], axis=1)
    weights, head = np.zeros((len(grid), len(ARKIT_NAMES)), np.float32), np.zeros((len(grid), 3))
    for name, column in zip(wanted, even.T, strict=True):
        if name in TURNS:
            head[:, TURNS.index(name)] = np.pi * column
        else:
            weights[:, _COLUMN[name.lower()]] = column
    return ArkitTake(weights, head, fps)


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The first line, and the others that are not empty with their numbers."""
    try:
        text = read_bounded(path, MAX_BYTES, "give the app's CSV, a long take in pieces").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not a text file; give Live Link Face's CSV") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(reader, [])
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num} is not CSV ({error}); export the take again") from error
    if header and not rows:
        raise UserError(f"{path}: has no frames; export the take again")
    return header, rows


def _noted(path: Path, rows: int) -> tuple[int, Fraction] | None:
    """The rates of time codes and of rows, from the notice beside a file of so many rows; None where there is none of this file."""
    try:
        with notice_of(path).open("rb") as stream:
            record = json.loads(stream.read(_MAX_NOTICE))
        counted, fps = int(record["timecode_rate"]), Fraction(*map(int, record["fps"]))
        of_this = record["file"] == path.name and record["frame_count"] == rows
        return (counted, fps) if of_this and 1 <= counted <= 1000 and 0 < fps <= 1000 else None
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError, RecursionError):
        return None


def _timecode(seconds: Fraction, nominal: int) -> str:
    """HH:MM:SS:FF.fff, FF counting to `nominal`."""
    whole, part = divmod(seconds, 1)
    # Rounded first, so that 59.9996 frames of 60 become the next second.
    thousandths = round(part * nominal * 1000)
    whole, thousandths = whole + thousandths // (nominal * 1000), thousandths % (nominal * 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}:{thousandths // 1000:02d}.{thousandths % 1000:03d}"


def _times(path: Path, codes: list[tuple[int, str]], rate: int | None) -> tuple[np.ndarray, Fraction]:
    """Seconds [T] of the rows, growing, and the frame rate: that of the time code, or the fraction of it at which rows come."""
    parts = np.empty((len(codes), 4))
    for index, (line, code) in enumerate(codes):
        try:
            parts[index] = [float(part) for part in code.split(":")]
        except ValueError as error:
            raise UserError(f"{path}: line {line} has the time code {code[:20]!r}, expected HH:MM:SS:FF.fff; export the take again") from error
    if not np.isfinite(parts).all() or parts.min() < 0 or parts.max() >= 1000:
        raise UserError(f"{path}: has time codes that are no times; export the take again")
    noted = None if rate else _noted(path, len(codes))
    counted = rate or (noted[0] if noted else _rate(path, parts))
    seconds = parts[:, :3] @ [3600.0, 60.0, 1.0] + parts[:, 3] / counted
    # A take may run past midnight.
    seconds += 86400 * np.cumsum(np.r_[False, np.diff(seconds) < -43200])
    step = np.diff(seconds)
    if (step <= 0).any():
        raise UserError(f"{path}: line {codes[int((step <= 0).argmax()) + 1][0]} is not later than the one before it; export the take again")
    if seconds[-1] - seconds[0] > MAX_SECONDS:
        raise UserError(f"{path}: lasts more than {MAX_SECONDS // 3600} hours; cut the take")
    if noted is not None:
        return seconds, noted[1]
    every = max(1, round(float(np.median(step)) * counted)) if len(step) else 1
    return seconds, Fraction(counted, every)


def _rate(path: Path, parts: np.ndarray) -> int:
    """Frames a second of the time codes [T, 4]: the lowest usual rate that has the highest frame number."""
    last = int(parts[:, 3].max())
    if len(np.unique(parts[:, 2])) < 2 and last < USUAL_RATE:
        return USUAL_RATE
    for rate in RATES:
        if rate > last:
            return rate
    raise UserError(f"{path}: counts {last + 1} frames in a second, {RATES[-1]} are the most; export the take again")
