"""Motions for other programs: our own .npz and JSON, the CSV of Live Link Face, and a skeleton as BVH."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from avatar3d.arkit_file import notice_of, timecode_rate, write_arkit
from avatar3d.arkit_weights import arkit_of, eye_turns, head_turns
from avatar3d.errors import UserError
from avatar3d.files import atomic_path
from avatar3d.head.model import JOINT_NAMES, HeadModel
from avatar3d.motion import CHANNELS, Motion, save_motion
from avatar3d.progress import Progress
from viewer.export.frames import Frames
from viewer.export.options import FormatOptions
from viewer.export.provenance import Provenance, provenance
from viewer.export.soundtrack import check_beside, write_soundtrack

JSON_FORMAT, JSON_VERSION = "avatar3d motion", 1


def motion_of(frames: Frames, path: Path) -> Motion:
    """The selected frames as a motion, with their sound.

    Raises:
        UserError: no motion was given.
    """
    if frames.still:
        raise UserError(f"{path}: holds a motion; give one with --motion")
    return replace(frames.motion.frames(frames.indices), fps=frames.fps, sound=frames.sound, sound_rate=frames.sound_rate)


def write_motion_npz(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write a motion file of ours; see `formats.Writer`."""
    motion, facts = motion_of(frames, path), provenance(frames.avatar, "motion")
    save_motion(replace(motion, note=" ".join(filter(None, [motion.note, facts.sentence]))), path)
    return _told(path, motion, f"avatar3d render ME.avatar --motion {path} -o {path.with_suffix('.mp4')}")


def write_motion_json(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write a motion as JSON; see `formats.Writer`."""
    motion, facts = motion_of(frames, path), provenance(frames.avatar, "motion")
    sound = path.with_suffix(".wav") if frames.sound is not None else None
    if sound is not None:
        check_beside(path, sound.name)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        for index, line in enumerate(json_lines(motion, frames.avatar.head, facts, None if sound is None else sound.name)):
            stream.write(line)
            progress(min(index, len(motion)), len(motion))
    if sound is not None:
        write_soundtrack(sound, frames, facts)
    return _told(path, motion)


def json_lines(motion: Motion, head: HeadModel, facts: Provenance, sound: str | None) -> Iterator[str]:
    """The text of a motion as JSON: a line of header, then a line for each frame.

    Numbers are the shortest that read back as the same float32. What the fields mean is in docs/formats.md.
    """
    names = ["expr", *(name for name in CHANNELS if getattr(motion, name) is not None)]
    header = {
        "format": JSON_FORMAT,
        "version": JSON_VERSION,
        **facts.fields(),
        "fps": [motion.fps.numerator, motion.fps.denominator],
        "frame_count": len(motion),
        "head": {"name": head.name, "fingerprint": motion.head_fingerprint, "jaw_open_angle": round(head.jaw_open_angle, 6)},
        "expr_names": list(head.expr_names),
        "joints": list(JOINT_NAMES),
        "units": {"length": "metre", "angle": "radian", "rotation": "rotation vector", "axes": "x the subject's left, y up, z out of the face"},
        "channels": {name: getattr(motion, name).shape[1] for name in names},
        "sound": sound,
    }
    yield json.dumps(header, ensure_ascii=False)[:-1] + f', "shape": {_numbers(motion.shape)}, "frames": [\n'
    for index in range(len(motion)):
        row = ", ".join(f'"{name}": {_numbers(getattr(motion, name)[index])}' for name in names)
        yield f"{{{row}}}{',' if index + 1 < len(motion) else ''}\n"
    yield "]}\n"


def write_arkit_csv(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write a Live Link Face CSV, and beside it JSON that says what the CSV cannot; see `formats.Writer`."""
    motion, facts = motion_of(frames, path), provenance(frames.avatar, "motion")
    check_beside(path, *beside(path, frames))
    weights = arkit_of(motion, frames.avatar.head)
    write_arkit(path, weights, motion.fps, head_turns(motion), eye_turns(motion))
    rates = {"fps": [motion.fps.numerator, motion.fps.denominator], "timecode_rate": timecode_rate(motion.fps), "frame_count": len(motion)}
    write_notice(path, facts, rates)
    if frames.sound is not None:
        write_soundtrack(path.with_suffix(".wav"), frames, facts)
    progress(len(motion), len(motion))
    return _told(path, motion)


def write_notice(path: Path, facts: Provenance, more: dict | None = None) -> None:
    """What a file says of itself, and `more`, beside it, where its format has no room for it."""
    with atomic_path(notice_of(path)) as temporary:
        temporary.write_text(json.dumps({"file": path.name, **facts.fields(), **(more or {})}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def beside(path: Path, frames: Frames) -> list[str]:
    """Names of the notice and of the sound that lie beside a file."""
    return [notice_of(path).name, *([path.with_suffix(".wav").name] if frames.sound is not None else [])]


def _numbers(values: np.ndarray) -> str:
    # str of a float32 is the shortest text that reads back as the same.
    return "[" + ", ".join(str(value) for value in values.astype(np.float32) + np.float32(0)) + "]"


def _told(path: Path, motion: Motion, following: str | None = None) -> str:
    line = f"{path}: {len(motion)} frames, {motion.duration:.1f} s, {float(motion.fps):g} a second"
    return f"{line}\nnext: {following or f'avatar3d check {path}'}"
