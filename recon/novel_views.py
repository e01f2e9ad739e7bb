"""An avatar seen from where its capture never stood: holes, floaters and spikes, counted against the rig's silhouette.

All shares are of the area of that silhouette; lengths are for a picture of 512 pixels and scale with it.

* holes: pixels inside the silhouette, a little shrunk, that less than half is covered of;
* see-through: the mean transparency inside the shrunk silhouette, holes included;
* floaters: visible pixels that hang together with nothing that touches the silhouette, a little grown;
* spikes: what is visible beyond the grown silhouette and thin and long, loose hair included;
* edge: how wide the half-transparent rim is, pixels: its area over the length of the outline.

Coverage says nothing of colour: a side that was never filmed can be closed and yet a patchwork. The pictures show it.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.camera import Camera, orbit
from avatar3d.drawing import draw
from avatar3d.head.model import NECK
from avatar3d.motion import Motion
from avatar3d.render.mesh import rasterize_mesh, to_camera

JUDGED_YAWS = (-60, -30, 30, 60)
"""Degrees of the views that count."""
SHOWN_YAWS = (-60, -45, -30, 0, 30, 45, 60)
COVERED, VISIBLE = 0.5, 0.25
"""Coverage from which on a surface counts as closed, and a thing in the air as there."""
RIM = (0.1, 0.9)
"""Coverage of the half-transparent rim."""
SHRINK, GROW = 4.0, 6.0
"""Pixels at 512 by which the silhouette is shrunk for holes and grown for floaters and spikes."""
THIN = 7.0
"""Pixels at 512: an opening by a disc of this diameter removes a spike."""
SPIKE_LENGTH, SPIKE_RATIO = 10.0, 2.5
"""Pixels at 512, and length over width, from which on something thin is a spike."""


@dataclass(frozen=True)
class Defects:
    """Shares of the silhouette's area, and counts."""

    holes: float
    see_through: float
    floaters: float
    floater_count: int
    spikes: float
    spike_count: int
    edge_px: float
    """Pixels at 512."""


@dataclass(frozen=True, eq=False)
class NovelView:
    """One picture from beside the capture's viewpoint."""

    yaw: int
    """Degrees around the head; 0 is the capture's own viewpoint."""
    rgb: np.ndarray
    """[H, W, 3] float32 over the background."""
    defects: Defects
    marks: np.ndarray
    """[H, W] uint8: 0 fine, 1 hole, 2 floater, 3 spike."""
    silhouette: np.ndarray
    """[H, W] bool, of the rig."""


def novel_views(
    avatar: Avatar, frame: Motion, camera: Camera, yaws: tuple[int, ...] = SHOWN_YAWS, *, background: float = 0.85, threads: int = 2
) -> list[NovelView]:
    """The avatar in one pose from several sides.

    Args:
        avatar: who.
        frame: a motion of one frame.
        camera: of the capture; the views turn it about the head's middle.
        yaws: degrees, positive towards the subject's left.
        background: grey behind the pictures.
        threads: that draw.
    """
    vertices = avatar.vertices(frame)
    weights = avatar.rig.skin_weights[:, NECK].numpy()
    own = slice(0, avatar.head.num_vertices)
    pivot = np.average(vertices[own], axis=0, weights=np.maximum(weights[own], 1e-6)).astype(np.float64)
    faces = avatar.head.faces.numpy()
    views = []
    for yaw in yaws:
        turned = orbit(camera, pivot, math.radians(yaw))
        drawn = draw(avatar, frame, 0.0, turned, np.full(3, background, np.float32), threads=threads)
        silhouette = rasterize_mesh(to_camera(vertices[own], turned), faces, turned).mask
        defects, marks = find_defects(drawn.alpha, silhouette)
        views.append(NovelView(yaw, np.clip(drawn.rgb, 0, 1), defects, marks, silhouette))
    return views


