"""A folder of ICT-FaceKit's layout with a shape of its own, made from the embedded head.

No data of ICT is used: only the file names, the sizes and the vertex ranges of the parts are its own.
"""

import heapq
from pathlib import Path

import numpy as np
import torch

from avatar3d.arkit import EXPR_INDEX, EXPR_NAMES
from avatar3d.head.ict import ict_files
from avatar3d.head.model import HeadModel, head_vertices
from avatar3d.head.store import load_head
from tests.avatar3d.head.flame_fixture import swelling

QUOTAS = {
    "face": 9409, "head": 1839, "mouth_socket": 2046, "eye_sockets": 768, "gums": 2977, "upper_teeth": 2208, "lower_teeth": 2204,
    "left_eye": 1540, "right_eye": 1540,
}  # fmt: skip
"""Vertices of each part, in the files' order; two discs of 30 behind the eyes and 2128 vertices of shells follow."""
DISC, SHELL = 30, (56, 38)
IDENTITIES = 12


def write_ict(folder: Path, seed: int = 0, identities: int = IDENTITIES) -> np.ndarray:
    """Write FaceXModel's files; gives [26719] the vertex of the embedded head that each vertex is, -1 where it was added."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    head = load_head()
    template = head.template.numpy() + head.shape_basis.numpy() @ (0.7 * random.standard_normal(head.num_shape)).astype(np.float32)
    eyes = [head.regions["left_eye"], head.regions["right_eye"]]
    # An eyeball stays a ball: it is moved as its centre is.
    anchors = template.astype(np.float64)
    for eye in eyes:
        anchors[eye] = template[eye].mean(0)
    template = 1.04 * (template + swelling(random)(anchors)) + np.array([0, 0.015, 0.006])
    mixing = np.linalg.qr(random.standard_normal((head.num_shape, identities)))[0]
    shapes = head.shape_basis.numpy() @ mixing
    columns = [template[..., None], 1.04 * shapes, 1.04 * _displacements(head)]
    flat = np.concatenate(columns, axis=2).reshape(head.num_vertices, -1)
    part = _parts(head)
    flat, faces, part, origin = _refine(flat, head.faces.numpy(), part)
    order = np.concatenate([random.permutation(np.flatnonzero(part == index)) for index in range(len(QUOTAS))])
    values = flat[order].reshape(len(order), 3, -1)
    faces, origin = np.argsort(order)[faces], origin[order]
    values, origin, polygons = _extras(values, faces, origin)
    neutral = values[..., 0]
    tail = _faces(polygons)
    _write(folder / "generic_neutral_mesh.obj", neutral, tail)
    for index in range(identities):
        _write(folder / f"identity{index:03d}.obj", neutral + values[..., 1 + index], tail)
    _write(folder / "jawOpen.obj", neutral + values[..., -1], tail)
    left = (1 + np.tanh(neutral[:, :1] / 0.01)) / 2
    for column, name in enumerate(EXPR_NAMES, 1 + identities):
        files = ict_files(name)
        for file in files:
            share = 1.0 if len(files) == 1 else left if file.endswith("_L") else 1 - left
            _write(folder / f"{file}.obj", neutral + share * values[..., column], tail)
    return origin


def _displacements(head: HeadModel) -> np.ndarray:
    """[V, 3, 52] what each expression does to the vertices, jawOpen last; mouthClose is made for an open jaw."""
    opened = torch.tensor([[head.jaw_open_angle, 0.0, 0.0]])
    zeros = torch.zeros(1, 3)
    expr = torch.zeros(2, head.num_expr)
    expr[1, EXPR_INDEX["mouthClose"]] = 1
    still = {"neck_pose": zeros.expand(2, 3), "eyes_pose": torch.zeros(2, 6), "rotation": zeros.expand(2, 3), "translation": zeros.expand(2, 3)}
    posed = head_vertices(head, torch.zeros(1), expr, jaw_pose=opened.expand(2, 3), **still).numpy()
    moved = head.expr_basis.numpy().copy()
    moved[:, :, EXPR_INDEX["mouthClose"]] = posed[1] - posed[0]
    return np.concatenate([moved, (posed[0] - head.template.numpy())[..., None]], axis=2)


def _parts(head: HeadModel) -> np.ndarray:
    """[V] index into QUOTAS."""
    names = list(QUOTAS)
    part = np.full(head.num_vertices, names.index("face"))
    skin = np.concatenate([head.regions[name] for name in ("face", "lips", "left_eyelid", "right_eyelid", "ears", "nose")])
    inner = {"mouth_socket": "mouth_interior", "eye_sockets": "eye_sockets"}
    for name, region in (("head", "neck"), ("head", "shoulders"), ("head", "scalp"), *inner.items()):
        part[np.setdiff1d(head.regions[region], skin)] = names.index(name)
    for name, region in (("gums", "tongue"), *((name, name) for name in names[5:])):
        part[head.regions[region]] = names.index(name)
    return part


def _refine(values: np.ndarray, faces: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Split the longest edge again and again, each part until it has its quota. Also the parts and origins of the vertices."""
    left = np.array(list(QUOTAS.values())) - np.bincount(part, minlength=len(QUOTAS))
    assert (left >= 0).all(), left
    total = sum(QUOTAS.values())
    grown = np.zeros((total, values.shape[1]))
    count = len(values)
    grown[:count] = values
    parts, triangles = list(part), [list(face) for face in faces]
    beside: dict[tuple[int, int], set[int]] = {}
    heap: list[tuple[float, tuple[int, int]]] = []

    def add(index: int) -> None:
        for a, b in zip(triangles[index], triangles[index][1:] + triangles[index][:1], strict=True):
            key = (min(a, b), max(a, b))
            if key not in beside:
                heapq.heappush(heap, (-float(np.linalg.norm(grown[a].reshape(3, -1)[:, 0] - grown[b].reshape(3, -1)[:, 0])), key))
            beside.setdefault(key, set()).add(index)

    for index in range(len(triangles)):
        add(index)
    while count < total:
        _, (a, b) = heapq.heappop(heap)
        own = parts[a] if left[parts[a]] else parts[b]
        if not left[own]:
            continue
        left[own] -= 1
        parts.append(own)
        grown[count] = (grown[a] + grown[b]) / 2
        for index in list(beside[(a, b)]):
            face = triangles[index]
            for x, y in zip(face, face[1:] + face[:1], strict=True):
                beside[(min(x, y), max(x, y))].discard(index)
            triangles[index] = [count if v == a else v for v in face]
            triangles.append([count if v == b else v for v in face])
            add(index)
            add(len(triangles) - 1)
        count += 1
    origin = np.r_[np.arange(len(values)), np.full(total - len(values), -1)]
    return grown, np.array(triangles), np.array(parts), origin


