"""A textured head mesh with morphs, skeleton and one animation as binary glTF, for engines and modelling programs.

The nodes are the joints in their order, each at its rest position relative to its parent, and the mesh beside them; glTF morphs before it skins, as
the head does. The baked texture already holds the light, so the material is unlit where the reader knows KHR_materials_unlit.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from avatar3d.files import atomic_path
from avatar3d.progress import Progress
from viewer.export.frames import Frames
from viewer.export.gltf import ARRAY, ELEMENTS, Buffer, asset_entry, write_glb
from viewer.export.options import FormatOptions
from viewer.export.provenance import provenance
from viewer.export.rig_mesh import Morph, RigMesh, RigTracks, relative_joints, rig_mesh
from viewer.export.soundtrack import has_beside, name_beside, write_soundtrack
from viewer.export.texture import VIEWS, baked_texture, texture_jpeg

_UNLIT = "KHR_materials_unlit"
_INFLUENCES = 4
"""Joints that one set of attributes holds for a vertex."""


def rig_glb(mesh: RigMesh, tracks: RigTracks, texture: bytes, asset: dict, *, scale: float = 1.0) -> bytes:
    """The file's bytes.

    Args:
        mesh: what moves.
        tracks: how.
        texture: the picture of its colours, JPEG.
        asset: what the file says of itself (`gltf.asset_entry`).
        scale: of the whole.
    """
    buffer = Buffer()
    count = len(mesh.joint_names)
    primitive = {"attributes": _attributes(buffer, mesh), "indices": buffer.accessor(mesh.faces.reshape(-1).astype("u4"), ELEMENTS), "material": 0}
    mesh_entry: dict = {"name": "head", "primitives": [primitive]}
    if mesh.morphs:
        primitive["targets"] = [{"POSITION": _target(buffer, morph, len(mesh.points))} for morph in mesh.morphs]
        mesh_entry |= {"weights": [float(x) for x in tracks.weights[0]], "extras": {"targetNames": [morph.name for morph in mesh.morphs]}}
    inverse = np.tile(np.eye(4, dtype=np.float32), (count, 1, 1))
    inverse[:, 3, :3] = -mesh.joints
    # A skinned mesh goes where its joints are, so that a scale above the joints scales it.
    whole = {"name": "avatar", "children": [mesh.parents.index(-1)]} | ({} if scale == 1.0 else {"scale": [scale] * 3})
    document = {
        "asset": asset,
        "extensionsUsed": [_UNLIT],
        "scene": 0,
        "scenes": [{"nodes": [count + 1, count]}],
        "nodes": [*_joint_nodes(mesh), {"name": "head", "mesh": 0, "skin": 0}, whole],
        "skins": [{"joints": list(range(count)), "skeleton": mesh.parents.index(-1), "inverseBindMatrices": buffer.accessor(inverse)}],
        "meshes": [mesh_entry],
        "materials": [_material()],
        "textures": [{"source": 0, "sampler": 0}],
        "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],
        "images": [{"name": "baked colours", "mimeType": "image/jpeg", "bufferView": buffer.view(texture)}],
        "animations": [_animation(buffer, tracks, count, bool(mesh.morphs))],
    }
    return write_glb(document, buffer)


def write_rig_glb(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write the mesh and all frames as one animation, the sound beside it; see `formats.Writer`."""
    del options
    told = provenance(frames.avatar, "scene")
    sound = name_beside(path, ".wav") if frames.sound is not None and has_beside(path) else None
    progress(0, VIEWS)
    mesh, tracks = rig_mesh(frames.avatar, replace(frames.motion.frames(frames.indices), fps=frames.fps))
    texture = texture_jpeg(baked_texture(frames.avatar, mesh, progress=progress), told.sentence)
    extras = ({"sound": sound} if sound else {}) | ({"rig": mesh.reason} if mesh.reason else {})
    data = rig_glb(mesh, tracks, texture, asset_entry(frames, extras), scale=frames.factor)
    # Where the disk is full, neither is left: the file takes its place after the sound has.
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
        if sound is not None:
            write_soundtrack(path.with_name(sound), frames, told)
    what = f"{len(mesh.points)} vertices, {len(mesh.morphs)} morphs, {len(mesh.joint_names)} joints, {len(tracks)} frames, {len(data) / 1e6:.1f} MB"
    told_of = [f"{path}: {what}" + (f", {sound} beside it" if sound else ""), *([mesh.reason] if mesh.reason else [])]
    return "\n".join([*told_of, f"next: avatar3d check {path}"])


