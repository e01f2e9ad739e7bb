"""What a head model file holds, in words, and writing it in our own format."""

from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from avatar3d.head.model import NUM_LANDMARKS, HeadModel
from avatar3d.head.store import read_bare_head, save_head


def head_info(head: HeadModel) -> str:
    """A few lines for people."""
    height = float(head.template[:, 1].max() - head.template[:, 1].min())
    if head.expr_names:
        expressions = f"{head.num_expr} named: {', '.join(head.expr_names[:3])}, ..."
    else:
        expressions = f"{head.num_expr} without names" + (", and two eyelids" if head.eyelid_basis is not None else "")
    landmarks = "none" if head.landmarks is None else f"{len(head.landmarks.index)} of {NUM_LANDMARKS}"
    lines = {
        "head": head.name,
        "fingerprint": head.fingerprint,
        "vertices": f"{head.num_vertices}, {len(head.faces)} triangles, {height * 100:.1f} cm high",
        "identity": f"{head.num_shape} modes",
        "expressions": expressions,
        "jawOpen": f"{np.degrees(head.jaw_open_angle):.1f} degrees of the jaw",
        "landmarks": landmarks,
        "regions": ", ".join(f"{name} {len(ids)}" for name, ids in head.regions.items()) or "none",
        "licence": head.licence.split("\n", 1)[0],
        "may leave this machine": "yes" if head.redistributable else "no",
    }
    return "\n".join(f"{name + ':':24}{value}" for name, value in lines.items())


def convert_head(file: Path | str, output: Path | str) -> None:
    """Write a head in our own format, for sharing.

    Raises:
        UserError: not a head model, its licence forbids copies, or the output cannot be written.
    """
    head = read_bare_head(Path(file))
    if not head.redistributable:
        raise UserError(f"{file}: {head.name} may not be passed on ({head.licence.splitlines()[0]}); use the file itself with --head")
    save_head(head, output)
