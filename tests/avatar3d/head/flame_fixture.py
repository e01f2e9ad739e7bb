"""A model of FLAME's exact layout and of a shape of its own, made from the embedded head, and the files it would come in.

No FLAME data is used: only the sizes (5023 vertices, 9976 faces, 300 + 100 directions, five joints) are FLAME's.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse

from avatar3d.arkit import EXPR_INDEX
from avatar3d.head.model import HeadModel
from avatar3d.head.store import load_head

NUM_VERTICES, NUM_FACES = 5023, 9976
NO_BLINK = tuple(index for name, index in EXPR_INDEX.items() if "eyeBlink" not in name)
"""FLAME's expressions have no clean blink."""


def flame_arrays(seed: int = 0) -> dict[str, np.ndarray | scipy.sparse.spmatrix]:
    """The arrays of `make_flame`."""
    return make_flame(seed)[0]


def make_flame(seed: int = 0) -> tuple[dict[str, np.ndarray | scipy.sparse.spmatrix], np.ndarray]:
    """Arrays under FLAME's names: skin and eyeballs of another identity, refined, shuffled, in mixed bases, elsewhere in space.

    Also [5023] the vertex of the embedded head that each vertex is, -1 where it was added.
    """
    random = np.random.default_rng(seed)
    head = load_head()
    outer = np.isin(head.faces.numpy(), _inside(head)).any(axis=1)
    low = head.template.numpy()[head.faces.numpy()][..., 1].min(1) < -0.16
    faces = head.faces.numpy()[~outer & ~low]
    kept, faces = np.unique(faces, return_inverse=True)
    faces = faces.reshape(-1, 3)
    part = head.subset(kept)
    identity = 0.8 * random.standard_normal(head.num_shape).astype(np.float32)
    template = (part.template + part.shape_basis @ part.template.new_tensor(identity)).numpy()
    joints = (head.joint_template + head.joint_shape_basis @ head.joint_template.new_tensor(identity)).numpy()
    values = [template, part.shape_basis.numpy(), part.expr_basis.numpy()[..., NO_BLINK], part.pose_basis.numpy(), part.skin_weights.numpy()]
    widths = [value[0].size for value in values]
    flat, faces = _refine(np.concatenate([value.reshape(len(value), -1) for value in values], axis=1).astype(np.float64), faces)
    order = random.permutation(NUM_VERTICES)
    flat, faces = flat[order], np.argsort(order)[faces]
    blocks = np.split(flat, np.cumsum(widths)[:-1], axis=1)
    # An eyeball stays a ball: it is moved as its centre is.
    swell = swelling(random)
    eye = blocks[4][:, 3:].argmax(1) + 3
    anchors = np.where((blocks[4][:, 3:].max(1) > 0.5)[:, None], joints[eye], blocks[0])
    blocks[0], joints = blocks[0] + swell(anchors), joints + swell(joints)
    scale, shift = 0.97, np.array([0.004, -0.02, -0.03])
    shape_basis = blocks[1].reshape(NUM_VERTICES, 3, -1) @ _mixing(random, head.num_shape, 300)
    expr_basis = blocks[2].reshape(NUM_VERTICES, 3, -1) @ _mixing(random, len(NO_BLINK), 100)
    weights = np.maximum(blocks[4], 0)
    posed = scale * blocks[0] + shift
    origin = np.r_[kept, np.full(NUM_VERTICES - len(kept), -1)][order]
    arrays = {
        "v_template": posed,
        "f": _pad_faces(faces).astype(np.uint32),
        "shapedirs": scale * np.concatenate([shape_basis, expr_basis], axis=2),
        "posedirs": scale * blocks[3].reshape(NUM_VERTICES, 3, 36),
        "weights": weights / weights.sum(1, keepdims=True),
        "J_regressor": scipy.sparse.csc_matrix(_regressor(posed, weights, scale * joints + shift)),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
    }
    return arrays, origin


def write_npz(path: Path, arrays: dict, **extra: np.ndarray) -> Path:
    """FLAME as a plain `.npz`, the regressor dense."""
    np.savez(path, **{name: a.toarray() if scipy.sparse.issparse(a) else a for name, a in arrays.items()}, **extra)
    return path


def write_pickle(
    path: Path, arrays: dict, *, chumpy: tuple[str, ...] = ("v_template", "shapedirs", "posedirs", "weights"), extra: bytes = b""
) -> Path:
    """FLAME as Python 2 wrote it: protocol 2, 8-bit text for bytes, chumpy around some arrays, scipy's old module names.

    `extra` is pickle code that pushes a key and a value.
    """
    body = b""
    for name, array in arrays.items():
        body += _text(name)
        if scipy.sparse.issparse(array):
            body += _sparse(array.tocsc())
        else:
            body += _object("chumpy.ch", "Ch", _dict({"x": _array(array)})) if name in chumpy else _array(array)
    path.write_bytes(b"\x80\x02}(" + body + extra + b"u.")
    return path


