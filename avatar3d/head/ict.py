"""Reading ICT-FaceKit as users download it: a folder of OBJ files of one mesh, neutral, identities and expressions.

ICT-FaceKit: Li et al., Learning Formation of Physically-Based Face Attributes, 2020. Its shapes are displacements; what a rig needs
beyond them is made here: the jaw's joint and weights from jawOpen, the eyes' from the eyeballs, neck and torso by height.
"""

import itertools
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from avatar3d.arkit import EXPR_NAMES
from avatar3d.errors import UserError
from avatar3d.head.model import JAW, LEFT_EYE, NECK, RIGHT_EYE, ROOT, HeadModel, float_tensor, half_tensor
from avatar3d.head.obj import obj_mesh, obj_vertices
from avatar3d.head.similarity import fit_similarity

NEUTRAL = "generic_neutral_mesh.obj"
NUM_VERTICES = 26719
NUM_SHAPE = 60
"""Identity modes that are read of the hundred: 99 % of their variance."""
METRE = 0.01
"""The files are in centimetres."""
SKIN, MOUTH_SOCKET, EYE_SOCKETS, GUMS, TEETH, EYES = (
    range(11248), range(11248, 13294), range(13294, 14062), range(14062, 17039), range(17039, 21451), range(21451, 24591),
)  # fmt: skip
"""Vertices of face, head and neck; of the inner parts. Tear ducts, lashes and shells for shading follow and are left out."""
LOWER_TEETH = range(19247, 21451)
KEPT = EYES.stop
ROOT_AT, NECK_AT = (0.0, -0.175, -0.025), (0.0, -0.09, -0.015)
"""Metres; the files have no neck, so its joint and weights are set by hand."""
NECK_FROM, NECK_TO, NECK_TILT = -0.14, -0.06, 0.5
"""Height in metres, less at the back by the tilt, over which the torso's weight passes into the neck's: the chin is the head's."""
NEAR_HINGE = 2e-3
"""Metres from the jaw's hinge below which a displacement says little about a weight."""
_BOTH = ("browInnerUp", "cheekPuff")
"""ARKit's expressions that the folder has as two halves."""
_LICENCE = """MIT License, Copyright (c) 2020 USC Institute for Creative Technologies (ICT-FaceKit)

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE
OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


def is_ict(folder: Path) -> bool:
    """Whether a folder is ICT-FaceKit's, or its FaceXModel."""
    return (folder / NEUTRAL).is_file() or (folder / "FaceXModel" / NEUTRAL).is_file()


def ict_files(name: str) -> tuple[str, ...]:
    """The files, without suffix, whose displacements add up to ARKit's expression `name`; none for the tongue."""
    if name == "tongueOut":
        return ()
    if name in _BOTH:
        return f"{name}_L", f"{name}_R"
    for side in ("Left", "Right"):
        # jawLeft and mouthLeft are directions, not sides.
        if name.endswith(side) and not name.startswith("jaw") and name != f"mouth{side}":
            return (f"{name.removesuffix(side)}_{side[0]}",)
    return (name,)


