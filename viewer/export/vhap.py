"""A folder in the layout of VHAP and GaussianAvatars: the performance as FLAME parameters, with the pictures that they make and their mattes.

For FLAME heads only: the numbers of any other head would mean another face to the programs that read this.
"""

import io
import json
import os
import threading
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from avatar3d.errors import UserError
from avatar3d.files import check_output, write_whole
from avatar3d.head.flame import NUM_EXPR, NUM_VERTICES
from avatar3d.motion import Motion
from avatar3d.progress import Progress
from avatar3d.threads import one_torch_thread
from avatar3d.vhap_layout import frame_arrays, rest_arrays, splits, transforms
from viewer.export.frames import Frames
from viewer.export.motion_files import motion_of
from viewer.export.options import FormatOptions
from viewer.export.pictures import PNG_LEVEL
from viewer.export.provenance import provenance
from viewer.export.sequence import in_parallel
from viewer.export.shooting import Shooting, shooting
from viewer.export.soundtrack import write_soundtrack
from viewer.straight_alpha import as_integers
from viewer.views import Brush

_RECORD = "export.json"
_FOLDERS = ("images", "fg_masks", "flame_param")


def write_vhap(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write a folder; see `formats.Writer`."""
    motion, shot = motion_of(frames, path), shooting(frames.avatar, options)
    _check(frames, path, shot)
    facts = provenance(frames.avatar, "picture").fields()
    record = {"format": "VHAP", **facts, "export": frames.fingerprint(json.dumps([shot.record(), options.background, facts], sort_keys=True))}
    _prepare(path, record)
    camera = shot.view.camera(0.0)
    offsets = np.zeros((1, NUM_VERTICES, 3), np.float32)
    offsets[0] = frames.avatar.vertex_offset[:NUM_VERTICES].numpy()
    _write_parameters(path, motion, offsets, None if motion.eyelids is None else frames.avatar.head.eyelid_basis)
    _write_pictures(path, frames, shot, progress)
    if frames.sound is not None:
        write_soundtrack(path / "sound.wav", frames, provenance(frames.avatar, "motion"))
    for suffix, held in splits(len(motion)).items():
        text = json.dumps(transforms(camera, held, "images/{:05d}_00.png", "fg_masks/{:05d}_00.png"), indent=1)
        write_whole(path / f"transforms{suffix}.json", text.encode())
    write_whole(path / _RECORD, (json.dumps(record | {"complete": True}, indent=1, ensure_ascii=False) + "\n").encode())
    return f"{path}: {len(motion)} frames of {frames.avatar.head.name}, pictures {camera.width} x {camera.height}\nnext: avatar3d check {path}"


def _check(frames: Frames, path: Path, shot: Shooting) -> None:
    head = frames.avatar.head
    # A completed FLAME head has FLAME's vertices first, then the inside of its mouth.
    if not head.name.startswith("FLAME") or head.num_expr != NUM_EXPR or head.num_vertices < NUM_VERTICES:
        raise UserError(
            f"{path}: VHAP's layout holds FLAME's parameters, and the avatar's head is {head.name}; fit an avatar with --head flame2023.pkl, "
            "or carry the motion over with `avatar3d head retarget MOTION.npz --to flame2023.pkl`"
        )
    if shot.stereo is not None or shot.filming.camera == "orbit" or shot.filming.show != "colour" or shot.background is None or shot.filming.exr:
        raise UserError("--format vhap: its pictures are those of one still camera before a colour; leave --camera orbit and the like out")


def _prepare(path: Path, record: dict) -> None:
    """Make the folder, or take up the same export where it was left."""
    check_output(path)
    if path.is_file():
        raise UserError(f"{path}: is a file; give the name of a folder")
    try:
        path.mkdir(exist_ok=True)
        if any(path.iterdir()):
            earlier = path / _RECORD
            known = json.loads(earlier.read_text(encoding="utf-8")) if earlier.is_file() and earlier.stat().st_size < 1 << 16 else {}
            if not isinstance(known, dict) or known.get("export") != record["export"]:
                raise UserError(f"{path}: holds other files; choose a new folder")
        for name in _FOLDERS:
            (path / name).mkdir(exist_ok=True)
    except ValueError as error:
        raise UserError(f"{path}: holds other files; choose a new folder") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({(error.strerror or str(error)).lower()}); choose another name") from error
    write_whole(path / _RECORD, json.dumps(record, ensure_ascii=False).encode())


def _write_parameters(path: Path, motion: Motion, offsets: np.ndarray, lids: torch.Tensor | None) -> None:
    for index in range(len(motion)):
        arrays = frame_arrays(motion, index, offsets)
        if lids is not None and motion.eyelids is not None:
            # FLAME has no blink: what closes the lids becomes the frame's own offset.
            arrays["dynamic_offset"] = np.einsum("l,lvc->vc", motion.eyelids[index], lids[:, :NUM_VERTICES].numpy())[None].astype(np.float32)
        write_whole(path / "flame_param" / f"{index:05d}.npz", _packed(arrays))
    write_whole(path / "canonical_flame_param.npz", _packed(rest_arrays(motion, offsets)))


def _write_pictures(path: Path, frames: Frames, shot: Shooting, progress: Progress) -> None:
    own = threading.local()

    def write(index: int) -> None:
        if not hasattr(own, "brush"):
            own.brush = Brush()
        layer = shot.layer(frames, index, own.brush)
        for folder, picture in (("fg_masks", layer.alpha), ("images", shot.picture(layer))):
            packed = io.BytesIO()
            Image.fromarray(as_integers(picture, 8)).save(packed, "PNG", compress_level=PNG_LEVEL)
            write_whole(path / folder / f"{index:05d}_00.png", packed.getbuffer())

    # A frame's picture is written after its matte: where it is, both are.
    missing = [index for index in range(len(frames)) if not os.path.exists(path / "images" / f"{index:05d}_00.png")]
    done = len(frames) - len(missing)
    with one_torch_thread():
        in_parallel(write, missing, lambda finished: progress(done + finished, len(frames)))


def _packed(arrays: dict[str, np.ndarray]) -> memoryview:
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # pyright: ignore[reportArgumentType]
    return packed.getbuffer()
