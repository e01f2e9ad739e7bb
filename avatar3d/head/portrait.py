"""A picture of a head made from a scan, to be looked at: the scan, the head at rest, and a few of its expressions, from two sides."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from avatar3d.arkit import EXPR_INDEX, LID_NAMES
from avatar3d.camera import look_at
from avatar3d.files import atomic_path
from avatar3d.head.embedding import BACKGROUND, SKIN, tinted
from avatar3d.head.likeness import Fit
from avatar3d.head.model import HeadModel, head_vertices
from avatar3d.head.scan import Scan
from avatar3d.render.mesh import shade_mesh

EXPRESSIONS: tuple[tuple[str, ...], ...] = ((), ("jawOpen",), ("mouthSmileLeft", "mouthSmileRight"), LID_NAMES)
"""What the head shows, one after the other."""
OPENING = 0.8
"""Of jawOpen."""
SIZE, FOCAL, DISTANCE = 360, 900.0, 0.85
YAWS = (0.0, 0.6)


def save_portrait(path: Path, head: HeadModel, scan: Scan, fit: Fit) -> None:
    """Write the picture.

    Raises:
        UserError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        Image.fromarray(portrait(head, scan, fit)).save(temporary, "png")


def portrait(head: HeadModel, scan: Scan, fit: Fit) -> np.ndarray:
    """The picture [2 SIZE, 5 SIZE, 3] uint8."""
    middle = head.template.numpy().astype(np.float64)[head.regions["face"]].mean(0) - [0, 0, 0.04]
    colors = np.tile(np.array(SKIN, np.float32), (len(scan.vertices), 1)) if scan.colors is None else scan.colors
    shown = [(fit.scan, scan.faces, colors)]
    shown += [(vertices, head.faces.numpy(), tinted(head)) for vertices in _posed(head)]
    rows = []
    for yaw in YAWS:
        eye = middle + DISTANCE * fit.scale * np.array([np.sin(yaw), 0.05, np.cos(yaw)])
        camera = look_at(eye, middle, focal=FOCAL, size=(SIZE, SIZE))
        rows.append(np.concatenate([shade_mesh(vertices, faces, camera, albedo, BACKGROUND) for vertices, faces, albedo in shown], axis=1))
    return np.concatenate(rows)


def _posed(head: HeadModel) -> np.ndarray:
    """[4, V, 3] the head in each of EXPRESSIONS."""
    count = len(EXPRESSIONS)
    expr, jaw = torch.zeros(count, head.num_expr), torch.zeros(count, 3)
    for row, names in enumerate(EXPRESSIONS):
        for name in names:
            if name == "jawOpen":
                jaw[row, 0] = OPENING * head.jaw_open_angle
            else:
                expr[row, EXPR_INDEX[name]] = 1
    zeros = torch.zeros(count, 3)
    return head_vertices(
        head, torch.zeros(1), expr, jaw_pose=jaw, neck_pose=zeros, eyes_pose=torch.zeros(count, 6), rotation=zeros, translation=zeros
    ).numpy()  # fmt: skip
