"""An avatar as the web player reads it: a person's own mesh, its rig or its tracks, and the Gaussians, a few megabytes in all.

docs/web.md lists the arrays. The identity is already in the mesh, vertices that no Gaussian needs are left out, the bases are int8. A head model that
may not be redistributed leaves none of its bases here: `vertex_tracks` says what stands in their place.
"""

from collections.abc import Callable

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from avatar3d.posing import triangle_areas
from avatar3d.statistics import MotionStatistics
from viewer.cameras import front_camera, head_centre
from viewer.export.packed import Packed, Quantised, as_float, quantised
from viewer.export.provenance import provenance

FORMAT = "avatar3d web avatar"
GROUPS = (slice(0, 3), slice(3, 7), slice(7, 10))
"""Position, rotation and colour among the ten values that a basis adds to."""
_TINY = np.float32(1e-12)
Small = Callable[[np.ndarray], np.ndarray | Quantised]
"""How real numbers are stored."""


def used_vertices(avatar: Avatar) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the Gaussians need of the mesh.

    Returns:
        vertices [V'] of the rig with its carriers, faces [F', 3] over them, and the index [N] into these faces of each Gaussian.
    """
    used, face = np.unique(avatar.face, return_inverse=True)
    vertices, faces = np.unique(avatar.faces[used], return_inverse=True)
    return vertices, faces.reshape(-1, 3).astype(np.int32), face.astype(np.int32)


def pack_avatar(avatar: Avatar, *, exact: bool = False) -> Packed:
    """The avatar as the player reads it; without a rig where its head may not be redistributed.

    Args:
        avatar: what to pack.
        exact: float32 throughout, four times as large: for checks of the player itself.
    """
    small = as_float if exact else quantised
    vertices, faces, face = used_vertices(avatar)
    packed = Packed(_header(avatar))
    packed.arrays |= {
        "faces": _indices(faces, len(vertices)),
        "rest_area": triangle_areas(np.ascontiguousarray(avatar.rest[vertices]), faces),
        "root": avatar.rig.joints(avatar.shape)[0].numpy(),
    }
    if avatar.head.redistributable:
        packed.header |= {"mesh": "rig", "expr_names": list(avatar.head.expr_names), "jaw_open_angle": avatar.head.jaw_open_angle}
        packed.arrays |= _rig(avatar, vertices, small)
    packed.arrays |= _gaussians(avatar, face, len(faces), small)
    return packed


def _header(avatar: Avatar) -> dict:
    facts, head = provenance(avatar, "picture"), avatar.head
    return {
        "format": FORMAT,
        "subject": facts.subject,
        "consent": facts.consent,
        "licence": facts.licence,
        "synthetic": facts.synthetic,
        "head": {"name": head.name, "fingerprint": head.fingerprint, "licence": head.licence, "redistributable": head.redistributable},
        "gaussians": len(avatar),
        "bases": avatar.position_basis.shape[0],
        "camera": front_camera(avatar, 512).to_json(),
        "centre": [float(x) for x in head_centre(avatar)],
    }


def _rig(avatar: Avatar, vertices: np.ndarray, small: Small) -> dict:
    rig, statistics = avatar.rig, avatar.statistics
    arrays = {
        "rest": np.ascontiguousarray(avatar.rest[vertices]),
        "joints": rig.joints(avatar.shape).numpy(),
        "skin_weights": rig.skin_weights.numpy()[vertices],
        "input_mean": avatar.input_mean.numpy(),
        "input_std": avatar.input_std.numpy(),
    }
    lids = None if rig.eyelid_basis is None else rig.eyelid_basis.permute(1, 2, 0)
    for name, basis in (("expr", rig.expr_basis), ("pose", rig.pose_basis), ("eyelids", lids)):
        if basis is not None:
            arrays |= _sparse(name, basis.numpy()[vertices], small)
    for index, (weight, bias) in enumerate(avatar.layers):
        arrays |= {f"network.{index}.weight": weight.numpy(), f"network.{index}.bias": bias.numpy()}
    arrays |= {f"statistics.rest.{name}": value for name, value in sorted(statistics.rest.items())}
    return arrays


def _sparse(name: str, basis: np.ndarray, small: Small) -> dict:
    """A basis [V, 3, C] column by column, without the vertices that a column leaves where they are."""
    moved = np.abs(basis).max(axis=1).T > 1e-7
    column, vertex = np.nonzero(moved)
    start = np.searchsorted(column, np.arange(len(moved) + 1)).astype(np.uint32)
    offsets = basis[vertex, :, column]
    return {f"{name}_start": start, f"{name}_vertex": _indices(vertex, len(basis)), f"{name}_offset": small(offsets)}


def _dense(packed: Packed, name: str, count: int) -> torch.Tensor:
    """The inverse of `_sparse`, [V, 3, C]."""
    start, vertex, offset = packed.arrays[f"{name}_start"], packed.arrays[f"{name}_vertex"], packed.values(f"{name}_offset")
    assert isinstance(start, np.ndarray) and isinstance(vertex, np.ndarray)
    basis = np.zeros((count, 3, len(start) - 1), np.float32)
    column = np.repeat(np.arange(len(start) - 1), np.diff(start.astype(np.int64)))
    basis[vertex, :, column] = offset
    return torch.from_numpy(basis)


def _gaussians(avatar: Avatar, face: np.ndarray, faces: int, small: Small) -> dict:
    bases = torch.cat([avatar.position_basis, avatar.rotation_basis, avatar.colour_basis], dim=2).numpy()
    stored, row, splat = _small_bases(bases) if small is quantised else _whole_bases(bases)
    return {
        "splat_face": _indices(face, faces),
        "splat_bary": small(avatar.bary[:, :2]),
        "splat_position": small(avatar.position.numpy()),
        "splat_rotation": small(avatar.rotation.numpy()),
        "splat_log_scale": small(avatar.log_scale.numpy()),
        "splat_opacity_logit": small(avatar.opacity_logit.numpy()[:, None]),
        "splat_colour": small(avatar.colour.numpy()),
        "basis": stored,
        "basis_row": row,
        "basis_splat": splat,
    }


def _small_bases(bases: np.ndarray) -> tuple[np.ndarray, np.ndarray, Quantised]:
    """Bases [K, N, 10] as int8, a scale [K, 3] of each basis and one [N, 3] of each Gaussian: some move far more than others.

    The value is stored * row * splat, each for position, rotation and colour.
    """
    K, N = bases.shape[:2]
    row, splat = np.empty((K, 3), np.float32), np.empty((N, 3), np.float32)
    for i, group in enumerate(GROUPS):
        row[:, i] = np.maximum(np.sqrt(np.square(bases[:, :, group]).mean(axis=(1, 2))), _TINY)
        splat[:, i] = (np.abs(bases[:, :, group]).max(axis=2) / row[:, i, None]).max(axis=0, initial=0) / 127
    packed = quantised(splat)
    rounded = np.maximum(packed.values(), _TINY)
    stored = np.empty((K, N, 10), np.int8)
    for i, group in enumerate(GROUPS):
        stored[:, :, group] = np.clip(np.round(bases[:, :, group] / (row[:, None, i, None] * rounded[None, :, i, None])), -127, 127)
    return stored, row, packed


def _whole_bases(bases: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bases as they are, with scales of one."""
    K, N = bases.shape[:2]
    return as_float(bases), np.ones((K, 3), np.float32), np.ones((N, 3), np.float32)


