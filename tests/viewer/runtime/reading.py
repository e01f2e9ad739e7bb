"""An independent reader of .a3d files: docs/a3d.md and docs/posing.md followed line by line, in double precision, and nothing of ours."""

import json
import struct
import zlib

import numpy as np
from scipy.spatial.transform import Rotation

KINDS = {1: "<f4", 2: "<u4", 3: "u1", 4: "<i2"}


def sections_of(data: bytes) -> tuple[dict, dict[str, np.ndarray], int]:
    """What it says of itself, its arrays by name, and its flags."""
    assert data[:8] == bytes.fromhex("41 33 44 42 0D 0A 1A 0A")
    version, flags, size, count, crc = struct.unpack("<IIQII", data[8:32])
    assert version == 1 and size == len(data) and crc == zlib.crc32(data[:28] + data[32:])
    arrays, end = {}, 32 + 64 * count
    for index in range(count):
        entry = data[32 + 64 * index : 96 + 64 * index]
        name = entry[:24].rstrip(b"\0").decode("ascii")
        kind, rank, *shape = struct.unpack("<6I", entry[24:48])
        offset, length = struct.unpack("<QQ", entry[48:])
        assert offset % 16 == 0 and offset >= end and not any(data[end:offset]) and shape[rank:] == [0] * (4 - rank)
        end = offset + length
        arrays[name] = np.frombuffer(data[offset:end], KINDS[kind]).reshape(shape[:rank])
    assert not any(data[end:])
    return json.loads(arrays.pop("about").tobytes()), arrays, flags


def posed_from(a: dict[str, np.ndarray], frame: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Gaussians of a frame: position [N, 3], rotation [N, 4], log_scale [N, 3], colour [N, 3], opacity [N, 1]; and height [N, 1], metres, of the
    narrowest side of each one's triangle."""
    a = {name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in a.items()}
    if "track_mean" in a:
        turn = Rotation.from_rotvec(frame["rotation"]).as_matrix()
        points = a["track_mean"] + np.tensordot(
            frame["coefficients"].astype(np.float64), a["track_components"].reshape(-1, *a["track_mean"].shape), 1
        )
        vertices, weights = (points - a["root"]) @ turn.T + a["root"] + frame["translation"], frame["weights"].astype(np.float64)
    else:
        vertices, weights = rig_vertices(a, frame), network(a, frame)
    corners = vertices[a["faces"]]
    u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    m = np.cross(u, v)
    length, twice = np.linalg.norm(u, axis=1, keepdims=True), np.linalg.norm(m, axis=1, keepdims=True)
    e1, n = u / length, m / twice
    axes = np.stack([e1, np.cross(n, e1), n], axis=2)
    stretch = np.clip(np.sqrt(twice[:, 0] / 2 / np.maximum(a["rest_area"], 1e-12)), 0.5, 2)
    face, bases = a["splat_face"], np.tensordot(weights, a["basis"], 1)
    b = np.concatenate([a["splat_bary"], 1 - a["splat_bary"].sum(axis=1, keepdims=True)], axis=1)
    local = a["splat_position"] + bases[:, :3]
    q = a["splat_rotation"] + bases[:, 3:7]
    world = np.einsum("ni,nik->nk", b, corners[face]) + stretch[face, None] * np.einsum("nij,nj->ni", axes[face], local)
    size = np.linalg.norm(q, axis=1, keepdims=True)
    turned = (Rotation.from_matrix(axes[face]) * Rotation.from_quat(q[:, [1, 2, 3, 0]])).as_quat()[:, [3, 0, 1, 2]] * size
    return {
        "position": world,
        "rotation": turned,
        "log_scale": a["splat_log_scale"] + np.log(stretch[face, None]),
        "colour": a["splat_colour"] + bases[:, 7:],
        "opacity": 1 / (1 + np.exp(-a["splat_opacity_logit"])),
        "height": np.minimum(length, twice / length)[face],
    }


def rig_vertices(a: dict[str, np.ndarray], frame: dict[str, np.ndarray]) -> np.ndarray:
    """docs/posing.md, 2."""
    rotvecs = [frame["rotation"], frame["neck_pose"], frame["jaw_pose"], frame["eyes_pose"][:3], frame["eyes_pose"][3:]]
    R = [Rotation.from_rotvec(np.asarray(r, np.float64)).as_matrix() for r in rotvecs]
    points = a["rest"].copy()
    feature = np.concatenate([(R[j] - np.eye(3)).ravel() for j in range(1, 5)])
    for name, coefficients in (("expr", frame["expr"]), ("pose", feature), ("eyelids", frame["eyelids"])):
        if f"{name}_start" not in a:
            continue
        for c, coefficient in enumerate(coefficients):
            entries = slice(a[f"{name}_start"][c], a[f"{name}_start"][c + 1])
            points[a[f"{name}_vertex"][entries]] += float(coefficient) * a[f"{name}_offset"][entries]
    J, W = a["joints"], a["skin_weights"]
    G, g = [R[0]], [J[0] + frame["translation"]]
    for j, parent in ((1, 0), (2, 1), (3, 1), (4, 1)):
        shift = frame["neck_translation"] if j == 1 else 0
        G.append(G[parent] @ R[j])
        g.append(G[parent] @ (J[j] - J[parent] + shift) + g[parent])
    return sum(W[:, j, None] * ((points - J[j]) @ G[j].T + g[j]) for j in range(5))


def network(a: dict[str, np.ndarray], frame: dict[str, np.ndarray]) -> np.ndarray:
    """docs/posing.md, 4."""
    parts = [*(frame[name] for name in ("expr", "jaw_pose", "eyes_pose", "neck_pose")), frame["neck_translation"] / 0.01, frame["eyelids"]]
    z = (np.concatenate(parts)[: len(a["input_mean"])] - a["input_mean"]) / a["input_std"]
    index = 0
    while f"network.{index}.weight" in a:
        z = a[f"network.{index}.weight"] @ (z if index == 0 else np.tanh(z)) + a[f"network.{index}.bias"]
        index += 1
    return z
