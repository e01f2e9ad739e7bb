"""import: avatars that other programs made."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from avatar3d.cli.common import note, open_head, say

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.head.model import HeadModel
    from avatar3d.motion import Motion

_ADVICE = "give the flame_param.npz that GaussianAvatars writes beside its point_cloud.ply"


def import_bound(
    file: Positional[Path],
    /,
    out: Annotated[Path, arg(aliases=["-o"])],
    head: Path,
    parameters: Path | None = None,
    subject: str | None = None,
    consent: str | None = None,
    licence: str | None = None,
) -> None:
    """Make an avatar of Gaussians that are bound to FLAME's triangles: a point_cloud.ply of GaussianAvatars.

    Args:
        file: the PLY with binding_0.
        out: the .avatar to write.
        head: your FLAME file, of the edition that it was trained with.
        parameters: flame_param.npz with the person's shape and what was tracked; default the one beside the PLY.
        subject: whose head it is, recorded in the avatar.
        consent: what that person agreed to, recorded in the avatar.
        licence: what others may do with it, recorded in the avatar.
    """
    from avatar3d.avatar_file import save_avatar
    from avatar3d.files import check_output
    from viewer.export.bound_splats import bound_avatar
    from viewer.export.splat_files import read_splats

    check_output(out, file, head, parameters)
    splats = read_splats(file)
    rig = open_head(head)
    motion, offset = _tracked(parameters or file.with_name("flame_param.npz"), rig)
    said = {"subject": subject, "consent": consent, "licence": licence, "source": f"imported from {file.name}"}
    bound = bound_avatar(splats, rig, motion, offset, {name: text for name, text in said.items() if text})
    save_avatar(bound.avatar, out)
    if bound.dropped:
        note(f"{bound.dropped} Gaussians are on triangles that FLAME's file does not have (added teeth) and are left out")
    if bound.degree:
        note(f"harmonics of degree {bound.degree} are left out: an avatar's colours do not depend on the direction")
    say(f"{out}: {len(bound.avatar)} Gaussians\nnext: avatar3d view {out} --head {head}")


def _tracked(path: Path, head: "HeadModel") -> "tuple[Motion, np.ndarray | None]":
    """The motion [T] of a flame_param.npz, with the person's shape, and the offsets [V, 3] of the vertices where it has them.

    Raises:
        UserError: not such a file, or of another FLAME.
    """
    from dataclasses import replace

    import numpy as np

    from avatar3d.motion import CHANNELS, rest_motion
    from recon.foreign_files import finite, named, read_arrays

    with named(path, _ADVICE):
        arrays = read_arrays(path)
        shape = finite(arrays["shape"]).astype(np.float32)
        if not 1 <= len(shape) <= head.num_shape:
            raise ValueError(f"its shape has {len(shape)} numbers, the head {head.num_shape}")
        width = head.num_expr
        expr = finite(arrays["expr"])
        count = len(expr) // width
        if count < 1 or len(expr) != count * width:
            raise ValueError(f"its expressions are not {width} to a frame")
        motion = rest_motion(head, count, shape=np.pad(shape, (0, head.num_shape - len(shape))))
        tracks = {name: finite(arrays[name]).reshape(count, size).astype(np.float32) for name, size in CHANNELS.items() if name in arrays}
        motion = replace(motion, expr=expr.reshape(count, width).astype(np.float32), **tracks)
        offset = finite(arrays["static_offset"]).reshape(-1, 3) if "static_offset" in arrays else None
    return motion, offset