def _indices(values: np.ndarray, count: int) -> np.ndarray:
    return values.astype(np.uint16 if count <= 0xFFFF else np.uint32)


def unpack_avatar(packed: Packed, name: str = "the web avatar") -> Avatar:
    """The avatar that the player shows, with all rounding, for Python to pose: what the player is measured against.

    Raises:
        UserError: not whole, or it has tracks instead of a rig (`vertex_tracks.posed` reads those).
    """
    header = packed.header
    if header.get("format") != FORMAT or header.get("mesh") != "rig":
        raise UserError(f"{name}: is not a web avatar with a rig; export one of a head that may be redistributed")
    try:
        rest = packed.values("rest")
        head = _head(packed, rest)
        layers = []
        while f"network.{len(layers)}.weight" in packed.arrays:
            layers.append(tuple(torch.from_numpy(packed.values(f"network.{len(layers)}.{part}")) for part in ("weight", "bias")))
        known = {key.rpartition(".")[2]: packed.values(key) for key in packed.arrays if key.startswith("statistics.rest.")}
        blank = np.zeros((0, head.num_expr), np.float32)
        statistics = MotionStatistics(known, known, known, known["expr"], blank, np.zeros(0, np.float32))
        return Avatar(
            head=head,
            shape=torch.zeros(1),
            vertex_offset=torch.zeros(len(rest), 3),
            **local_gaussians(packed),
            input_mean=torch.from_numpy(packed.values("input_mean")),
            input_std=torch.from_numpy(packed.values("input_std")),
            layers=tuple(layers),
            statistics=statistics,
            metadata={key: header[key] for key in ("subject", "consent", "licence", "camera")},
        )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise UserError(f"{name}: is damaged ({str(error)[:120]}); export it again") from error


