"""The colours of an avatar baked onto the texture coordinates of its head's mesh.

The avatar is drawn from all around in a few expressions, and every texel takes its colour from the pictures that see it, most from those that see it
straight on. What hangs off the mesh, such as hair, is painted onto what lies behind it. A texel that no picture sees is like the seen ones nearest to
it on the same part of the neutral head.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera, look_at, orbit
from avatar3d.drawing import draw
from avatar3d.errors import UserError
from avatar3d.motion import Motion, rest_motion
from avatar3d.progress import Progress, silent
from avatar3d.render.mesh import MeshImage, rasterize_mesh, to_camera, vertex_normals
from viewer.export.rig_mesh import RigMesh

SIZE = 1024
"""Texels on a side."""
_AROUND = ((0, 0), (25, 0), (-25, 0), (50, 0), (-50, 0), (85, 0), (-85, 0), (130, 0), (-130, 0), (180, 0), (0, 30), (0, -30), (0, 75), (180, 60))
"""Degrees of turn and nod of the cameras around the head."""
_MOUTH, _EYES = ((0, 0), (25, 0), (-25, 0), (0, 25), (0, -25)), ((0, 0), (30, 0), (-30, 0))
VIEWS = len(_AROUND) + len(_MOUTH) + len(_EYES)
"""Pictures that a texture is made from."""
_PICTURE, _HEIGHT, _DISTANCE = 900, 0.62, 1.1
"""Pixels on a side; metres that they show; metres away."""
_OPEN = 0.35
"""Radians of the jaw for the pictures that show the teeth."""
_BEHIND = 0.004
"""Metres: a texel so far behind the nearest surface is hidden."""
_SLANTED, _STRAIGHT = 0.2, 6
"""Least cosine to the line of sight, and its power as a weight: the higher, the sharper, since fewer pictures mix."""
_ALIKE, _APART = 12, 16
"""Seen texels that an unseen one averages, out of every so manieth."""


@dataclass(frozen=True)
class _Texels:
    """The n texels that lie on the mesh."""

    index: np.ndarray
    """[n] in the flattened picture."""
    face: np.ndarray
    """[n] of the mesh."""
    vertices: np.ndarray
    """[n, 3] of that face."""
    bary: np.ndarray
    """[n, 3] on it."""
    part: np.ndarray
    """[n] connected part of the mesh: skin, each eye, each row of teeth."""

    def of(self, values: np.ndarray) -> np.ndarray:
        """[n, C] of values [V, C] at the vertices."""
        return np.einsum("nc,ncx->nx", self.bary, values[self.vertices])


def baked_texture(avatar: Avatar, mesh: RigMesh, size: int = SIZE, progress: Progress = silent) -> np.ndarray:
    """The texture [size, size, 3] uint8, sRGB, its first row at v = 1; `progress` is called after each of the VIEWS.

    Raises:
        UserError: the avatar poses to values that are not numbers.
    """
    parts = _parts(mesh)
    texels = _texels(mesh, parts, size)
    if not len(texels.index):
        # Without texture coordinates there is nowhere to put a colour.
        return np.full((size, size, 3), 128, np.uint8)
    total, weight, drawn = np.zeros((len(texels.index), 3)), np.zeros(len(texels.index)), 0
    for motion, views in _expressions(avatar):
        posed = avatar.vertices(motion)[mesh.source]
        points, normals = texels.of(posed), texels.of(vertex_normals(posed, mesh.faces))
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        for camera in _cameras(posed.mean(axis=0), views):
            pictures = draw(avatar, motion, 0.0, camera, np.zeros(3, np.float32))
            if not np.isfinite(pictures.rgb).all():
                raise UserError("the avatar poses to values that are not numbers; run `avatar3d check` on it")
            seen, share, pixel = _seen(rasterize_mesh(to_camera(posed, camera), mesh.faces, camera), camera, texels, parts, points, normals)
            colour = _sampled(np.concatenate([pictures.rgb, pictures.alpha[..., None]], axis=2), pixel)
            # The colour comes with its opacity in it, over black, which weighs it at the same time.
            total[seen] += share[:, None] * colour[:, :3]
            weight[seen] += share * colour[:, 3]
            drawn += 1
            progress(drawn, VIEWS)
    colours = _completed(total, weight, texels, texels.of(mesh.points))
    out = np.zeros((size * size, 3))
    out[texels.index] = colours
    # Beyond the edges of the charts, so that filtering mixes nothing foreign in.
    bare = np.ones(size * size, bool)
    bare[texels.index] = False
    nearest = np.empty((2, size, size), np.int32)
    distance_transform_edt(bare.reshape(size, size), return_distances=False, return_indices=True, indices=nearest)
    return (np.clip(out.reshape(size, size, 3)[nearest[0], nearest[1]], 0, 1) * 255 + 0.5).astype(np.uint8)


def texture_jpeg(texture: np.ndarray, comment: str) -> bytes:
    """The picture [H, W, 3] uint8 as JPEG that says what it is, without chroma at half size: lips and irises are small."""
    stream = io.BytesIO()
    Image.fromarray(texture).save(stream, "JPEG", quality=92, subsampling=0, comment=comment.encode())
    return stream.getvalue()


def _parts(mesh: RigMesh) -> np.ndarray:
    """[F] number of the connected part that each face belongs to."""
    # Over the head's own vertices: a seam of the texture does not part anything.
    corners = mesh.source[mesh.faces]
    count = int(corners.max(initial=0)) + 1
    edges = np.concatenate([corners[:, :2], corners[:, 1:]])
    return connected_components(coo_matrix((np.ones(len(edges)), edges.T), (count, count)), directed=False)[1][corners[:, 0]]


def _texels(mesh: RigMesh, parts: np.ndarray, size: int) -> _Texels:
    flat = np.concatenate([mesh.uv * [size, -size] + [0, size], np.ones((len(mesh.uv), 1))], axis=1)
    image = rasterize_mesh(flat, mesh.faces, Camera(1.0, 1.0, 0.0, 0.0, size, size, np.eye(4)))
    index = np.flatnonzero(image.mask.reshape(-1))
    face = image.face.reshape(-1)[index]
    return _Texels(index, face, mesh.faces[face], image.bary.reshape(-1, 3)[index], parts[face])


def _expressions(avatar: Avatar) -> list[tuple[Motion, tuple[tuple[int, int], ...]]]:
    """One frame each, and where it is seen from: the person's calm face, the mouth open, the eyes closed."""
    calm, mouth, eyes = (rest_motion(avatar.head, 1, shape=avatar.shape.numpy()) for _ in range(3))
    mouth.jaw_pose[:, 0] = _OPEN
    for lid in (i for i, name in enumerate(avatar.head.expr_names) if name.startswith("eyeBlink")):
        eyes.expr[:, lid] = 1
    if eyes.eyelids is not None:
        eyes.eyelids[:] = 1
    return [(avatar.admit(motion), views) for motion, views in ((calm, _AROUND), (mouth, _MOUTH), (eyes, _EYES))]


