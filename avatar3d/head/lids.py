"""Lids that close: a blink from elsewhere, made to meet on a head whose eyes open differently."""

import numpy as np

from avatar3d.camera import look_at
from avatar3d.render.mesh import rasterize_mesh, to_camera


def close_lid(lid: np.ndarray, template: np.ndarray, faces: np.ndarray, regions: dict[str, np.ndarray], side: str) -> None:
    """Stretch a lid's displacement [V, 3], in place, until the upper margin meets the lower one: the eye's opening is the model's own."""
    upper, lower = regions[f"{side}_lid_upper"], regions[f"{side}_lid_lower"]
    moving = np.flatnonzero(np.linalg.norm(lid, axis=1) > 0)
    for _ in range(3):
        closed = template + lid
        order = lower[np.argsort(closed[lower, 0])]
        goal = np.interp(closed[upper, 0], closed[order, 0], closed[order, 1])
        travel = lid[upper, 1]
        good = abs(travel) > 0.25 * abs(travel).max()
        if good.sum() < 4:
            return
        # The factor varies smoothly along the lid; a parabola cannot follow a single bad vertex.
        factor = np.clip(1 + (goal - closed[upper, 1])[good] / travel[good], 0.3, 3.0)
        curve = np.polynomial.Polynomial.fit(template[upper[good], 0], factor, 2)
        low, high = template[upper[good], 0].min(), template[upper[good], 0].max()
        lid[moving] *= np.clip(curve(np.clip(template[moving, 0], low, high)), 0.3, 3.0)[:, None]
    # What the parabola leaves open is closed for the whole lid at once, as long as the eye shows from the front.
    # Too far is hidden behind the lower lid, too little is a staring sleeper.
    for _ in range(8):
        if _visible_eye(template + lid, faces, regions[f"{side}_eye"]) == 0:
            return
        lid[moving] *= 1.05


def _visible_eye(vertices: np.ndarray, faces: np.ndarray, eye: np.ndarray) -> int:
    """Pixels of an eyeball seen from the front, at about four to the millimetre."""
    middle = vertices[eye].mean(0)
    camera = look_at(middle + np.array([0, 0, 0.4]), middle, focal=1500, size=(160, 160))
    image = rasterize_mesh(to_camera(vertices, camera), faces, camera)
    return int(np.isin(faces[image.face[image.mask]], eye).all(axis=1).sum())
