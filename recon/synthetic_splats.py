"""Gaussians laid out by hand in the rest pose, before they are bound to the triangles that will carry them."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from avatar3d.posing import triangle_areas, triangle_frames


@dataclass(frozen=True, eq=False)
class Splats:
    """N Gaussians on a head in its rest pose; world space, metres."""

    face: np.ndarray
    """[N] int32 triangle that carries each."""
    bary: np.ndarray
    """[N, 3] its foot on the triangle."""
    position: np.ndarray
    """[N, 3]."""
    axes: np.ndarray
    """[N, 3, 3] orthonormal, right-handed; the columns are the directions of `scale`."""
    scale: np.ndarray
    """[N, 3] standard deviations, metres."""
    opacity: np.ndarray
    """[N] 0..1."""
    colour: np.ndarray
    """[N, 3] sRGB."""

    def __len__(self) -> int:
        return len(self.face)

    def chosen(self, selection: np.ndarray) -> "Splats":
        """Some of them: a mask or indices."""
        return Splats(**{name: value[selection] for name, value in vars(self).items()})


def joined(parts: list[Splats]) -> Splats:
    """All of several, in order."""
    return Splats(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def bound(splats: Splats, rest: np.ndarray, faces: np.ndarray) -> dict[str, np.ndarray]:
    """What an Avatar keeps of them, float32: face, bary, and position, rotation, log_scale, opacity_logit, colour in the triangles' frames.

    Args:
        splats: in the rest pose.
        rest: [V, 3] the vertices of that pose.
        faces: [F, 3] int32.
    """
    frames = triangle_frames(rest, faces, triangle_areas(rest, faces))
    carrier = frames.rotation[splats.face].astype(np.float64)
    foot = np.einsum("nk,nkc->nc", splats.bary, rest[faces[splats.face]])
    turned = np.einsum("nji,njk->nik", carrier, splats.axes)
    xyzw = Rotation.from_matrix(turned).as_quat()
    opacity = np.clip(splats.opacity, 1e-4, 1 - 1e-4)
    arrays = {
        "bary": splats.bary,
        "position": np.einsum("nji,nj->ni", carrier, splats.position - foot),
        "rotation": xyzw[:, [3, 0, 1, 2]],
        "log_scale": np.log(splats.scale),
        "opacity_logit": np.log(opacity / (1 - opacity)),
        "colour": splats.colour,
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in arrays.items()} | {"face": splats.face.astype(np.int32)}


def frame_around(direction: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Orthonormal axes [N, 3, 3] whose first column is `direction` [N, 3] and whose third leans to `towards` [N, 3]."""
    first = unit(direction)
    second = unit(np.cross(towards, first))
    return np.stack([first, second, np.cross(first, second)], axis=2)


def unit(vectors: np.ndarray) -> np.ndarray:
    """[..., 3] of length one; zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
