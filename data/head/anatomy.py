"""The parts of the head: which vertices are kept, named regions, texture layout. Works on MakeHuman's mesh, in metres."""

from dataclasses import dataclass, field
from pathlib import Path

import geometry
import numpy as np
from sources import BaseMesh

BOTTOM, WIDTH = -0.25, 0.225
"""Metres: where the bust ends below the head's middle, and to the sides."""
SEGMENTS, IRIS_ANGLE = 24, np.radians(21.0)
EYE_ANGLES = np.r_[np.radians([7.0, 14.0]), IRIS_ANGLE, np.radians([32.0, 44.0, 57.0, 71.0, 86.0, 105.0, 130.0, 155.0])]


@dataclass
class Mesh:
    """The kept mesh. `source` [V] is each vertex's index in MakeHuman's mesh, -1 on the eyeballs, which are made anew."""

    positions: np.ndarray
    source: np.ndarray
    mirror: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    part: np.ndarray
    """[F] island: skin, torso, mouth, socket, upper, lower, tongue, eye."""
    eye_direction: np.ndarray
    """[V, 3] unit direction from the eye's centre, zero off the eyeballs."""
    eye_side: np.ndarray
    """[V] +1 left eyeball, -1 right, 0 elsewhere."""
    regions: dict[str, np.ndarray] = field(default_factory=dict)

    def of(self, *parts: str) -> np.ndarray:
        """Vertices of the named islands."""
        return np.unique(self.faces[np.isin(self.part, parts)])


# left, bottom, width, height of each island in the texture.
LAYOUT = {
    "skin": (0.0, 0.5, 1.0, 0.5), "torso": (0.0, 0.2, 0.55, 0.29), "mouth": (0.57, 0.22, 0.3, 0.27),
    "left_socket": (0.0, 0.02, 0.12, 0.16), "right_socket": (0.13, 0.02, 0.12, 0.16),
    "left_eye": (0.28, 0.01, 0.17, 0.17), "right_eye": (0.46, 0.01, 0.17, 0.17),
    "upper": (0.65, 0.12, 0.2, 0.08), "lower": (0.65, 0.02, 0.2, 0.08), "tongue": (0.89, 0.02, 0.1, 0.47),
}  # fmt: skip


def cut_head(base: BaseMesh, positions: np.ndarray) -> Mesh:
    """Keep head, neck and bust, name the islands, make the eyeballs, triangulate.

    Args:
        base: MakeHuman's mesh.
        positions: [N, 3] its mean shape, metres, origin in the head, exactly symmetric.
    """
    quads, uv_quads, names = [], [], []
    body, body_uv = base.quads["body"], base.uv_quads["body"]
    island = geometry.face_labels(body_uv, len(base.uv))
    centre = positions[body].mean(1)
    scalp_face = np.argmax(centre[:, 1])
    torso_face = np.argmin(np.where(abs(centre[:, 0]) < 0.05, abs(centre[:, 1] + 0.3), np.inf))
    # Quads that reach into the bust are kept and their outer corners drawn in to its rim, so that the rim is straight.
    inside = (positions[body][..., 1] > BOTTOM) & (abs(positions[body][..., 0]) < WIDTH)
    for label in np.unique(island):
        mask = island == label
        middle = centre[mask].mean(0)
        if label == island[scalp_face]:
            name = "skin"
        elif label == island[torso_face]:
            name, mask = "torso", mask & inside.any(1)
        elif middle[1] > -0.12 and abs(middle[0]) < 0.005:
            name = "mouth"
        elif middle[1] > -0.12 and abs(middle[0]) < 0.06:
            name = "left_socket" if middle[0] > 0 else "right_socket"
        else:
            continue
        quads.append(body[mask])
        uv_quads.append(body_uv[mask])
        names += [name] * mask.sum()
    for name, group in (("upper", "helper-upper-teeth"), ("lower", "helper-lower-teeth"), ("tongue", "helper-tongue")):
        quads.append(base.quads[group])
        uv_quads.append(base.uv_quads[group])
        names += [name] * len(base.quads[group])
    quads, uv_quads, names = np.concatenate(quads), np.concatenate(uv_quads), np.array(names)
    positions = positions.copy()
    bust = np.unique(quads[names == "torso"])
    positions[bust, 1] = np.maximum(positions[bust, 1], BOTTOM)
    positions[bust, 0] = np.clip(positions[bust, 0], -WIDTH, WIDTH)
    cut = geometry.triangulate(positions, quads)
    part = np.repeat(names, 2)
    source, faces = np.unique(quads.ravel()[cut], return_inverse=True)
    faces = faces.reshape(-1, 3)
    uv = base.uv[uv_quads.ravel()[cut]]
    kept = np.full(len(positions), -1)
    kept[source] = np.arange(len(source))
    mirror = kept[base.mirror[source]]
    if (mirror < 0).any():
        raise SystemExit("build.py: the cut is not symmetric")
    return _add_eyeballs(Mesh(positions[source], source, mirror, faces, uv, part, np.zeros((len(source), 3)), np.zeros(len(source))), base, positions)


