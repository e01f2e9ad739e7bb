"""The shoulders on their own: the bust followed through the shots of a capture, and the rigid motion of the torso.

All frames are aligned to one template, the mean of some of them, so nothing drifts. Shots that show another bust, in other
clothes or another framing, get a template of their own; what joins them to the others is then the head.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded
from scipy.spatial.transform import Rotation

from avatar3d.camera import Camera
from recon.bust import AT_REST, NOTHING, Fit, Picture, Placement, Template, align, picture, placement, pose_vector
from recon.bust_template import average, make_template
from recon.landmarks import CHIN, OVAL

MAX_RESIDUAL = 16.0
"""Mean (clipped) grey-level difference above which a frame counts as lost."""
JOIN_RESIDUAL = 12.0
"""The same, median over frames of another shot, below which it shows the same bust."""
TEMPLATE_FRAMES = 24
"""A template is the mean of about this many frames: more would not make it less noisy, but slower to make."""
TEMPLATE_FRAMES_PER_SHOT = 3
CHUNK = 64
"""Frames that are followed one after the other, each starting where the one before was found."""
THREADS = 2
CURVATURE_STD = (0.001, 0.001, 0.001, 0.00015, 0.00015, 0.00015)
"""Radians and metres, of the second difference over time at 25 frames a second: only what pictures hardly show is smoothed."""
SECOND_DIFFERENCE = (1, -2, 1)

Frames = Callable[[int], tuple[np.ndarray, np.ndarray]]
"""Number of a frame to its grey picture and its matte, [H, H] uint8 both; may be called in any order and from threads."""


@dataclass(frozen=True, eq=False)
class BustMotion:
    """Where the bust is in every frame."""

    R: np.ndarray
    """[T, 3, 3] with t: points of the reference's bust, in the camera's frame, are seen at R x + t."""
    t: np.ndarray
    """[T, 3] metres."""
    residual: np.ndarray
    """[T] mean difference in grey levels after alignment; NaN where nothing could be aligned."""
    valid: np.ndarray
    """[T] bool: false where the motion is borrowed from the neighbours."""
    reference: np.ndarray
    """[T] frame in which this frame's bust is at rest: one and the same for all shots that could be joined."""


@dataclass(frozen=True, eq=False)
class _Scene:
    """A bust that some shots show."""

    shots: list[tuple[int, int]]
    """First frame and the one after the last of each."""
    reference: int
    template: Template | None


def choose_reference(landmarks: np.ndarray, usable: np.ndarray) -> int:
    """The usable frame whose face is most in its usual place."""
    frames = np.flatnonzero(usable)
    face = landmarks[frames][:, list(OVAL), :2].reshape(len(frames), -1)
    return int(frames[np.abs(face - np.median(face, axis=0)).sum(1).argmin()])


