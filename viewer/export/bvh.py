"""BVH: torso, neck, head, jaw and eyes as a skeleton in motion, for Blender and whatever else retargets skeletons.

The file is y up, the face looks along z, as BVH has it: Blender's importer, left as it is, turns it z up. Rotations are intrinsic Z, X, Y angles in
degrees (R = Rz Rx Ry). Expressions are not in it: they are no skeleton's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.avatar import Avatar
from avatar3d.files import atomic_path
from avatar3d.head.model import JAW, LEFT_EYE, NECK, RIGHT_EYE, ROOT
from avatar3d.motion import Motion
from avatar3d.progress import Progress
from viewer.export.axes import axes_rotation
from viewer.export.frames import Frames
from viewer.export.motion_files import beside, motion_of, write_notice
from viewer.export.options import FormatOptions
from viewer.export.provenance import provenance
from viewer.export.soundtrack import check_beside, write_soundtrack

_LENGTHS = {"jaw": 0.07, "left_eye": 0.03, "right_eye": 0.03}
"""Metres that the end of a bone lies before its joint."""


@dataclass(frozen=True, eq=False)
class Bone:
    """A joint of the skeleton and what hangs on it."""

    name: str
    offset: np.ndarray
    """[3] from its parent's joint at rest, the file's unit and axes."""
    angles: np.ndarray
    """[T, 3] degrees about z, x, y."""
    children: "tuple[Bone, ...]" = ()
    end: np.ndarray | None = None
    """[3] end of a bone without children."""


def write_bvh(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write a BVH, and beside it the sound and JSON that says what the BVH cannot; see `formats.Writer`."""
    motion, facts = motion_of(frames, path), provenance(frames.avatar, "motion")
    check_beside(path, *beside(path, frames))
    root, places = skeleton(frames.avatar, motion, axes_rotation(frames.up) * frames.factor)
    with atomic_path(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as stream:
        for index, line in enumerate(bvh_lines(root, places, float(1 / motion.fps))):
            stream.write(line)
            progress(min(index, len(motion)), len(motion))
    write_notice(path, facts)
    if frames.sound is not None:
        write_soundtrack(path.with_suffix(".wav"), frames, facts)
    what = f"{len(motion)} frames, {motion.duration:.1f} s, {float(motion.fps):g} a second; its expressions are not in it, no skeleton has them"
    return f"{path}: {what}\nnext: avatar3d check {path}"


def skeleton(avatar: Avatar, motion: Motion, turn: np.ndarray) -> tuple[Bone, np.ndarray]:
    """The bones with their motion, and places of the root [T, 3].

    The neck's shift against the torso moves the root instead, so that the head, which is looked at, is where it belongs.

    Args:
        avatar: gives the joints.
        motion: of its head.
        turn: [3, 3] from our axes and metres to the file's: a rotation times a factor.
    """
    joints = avatar.head.joints(avatar.shape).numpy().astype(np.float64)
    factor = float(np.cbrt(np.linalg.det(turn)))
    axes = Rotation.from_matrix(turn / factor)
    head = 0.5 * (joints[LEFT_EYE] + joints[RIGHT_EYE]) * [0.0, 1.0, 0.0] + joints[NECK] * [1.0, 0.0, 1.0]
    still = np.zeros((len(motion), 3), np.float32)

    def bone(name: str, place: np.ndarray, parent: np.ndarray, rotations: np.ndarray, children: tuple[Bone, ...] = ()) -> Bone:
        ahead = None if children else turn @ np.array([0.0, 0.0, _LENGTHS[name]])
        return Bone(name, turn @ (place - parent), _angles(axes * Rotation.from_rotvec(rotations) * axes.inv()), children, ahead)

    eyes = motion.eyes_pose
    below = (
        bone("jaw", joints[JAW], head, motion.jaw_pose),
        bone("left_eye", joints[LEFT_EYE], head, eyes[:, :3]),
        bone("right_eye", joints[RIGHT_EYE], head, eyes[:, 3:]),
    )
    neck = bone("neck", joints[NECK], joints[ROOT], motion.neck_pose, (bone("head", head, joints[NECK], still, below),))
    root = bone("torso", np.zeros(3), np.zeros(3), motion.rotation, (neck,))
    places = joints[ROOT] + motion.translation.astype(np.float64)
    if motion.neck_translation is not None:
        places = places + Rotation.from_rotvec(motion.rotation).apply(motion.neck_translation)
    return root, places @ turn.T


def bvh_lines(root: Bone, places: np.ndarray, seconds: float) -> Iterator[str]:
    """The text of a BVH: all of the hierarchy, then a line for each frame, `seconds` long."""
    bones = list(_walk(root))
    yield "HIERARCHY\n" + "\n".join(_hierarchy(root, 0)) + f"\nMOTION\nFrames: {len(places)}\nFrame Time: {seconds:.8f}\n"
    for index, place in enumerate(places):
        values = np.concatenate([place, *(bone.angles[index] for bone in bones)])
        yield " ".join(f"{value + 0.0:.6f}" for value in np.round(values, 6)) + "\n"


def _hierarchy(bone: Bone, depth: int) -> Iterator[str]:
    pad, inner = "  " * depth, "  " * (depth + 1)
    yield f"{pad}{'JOINT' if depth else 'ROOT'} {bone.name}"
    yield pad + "{"
    yield f"{inner}OFFSET {_triple(bone.offset)}"
    yield f"{inner}CHANNELS {'3' if depth else '6 Xposition Yposition Zposition'} Zrotation Xrotation Yrotation"
    for child in bone.children:
        yield from _hierarchy(child, depth + 1)
    if bone.end is not None:
        yield from (f"{inner}End Site", inner + "{", f"{inner}  OFFSET {_triple(bone.end)}", inner + "}")
    yield pad + "}"


def _walk(bone: Bone) -> Iterator[Bone]:
    yield bone
    for child in bone.children:
        yield from _walk(child)


def _triple(vector: np.ndarray) -> str:
    return " ".join(f"{value + 0.0:.6f}" for value in np.round(vector, 6))


def _angles(rotations: Rotation) -> np.ndarray:
    """[T, 3] degrees about z, x, y without jumps of a whole turn from frame to frame, which programs that interpolate would show."""
    return np.unwrap(rotations.as_euler("ZXY", degrees=True), period=360, axis=0)