def find_defects(alpha: np.ndarray, silhouette: np.ndarray) -> tuple[Defects, np.ndarray]:
    """Defects of a picture's coverage, and a map of them (see `NovelView.marks`).

    Args:
        alpha: [H, W] 0..1.
        silhouette: [H, W] bool, what should be covered.
    """
    scale = max(alpha.shape) / 512
    area = max(int(silhouette.sum()), 1)
    inner = cv2.erode(silhouette.view(np.uint8), _disc(2 * SHRINK * scale)).view(bool)
    outer = cv2.dilate(silhouette.view(np.uint8), _disc(2 * GROW * scale)).view(bool)
    holes = inner & (alpha < COVERED)
    visible = alpha > VISIBLE
    count, labels = cv2.connectedComponents(visible.view(np.uint8), connectivity=8)
    attached = np.unique(labels[outer & visible])
    loose = np.setdiff1d(np.arange(1, count), attached)
    floaters = np.isin(labels, loose)
    spikes, spike_count = _spikes(visible & ~floaters, outer, scale)
    marks = np.select([holes, floaters, spikes], [1, 2, 3], 0).astype(np.uint8)
    through = float((1 - np.clip(alpha[inner], 0, 1)).mean()) if inner.any() else 0.0
    shares = [float(marked.sum() / area) for marked in (holes, floaters, spikes)]
    return Defects(shares[0], through, shares[1], len(loose), shares[2], spike_count, _edge(alpha) / scale), marks


def _edge(alpha: np.ndarray) -> float:
    """Width of the half-transparent rim, pixels."""
    covered = (alpha > COVERED).view(np.uint8)
    outlines, _ = cv2.findContours(cv2.copyMakeBorder(covered, 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    # The picture's own border is no outline.
    points = [outline[:, 0] for outline in outlines]
    height, width = alpha.shape
    length = sum(int(((p > 1) & (p < (width, height))).all(axis=1).sum()) for p in points)
    return float(((alpha > RIM[0]) & (alpha < RIM[1])).sum() / length) if length else 0.0


def _spikes(covered: np.ndarray, outer: np.ndarray, scale: float) -> tuple[np.ndarray, int]:
    opened = cv2.morphologyEx(covered.view(np.uint8), cv2.MORPH_OPEN, _disc(THIN * scale)).view(bool)
    thin = covered & ~opened & ~outer
    count, labels = cv2.connectedComponents(thin.view(np.uint8), connectivity=8)
    kept = []
    for label in range(1, count):
        rows, columns = np.nonzero(labels == label)
        (_, (a, b), _) = cv2.minAreaRect(np.stack([columns, rows], axis=1).astype(np.int32))
        length, width = max(a, b) + 1, min(a, b) + 1
        if length >= SPIKE_LENGTH * scale and length >= SPIKE_RATIO * width:
            kept.append(label)
    return np.isin(labels, kept) & thin, len(kept)


def _disc(diameter: float) -> np.ndarray:
    side = max(1, 2 * round(diameter / 2) + 1)
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def rest_frame(motion: Motion, frames: np.ndarray) -> Motion:
    """The one of some frames that is nearest to all of them: expression, jaw, gaze and turn closest to their medians."""
    names = ("expr", "jaw_pose", "eyes_pose", "neck_pose", "rotation")
    distance = np.zeros(len(frames))
    for name in names:
        values = getattr(motion, name)[frames].astype(np.float64)
        distance += np.square(values - np.median(values, axis=0)).sum(axis=1) / max(values.var(axis=0).sum(), 1e-12)
    best = int(frames[int(distance.argmin())])
    return motion.frames(slice(best, best + 1))


def summary(views: list[NovelView]) -> dict[str, float]:
    """The defects' means over the views that count, by the names of their figures; without such views nothing."""
    judged = [view.defects for view in views if view.yaw in JUDGED_YAWS]
    if not judged:
        return {}
    return {f"novel_{name}": float(np.mean([vars(defects)[name] for defects in judged])) for name in vars(judged[0])}