def _cameras(centre: np.ndarray, views: tuple[tuple[int, int], ...]) -> list[Camera]:
    front = look_at(centre + np.array([0, 0, _DISTANCE]), centre, focal=_PICTURE * _DISTANCE / _HEIGHT, size=(_PICTURE, _PICTURE))
    return [orbit(front, centre, math.radians(turn), math.radians(nod)) for turn, nod in views]


def _seen(
    image: MeshImage, camera: Camera, texels: _Texels, parts: np.ndarray, points: np.ndarray, normals: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which texels [m] a picture sees, how well [m], and at which pixels [m, 2]."""
    eye = -camera.T_cam_world[:3, :3].T @ camera.T_cam_world[:3, 3]
    sight = eye - points
    cosine = np.einsum("nx,nx->n", normals, sight) / np.linalg.norm(sight, axis=1)
    seen = np.flatnonzero(cosine > _SLANTED)
    pixel = camera.project(points[seen])
    inside = ((pixel > 0.5) & (pixel < _PICTURE - 0.5)).all(axis=1)
    seen, pixel = seen[inside], pixel[inside]
    column, row = pixel.astype(np.int64).T
    nearest = image.face[row, column]
    depth = to_camera(points[seen], camera)[:, 2]
    # What lies close behind another part, as an eye behind its lid, is told apart by the part.
    free = (nearest >= 0) & (parts[nearest] == texels.part[seen]) & (depth < image.depth[row, column] + _BEHIND)
    return seen[free], cosine[seen[free]] ** _STRAIGHT, pixel[free]


def _sampled(picture: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """[m, C] of a picture [H, W, C] at pixels [m, 2] within it, bilinear."""
    low = np.minimum(np.floor(pixel - 0.5), np.array(picture.shape[1::-1]) - 2).astype(np.int64)
    (u, v), (column, row) = (pixel - 0.5 - low).T[..., None], low.T
    above = picture[row, column] * (1 - u) + picture[row, column + 1] * u
    return above * (1 - v) + (picture[row + 1, column] * (1 - u) + picture[row + 1, column + 1] * u) * v


def _completed(total: np.ndarray, weight: np.ndarray, texels: _Texels, points: np.ndarray) -> np.ndarray:
    """Colours [n, 3]; those that nothing saw are like the nearest ones of their part, or of any part where none of it was seen."""
    seen = weight > 1e-4
    colours = total / np.maximum(weight, 1e-4)[:, None]
    for part in np.unique(texels.part[~seen]):
        blind = ~seen & (texels.part == part)
        alike = np.flatnonzero(seen & (texels.part == part))
        alike = (alike if len(alike) else np.flatnonzero(seen))[::_APART]
        if len(alike):
            near = KDTree(points[alike]).query(points[blind], k=min(_ALIKE, len(alike)))[1].reshape(int(blind.sum()), -1)
            colours[blind] = colours[alike[near]].mean(axis=1)
    return colours
