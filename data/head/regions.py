"""The named vertex sets of the head."""

from pathlib import Path

import anatomy
import geometry
import numpy as np
from anatomy import IRIS_ANGLE, Mesh
from sources import BaseMesh, read_neck_weights, read_target

from avatar3d.head.register import rim


def name_regions(folder: Path, base: BaseMesh, mesh: Mesh) -> dict[str, np.ndarray]:
    """All regions. The lip and lid rings are ordered from the subject's right to left (x ascending) and run in pairs."""
    p, count = mesh.positions, len(mesh.positions)
    laplacian = geometry.laplacian(mesh.faces, count)
    skin = np.isin(np.arange(count), mesh.of("skin"))
    regions = {
        "upper_teeth": mesh.of("upper"),
        "lower_teeth": mesh.of("lower"),
        "tongue": mesh.of("tongue"),
        "mouth_interior": mesh.of("mouth"),
        "eye_sockets": mesh.of("left_socket", "right_socket"),
    }
    upper, lower = anatomy.split_loop(mesh, anatomy.loop_between(mesh, "skin", "mouth", 1))
    regions["lip_inner_upper"], regions["lip_inner_lower"] = pair(mesh, upper, lower)
    for side, sign, island in (("left", 1, "left_socket"), ("right", -1, "right_socket")):
        if sign > 0:
            lid_upper, lid_lower = anatomy.split_loop(mesh, anatomy.loop_between(mesh, "skin", island, 1))
        else:
            lid_upper, lid_lower = mesh.mirror[lid_upper][::-1], mesh.mirror[lid_lower][::-1]
        regions[f"{side}_lid_upper"], regions[f"{side}_lid_lower"] = lid_upper, lid_lower
        lid = np.intersect1d(geometry.rings(laplacian, np.r_[lid_upper, lid_lower], 4), mesh.of("skin"))
        above = nearest(p[lid], p[lid_upper]) < nearest(p[lid], p[lid_lower])
        regions[f"{side}_eyelid"], regions[f"{side}_eyelid_upper"], regions[f"{side}_eyelid_lower"] = lid, lid[above], lid[~above]
        on_eye = mesh.eye_side == sign
        regions[f"{side}_eye"] = np.flatnonzero(on_eye)
        regions[f"iris_{side}"] = np.flatnonzero(on_eye & (mesh.eye_direction[:, 2] >= np.cos(IRIS_ANGLE) - 1e-6))
    lips = anatomy.sample_mask(folder, "mpfb_lips.jpg", base, mesh) > 0.5
    lips[np.intersect1d(geometry.rings(laplacian, np.r_[upper, lower], 1), mesh.of("skin"))] = True
    lip = np.flatnonzero(lips)
    above = nearest(p[lip], p[upper]) < nearest(p[lip], p[lower])
    regions |= {"lips": lip, "upper_lip": lip[above], "lower_lip": lip[~above]}
    ears = anatomy.sample_mask(folder, "mpfb_ears.jpg", base, mesh) > 0.5
    face = (anatomy.sample_mask(folder, "mpfb_face.jpg", base, mesh) > 0.5) & ~ears
    face[np.r_[lip, regions["left_eyelid"], regions["right_eyelid"]]] = True
    nose = np.zeros(count)
    for path in (folder / "mpfb2/targets/nose").glob("nose-scale-*-incr.target.gz"):
        moved = np.linalg.norm(read_target(path, len(base.positions)), axis=1)
        nose = np.maximum(nose, np.where(mesh.source >= 0, moved[mesh.source] / moved.max(), 0))
    follow = np.where(mesh.source >= 0, read_neck_weights(folder, len(base.positions))[mesh.source], 1.0)
    follow = (follow + follow[mesh.mirror]) / 2
    chin = p[regions["lips"], 1].min() - 0.03
    scalp = skin & ~face & ~ears & (p[:, 1] - 0.35 * (p[:, 2] + 0.02) > chin + 0.03)
    torso = np.isin(np.arange(count), mesh.of("torso"))
    neck = (skin & ~face & ~ears & ~scalp) | (torso & (follow > 0.05))
    regions |= {
        "face": np.flatnonzero(face),
        "ears": np.flatnonzero(ears),
        "nose": np.flatnonzero(skin & (nose + nose[mesh.mirror] > 0.9)),
        "scalp": np.flatnonzero(scalp),
        "neck": np.flatnonzero(neck),
        "shoulders": np.flatnonzero(torso & ~neck),
        "skull": np.flatnonzero(face | scalp | ears),
        "boundary": boundary(mesh),
    }
    return regions


def nearest(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Distance of each point to the nearest target."""
    return np.linalg.norm(points[:, None] - targets[None], axis=-1).min(1)


def pair(mesh: Mesh, upper: np.ndarray, lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equally many of both rings, in pairs of like x; corners first and last; symmetric."""
    few, many = sorted((upper, lower), key=len)
    half = few[: len(few) // 2 + 1]
    partner = [many[0]]
    taken = 0
    for vertex in half[1:]:
        x = mesh.positions[vertex, 0]
        left = np.arange(taken + 1, len(many) // 2 + 1)
        if len(left) == 0:
            left = np.array([taken])
        taken = int(left[np.argmin(abs(mesh.positions[many[left], 0] - x))])
        partner.append(many[taken])
    partner = np.array(partner)
    full_few = np.r_[half, mesh.mirror[half[:-1]][::-1]]
    full_many = np.r_[partner, mesh.mirror[partner[:-1]][::-1]]
    return (full_few, full_many) if few is upper else (full_many, full_few)


def boundary(mesh: Mesh) -> np.ndarray:
    """Vertices of the edge where the bust is cut."""
    skin = mesh.faces[np.isin(mesh.part, ("skin", "torso", "mouth", "left_socket", "right_socket"))]
    return rim(skin)