def global_call(module: str, name: str, argument: str) -> bytes:
    """Pickle code that calls module.name(argument)."""
    return f"c{module}\n{name}\n".encode() + b"(" + _text(argument) + b"tR"


def _text(value: str | bytes) -> bytes:
    data = value.encode("latin1") if isinstance(value, str) else value
    return b"T" + struct.pack("<i", len(data)) + data


def _integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _dict(items: dict[str, bytes]) -> bytes:
    return b"}(" + b"".join(_text(name) + code for name, code in items.items()) + b"u"


def _object(module: str, name: str, state: bytes) -> bytes:
    return f"c{module}\n{name}\n".encode() + b")\x81" + state + b"b"


def _array(array: np.ndarray) -> bytes:
    array = np.ascontiguousarray(array)
    shape = b"(" + b"".join(_integer(n) for n in array.shape) + b"t"
    dtype = b"cnumpy\ndtype\n(" + _text(array.dtype.str[1:]) + _integer(0) + _integer(1) + b"tR"
    dtype += b"(" + _integer(3) + _text("<") + b"NNN" + _integer(-1) + _integer(-1) + _integer(0) + b"tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + _integer(0) + b"t" + _text("b") + b"tR"
    return made + b"(" + _integer(1) + shape + dtype + b"\x89" + _text(array.tobytes()) + b"tb"


def _sparse(matrix: scipy.sparse.csc_matrix) -> bytes:
    shape = b"(" + b"".join(_integer(n) for n in matrix.shape) + b"t"
    parts = {name: _array(getattr(matrix, name)) for name in ("data", "indices", "indptr")}
    return _object("scipy.sparse.csc", "csc_matrix", _dict({"_shape": shape, "maxprint": _integer(50), **parts}))


def swelling(random: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """A smooth field of a few millimetres that no identity mode has."""
    waves = random.normal(0, 25.0, (6, 3))
    phases, pushes = random.uniform(0, 2 * np.pi, 6), random.normal(0, 0.0012, (6, 3))
    return lambda points: np.cos(points @ waves.T + phases) @ pushes


def _inside(head: HeadModel) -> np.ndarray:
    names = ("mouth_interior", "eye_sockets", "upper_teeth", "lower_teeth", "tongue")
    inside = np.concatenate([head.regions[name] for name in names])
    skin = np.concatenate([head.regions[name] for name in ("face", "lips", "left_eyelid", "right_eyelid")])
    return np.setdiff1d(inside, skin)


def _refine(values: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split the longest edge, again and again, until there are as many vertices as FLAME has."""
    import heapq

    faces = [list(face) for face in faces]
    values = list(values)
    beside: dict[tuple[int, int], set[int]] = {}
    heap: list[tuple[float, tuple[int, int]]] = []

    def add(index: int) -> None:
        for a, b in zip(faces[index], faces[index][1:] + faces[index][:1], strict=True):
            key = (min(a, b), max(a, b))
            if key not in beside:
                heapq.heappush(heap, (-float(np.linalg.norm(values[a][:3] - values[b][:3])), key))
            beside.setdefault(key, set()).add(index)

    for index in range(len(faces)):
        add(index)
    while len(values) < NUM_VERTICES:
        _, (a, b) = heapq.heappop(heap)
        new = len(values)
        values.append((values[a] + values[b]) / 2)
        for index in list(beside[(a, b)]):
            face = faces[index]
            for x, y in zip(face, face[1:] + face[:1], strict=True):
                beside[(min(x, y), max(x, y))].discard(index)
            faces[index] = [new if v == a else v for v in face]
            faces.append([new if v == b else v for v in face])
            add(index)
            add(len(faces) - 1)
    return np.array(values), np.array(faces)


def _pad_faces(faces: np.ndarray) -> np.ndarray:
    """Exactly FLAME's number of faces: the last ones dropped, or the first repeated."""
    return np.resize(faces, (NUM_FACES, 3)) if len(faces) < NUM_FACES else faces[:NUM_FACES]


def _mixing(random: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """[rows, columns] with orthonormal rows."""
    return np.linalg.qr(random.standard_normal((columns, rows)))[0].T


def _regressor(template: np.ndarray, weights: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Rows of weights over few vertices that give the joints: each the least-norm one over the 80 nearest of the joint's own."""
    regressor = np.zeros((5, len(template)))
    for joint in range(5):
        own = np.flatnonzero(weights[:, joint] > (0.9 if joint > 2 else -1))
        near = own[np.argsort(np.linalg.norm(template[own] - joints[joint], axis=1))[: 400 if joint > 2 else 80]]
        system = np.r_[template[near].T, np.ones((1, len(near)))]
        regressor[joint, near] = np.linalg.pinv(system) @ np.r_[joints[joint], 1.0]
    return regressor