def follow_bust(
    frames: Frames,
    depth_of: Callable[[int], np.ndarray],
    landmarks: np.ndarray,
    valid: np.ndarray,
    learn: np.ndarray,
    camera: Camera,
    fps: float,
    cuts: Sequence[int] = (),
    tell: Callable[[int], None] = lambda done: None,
) -> BustMotion:
    """Follow the bust through T frames.

    Args:
        frames: the pictures.
        depth_of: depth [H, H] in metres of the bust in a frame (`recon.bust_template.bust_depth`); asked for one frame of each shot.
        landmarks: [T, 478, 2 or more] pixels; they say where the head is.
        valid: [T] whether they do.
        learn: [T] bool, frames that templates may be made of.
        camera: that took the frames.
        fps: frames per second.
        cuts: frames at which a new shot begins.
        tell: told how many frames are done.
    """
    T = len(valid)
    bounds = list(itertools.pairwise([0, *sorted({int(cut) for cut in cuts if 0 < cut < T}), T]))
    R, t, residual = np.tile(np.eye(3), (T, 1, 1)), np.zeros((T, 3)), np.full(T, np.nan)
    reference, done = np.zeros(T, np.int64), 0
    with ThreadPoolExecutor(THREADS) as pool:
        for scene in _scenes(frames, depth_of, landmarks, valid & learn, camera, bounds, pool):
            chunks = [slice(k, min(k + CHUNK, last)) for first, last in scene.shots for k in range(first, last, CHUNK)]
            pieces = pool.map(lambda chunk, scene=scene: list(_follow(frames, landmarks, valid, camera, scene, chunk)), chunks)
            found: dict[int, tuple[Placement, Fit]] = {}
            for chunk, piece in zip(chunks, pieces, strict=True):
                found |= dict(zip(range(chunk.start, chunk.stop), piece, strict=True))
                tell(done := done + len(piece))
            for first, last in scene.shots:
                span = slice(first, last)
                residual[span] = [found[k][1].residual for k in range(first, last)]
                good = residual[span] <= MAX_RESIDUAL
                # A shot that shows no bust known from elsewhere is on its own.
                reference[span] = scene.reference if good.any() else first
                if scene.template is not None and good.any():
                    poses = np.array([pose_vector(found[k][0], scene.template.centre) for k in range(first, last)])
                    information = np.array([found[k][1].information for k in range(first, last)])
                    places = [placement(pose, scene.template.centre) for pose in _smooth(poses, information, good, fps)]
                    R[span], t[span] = [place.R for place in places], [place.t for place in places]
    return BustMotion(R, t, np.where(np.isfinite(residual), residual, np.nan), residual <= MAX_RESIDUAL, reference)


def _scenes(
    frames: Frames, depth_of, landmarks: np.ndarray, usable: np.ndarray, camera: Camera, bounds, pool: ThreadPoolExecutor
) -> Iterator[_Scene]:
    """The busts that the shots `bounds` show, the one most seen first, with which go the shots without usable frames."""
    learned = {shot: np.flatnonzero(usable[slice(*shot)]) + shot[0] for shot in bounds}
    left = [shot for shot in bounds if len(learned[shot])]
    unlearned = [shot for shot in bounds if not len(learned[shot])]
    while left:
        main = max(left, key=lambda shot: len(learned[shot]))
        inside = np.zeros(len(usable), bool)
        inside[learned[main]] = True
        reference = choose_reference(landmarks, inside)
        depth, (grey, matte) = depth_of(reference), frames(reference)
        single = make_template(grey, matte, landmarks[reference], depth, camera, np.ones_like(matte))
        if single is None:
            yield _Scene([main, *unlearned], reference, None)
            left, unlearned = [shot for shot in left if shot != main], []
            continue

        def located(index: int, template=single, reference=reference):
            grey, matte = frames(index)
            return (grey, matte, landmarks[index]), *_search(
                template, picture(grey, matte, landmarks[index], template.top), index, reference, landmarks, camera
            )

        total = sum(len(learned[shot]) for shot in left)
        shots, shown = [], []
        for shot in left:
            count = max(TEMPLATE_FRAMES_PER_SHOT, round(TEMPLATE_FRAMES * len(learned[shot]) / total))
            sample = learned[shot][np.unique(np.linspace(0, len(learned[shot]) - 1, count).round().astype(int))]
            found = list(pool.map(located, sample))
            if shot == main or np.median([fit.residual for _, _, fit in found]) <= JOIN_RESIDUAL:
                shots.append(shot)
                shown += [(seen, place) for seen, place, fit in found if fit.residual <= MAX_RESIDUAL]
        mean, opacity, known = average([seen for seen, _ in shown], [place for _, place in shown], depth, camera)
        template = make_template(mean, opacity, landmarks[reference], depth, camera, known)
        yield _Scene([*shots, *unlearned], reference, template or single)
        left, unlearned = [shot for shot in left if shot not in shots], []


def _search(template: Template, look: Picture, index: int, reference: int, landmarks: np.ndarray, camera: Camera) -> tuple[Placement, Fit]:
    """Find the template from afar: where it was, or moved along with the chin."""
    shift = (landmarks[index, CHIN, :2] - landmarks[reference, CHIN, :2]) * template.centre[2] / camera.fx
    starts = [AT_REST, Placement(np.eye(3), np.append(shift, 0.0))]
    return min((align(template, look, start) for start in starts), key=lambda result: result[1].residual)


