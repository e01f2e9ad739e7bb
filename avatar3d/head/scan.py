"""A scan of a person: reading the mesh, finding the face on it, its unit and where it stands."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from avatar3d.errors import UserError
from avatar3d.files import read_bounded
from avatar3d.head.embedding import SKIN, YAWS, settle, sight
from avatar3d.head.model import NUM_FACE_LANDMARKS, HeadModel
from avatar3d.head.similarity import fit_similarity
from avatar3d.head.store import Detector
from avatar3d.progress import Progress, silent

SUFFIXES = (".obj", ".ply", ".glb", ".stl")
MAX_BYTES, MAX_FACES = 512 << 20, 2_000_000
UNITS = {"m": 1.0, "cm": 100.0, "mm": 1000.0, "inch": 1 / 0.0254}
"""How many of them make a metre."""
Unit = Literal["m", "cm", "mm", "inch"]
SIZES = (0.75, 1.33)
"""A head that is this much smaller or larger than the embedded one is no longer believed to be in the unit."""
MIN_LANDMARKS = 6
VIEWED = 0.38
"""Metres that a scan is taken to be large while its face is looked for."""
ALIKE = 0.012
"""Metres root mean square that the landmarks of a face, found in one view, may lie off the embedded head's."""


@dataclass(frozen=True)
class Scan:
    """A triangle mesh in its file's own unit and axes."""

    vertices: np.ndarray
    """[V, 3] float64."""
    faces: np.ndarray
    """[F, 3]."""
    colors: np.ndarray | None
    """[V, 3] 0..1 where the file has colours or a texture."""


@dataclass(frozen=True)
class Placement:
    """Where the embedded head lies in a scan: `scale` R x + t takes its metres to the file's numbers."""

    rotation: np.ndarray
    translation: np.ndarray
    scale: float
    index: np.ndarray
    """[L] MediaPipe's landmarks that are known on the scan."""
    points: np.ndarray
    """[L, 3] where they lie, in the file's numbers."""
    views: int
    """Renders on which the face was found; 0 where the landmarks were given."""


