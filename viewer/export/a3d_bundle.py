"""What an .a3d file holds: an avatar, exactly, and the motion that it performs. docs/a3d.md lists the sections; viewer/runtime poses them.

It is what the web player gets (`web_bundle`), in float32 throughout. A head model that may not be redistributed leaves none of its bases here:
`vertex_tracks` says what stands in their place.
"""

from pathlib import Path

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.files import atomic_path
from avatar3d.gaussians import Gaussians
from avatar3d.motion import Motion, rest_motion
from avatar3d.progress import Progress
from viewer.export.a3d import Bundle, read_bundle, write_bundle
from viewer.export.a3d_shapes import check_shapes
from viewer.export.found import Found
from viewer.export.frames import Frames
from viewer.export.idle import idle_motion
from viewer.export.motion_files import motion_of
from viewer.export.motion_track import FORMAT as TRACK_FORMAT
from viewer.export.motion_track import pack_motion, unpack_motion
from viewer.export.options import FormatOptions
from viewer.export.packed import Packed, Quantised
from viewer.export.provenance import provenance
from viewer.export.splats import read_whole
from viewer.export.vertex_tracks import pack_tracks, posed
from viewer.export.web_bundle import FORMAT, pack_avatar, unpack_avatar

_ABOUT = ("subject", "consent", "licence", "head", "camera", "framing", "centre", "reason")
_LEFT_OUT = frozenset({"basis_row", "basis_splat"})
"""Scales of quantised bases, which are ones here."""
_STATISTICS, _CALM, _MOTION = "statistics.rest.", "calm.", "motion."


def bundle_of(avatar: Avatar, motion: Motion | None) -> Bundle:
    """The avatar and the motion that it performs.

    Args:
        avatar: who.
        motion: what, with its sound; without one a head that may be redistributed has none, and any other gets the idle loop.
    """
    packed, closed = pack_avatar(avatar, exact=True), not avatar.head.redistributable
    performed = idle_motion(avatar) if motion is None and closed else motion
    track = None
    if performed is not None:
        track = pack_tracks(avatar, packed, {"motion": performed}, exact=True)["motion"] if closed else pack_motion(performed, exact=True)
    about = {name: packed.header[name] for name in _ABOUT if name in packed.header} | provenance(avatar, "scene").fields()
    if "reason" in about:
        about["reason"] = about["reason"].replace("this page", "this file")
    arrays = {name.replace(_STATISTICS, _CALM): _plain(array) for name, array in packed.arrays.items() if name not in _LEFT_OUT}
    if not closed:
        arrays["jaw_open_angle"] = np.array([avatar.head.jaw_open_angle], np.float32)
        arrays["expr_names"] = np.frombuffer("\n".join(avatar.head.expr_names).encode(), np.uint8)
    if track is not None:
        arrays |= {f"{_MOTION}fps": np.array(track.header["fps"], np.uint32)}
        arrays |= {f"{_MOTION}{name}": _plain(array) for name, array in track.arrays.items()}
    if performed is not None and performed.sound is not None and performed.sound_rate:
        arrays["sound.rate"] = np.array([performed.sound_rate], np.uint32)
        arrays["sound"] = np.round(np.clip(performed.sound, -1, 1) * 32767).astype(np.int16)
    return Bundle(about, arrays, closed and motion is None)


def _plain(array: np.ndarray | Quantised) -> np.ndarray:
    values = array.values() if isinstance(array, Quantised) else array
    return values.astype(np.uint32 if values.dtype.kind in "iu" else np.float32)