def read_ict(folder: Path) -> HeadModel:
    """The bare rig: no uv, face regions or landmarks; `transfer.complete_head` adds those. Expressions are the embedded head's, by name.

    tongueOut moves nothing. The bases are rounded as our own files store them, so that folder and file have one fingerprint.

    Raises:
        UserError: not ICT-FaceKit's folder, files missing, or of different meshes.
    """
    inner = folder if (folder / NEUTRAL).is_file() else folder / "FaceXModel"
    if not (inner / NEUTRAL).is_file():
        raise UserError(f"{folder}: has no {NEUTRAL}; give the folder FaceXModel of ICT-FaceKit")
    wanted = sorted({file for name in EXPR_NAMES for file in ict_files(name)} | {"jawOpen"})
    missing = [f"{name}.obj" for name in (*wanted, "identity000") if not (inner / f"{name}.obj").is_file()]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise UserError(f"{inner}: lacks {shown}; get ICT-FaceKit's folder FaceXModel again, whole")
    neutral, faces = obj_mesh(inner / NEUTRAL)
    if len(neutral) != NUM_VERTICES:
        raise UserError(f"{inner / NEUTRAL}: has {len(neutral)} vertices, ICT-FaceKit Light has {NUM_VERTICES}; give that model")
    neutral *= METRE
    kept = _kept(neutral, faces)
    place = np.full(NUM_VERTICES, -1)
    place[kept] = np.arange(len(kept))
    faces = place[faces]
    faces = faces[(faces >= 0).all(axis=1)]

    def moved(name: str) -> np.ndarray:
        path = inner / f"{name}.obj"
        vertices = obj_vertices(path)
        if len(vertices) != NUM_VERTICES:
            raise UserError(f"{path}: has {len(vertices)} vertices, {NEUTRAL} has {NUM_VERTICES}; get the folder again, all of one edition")
        return (METRE * vertices - neutral)[kept]

    numbered = (f"identity{index:03d}" for index in range(NUM_SHAPE))
    identities = itertools.takewhile(lambda name: (inner / f"{name}.obj").is_file(), numbered)
    shapes = np.stack([moved(name) for name in identities], axis=2)
    parts = {name: place[list(ids)] for name, ids in _PARTS.items()}
    return _rig(neutral[kept], faces, shapes, moved, parts)


_PARTS = {
    "upper_teeth": [index for index in TEETH if index not in LOWER_TEETH], "lower_teeth": LOWER_TEETH,
    "mouth_interior": [*MOUTH_SOCKET, *GUMS], "eye_sockets": EYE_SOCKETS,
}  # fmt: skip