def _attributes(buffer: Buffer, mesh: RigMesh) -> dict[str, int]:
    attributes = {
        "POSITION": buffer.accessor(mesh.points, ARRAY, bounds=True),
        "NORMAL": buffer.accessor(mesh.normals.astype(np.float32), ARRAY),
        "TEXCOORD_0": buffer.accessor(np.ascontiguousarray(mesh.uv * [1, -1] + [0, 1], np.float32), ARRAY),
    }
    order = np.argsort(-mesh.skin_weights, axis=1, kind="stable")
    weights = np.take_along_axis(mesh.skin_weights, order, axis=1)
    for start in range(0, weights.shape[1], _INFLUENCES):
        part = slice(start, start + _INFLUENCES)
        if start and not weights[:, part].any():
            break
        missing = ((0, 0), (0, max(start + _INFLUENCES - weights.shape[1], 0)))
        share = np.pad(weights[:, part], missing).astype(np.float32)
        # A joint without a share is the first one by the rules of the format.
        joint = np.where(share > 0, np.pad(order[:, part], missing), 0).astype(np.uint8)
        attributes[f"JOINTS_{start // _INFLUENCES}"] = buffer.accessor(joint, ARRAY)
        attributes[f"WEIGHTS_{start // _INFLUENCES}"] = buffer.accessor(share, ARRAY)
    return attributes


def _target(buffer: Buffer, morph: Morph, count: int) -> int:
    """A morph's displacements: sparse where most vertices stay."""
    # An element of a sparse accessor costs its index beside its value.
    if len(morph.vertex) * 14 < count * 12:
        return buffer.sparse(count, morph.vertex, morph.offset)
    whole = np.zeros((count, 3), np.float32)
    whole[morph.vertex] = morph.offset
    return buffer.accessor(whole, ARRAY, bounds=True)


def _joint_nodes(mesh: RigMesh) -> list[dict]:
    nodes = []
    for joint, (name, rest) in enumerate(zip(mesh.joint_names, relative_joints(mesh), strict=True)):
        children = [j for j, parent in enumerate(mesh.parents) if parent == joint]
        nodes.append({"name": name, "translation": [float(x) for x in rest]} | ({"children": children} if children else {}))
    return nodes


def _material() -> dict:
    return {
        "name": "baked",
        "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": 1.0},
        "doubleSided": True,
        "extensions": {_UNLIT: {}},
    }


def _animation(buffer: Buffer, tracks: RigTracks, joints: int, morphs: bool) -> dict:
    times = buffer.accessor((np.arange(len(tracks)) / float(tracks.fps)).astype(np.float32), bounds=True)
    targets = [(joint, "rotation", tracks.rotation[:, joint][:, [1, 2, 3, 0]]) for joint in range(joints)]
    targets += [(joint, "translation", tracks.translation[:, joint]) for joint in range(joints) if joint == 0 or np.ptp(tracks.translation[:, joint])]
    if morphs:
        targets.append((joints, "weights", tracks.weights.reshape(-1)))
    samplers = [{"input": times, "interpolation": "LINEAR", "output": buffer.accessor(np.ascontiguousarray(values))} for _, _, values in targets]
    channels = [{"sampler": i, "target": {"node": node, "path": path}} for i, (node, path, _) in enumerate(targets)]
    return {"name": "motion", "samplers": samplers, "channels": channels}