def _follow(frames: Frames, landmarks: np.ndarray, valid: np.ndarray, camera: Camera, scene: _Scene, chunk: slice) -> Iterator[tuple[Placement, Fit]]:
    """Placement of the scene's template in consecutive frames of one shot."""
    current = None
    for index in range(chunk.start, chunk.stop):
        place, fit = AT_REST, NOTHING
        if scene.template is not None and valid[index]:
            look = picture(*frames(index), landmarks[index], scene.template.top)
            if current is not None:
                place, fit = align(scene.template, look, current, first=1)
            if fit.residual > MAX_RESIDUAL:
                afresh = _search(scene.template, look, index, scene.reference, landmarks, camera)
                place, fit = min((place, fit), afresh, key=lambda result: result[1].residual)
        current = place if fit.residual <= MAX_RESIDUAL else None
        yield place, fit


def _smooth(poses: np.ndarray, information: np.ndarray, good: np.ndarray, fps: float) -> np.ndarray:
    """Poses [N, 6] of one shot under the second-difference prior, each held by its information [N, 6, 6].

    Lost frames take over the interpolation of their neighbours before. What the pictures show well hardly moves.
    """
    N = len(poses)
    known = np.flatnonzero(good)
    poses = np.stack([np.interp(np.arange(N), known, poses[known, axis]) for axis in range(6)], axis=1)
    if N < 3:
        return poses
    information = np.where(good[:, None, None], information, np.median(information[known], axis=0))
    stiffness = (np.array(CURVATURE_STD) * (25.0 / fps) ** 2) ** -2.0
    # The upper band of the symmetric system, six columns a frame: its entry (i, j) is kept at [12 + i - j, j].
    band = np.zeros((13, 6 * N))
    for i in range(6):
        for j in range(i, 6):
            band[12 + i - j, j::6] = information[:, i, j]
    for a, b in itertools.combinations_with_replacement(range(3), 2):
        weight = SECOND_DIFFERENCE[a] * SECOND_DIFFERENCE[b]
        for axis in range(6):
            band[12 - 6 * (b - a), axis::6][b : N - 2 + b] += weight * stiffness[axis]
    right = np.einsum("nij,nj->ni", information, poses).ravel()
    return solveh_banded(band, right).reshape(N, 6)


def torso_motion(bust: BustMotion, camera: Camera, head_R: np.ndarray, head_t: np.ndarray, learn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The torso's rigid motion x -> R x + t, [T, 3, 3] and [T, 3], in the world.

    What the picture cannot show, the torso's pose in the reference frame, is the mean pose of the head relative to the bust.

    Args:
        bust: the bust in the picture.
        camera: the camera.
        head_R: [T, 3, 3] the head's motion.
        head_t: [T, 3].
        learn: [T] bool, frames whose head pose counts for the mean, where there are any of a reference.
    """
    R_cw, t_cw = camera.T_cam_world[:3, :3], camera.T_cam_world[:3, 3]
    moved_R = R_cw.T @ bust.R @ R_cw
    moved_t = (bust.R @ t_cw + bust.t - t_cw) @ R_cw
    back = np.swapaxes(moved_R, 1, 2)
    relative_R, relative_t = back @ head_R, (back @ (head_t - moved_t)[..., None])[..., 0]
    torso_R, torso_t = np.empty_like(moved_R), np.empty_like(moved_t)
    for reference in np.unique(bust.reference):
        inside = bust.reference == reference
        usable = inside & learn if (inside & learn).any() else inside
        rest_R = Rotation.from_matrix(relative_R[usable]).mean().as_matrix()
        rest_t = np.median(relative_t[usable], axis=0)
        torso_R[inside], torso_t[inside] = moved_R[inside] @ rest_R, moved_R[inside] @ rest_t + moved_t[inside]
    return torso_R, torso_t
