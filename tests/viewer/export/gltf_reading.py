"""A reader of binary glTF that shares nothing with the writer, and how glTF says that a mesh is posed."""

import json
import struct
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

_TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True)
class Gltf:
    json: dict
    binary: bytes

    def values(self, index: int) -> np.ndarray:
        """[count, width] of an accessor, sparse or not."""
        entry = self.json["accessors"][index]
        width = _WIDTHS[entry["type"]]
        if "bufferView" in entry:
            out = self._raw(entry["bufferView"], entry["componentType"], entry["count"] * width).reshape(-1, width).copy()
        else:
            out = np.zeros((entry["count"], width), _TYPES[entry["componentType"]])
        if "sparse" in entry:
            sparse = entry["sparse"]
            rows = self._raw(sparse["indices"]["bufferView"], sparse["indices"]["componentType"], sparse["count"])
            out[rows] = self._raw(sparse["values"]["bufferView"], entry["componentType"], sparse["count"] * width).reshape(-1, width)
        if "min" in entry:
            assert np.allclose(out.min(axis=0), entry["min"]) and np.allclose(out.max(axis=0), entry["max"])
        return out / np.iinfo(out.dtype).max if entry.get("normalized") else out

    def _raw(self, view: int, kind: int, count: int) -> np.ndarray:
        place = self.json["bufferViews"][view]
        return np.frombuffer(self.binary, _TYPES[kind], count, place["byteOffset"])

    def picture(self) -> bytes:
        place = self.json["bufferViews"][self.json["images"][0]["bufferView"]]
        return self.binary[place["byteOffset"] : place["byteOffset"] + place["byteLength"]]


def read_glb(data: bytes) -> Gltf:
    magic, version, total = struct.unpack_from("<4sII", data)
    assert (magic, version, total) == (b"glTF", 2, len(data))
    length, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON" and length % 4 == 0
    size, kind = struct.unpack_from("<I4s", data, 20 + length)
    assert kind == b"BIN\0" and 28 + length + size == total
    return Gltf(json.loads(data[20 : 20 + length]), data[28 + length :])


def posed(gltf: Gltf, time: float) -> np.ndarray:
    """[V, 3] vertices of the first skinned mesh at a time of the first animation: morph, then skin (glTF 2.0, 3.7.2.2 and 3.7.3)."""
    document = gltf.json
    node = next(each for each in document["nodes"] if "skin" in each)
    mesh, skin = document["meshes"][node["mesh"]], document["skins"][node["skin"]]
    state = [dict(each) for each in document["nodes"]]
    weights = np.array(mesh.get("weights", []))
    for channel in document["animations"][0]["channels"]:
        sampler = document["animations"][0]["samplers"][channel["sampler"]]
        times, values = gltf.values(sampler["input"])[:, 0], gltf.values(sampler["output"])
        path, at = channel["target"]["path"], np.clip(time, times[0], times[-1])
        if path == "weights":
            tracks = values.reshape(len(times), -1)
            weights = np.array([np.interp(at, times, track) for track in tracks.T])
        elif path == "rotation":
            turned = Slerp(times, Rotation.from_quat(values))(at).as_quat() if len(times) > 1 else values[0]
            state[channel["target"]["node"]]["rotation"] = turned
        else:
            state[channel["target"]["node"]][path] = np.array([np.interp(at, times, track) for track in values.T])
    primitive = mesh["primitives"][0]
    points = gltf.values(primitive["attributes"]["POSITION"]).astype(np.float64)
    for weight, target in zip(weights, primitive.get("targets", []), strict=True):
        points += weight * gltf.values(target["POSITION"])
    parents = {child: parent for parent, each in enumerate(document["nodes"]) for child in each.get("children", [])}
    inverse = gltf.values(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    moves = np.stack([_world(state, parents, joint) @ inverse[i] for i, joint in enumerate(skin["joints"])])
    out = np.zeros_like(points)
    for part in range(2):
        if f"JOINTS_{part}" not in primitive["attributes"]:
            break
        joints, shares = (gltf.values(primitive["attributes"][f"{name}_{part}"]) for name in ("JOINTS", "WEIGHTS"))
        blended = np.einsum("vj,vjrc->vrc", shares.astype(np.float64), moves[joints])
        out += np.einsum("vrc,vc->vr", blended[:, :3, :3], points) + blended[:, :3, 3]
    return out


def _world(nodes: list[dict], parents: dict[int, int], index: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(nodes[index].get("rotation", [0, 0, 0, 1])).as_matrix() * np.asarray(nodes[index].get("scale", [1, 1, 1]))
    matrix[:3, 3] = nodes[index].get("translation", [0, 0, 0])
    return matrix if index not in parents else _world(nodes, parents, parents[index]) @ matrix
