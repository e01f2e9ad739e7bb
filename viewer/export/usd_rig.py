"""A textured head mesh with blend shapes, skeleton and animation as UsdSkel, hidden beside the Gaussians.

USD, too, moves by blend shapes before it skins. The mesh keeps our axes and metres under a transform to those of the stage.
"""

# usd-core says nothing of its types.
# pyright: reportAttributeAccessIssue=false

from typing import Any

import numpy as np

from viewer.export.axes import axes_rotation
from viewer.export.frames import Frames
from viewer.export.rig_mesh import RigMesh, RigTracks, relative_joints
from viewer.export.usd_stage import ROOT, usd_matrix

RIG = f"{ROOT}/rig"


def add_rig(stage: Any, mesh: RigMesh, tracks: RigTracks, texture: str, frames: Frames) -> None:
    """Write the mesh and its animation to the stage.

    Args:
        stage: with its root.
        mesh: what moves.
        tracks: how, at the frames' times.
        texture: name of the picture of its colours, which lies beside the layer.
        frames: say axes and units.
    """
    from pxr import UsdGeom, UsdSkel

    root = UsdSkel.Root.Define(stage, RIG)
    matrix = np.eye(4)
    matrix[:3, :3] = axes_rotation(frames.up) * frames.factor
    root.AddTransformOp().Set(usd_matrix(matrix))
    root.CreateVisibilityAttr(UsdGeom.Tokens.invisible)
    if mesh.reason:
        root.GetPrim().SetDocumentation(mesh.reason)
    names = _joint_paths(mesh)
    skin = UsdGeom.Mesh.Define(stage, f"{RIG}/head")
    _add_mesh(skin, mesh)
    _bind_material(stage, skin, texture)
    skeleton = UsdSkel.Skeleton.Define(stage, f"{RIG}/skeleton")
    skeleton.CreateJointsAttr(names)
    skeleton.CreateBindTransformsAttr([_shift(joint) for joint in mesh.joints])
    skeleton.CreateRestTransformsAttr([_shift(joint) for joint in relative_joints(mesh)])
    binding = UsdSkel.BindingAPI.Apply(skin.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    _add_weights(binding, mesh)
    _add_morphs(stage, binding, mesh)
    animation = _add_animation(stage, names, mesh, tracks)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    _add_extent(root, skin, skeleton, mesh, tracks)


def _joint_paths(mesh: RigMesh) -> list[str]:
    """Joints as USD names them: with all that they hang on."""
    paths: list[str] = []
    for name, parent in zip(mesh.joint_names, mesh.parents, strict=True):
        paths.append(f"{paths[parent]}/{name}" if parent >= 0 else name)
    return paths


def _shift(point: np.ndarray) -> Any:
    from pxr import Gf

    return Gf.Matrix4d().SetTranslate(Gf.Vec3d(*(float(x) for x in point)))


def _add_mesh(skin: Any, mesh: RigMesh) -> None:
    from pxr import Sdf, UsdGeom, Vt

    skin.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(mesh.points))
    skin.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.faces.reshape(-1), np.int32)))
    skin.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    skin.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    skin.CreateDoubleSidedAttr(True)
    skin.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(mesh.normals))
    skin.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    st = UsdGeom.PrimvarsAPI(skin).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
    st.Set(Vt.Vec2fArray.FromNumpy(mesh.uv))