def write_a3d(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write an avatar with the selected stretch of its motion; see `formats.Writer`."""
    motion = None if frames.still else motion_of(frames, path)
    bundle = bundle_of(frames.avatar, motion)
    data = write_bundle(bundle)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    progress(1, 1)
    moves = "it idles" if bundle.loops else "without a motion" if motion is None else f"{len(motion)} frames, {motion.duration:.1f} s"
    reason = f"\n{bundle.about['reason']}" if "reason" in bundle.about else ""
    return f"{path}: {len(frames.avatar)} Gaussians, {moves}, {len(data) / 1e6:.1f} MB{reason}\nnext: avatar3d check {path}"


def packed_of(bundle: Bundle, name: str = "the .a3d file") -> tuple[Packed, Packed | None]:
    """The avatar and its motion as the web player has them, which `web_bundle` and `vertex_tracks` read.

    Raises:
        UserError: sections are missing or do not fit together.
    """
    try:
        check_shapes(bundle.arrays)
        arrays = {key.replace(_CALM, _STATISTICS): array for key, array in bundle.arrays.items() if not key.startswith((_MOTION, "sound"))}
        K, N = arrays["basis"].shape[:2]
        arrays |= {"basis_row": np.ones((K, 3), np.float32), "basis_splat": np.ones((N, 3), np.float32)}
        header: dict = bundle.about | {"format": FORMAT, "mesh": "tracks" if "track_mean" in arrays else "rig"}
        if header["mesh"] == "rig":
            names = arrays.pop("expr_names").tobytes().decode()
            header["expr_names"] = names.split("\n") if names else []
            header["jaw_open_angle"] = float(arrays.pop("jaw_open_angle")[0])
        track = None
        if f"{_MOTION}fps" in bundle.arrays:
            tracks = {key.removeprefix(_MOTION): array for key, array in bundle.arrays.items() if key.startswith(_MOTION)}
            fps, count = [int(part) for part in tracks.pop("fps")], len(tracks["rotation"])
            track = Packed({"format": TRACK_FORMAT, "fps": fps, "frames": count, "head": header["head"]["fingerprint"]}, dict(tracks))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise UserError(f"{name}: is damaged ({str(error)[:120]}); export it again") from error
    return Packed(header, dict(arrays)), track


def check_a3d(path: Path, progress: Progress) -> Found:
    """Read an .a3d file and pose every frame of it. Raises UserError where it is not whole."""
    data = read_whole(path)
    bundle = read_bundle(data, str(path))
    packed, track = packed_of(bundle, str(path))
    avatar = unpack_avatar(packed, str(path)) if packed.header["mesh"] == "rig" else None
    rest = None if avatar is None else rest_motion(avatar.head, 1)
    motion = rest if avatar is None or track is None else unpack_motion(track, str(path))
    count = 1 if track is None else track.header["frames"]
    fps = 0.0 if track is None else track.header["fps"][0] / track.header["fps"][1]
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for index in range(count):
        time = index / fps if fps else 0.0
        position = _posed(avatar, motion, packed, track, time, str(path)).position.numpy()
        if not np.isfinite(position).all():
            raise UserError(f"{path}: frame {index + 1} poses to values that are not numbers; export it again")
        low, high = np.minimum(low, position.min(axis=0)), np.maximum(high, position.max(axis=0))
        progress(index + 1, count)
    layout: dict[str, object] = {"mesh": packed.header["mesh"], "bases": len(bundle.arrays["basis"])}
    if bundle.loops:
        layout["loops"] = "yes"
    if "sound" in bundle.arrays and "sound.rate" in bundle.arrays:
        layout["sound"] = f"{len(bundle.arrays['sound']) / max(int(bundle.arrays['sound.rate'][0]), 1):.2f} s"
    facts = {name: value for name, value in bundle.about.items() if isinstance(value, str) and name != "reason"}
    remarks = (str(bundle.about["reason"]),) if "reason" in bundle.about else ()
    return Found("a3d", len(data), len(bundle.arrays["splat_face"]), low, high, count, fps if count > 1 else 0.0, layout, facts, remarks)


def _posed(avatar: Avatar | None, motion: Motion | None, packed: Packed, track: Packed | None, time: float, name: str) -> Gaussians:
    try:
        if avatar is not None and motion is not None:
            return avatar.pose(motion, time)
        assert track is not None
        return posed(packed, track, time)
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise UserError(f"{name}: cannot be posed ({str(error)[:120]}); export it again") from error