def _head(packed: Packed, rest: np.ndarray) -> HeadModel:
    header, count = packed.header, len(rest)
    faces = torch.from_numpy(packed.values("faces").astype(np.int64))
    lids = _dense(packed, "eyelids", count).permute(2, 0, 1).contiguous() if "eyelids_start" in packed.arrays else None
    expr = _dense(packed, "expr", count)
    return HeadModel(
        name=header["head"]["name"],
        template=torch.from_numpy(rest),
        shape_basis=torch.zeros(count, 3, 1),
        expr_basis=expr,
        pose_basis=_dense(packed, "pose", count),
        skin_weights=torch.from_numpy(packed.values("skin_weights")),
        joint_template=torch.from_numpy(packed.values("joints")),
        joint_shape_basis=torch.zeros(5, 3, 1),
        faces=faces,
        uv=np.zeros((len(faces), 3, 2), np.float32),
        regions={},
        landmarks=None,
        expr_names=tuple(header["expr_names"]),
        licence=header["head"]["licence"],
        redistributable=True,
        jaw_open_angle=header["jaw_open_angle"],
        eyelid_basis=lids,
        fingerprint=header["head"]["fingerprint"],
    )


def local_gaussians(packed: Packed) -> dict:
    """The Gaussians in their triangles' frames, by the names of `Avatar`."""
    bary = packed.values("splat_bary")
    row, splat, stored = packed.values("basis_row"), np.maximum(packed.values("basis_splat"), _TINY), packed.values("basis")
    bases = [stored[:, :, group] * (row[:, None, i, None] * splat[None, :, i, None]) for i, group in enumerate(GROUPS)]
    names = ("position_basis", "rotation_basis", "colour_basis")
    tensors = {name: torch.from_numpy(np.ascontiguousarray(basis, np.float32)) for name, basis in zip(names, bases, strict=True)}
    tensors |= {name: torch.from_numpy(packed.values(f"splat_{name}")) for name in ("position", "rotation", "log_scale", "colour")}
    face = packed.values("splat_face").astype(np.int32)
    if len(face) and face.max() >= len(packed.values("faces")):
        raise ValueError("a Gaussian is bound to a triangle that is not there")
    return tensors | {
        "opacity_logit": torch.from_numpy(packed.values("splat_opacity_logit")[:, 0].copy()),
        "face": face,
        "bary": np.concatenate([bary, 1 - bary.sum(axis=1, keepdims=True)], axis=1).astype(np.float32),
    }