def _extras(values: np.ndarray, faces: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Discs behind the eyes' fronts and a sheet of quads behind the head, neither of which belongs into a rig."""
    first = np.cumsum([0, *QUOTAS.values()])
    polygons, added, count = [faces], [], len(values)
    for eye in (first[7], first[8]):
        ball = values[eye : eye + QUOTAS["left_eye"]]
        centre, around = ball.mean(0), np.linspace(0, 2 * np.pi, DISC, endpoint=False)
        disc = np.repeat(centre[None], DISC, axis=0)
        disc[:, :, 0] += np.stack([0.004 * np.cos(around), 0.004 * np.sin(around), np.full(DISC, 0.008)], axis=1)
        added.append(disc)
        polygons.append(count + np.arange(DISC)[None])
        count += DISC
    rows, columns = SHELL
    sheet = np.zeros((rows * columns, *values.shape[1:]))
    sheet[:, :, 0] = np.stack([*(0.002 * axis.ravel() for axis in np.mgrid[:rows, :columns]), np.full(rows * columns, -0.2)], axis=1)
    grid = count + np.arange(rows * columns).reshape(rows, columns)
    polygons.append(np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2).reshape(-1, 4))
    values = np.concatenate([values, *added, sheet])
    return values, np.r_[origin, np.full(len(values) - len(origin), -1)], polygons


def _faces(polygons: list[np.ndarray]) -> str:
    lines = ["vt 0.5 0.5", "vn 0 0 1", "usemtl M_Face"]
    lines += ["f " + " ".join(f"{corner + 1}/1/1" for corner in polygon) for block in polygons for polygon in block]
    return "\n".join(lines) + "\n"


def _write(path: Path, vertices: np.ndarray, tail: str) -> None:
    words = "\n".join(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in (100 * vertices).tolist())
    path.write_text(f"mtllib ICTFaceModelMaterial.mtl\n{words}\n{tail}")
