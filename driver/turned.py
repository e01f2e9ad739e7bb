"""Eyes that are turned by rule, where a network does not turn them: for a person's own driver, and between frames that are given."""

import numpy as np
from scipy.ndimage import binary_dilation

from avatar3d.runs import runs
from driver.channels import EXPR, INDEX
from driver.features import FPS

GAZE = [INDEX["eyes_pose_0"], INDEX["eyes_pose_1"]]
"""Of the left eye: down and to its left."""
HEAD_TURNS = [[INDEX[f"{pose}_{axis}"] for axis in (0, 1)] for pose in ("neck_pose", "rotation")]
"""What turns the eyes along with the head, in the order of `GAZE`."""
_EYES = [INDEX[f"eyes_pose_{axis}"] for axis in (0, 1, 3, 4)]
_LIDS_TO_GAZE = 30.0
"""Degrees up or down with which eyeLookUp and eyeLookDown go wholly along."""
_BESIDE = (FPS, 2 * FPS, 4 * FPS)
"""Frames beside given ones within which the eyes' way is made gentle: so many as are needed."""
_ALLOWED = 1.1
"""Times the largest second difference of the gaze elsewhere, which the way may have."""
_CALM = np.radians(0.3)
"""Second difference, radians, that the way may have beside eyes that hardly move."""
_STIFFNESS = np.geomspace(1e-2, 1e6, 49)
"""Weights of second differences against the distance from where the eyes shall look, of which the least that is gentle enough is taken."""


def looking(frames: np.ndarray, gaze: tuple[float, float], ahead: np.ndarray | None = None) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] with the eyes turned by rule: a minute of one person does not teach gaze, and `adapt` forgets most of what the
    default driver knew of it; and between frames that are given any network looks where those do.

    Args:
        frames: as made.
        gaze: as in `driver.direction.Direction`.
        ahead: [2] what counts as looking straight ahead there, down and to the left eye's left; default where that eye mostly looks.
    """
    made, (right, up) = frames.copy(), gaze
    usual = np.median(made[:, GAZE], axis=0) if ahead is None else ahead
    for eye in (0, 3):
        made[:, INDEX[f"eyes_pose_{eye}"]] += np.radians(-up) - usual[0]
        made[:, INDEX[f"eyes_pose_{eye + 1}"]] += np.radians(right) - usual[1]
    # The lids go along, from wherever they are.
    lowered = (-up - np.degrees(usual[0])) / _LIDS_TO_GAZE
    to, fro = ("Down", "Up") if lowered > 0 else ("Up", "Down")
    for side in ("Left", "Right"):
        undone = np.minimum(made[:, INDEX[f"eyeLook{fro}{side}"]], abs(lowered))
        made[:, INDEX[f"eyeLook{fro}{side}"]] -= undone
        made[:, INDEX[f"eyeLook{to}{side}"]] += abs(lowered) - undone
    made[:, EXPR] = made[:, EXPR].clip(0, 1)
    return made


def looks(frames: np.ndarray, own: bool) -> np.ndarray:
    """Where the left eye of frames [T, NUM_CHANNELS] looks [T, 2], down and to its left, the head's turns counted; of a person's own driver, whose
    head is where it was filmed, in the head alone."""
    return frames[:, GAZE] if own else frames[:, GAZE] + sum(frames[:, rows] for rows in HEAD_TURNS)


def turned(frames: np.ndarray, given: np.ndarray, gaze: tuple[float, float], ahead: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] whose eyes are turned as by `looking`, but where they are given.

    From what is given the eyes go as near to the gaze as they can while their way bends hardly more than it does elsewhere: in a second that is
    made anew they may come half-way where all else is very still.

    Args:
        frames: as made.
        given: [T, NUM_CHANNELS] bool: what is left as it is.
        gaze: as in `driver.direction.Direction`.
        ahead: [2] as for `looking`.
        share: [T, NUM_CHANNELS] of the lids' way that goes along.
    """
    wanted = looking(frames, gaze, ahead)
    made = frames + share * (wanted - frames)
    held = given[:, _EYES].any(axis=1)
    if not held.any():
        return wanted
    made[:, _EYES] = _gently(np.where(held[:, None], frames[:, _EYES], wanted[:, _EYES]).astype(np.float64), held)
    return made


def _gently(wanted: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Channels [T, C] as near to what is wanted as a gentle way from the `held` frames [T], which stay, allows."""
    elsewhere = np.logical_not(binary_dilation(binary_dilation(held, iterations=_BESIDE[0]) & ~held, iterations=1))
    usual = np.pad(np.abs(np.diff(wanted, 2, axis=0)), ((1, 1), (0, 0)))[elsewhere].max(axis=0, initial=0.0)
    most = np.maximum(_ALLOWED * usual, _CALM)
    made = wanted
    for beside in _BESIDE:
        made, gentle, zone = wanted.copy(), True, binary_dilation(held, iterations=beside) & ~held
        for first, last in runs(zone):
            window = slice(max(0, first - 2), min(last + 2, len(wanted)))
            made[window], enough = _way(wanted[window], zone[window], most)
            gentle &= enough
        if gentle:
            break
    return made


def _way(wanted: np.ndarray, free: np.ndarray, most: np.ndarray) -> tuple[np.ndarray, bool]:
    """Channels [T, C] of which the frames that are `free` [T] go as near to what is wanted as second differences up to `most` [C] allow, and
    whether any way does; if none, it is the smoothest."""
    bend, way = np.diff(np.eye(len(wanted)), 2, axis=0), wanted.copy()
    for stiffness in _STIFFNESS:
        system = np.eye(int(free.sum())) + stiffness * bend[:, free].T @ bend[:, free]
        way[free] = np.linalg.solve(system, wanted[free] - stiffness * bend[:, free].T @ (bend[:, ~free] @ wanted[~free]))
        if (np.abs(bend @ way) <= most).all():
            return way, True
    return way, False
