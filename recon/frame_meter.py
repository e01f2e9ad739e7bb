"""What a picture is worth: sharpness, light, teeth, outline and camera, measured on frames spread over a capture."""

from dataclasses import dataclass

import cv2
import numpy as np

from avatar3d.head.model import NUM_FACE_LANDMARKS
from recon.capture import Capture
from recon.face_regions import INNER_LIPS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE, eye_aperture
from recon.landmarks import CHIN, FOREHEAD, OVAL
from recon.prefetch import prefetch

RATE = 6.0
"""Frames measured per second: light, focus and outline change more slowly, and blurred frames come in runs."""
MOST = 2000
"""Frames measured of one capture, at most: five minutes at `RATE`, beyond which the frames lie further apart."""
_FACE = 160
"""Pixels from forehead to chin at which sharpness is measured: what a 512 crop shows of a face that fills the source well."""
_HALF = 2
"""Outline and camera are measured at half size: neither needs more."""
_CLOSED = 0.7
"""Eyes open by less than this part of their usual opening count as closed."""
_STILL = 0.012
"""A head that moves by less than this part of the face's height from one frame to the next is still enough to judge its outline."""
_LIT = 160.0
"""Highlights of a well lit face."""
_NOISE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, eq=False)
class FrameMeasures:
    """N frames of a capture, in order. Not a number where a frame does not show what is measured."""

    index: np.ndarray
    """[N] int: which frames."""
    sharpness: np.ndarray
    """[N] finest detail of eyes and mouth over coarser detail: about 0.6-0.8 in focus, 0.2 without any fine detail; closed eyes
    have none and are left out."""
    light: np.ndarray
    """[N] median luma of the face, 0..255."""
    highlight: np.ndarray
    """[N] 95th percentile of the face's luma."""
    burnt: np.ndarray
    """[N] share of the face that is clipped."""
    grain: np.ndarray
    """[N] standard deviation of the noise on the face, of 255, in pixels of the crop."""
    side: np.ndarray
    """[N] log2 of the brightness of the picture's left half of the face over its right half."""
    teeth: np.ndarray
    """[N] share of the open mouth that is as bright and as little coloured as teeth; 0 when closed."""
    camouflage: np.ndarray
    """[N] share of the head's outline at which person and background have nearly one colour."""
    flutter: np.ndarray
    """[N] mean displacement of the head's outline to the next frame that the head's own motion does not explain, pixels of a 512 crop."""
    cut_off: np.ndarray
    """[N] share of the picture's upper edge that the person touches."""
    shift: np.ndarray
    """[N, 2] how far the background moved since the measured frame before, pixels of a 512 crop."""

    def __len__(self) -> int:
        return len(self.index)


