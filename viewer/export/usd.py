"""An avatar performing as OpenUSD: Gaussians over time, a camera, the sound, and the head's mesh with its rig."""

from dataclasses import replace
from pathlib import Path

from avatar3d.progress import Progress, stretch
from viewer.cameras import front_camera
from viewer.export.frames import Frames
from viewer.export.options import FormatOptions
from viewer.export.provenance import provenance
from viewer.export.rig_mesh import rig_mesh
from viewer.export.soundtrack import has_beside, name_beside, write_soundtrack
from viewer.export.texture import VIEWS, baked_texture, texture_jpeg
from viewer.export.usd_rig import add_rig
from viewer.export.usd_splats import add_splats
from viewer.export.usd_stage import add_camera, add_sound, check_usd, move, new_stage, package, usd_folder

_CAMERA = 1024
"""Pixels that the camera's picture is meant for."""


def write_usd(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write all frames; see `formats.Writer`. A .usdz holds everything; beside a .usdc lie its sound and its texture."""
    check_usd()
    told = provenance(frames.avatar, "scene")
    packed = path.suffix.lower() == ".usdz"
    whole = packed or has_beside(path)
    sound = None if frames.sound is None or not whole else "sound.wav" if packed else name_beside(path, ".wav")
    texture = None if not options.mesh or not whole else "colours.jpg" if packed else name_beside(path, ".jpg")
    painted = 0 if texture is None else VIEWS
    steps = painted + frames.count
    progress(0, steps)
    with usd_folder(path) as folder:
        layer = folder / f"{path.stem if packed else 'layer'}.usdc"
        stage = new_stage(layer, frames, told)
        add_camera(stage, front_camera(frames.avatar, _CAMERA), frames)
        if sound is not None:
            write_soundtrack(folder / sound, frames, told)
            add_sound(stage, sound)
        if texture is not None:
            mesh, tracks = rig_mesh(frames.avatar, replace(frames.motion.frames(frames.indices), fps=frames.fps))
            baked = baked_texture(frames.avatar, mesh, progress=stretch(progress, 0, steps))
            (folder / texture).write_bytes(texture_jpeg(baked, told.sentence))
            add_rig(stage, mesh, tracks, texture, frames)
        add_splats(stage, frames, stretch(progress, painted, steps))
        del stage
        if packed:
            package(folder, layer.name, path)
        else:
            for name in (sound, texture):
                if name is not None:
                    move(folder / name, path.with_name(name))
            move(layer, path)
    size = path.stat().st_size
    each = size / (frames.count * frames.num_gaussians)
    beside = "".join(f", {name} beside it" for name in (sound, texture) if name and not packed)
    what = f"{frames.count} frames of {frames.num_gaussians} Gaussians, {size / 1e6:.1f} MB, {each:.1f} bytes a Gaussian a frame{beside}"
    return f"{path}: {what}\nnext: avatar3d check {path}"