def _kept(neutral: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Vertices of the rig: of each eye only its largest shell, because the discs of the iris lie hidden behind it."""
    links = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    _, label = connected_components(sp.coo_matrix((np.ones(len(links)), links.T), (NUM_VERTICES, NUM_VERTICES)), directed=False)
    kept = [np.arange(EYES.start)]
    eyes = np.array(EYES)
    for side in (1, -1):
        eye = eyes[side * neutral[eyes, 0] > 0]
        shells = [eye[label[eye] == one] for one in np.unique(label[eye])]
        if not shells:
            raise UserError(f"{NEUTRAL}: has no eye on one side; give ICT-FaceKit Light's own file")
        kept.append(max(shells, key=lambda shell: np.ptp(neutral[shell], axis=0).sum()))
    return np.sort(np.concatenate(kept))


def _rig(template: np.ndarray, faces: np.ndarray, shapes: np.ndarray, moved, parts: dict[str, np.ndarray]) -> HeadModel:
    V = len(template)
    eyes = np.arange(EYES.start, V)
    balls = [eyes[template[eyes, 0] > 0], eyes[template[eyes, 0] < 0]]
    opening = moved("jawOpen")
    angle, hinge = _hinge(template[parts["lower_teeth"]], opening[parts["lower_teeth"]])
    swing = _about_x(angle) - np.eye(3)
    reach = (template - hinge) @ swing.T
    jaw = np.clip((opening * reach).sum(1) / ((reach**2).sum(1) + (abs(np.sin(angle)) * NEAR_HINGE) ** 2), 0, 1)
    jaw[parts["upper_teeth"]], jaw[parts["lower_teeth"]] = 0, 1
    jaw[eyes] = jaw[parts["eye_sockets"]] = 0
    height = (template[:, 1] + NECK_TILT * (template[:, 2] - NECK_AT[2]) - NECK_FROM) / (NECK_TO - NECK_FROM)
    neck = np.clip(height, 0, 1) ** 2 * (3 - 2 * np.clip(height, 0, 1))
    neck[len(SKIN) :] = 1
    weights = np.zeros((V, 5))
    weights[:, ROOT], weights[:, NECK], weights[:, JAW] = 1 - neck, neck * (1 - jaw), neck * jaw
    for joint, ball in zip((LEFT_EYE, RIGHT_EYE), balls, strict=True):
        weights[ball] = np.eye(5)[joint]
    # Skinning turns offsets with the jaw, so what it leaves over of jawOpen, and what is made for an open jaw, is turned back.
    back = np.linalg.inv(np.eye(3) + weights[:, JAW, None, None] * swing)
    pose = np.zeros((V, 3, 36))
    # The element (2, 1) of R - I of the second joint is the sine of the jaw's opening.
    pose[:, :, 9 + 7] = np.einsum("vij,vj->vi", back, opening - weights[:, [JAW]] * reach) / np.sin(angle)
    expressions = np.zeros((V, 3, len(EXPR_NAMES)))
    for column, name in enumerate(EXPR_NAMES):
        for file in ict_files(name):
            expressions[:, :, column] += moved(file)
        if name == "mouthClose":
            expressions[:, :, column] = np.einsum("vij,vj->vi", back, expressions[:, :, column])
    joints = np.array([ROOT_AT, NECK_AT, hinge, *(_centre(template[ball]) for ball in balls)])
    regressor = _regressor(template, joints, balls)
    return HeadModel(
        name="ICT-FaceKit",
        template=float_tensor(template),
        shape_basis=half_tensor(shapes),
        expr_basis=half_tensor(expressions),
        pose_basis=half_tensor(pose),
        skin_weights=float_tensor(weights),
        joint_template=float_tensor(joints),
        joint_shape_basis=float_tensor(np.stack([regressor @ shapes[:, axis] for axis in range(3)], axis=1)),
        faces=torch.from_numpy(faces),
        uv=np.zeros((len(faces), 3, 2), np.float32),
        regions=parts,
        landmarks=None,
        expr_names=EXPR_NAMES,
        licence=_LICENCE,
        redistributable=True,
        jaw_open_angle=float(angle),
    )


def _hinge(teeth: np.ndarray, moved: np.ndarray) -> tuple[float, np.ndarray]:
    """Angle about +x and a point on the axis that take the lower teeth [N, 3] where jawOpen moves them [N, 3]: they are rigid."""
    R, _, _ = fit_similarity(teeth, teeth + moved, with_scale=False)
    angle = float(np.arctan2(R[2, 1] - R[1, 2], R[1, 1] + R[2, 2]))
    if not 0.1 < angle < 1.0:
        raise UserError(f"jawOpen.obj: opens the jaw by {np.degrees(angle):.0f} degrees, 6 to 57 are expected; get the folder again")
    swing = np.eye(2) - _about_x(angle)[1:, 1:]
    shift = (teeth + moved).mean(0) - _about_x(angle) @ teeth.mean(0)
    return angle, np.r_[0.0, np.linalg.solve(swing, shift[1:])]


def _about_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _centre(ball: np.ndarray) -> np.ndarray:
    """Centre of the sphere through points [N, 3], by linear least squares of |p|^2 = 2 p.c + r^2 - |c|^2."""
    middle = ball.mean(0)
    spoke = ball - middle
    return middle + np.linalg.lstsq(np.c_[2 * spoke, np.ones(len(spoke))], (spoke**2).sum(1), rcond=None)[0][:3]


def _regressor(template: np.ndarray, joints: np.ndarray, balls: list[np.ndarray]) -> np.ndarray:
    """[5, V] weights that give the joints and follow every affine change of the vertices near them: the least-norm ones."""
    tree = KDTree(template[: len(SKIN)])
    rows = [np.sort(tree.query(joint, k=400)[1]) for joint in joints[:3]] + balls
    regressor = np.zeros((5, len(template)))
    for joint, near in enumerate(rows):
        middle = template[near].mean(0)
        system = np.c_[template[near] - middle, np.full(len(near), 0.1)].T
        regressor[joint, near] = np.linalg.lstsq(system, np.r_[joints[joint] - middle, 0.1], rcond=1e-3)[0]
    return regressor
