"""Reading the FLAME files that users bring: `.pkl` or `.npz` of the 2017, 2019, 2020, 2023 and 2023 Open editions.

FLAME: Li, Bolkart, Black, Li, Romero, Learning a model of facial shape and expression from 4D scans, 2017.
"""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch

from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel, float_tensor
from avatar3d.head.unpickle import load_pickle

NUM_VERTICES, NUM_FACES, NUM_SHAPE, NUM_EXPR = 5023, 9976, 300, 100
JAW_OPEN_ANGLE = 0.43
"""Radians that ARKit's jawOpen = 1 stands for; FLAME does not say, this is what the embedded head has."""
PARENTS = (-1, 0, 1, 1, 1)
_NEEDED = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
_OPEN = "FLAME 2023 Open: CC BY 4.0, Max Planck Institute for Intelligent Systems; see flame.is.tue.mpg.de/modellicense.html"
_CLOSED = "FLAME: non-commercial use, no redistribution; see flame.is.tue.mpg.de/modellicense.html"


def is_flame(arrays: dict[str, Any]) -> bool:
    """Whether a file's contents look like a FLAME model, whole or not."""
    return "v_template" in arrays or "shapedirs" in arrays


def read_flame(path: Path, arrays: dict[str, Any] | None = None) -> HeadModel:
    """The bare FLAME rig: no uv, regions, lids, mouth interior or landmarks; `transfer.complete_head` adds those.

    Args:
        path: the file, also named in errors.
        arrays: its contents where they have been read already.

    Raises:
        UserError: unreadable, not FLAME, or not whole; what is missing is named.
    """
    path = Path(path)
    contents = load_pickle(path) if arrays is None else arrays
    if not isinstance(contents, dict) or not is_flame(contents):
        raise UserError(f"{path}: is not a FLAME model; give flame.pkl or generic_model.pkl of any public edition")
    missing = [name for name in _NEEDED if contents.get(name) is None]
    if missing:
        raise UserError(f"{path}: this FLAME file lacks {', '.join(missing)}; give the complete model of its publisher")
    template = _array(path, contents, "v_template", (NUM_VERTICES, 3))
    directions = _array(path, contents, "shapedirs", (NUM_VERTICES, 3, NUM_SHAPE + NUM_EXPR))
    correctives = _array(path, contents, "posedirs", (NUM_VERTICES, 3, 36))
    regressor = _array(path, contents, "J_regressor", (5, NUM_VERTICES))
    weights = _array(path, contents, "weights", (NUM_VERTICES, 5))
    faces = _array(path, contents, "f", (NUM_FACES, 3)).astype(np.int64)
    if faces.min() < 0 or faces.max() >= NUM_VERTICES:
        raise UserError(f"{path}: its faces name vertices that do not exist; get the file again")
    # The root's parent is written as 2^32 - 1 or -1.
    parents = np.asarray(contents["kintree_table"]).astype(np.int64)
    if parents.shape != (2, 5) or tuple(parents[0, 1:]) != PARENTS[1:]:
        raise UserError(f"{path}: its kintree_table is not FLAME's (root, neck, jaw, two eyes); give another file")
    if (weights < -1e-4).any() or abs(weights.sum(1) - 1).max() > 1e-2:
        raise UserError(f"{path}: its skinning weights do not sum to one; get the file again")
    identity, expression = directions[:, :, :NUM_SHAPE], directions[:, :, NUM_SHAPE:]
    is_open = "supr_expression_metadata" in contents
    return HeadModel(
        name="FLAME 2023 Open" if is_open else "FLAME",
        template=float_tensor(template),
        shape_basis=float_tensor(identity),
        expr_basis=float_tensor(expression),
        pose_basis=float_tensor(correctives),
        skin_weights=float_tensor(weights / weights.sum(1, keepdims=True)),
        joint_template=float_tensor(regressor @ template),
        joint_shape_basis=float_tensor(np.einsum("jv,vcs->jcs", regressor, identity)),
        faces=torch.from_numpy(faces),
        uv=np.zeros((NUM_FACES, 3, 2), np.float32),
        regions={},
        landmarks=None,
        expr_names=(),
        licence=_OPEN if is_open else _CLOSED,
        redistributable=False,
        jaw_open_angle=JAW_OPEN_ANGLE,
    )


def _array(path: Path, contents: dict[str, Any], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One array of the file as float64, checked."""
    value = contents[name]
    if scipy.sparse.issparse(value):
        if value.shape != shape:
            raise UserError(f"{path}: its {name} has shape {value.shape}, FLAME's has {shape}; give the complete model of its publisher")
        value = value.toarray()
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: its {name} is not an array of numbers; get the file again") from error
    if array.shape != shape:
        raise UserError(f"{path}: its {name} has shape {array.shape}, FLAME's has {shape}; give the complete model of its publisher")
    if not np.isfinite(array).all():
        raise UserError(f"{path}: its {name} holds values that are not numbers; get the file again")
    return array