def _bind_material(stage: Any, skin: Any, texture: str) -> None:
    """The baked colours as light that the surface sends out, since they hold the light that fell on it."""
    from pxr import Gf, Sdf, UsdShade

    material = UsdShade.Material.Define(stage, f"{RIG}/baked")
    surface, picture, where = (UsdShade.Shader.Define(stage, f"{RIG}/baked/{name}") for name in ("surface", "picture", "where"))
    where.CreateIdAttr("UsdPrimvarReader_float2")
    where.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    picture.CreateIdAttr("UsdUVTexture")
    picture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(f"./{texture}"))
    picture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
    picture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(where.CreateOutput("result", Sdf.ValueTypeNames.Float2))
    for side in ("wrapS", "wrapT"):
        picture.CreateInput(side, Sdf.ValueTypeNames.Token).Set("clamp")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(0))
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(1.0)
    surface.CreateInput("emissiveColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(picture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3))
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", Sdf.ValueTypeNames.Token))
    UsdShade.MaterialBindingAPI.Apply(skin.GetPrim()).Bind(material)


def _add_weights(binding: Any, mesh: RigMesh) -> None:
    """All joints that hold any vertex, the strongest first."""
    from pxr import Vt

    order = np.argsort(-mesh.skin_weights, axis=1, kind="stable")
    weights = np.take_along_axis(mesh.skin_weights, order, axis=1)
    width = max(int((weights > 0).sum(axis=1).max(initial=1)), 1)
    binding.CreateJointIndicesPrimvar(False, width).Set(Vt.IntArray.FromNumpy(np.ascontiguousarray(order[:, :width].reshape(-1), np.int32)))
    binding.CreateJointWeightsPrimvar(False, width).Set(Vt.FloatArray.FromNumpy(np.ascontiguousarray(weights[:, :width].reshape(-1))))


def _add_morphs(stage: Any, binding: Any, mesh: RigMesh) -> None:
    from pxr import Tf, UsdSkel, Vt

    paths = []
    for index, morph in enumerate(mesh.morphs):
        # Names of a user's own head may hold anything; those of prims may not.
        name = Tf.MakeValidIdentifier(morph.name)
        path = f"{RIG}/head/{name}" if f"{RIG}/head/{name}" not in paths else f"{RIG}/head/{name}_{index}"
        shape = UsdSkel.BlendShape.Define(stage, path)
        shape.CreateOffsetsAttr(Vt.Vec3fArray.FromNumpy(morph.offset))
        shape.CreatePointIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(morph.vertex, np.int32)))
        paths.append(path)
    if paths:
        binding.CreateBlendShapesAttr([morph.name for morph in mesh.morphs])
        binding.CreateBlendShapeTargetsRel().SetTargets(paths)


def _add_animation(stage: Any, names: list[str], mesh: RigMesh, tracks: RigTracks) -> Any:
    from pxr import Gf, UsdSkel, Vt

    animation = UsdSkel.Animation.Define(stage, f"{RIG}/animation")
    animation.CreateJointsAttr(names)
    animation.CreateScalesAttr([Gf.Vec3h(1, 1, 1)] * len(names))
    rotation, translation = animation.CreateRotationsAttr(), animation.CreateTranslationsAttr()
    weights = animation.CreateBlendShapeWeightsAttr() if mesh.morphs else None
    if mesh.morphs:
        animation.CreateBlendShapesAttr([morph.name for morph in mesh.morphs])
    for index in range(len(tracks)):
        rotation.Set(Vt.QuatfArray.FromNumpy(np.ascontiguousarray(tracks.rotation[index][:, [1, 2, 3, 0]])), index)
        translation.Set(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(tracks.translation[index])), index)
        if weights is not None:
            weights.Set(Vt.FloatArray.FromNumpy(np.ascontiguousarray(tracks.weights[index])), index)
    return animation


def _add_extent(root: Any, skin: Any, skeleton: Any, mesh: RigMesh, tracks: RigTracks) -> None:
    """Bounds of the resting points, and of the whole wherever the joints take it."""
    from pxr import UsdGeom, Vt

    low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    skin.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([low, high])))
    joints = np.stack([mesh.joints.min(axis=0), mesh.joints.max(axis=0)]).astype(np.float32)
    skeleton.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(joints))
    # However it turns, nothing is farther from the root joint than the farthest point is at rest, and what the morphs add.
    reach = np.linalg.norm(mesh.points - mesh.joints[0], axis=1).max() * 1.2
    centres = tracks.translation[:, 0]
    whole = np.stack([centres.min(axis=0) - reach, centres.max(axis=0) + reach]).astype(np.float32)
    hint = UsdGeom.ModelAPI.Apply(root.GetPrim())
    hint.SetExtentsHint(Vt.Vec3fArray.FromNumpy(whole))