def read_scan(path: Path) -> Scan:
    """The mesh in a file; vertices at one place are one, triangles without area are dropped.

    Raises:
        UserError: not readable, not a mesh, or too large.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: is larger than {MAX_BYTES >> 20} MB; reduce the scan to {MAX_FACES} triangles or fewer")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()}); give a scan ({', '.join(SUFFIXES)})") from error
    try:
        mesh = trimesh.load_mesh(path, process=False)
    except Exception as error:  # What a reader of six formats raises on broken files is not to be listed.
        raise UserError(f"{path}: cannot be read as a mesh ({_line(error)}); give a scan ({', '.join(SUFFIXES)})") from error
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        raise UserError(f"{path}: has no triangles; give a mesh, not a cloud of points")
    if len(mesh.faces) > MAX_FACES:
        raise UserError(f"{path}: has {len(mesh.faces)} triangles; reduce the scan to {MAX_FACES} or fewer")
    vertices, first, merged = np.unique(np.asarray(mesh.vertices, np.float64), axis=0, return_index=True, return_inverse=True)
    if not np.isfinite(vertices).all():
        raise UserError(f"{path}: has vertices that are not numbers; export the scan again")
    faces = merged.reshape(-1)[np.asarray(mesh.faces, np.int64)]
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    used, faces = np.unique(faces, return_inverse=True)
    if len(used) < 500:
        raise UserError(f"{path}: has {len(used)} vertices, too few for a face; give a finer scan")
    colors = _colors(mesh)
    return Scan(vertices[used], faces.reshape(-1, 3), None if colors is None else colors[first][used])


def _colors(mesh: trimesh.Trimesh) -> np.ndarray | None:
    """[V, 3] the texture at the vertices, or their colours; None where there are neither, or where the picture is missing or broken."""
    visual: Any = mesh.visual
    try:
        if visual.kind == "texture":
            visual = visual.to_color()
        if visual.kind != "vertex":
            return None
        colors = np.asarray(visual.vertex_colors, np.float32)[:, :3] / 255
    except Exception:
        return None
    # One colour all over is a default, not a texture; the skin's own is easier to find a face by.
    return colors if colors.shape == (len(mesh.vertices), 3) and np.ptp(colors, axis=0).max() > 0.05 else None


def read_landmarks(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Indices [L] and points [L, 3] of a JSON object {"1": [x, y, z], ...}: MediaPipe's index, the scan's coordinates.

    Raises:
        UserError: not such a file, or too few landmarks.
    """
    try:
        entries = json.loads(read_bounded(path, 1 << 20, "give a JSON file of landmarks"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not JSON ({_line(error)}); give landmarks as {{'1': [x, y, z], ...}}") from error
    if not isinstance(entries, dict):
        raise UserError(f"{path}: is not a JSON object; give landmarks as {{'1': [x, y, z], ...}}")
    found: dict[int, list[float]] = {}
    for key, value in entries.items():
        good = isinstance(value, list) and len(value) == 3 and all(type(x) in (int, float) and abs(x) < 1e9 and math.isfinite(x) for x in value)
        if not (key.isascii() and key.isdigit() and len(key) < 4 and int(key) < NUM_FACE_LANDMARKS and good):
            last = NUM_FACE_LANDMARKS - 1
            raise UserError(f"{path}: entry {key[:20]!r} is not one of MediaPipe's landmarks 0 to {last} with three numbers; correct it")
        found[int(key)] = [float(x) for x in value]
    points = np.array([found[index] for index in sorted(found)]).reshape(-1, 3)
    if len(points) < MIN_LANDMARKS or np.linalg.matrix_rank(points - points.mean(0), tol=1e-3 * max(float(np.ptp(points)), 1e-12)) < 2:
        raise UserError(f"{path}: has {len(points)} landmarks; give {MIN_LANDMARKS} or more, spread over the face")
    return np.array(sorted(found)), points


def place_scan(
    path: Path, scan: Scan, source: HeadModel, detect: Detector | None, given: tuple[np.ndarray, np.ndarray] | None, progress: Progress = silent
) -> Placement:
    """Where the face is: from given landmarks, or from those detected on renders of the scan, whatever its axes and size.

    Raises:
        UserError: no face is found on the scan, or the landmarks given are not a face's.
    """
    known = _known(source)
    if given is not None:
        index, points = given
        R, t, s = fit_similarity(known[index], points)
        off = float(np.sqrt((((points - t) @ R / s - known[index]) ** 2).sum(1).mean()))
        if off > 2 * ALIKE:
            raise UserError(f"{path}: its landmarks lie {off * 1e3:.0f} mm off a face's; they must be MediaPipe's, in the scan's own coordinates")
        return Placement(R, t, s, index, points, 0)
    assert detect is not None
    for colors in _albedos(scan):
        first = _first_sight(scan, colors, known, detect, progress)
        if first is not None:
            break
    else:
        raise UserError(f"{path}: no face is found on it; give landmarks with --landmarks (MediaPipe's index -> x, y, z)")
    R, t, s = first
    placed = (scan.vertices - t) @ R / s
    target = known.mean(0) - [0, 0, 0.04]
    carrying = np.ones(len(scan.faces), bool)
    seen = [sight(placed, scan.faces, colors, carrying, detect, target, yaw, placed) for yaw in YAWS]
    seen = [one for one in seen if one is not None]
    if not seen:
        raise UserError(f"{path}: its face is seen from one side only; give landmarks with --landmarks (MediaPipe's index -> x, y, z)")
    centre, spread = settle([points for points, _ in seen], [weight for _, weight in seen])
    good = spread < 0.006
    if good.sum() < 60:
        good = spread < np.quantile(spread, 0.5)
    points = s * centre[good] @ R.T + t
    R, t, s = fit_similarity(known[good], points)
    return Placement(R, t, s, np.flatnonzero(good), points, len(seen))


def unit_of(scale: float) -> Unit | None:
    """The unit in which a head that is `scale` times the embedded one's metres is of a likely size; None where there is none."""
    name = min(UNITS, key=lambda unit: abs(math.log(scale / UNITS[unit])))
    return name if SIZES[0] < scale / UNITS[name] < SIZES[1] else None  # pyright: ignore[reportReturnType]


def _known(source: HeadModel) -> np.ndarray:
    """[468, 3] the embedded head's landmarks."""
    assert source.landmarks is not None
    order = np.argsort(source.landmarks.index)[:NUM_FACE_LANDMARKS]
    corners = source.faces.numpy()[source.landmarks.face[order]]
    return (source.template.numpy().astype(np.float64)[corners] * source.landmarks.bary[order][..., None]).sum(1)


def _albedos(scan: Scan) -> Iterator[np.ndarray]:
    if scan.colors is not None:
        yield scan.colors
    yield np.tile(np.array(SKIN, np.float32), (len(scan.vertices), 1))


def _first_sight(scan: Scan, colors: np.ndarray, known: np.ndarray, detect: Detector, progress: Progress):
    """Rotation, translation and scale from the first view, or the best of all, on which a face of the right shape is found."""
    low, high = scan.vertices.min(0), scan.vertices.max(0)
    middle, size = (low + high) / 2, float((high - low).max())
    carrying = np.ones(len(scan.faces), bool)
    # Upright and forwards as glTF and most scanners have it comes first; then the other axes that may be up and forwards; then oblique ones.
    straight, oblique = (sorted(Rotation.create_group(name).as_matrix(), key=lambda turn: -np.trace(turn)) for name in "OI")
    best = None
    sweeps = ((1.0, straight), (1.0, oblique), (2.5, straight))
    total, count = sum(len(turns) for _, turns in sweeps), 0
    for zoom, turns in sweeps:
        for turn in turns:
            progress(count, total)
            count += 1
            viewed = (scan.vertices - middle) @ turn.T * (zoom * VIEWED / size)
            # The head is at the top of a bust or a body.
            target = np.array([0, (viewed[:, 1].max() - 0.15) if zoom > 1 else 0, 0])
            found = sight(viewed, scan.faces, colors, carrying, detect, target, 0.0, scan.vertices)
            if found is None or (found[1] > 0).sum() < 200:
                continue
            points, seen = found[0], found[1] > 0
            for _ in range(3):
                R, t, s = fit_similarity(known[seen], points[seen])
                off = np.linalg.norm((points - t) @ R / s - known, axis=1)
                seen = (found[1] > 0) & (off < max(2 * float(np.median(off)), 0.004))
            error = float(np.sqrt((off[found[1] > 0] ** 2).mean()))
            if best is None or error < best[0]:
                best = error, (R, t, s)
            if best[0] < 0.7 * ALIKE:
                return best[1]
        if best is not None and best[0] < ALIKE:
            return best[1]
    return None


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]