def _add_eyeballs(mesh: Mesh, base: BaseMesh, positions: np.ndarray) -> Mesh:
    unit, sphere_faces, sphere_uv = geometry.eyeball(SEGMENTS, EYE_ANGLES)
    count = len(unit)
    centre, radius = geometry.fit_sphere(positions[np.unique(base.quads["helper-l-eye"])])
    flip = np.array([-1.0, 1.0, 1.0])
    start = len(mesh.positions)
    mesh.positions = np.concatenate([mesh.positions, centre + radius * unit, (centre + radius * unit) * flip])
    mesh.eye_direction = np.concatenate([mesh.eye_direction, unit, unit * flip])
    mesh.eye_side = np.concatenate([mesh.eye_side, np.ones(count), -np.ones(count)])
    mesh.source = np.concatenate([mesh.source, np.full(2 * count, -1)])
    mesh.mirror = np.concatenate([mesh.mirror, np.arange(count) + start + count, np.arange(count) + start])
    mirrored = sphere_faces[:, ::-1]
    mesh.faces = np.concatenate([mesh.faces, sphere_faces + start, mirrored + start + count])
    mesh.uv = np.concatenate([mesh.uv, sphere_uv, (sphere_uv * [-1, 1] + [1, 0])[:, ::-1]])
    mesh.part = np.concatenate([mesh.part, ["left_eye"] * len(sphere_faces), ["right_eye"] * len(sphere_faces)])
    _lay_out(mesh)
    return mesh


def _lay_out(mesh: Mesh) -> None:
    """Pack the texture: MakeHuman's islands lie in the atlas of a whole body, where the head is small."""
    for name, box in LAYOUT.items():
        mask = mesh.part == name
        uv = mesh.uv[mask]
        if name == "skin":
            uv = np.stack([-uv[..., 1], uv[..., 0]], axis=-1)
            top = mesh.positions[mesh.faces[mask]][..., 1].ravel()
            if np.corrcoef(uv[..., 1].ravel(), top)[0, 1] < 0:
                uv = -uv
        mesh.uv[mask] = geometry.place(uv, box)


def loop_between(mesh: Mesh, first: str, second: str, outward: int) -> np.ndarray:
    """The closed loop where two islands meet, moved `outward` rings into the first; ordered."""
    laplacian = geometry.laplacian(mesh.faces, len(mesh.positions))
    island = set(mesh.of(first).tolist())
    current, seen = np.intersect1d(mesh.of(first), mesh.of(second)), set()
    for _ in range(outward):
        seen |= set(current.tolist())
        # Neighbours across a quad, not across its diagonal: those touch two or more vertices of the present ring.
        near = [v for v in geometry.rings(laplacian, current, 1) if v in island and v not in seen]
        current = np.array(near)
    return order_loop(mesh, current)


def order_loop(mesh: Mesh, vertices: np.ndarray) -> np.ndarray:
    """The vertices walked along edges, beginning at the one with the smallest x."""
    inside = np.isin(mesh.faces, vertices)
    edges = {v: set() for v in vertices.tolist()}
    for face, hit in zip(mesh.faces, inside, strict=True):
        chosen = face[hit].tolist()
        for a in chosen:
            edges[a] |= set(chosen) - {a}
    start = int(vertices[np.argmin(mesh.positions[vertices, 0])])
    walk = [start]
    while len(walk) < len(vertices):
        here = mesh.positions[walk[-1]]
        options = [v for v in edges[walk[-1]] if v not in walk]
        if not options:
            raise SystemExit("build.py: a loop is broken")
        walk.append(min(options, key=lambda v: float(np.linalg.norm(mesh.positions[v] - here))))
    return np.array(walk)


def split_loop(mesh: Mesh, loop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower half of a loop, both from its smallest x to its largest x, corners included."""
    turn = int(np.argmax(mesh.positions[loop, 0]))
    halves = loop[: turn + 1], np.r_[loop[turn:], loop[:1]][::-1]
    return tuple(sorted(halves, key=lambda half: -mesh.positions[half, 1].mean()))


def sample_mask(folder: Path, name: str, base: BaseMesh, mesh: Mesh, island: str = "skin") -> np.ndarray:
    """[V] value 0..1 of one of MPFB's texture masks at each vertex of an island."""
    import cv2

    picture = cv2.imread(str(folder / "mpfb2/textures" / name), cv2.IMREAD_GRAYSCALE)
    value = np.zeros(len(base.positions))
    body, body_uv = base.quads["body"].ravel(), base.uv_quads["body"].ravel()
    inside = np.isin(body, mesh.source[mesh.of(island)])
    pixel = (base.uv[body_uv[inside]] * [1, -1] + [0, 1]) * np.array(picture.shape[::-1])
    x, y = np.clip(pixel.astype(int), 0, np.array(picture.shape[::-1]) - 1).T
    np.maximum.at(value, body[inside], picture[y, x] / 255.0)
    result = np.where(mesh.source >= 0, value[mesh.source], 0.0)
    result = np.maximum(result, result[mesh.mirror])
    return np.where(np.isin(np.arange(len(result)), mesh.of(island)), result, 0.0)