def measure_frames(capture: Capture) -> FrameMeasures:
    """Look at about `RATE` frames of each second; about 1.5 ms for each frame of the capture."""
    T = len(capture)
    step = max(1, round(float(capture.fps) / RATE), -(-T // MOST))
    index = np.arange(0, T, step)
    rows = []
    background = None
    cuts = np.asarray(capture.cuts)
    aperture = eye_aperture(capture.landmarks).mean(axis=1)
    closed = aperture < _CLOSED * np.median(aperture[capture.valid]) if capture.valid.any() else np.zeros(T, bool)
    frames = prefetch((int(i), capture.image(int(i)), capture.matte(int(i)), capture.matte(min(int(i) + 1, T - 1))) for i in index)
    for i, rgb, matte, following in frames:
        if ((cuts > i - step) & (cuts <= i)).any():
            background = None
        small = cv2.cvtColor(_shrunk(rgb), cv2.COLOR_RGB2GRAY)
        free = _background_mask(matte)
        shift = _shift(background, small) * (512 / capture.size)
        background = (small, free)
        if not capture.valid[i]:
            rows.append([np.nan] * 10 + [*shift])
            continue
        points = capture.landmarks[i]
        after = capture.landmarks[i + 1] if i + 1 < T and capture.valid[i + 1] and not (cuts == i + 1).any() else None
        gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        scale = capture.shots.at(i).crop.scale
        light = _light(gray, rgb, points)
        rows.append(
            [
                np.nan if closed[i] else sharpness(gray, points, scale),
                *light,
                teeth_share(rgb, points),
                camouflage(rgb, matte, points, light[1]),
                np.nan if after is None else _flutter(matte, following, points, after) * (512 / capture.size),
                float((matte[0] > 127).mean()),
                *shift,
            ]
        )
    values = np.array(rows, np.float64)
    return FrameMeasures(index, *(np.ascontiguousarray(values[:, k]) for k in range(10)), shift=np.ascontiguousarray(values[:, 10:]))


def sharpness(gray: np.ndarray, points: np.ndarray, scale: float) -> float:
    """Finest detail of eyes and mouth over the next coarser detail.

    Edges of lids, irises and lips are sharp in everybody, so that the ratio of two neighbouring bands says how far the
    lens, motion and the codec let them through, whatever the contrast. Measured on the upright face brought to `_FACE`
    pixels, or to its size in the source where that is less: a small face is another complaint than a blurred one.
    On four clips it was 0.60-0.79; blurred with a Gaussian of one pixel of a 512 crop 0.36-0.51, of two 0.23-0.34.

    Args:
        gray: [size, size] uint8.
        points: [478, 3] landmarks in its pixels.
        scale: pixels of the crop per pixel of the source.
    """
    top, bottom = points[FOREHEAD, :2], points[CHIN, :2]
    height = float(np.linalg.norm(bottom - top))
    target = min(_FACE, height / scale)
    if not target > 8:
        return float("nan")
    zoom = target / height
    side = round(1.1 * target)
    along = (bottom - top) / height * zoom
    M = np.array([[along[1], -along[0], 0.0], [along[0], along[1], 0.0]])
    M[:, 2] = side / 2 - M[:, :2] @ ((top + bottom) / 2)
    if zoom < 0.9:
        # Shrinking without a filter would fold blur back into false detail.
        gray = cv2.GaussianBlur(gray, (0, 0), max(0.3, 0.5 * (1 / zoom - 1)))
    face = cv2.warpAffine(gray, M, (side, side), flags=cv2.INTER_LINEAR).astype(np.float32)
    fine, coarse = cv2.GaussianBlur(face, (0, 0), 1.0), cv2.GaussianBlur(face, (0, 0), 3.0)
    mask = np.zeros(face.shape, np.uint8)
    for region in (LEFT_EYE, RIGHT_EYE, OUTER_LIPS):
        hull = cv2.convexHull((points[list(region), :2] @ M[:, :2].T + M[:, 2]).astype(np.float32))
        centre = hull.mean(axis=0, keepdims=True)
        cv2.fillConvexPoly(mask, np.round(centre + 1.5 * (hull - centre)).astype(np.int32), (1,))
    inside = mask > 0
    detail, structure = (face - fine)[inside], (fine - coarse)[inside]
    energy = float((structure**2).mean()) if inside.any() else 0.0
    return float(np.sqrt((detail**2).mean() / energy)) if energy > 0.5 else float("nan")


def teeth_share(rgb: np.ndarray, points: np.ndarray) -> float:
    """Share of the mouth opening that looks like teeth: at least 0.6 of the skin's brightness, and far less coloured than the lips.

    0 where the opening is less than three pixels high.
    """
    lips = points[list(INNER_LIPS), :2]
    x0, y0 = np.maximum(np.floor(lips.min(axis=0)).astype(int), 0)
    x1, y1 = np.ceil(lips.max(axis=0)).astype(int) + 1
    window = rgb[y0:y1, x0:x1].astype(np.float32)
    if window.size == 0 or np.linalg.norm(points[13, :2] - points[14, :2]) < 3:
        return 0.0
    mask = np.zeros(window.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(lips - [x0, y0]).astype(np.int32)], (1,))
    inside = window[mask > 0]
    cheek = points[[50, 280], :2].round().astype(int)
    skin = np.mean([rgb[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].reshape(-1, 3).mean(axis=0) @ _LUMA for x, y in cheek])
    chroma = (inside.max(axis=1) - inside.min(axis=1)) / np.maximum(inside.max(axis=1), 1)
    return float(((inside @ _LUMA > 0.6 * skin) & (chroma < 0.45)).mean())


def camouflage(rgb: np.ndarray, matte: np.ndarray, points: np.ndarray, highlight: float = 255.0, near: float = 12.0) -> float:
    """Share of the outline of head and hair, above the chin, where the colours on its two sides differ by less than `near` (CIE 1976).

    Hair against a wall of its own colour is what mattes fail on. Two colours 12 apart are told apart at a glance, but less than
    that drowns in the noise and compression of ordinary video. A dark picture is brightened first: darkness is another complaint.

    Args:
        rgb: [size, size, 3] uint8.
        matte: [size, size] uint8.
        points: [478, 3] landmarks.
        highlight: luma of the face's highlights.
        near: distance in CIE L*a*b*.
    """
    shrink = 2 * _HALF
    opaque = (_shrunk(matte, shrink) > 127).astype(np.float32)
    bottom = int(np.clip(points[CHIN, 1] / shrink, 8, len(opaque)))
    opaque = opaque[:bottom]
    gain = np.float32(min(max(_LIT / max(highlight, 1.0), 1.0), 8.0) / 255)
    small = cv2.cvtColor(np.minimum(_shrunk(rgb, shrink)[:bottom].astype(np.float32) * gain, 1), cv2.COLOR_RGB2Lab)
    reach = (7, 7)
    weight_in, weight_out = cv2.blur(opaque, reach), cv2.blur(1 - opaque, reach)
    inside = cv2.blur(small * opaque[..., None], reach) / np.maximum(weight_in, 1e-3)[..., None]
    outside = cv2.blur(small * (1 - opaque[..., None]), reach) / np.maximum(weight_out, 1e-3)[..., None]
    edge = cv2.morphologyEx(opaque, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    if not edge.any():
        return float("nan")
    return float((np.linalg.norm(inside[edge] - outside[edge], axis=1) < near).mean())


def _light(gray: np.ndarray, rgb: np.ndarray, points: np.ndarray) -> tuple[float, float, float, float, float]:
    """Median and 95th percentile of the face's luma, clipped share, grain, log2 of left over right.

    Grain: what a mask without response to planes and edges leaves of white noise (Immerkaer, Fast noise variance estimation,
    1996), its median, so that wrinkles and lashes do not count.
    """
    unknown = (float("nan"), float("nan"), float("nan"), float("nan"), float("nan"))
    oval = np.round(points[list(OVAL), :2]).astype(np.int32)
    x0, y0 = np.maximum(oval.min(axis=0), 0)
    x1, y1 = np.minimum(oval.max(axis=0) + 1, gray.shape[::-1])
    if x1 - x0 < 8 or y1 - y0 < 8:
        return unknown
    # Every other pixel is plenty for percentiles.
    window, colour = gray[y0:y1:2, x0:x1:2], rgb[y0:y1:2, x0:x1:2]
    mask = np.zeros(window.shape, np.uint8)
    cv2.fillConvexPoly(mask, (oval - [x0, y0]) // 2, (1,))
    inside = mask > 0
    if not inside.any():
        return unknown
    median, highlight = np.percentile(window[inside], (50, 95))
    burnt = (colour.max(axis=2)[inside] >= 253).mean()
    height, width = y1 - y0, x1 - x0
    middle = gray[y0 + height // 4 : y1 - height // 4, x0 + width // 4 : x1 - width // 4].astype(np.float32)
    grain = 1.4826 * float(np.median(np.abs(cv2.filter2D(middle, -1, _NOISE)))) / 6
    # Which side of the line from forehead to chin a pixel lies on.
    top, bottom = (points[k, :2] - [x0, y0] for k in (FOREHEAD, CHIN))
    rows, columns = np.nonzero(inside)
    right = (bottom[1] - top[1]) * (2 * columns - top[0]) - (bottom[0] - top[0]) * (2 * rows - top[1]) > 0
    values = window[inside]
    halves = [float(values[half].mean()) if half.any() else float("nan") for half in (~right, right)]
    return float(median), float(highlight), float(burnt), grain, float(np.log2((halves[0] + 1) / (halves[1] + 1)))


def _flutter(matte: np.ndarray, following: np.ndarray, points: np.ndarray, after: np.ndarray) -> float:
    """Area between two outlines of the head over their length, the second moved back by the motion of the face.

    Not a number while the head moves fast: hair and ears then move otherwise than the face.
    """
    points, after = points[:NUM_FACE_LANDMARKS, :2], after[:NUM_FACE_LANDMARKS, :2]
    if np.linalg.norm(after - points, axis=1).mean() > _STILL * np.ptp(points[:, 1]):
        return float("nan")
    first, second = _shrunk(matte), _shrunk(following)
    move = np.linalg.lstsq(np.c_[points, np.ones(NUM_FACE_LANDMARKS)], after, rcond=None)[0].T.astype(np.float64)
    move[:, 2] /= _HALF
    second = cv2.warpAffine(second, move, second.shape[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    bottom = int(np.clip(points[CHIN, 1] / _HALF, 8, len(first)))
    first, second = first[:bottom], second[:bottom]
    opaque = (first > 127).view(np.uint8)
    length = np.count_nonzero(opaque - cv2.erode(opaque, np.ones((3, 3), np.uint8)))
    return float(cv2.absdiff(first, second).sum() / 255 / max(length, 1) * _HALF)


def _background_mask(matte: np.ndarray) -> np.ndarray:
    """[h, w] uint8: 255 where nothing of the person is near, at half size."""
    return (cv2.dilate(_shrunk(matte), np.ones((9, 9), np.uint8)) < 8).view(np.uint8) * np.uint8(255)


def _shift(before: tuple[np.ndarray, np.ndarray] | None, gray: np.ndarray) -> np.ndarray:
    """[2] median motion of the background's corners, in pixels of the full crop; not a number without corners.

    Lucas-Kanade there and back again: on a plain wall the corners are noise, and do not find home.
    """
    unknown = np.full(2, np.nan)
    if before is None:
        return unknown
    start = cv2.goodFeaturesToTrack(before[0], 60, 0.02, 6, mask=before[1])
    if start is None:
        return unknown
    options: dict = {"winSize": (15, 15), "maxLevel": 2}
    there, found, _ = cv2.calcOpticalFlowPyrLK(before[0], gray, start, None, **options)  # pyright: ignore
    back, again, _ = cv2.calcOpticalFlowPyrLK(gray, before[0], there, None, **options)  # pyright: ignore
    home = np.linalg.norm((back - start).reshape(-1, 2), axis=1) < 0.25
    kept = home & found.ravel().astype(bool) & again.ravel().astype(bool)
    if kept.sum() < max(6, len(start) // 2):
        return unknown
    return np.median((there - start).reshape(-1, 2)[kept], axis=0) * _HALF


def _shrunk(picture: np.ndarray, shrink: int = _HALF) -> np.ndarray:
    return cv2.resize(picture, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
