"""docs/posing.md, followed line by line in plain numpy, against the golden vectors: a reader independent of our kernels."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from avatar3d.data import data_path

ROTATIONS = ("rotation", "neck_pose", "jaw_pose", "eyes_pose")


@pytest.fixture(scope="module")
def golden():
    return json.loads(data_path("golden", "posing.json").read_text())


def arrays(record):
    return {name: np.array(value) for name, value in record.items() if name not in ("layers", "fps")}


def frame_at(motion, fps, time):
    T = len(motion["expr"])
    p = min(max(time * fps, 0), T - 1)
    i = min(int(p), max(T - 2, 0))
    u = p - i
    out = {}
    for name, track in motion.items():
        if name in ROTATIONS:
            pairs = track[i : i + 2].reshape(2, -1, 3)
            out[name] = np.concatenate([Slerp([0, 1], Rotation.from_rotvec(pairs[:, k]))(u).as_rotvec() for k in range(pairs.shape[1])])
        else:
            out[name] = (1 - u) * track[i] + u * track[i + 1]
    return out


def posed_mesh(head, avatar, frame):
    neck = head["joint_template"][1]
    carriers = np.concatenate([neck + np.array([[0, 0, 0], [0.01, 0, 0], [0, 0.01, 0]])] * 5)
    weights = np.zeros((15, 5))
    weights[:, 1] = np.repeat([0, 0.25, 0.5, 0.75, 1], 3)
    weights[:, 0] = 1 - weights[:, 1]
    faces = np.concatenate([head["faces"], len(head["template"]) + np.arange(15).reshape(5, 3)])
    rest = head["template"] + head["shape_basis"] @ avatar["shape"] + avatar["vertex_offset"]
    J = head["joint_template"] + head["joint_shape_basis"] @ avatar["shape"]
    rotvecs = [frame["rotation"], frame["neck_pose"], frame["jaw_pose"], frame["eyes_pose"][:3], frame["eyes_pose"][3:]]
    R = [Rotation.from_rotvec(r).as_matrix() for r in rotvecs]
    feature = np.concatenate([(R[j] - np.eye(3)).ravel() for j in range(1, 5)])
    v = rest + head["expr_basis"] @ frame["expr"] + head["pose_basis"] @ feature + np.tensordot(frame["eyelids"], head["eyelid_basis"], 1)
    v, rest, W = np.concatenate([v, carriers]), np.concatenate([rest, carriers]), np.concatenate([head["skin_weights"], weights])
    G, g = [R[0]], [J[0] + frame["translation"]]
    for j, parent in ((1, 0), (2, 1), (3, 1), (4, 1)):
        shift = frame["neck_translation"] if j == 1 else 0
        G.append(G[parent] @ R[j])
        g.append(G[parent] @ (J[j] - J[parent] + shift) + g[parent])
    return sum(W[:, j, None] * ((v - J[j]) @ G[j].T + g[j]) for j in range(5)), rest, faces


def triangle(points):
    a, b, c = points
    m = np.cross(b - a, c - a)
    e1, n = (b - a) / np.linalg.norm(b - a), m / np.linalg.norm(m)
    return np.stack([e1, np.cross(n, e1), n], axis=1), np.linalg.norm(m) / 2


def test_the_page_alone_reproduces_the_vectors(golden):
    head, avatar, motion = arrays(golden["head"]), arrays(golden["avatar"]), arrays(golden["motion"])
    fps = golden["motion"]["fps"][0] / golden["motion"]["fps"][1]
    for expected in golden["expected"]:
        frame = frame_at(motion, fps, expected["time"])
        vertices, rest, faces = posed_mesh(head, avatar, frame)
        parts = [frame[name] for name in ("expr", "jaw_pose", "eyes_pose", "neck_pose")]
        x = np.concatenate([*parts, frame["neck_translation"] / 0.01, frame["eyelids"]])
        z = (x - avatar["input_mean"]) / avatar["input_std"]
        *hidden, last = golden["avatar"]["layers"]
        for layer in hidden:
            z = np.tanh(np.array(layer["weight"]) @ z + layer["bias"])
        w = np.array(last["weight"]) @ z + last["bias"]
        for i, f in enumerate(avatar["face"]):
            R, area = triangle(vertices[faces[f]])
            stretch = np.clip(np.sqrt(area / triangle(rest[faces[f]])[1]), 0.5, 2)
            local = {name: avatar[name][i] + w @ avatar[f"{name}_basis"][:, i] for name in ("position", "rotation", "colour")}
            position = avatar["bary"][i] @ vertices[faces[f]] + stretch * R @ local["position"]
            q = local["rotation"] / np.linalg.norm(local["rotation"])
            rotation = (Rotation.from_matrix(R) * Rotation.from_quat(q[[1, 2, 3, 0]])).as_quat()[[3, 0, 1, 2]] * np.linalg.norm(local["rotation"])
            given = np.array(expected["rotation"][i])
            np.testing.assert_allclose(position, expected["position"][i], atol=1e-4)
            np.testing.assert_allclose(rotation * np.sign(rotation @ given), given, atol=1e-4)
            np.testing.assert_allclose(avatar["log_scale"][i] + np.log(stretch), expected["log_scale"][i], atol=1e-4)
            np.testing.assert_allclose(local["colour"], expected["colour"][i], atol=1e-4)
