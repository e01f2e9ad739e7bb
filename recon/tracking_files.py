"""Tracking a capture folder, and what it leaves there.

motion.npz      the tracked Motion        camera.json      the one camera
tracking.json   errors in pixels, focal length, frames learned from, flags, speed
overlay.mp4     the tracked head over the frames
flame_param/, canonical_flame_param.npz, transforms*.json: the same in VHAP's layout
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from avatar3d.camera import Camera
from avatar3d.errors import UserError
from avatar3d.files import atomic_path
from avatar3d.head.model import ROOT, HeadModel
from avatar3d.motion import Motion, check_head, load_motion, save_motion
from avatar3d.progress import Progress, silent
from avatar3d.render.mesh import rasterize_mesh, to_camera
from avatar3d.runs import ranges
from recon.bust_template import bust_depth
from recon.capture import Capture, iterate, load_capture
from recon.neck import compose, decompose
from recon.occlusion import load_occlusions
from recon.overlay import pose_frames, write_overlay
from recon.skull_flow import steady_head
from recon.torso import follow_bust, torso_motion
from recon.tracker import track
from recon.vhap import write_vhap

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class TrackedCapture:
    """What tracking a capture found."""

    motion: Motion
    camera: Camera
    report: dict
    """The contents of tracking.json."""

    def holds_out(self, holdout: float) -> bool:
        """Whether nothing shared was learned from the last `holdout` of the frames."""
        return self.report["learned_before"] <= first_held_out(len(self.motion), holdout)


def first_held_out(frames: int, holdout: float) -> int:
    """The frame from which on frames are kept out."""
    return frames - round(holdout * frames)


def track_capture(
    folder: Path | str,
    head: HeadModel,
    *,
    focal: float | None = None,
    holdout: float = 0.0,
    overlay: bool = True,
    progress: Progress = silent,
) -> TrackedCapture:
    """Track head and shoulders through a capture and write what was found into its folder.

    Args:
        folder: a capture folder (`recon.capture`).
        head: a head with a landmark embedding.
        focal: focal length in pixels of the crop, where it is known; by default what the capture was made with.
        holdout: share of the frames, at the end, from which identity, camera and landmark offsets are not learned.
        overlay: also write `overlay.mp4`; who is in a hurry does so later (`write_tracked_overlay`).
        progress: told how many frames are done, of four rounds: poses, flow, shoulders, overlay.

    Raises:
        UserError: not a capture, no usable face, or the folder cannot be written.
    """
    folder = Path(folder)
    capture = load_capture(folder)
    focal = capture.focal if focal is None else focal
    T = len(capture)
    learned_before = first_held_out(T, holdout)
    shared = np.arange(T) < learned_before
    if not (capture.valid & shared).any():
        raise UserError(f"{folder}: no face is visible in the first {learned_before} of {T} frames; hold out fewer frames or film the face")
    start = time.perf_counter()
    cuts = tuple(int(cut) for cut in capture.cuts)
    flow_seconds = 0.0

    def steady(motion: Motion, camera: Camera) -> Motion:
        nonlocal flow_seconds
        start = time.perf_counter()
        corrected = steady_head(motion, capture.grey, camera, head, capture.valid, cuts, tell=lambda done: progress(T + done, 4 * T))
        flow_seconds = time.perf_counter() - start
        return corrected

    tracking = track(
        capture.landmarks,
        capture.valid,
        capture.size,
        capture.fps,
        head,
        focal=focal,
        shared_frames=shared,
        shown=load_occlusions(folder, T).landmark_weights(capture.landmarks, capture.size),
        cuts=cuts,
        steady=steady,
        progress=lambda done, total, **_: progress(done, 4 * total),
    )
    posed = time.perf_counter()
    motion, lost = with_torso(capture, tracking.motion, tracking.camera, head, shared, lambda done: progress(2 * T + done, 4 * T))
    motion = replace(motion, sound=capture.sound, sound_rate=capture.sound_rate)
    done = time.perf_counter()
    report = {
        "schema": SCHEMA,
        "head": {"name": head.name, "fingerprint": head.fingerprint},
        "frames": T,
        "focal": tracking.camera.fx,
        "focal_given": focal is not None,
        "error_px": {name: round(value, 3) for name, value in tracking.errors(capture.size).items()},
        "learned_before": learned_before,
        "learned_from": tracking.shared_frames.tolist(),
        "landmark_offset_mm": round(float(np.linalg.norm(tracking.offsets, axis=1).mean() * 1e3), 3),
        "bridged": ranges(np.flatnonzero(~capture.valid)),
        "shoulders_lost": ranges(lost),
        "cuts": list(cuts),
        "frames_per_second": {
            "poses": round(T / (posed - start - flow_seconds), 1),
            "flow": round(T / flow_seconds, 1),
            "shoulders": round(T / (done - posed), 1),
        },
    }
    _write(folder, motion, tracking.camera, head, report)
    found = TrackedCapture(motion, tracking.camera, report)
    if overlay:
        write_tracked_overlay(capture, found, head, lambda index: progress(3 * T + index, 4 * T))
    return found


def write_tracked_overlay(capture: Capture, tracked: TrackedCapture, head: HeadModel, tell: Callable[[int], None] = lambda done: None) -> None:
    """Write `overlay.mp4` into a tracked capture's folder; `tell` is told how many frames are done."""
    pictures = _counted((image for image, _ in iterate(capture)), tell)
    write_overlay(pictures, tracked.motion, tracked.camera, head, Path(capture.path) / "overlay.mp4", capture.landmarks)


def load_tracking(folder: Path | str, head: HeadModel | None = None) -> TrackedCapture | None:
    """What `track_capture` wrote, or None where it has not run (to the end).

    Raises:
        UserError: unreadable, or tracked with another head than `head`.
    """
    folder = Path(folder)
    paths = [folder / name for name in ("tracking.json", "camera.json", "motion.npz")]
    if not all(path.is_file() for path in paths):
        return None
    try:
        report = json.loads(paths[0].read_text(encoding="utf-8"))
        camera = Camera.from_json(json.loads(paths[1].read_text(encoding="utf-8")))
        fingerprint, learned_before = report["head"]["fingerprint"], int(report["learned_before"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: its tracking files are damaged ({error}); track it again with `avatar3d track`") from error
    motion = load_motion(paths[2])
    if head is not None:
        check_head(fingerprint, head, paths[0])
    return TrackedCapture(motion, camera, report | {"learned_before": learned_before})


def with_torso(
    capture: Capture, motion: Motion, camera: Camera, head: HeadModel, shared: np.ndarray, tell: Callable[[int], None] = lambda done: None
) -> tuple[Motion, np.ndarray]:
    """The same motion with the shoulders on their own, and the frames in which they could not be followed.

    Args:
        capture: frames and mattes.
        motion: of its heads; the necks are straight.
        camera: of the capture.
        head: the rig.
        shared: [T] bool, the frames from which may be learned how the shoulders rest.
        tell: told how many frames are done.
    """
    joints = head.joints(torch.from_numpy(motion.shape)).double().numpy()
    head_R, head_t, _, _ = decompose(motion.rotation, motion.translation, motion.neck_pose, motion.neck_translation, joints)
    learn = capture.valid & shared
    faces, torso = head.faces.numpy(), np.append((head.skin_weights[:, ROOT].numpy() > 0.5)[head.faces.numpy()].all(1), False)

    def depth_of(frame: int) -> np.ndarray:
        seen = rasterize_mesh(to_camera(pose_frames(head, motion, slice(frame, frame + 1))[0], camera).astype(np.float32), faces, camera)
        return bust_depth(torso[seen.face], seen.depth, camera.width)

    bust = follow_bust(
        lambda index: (capture.grey(index), capture.matte(index)),
        depth_of,
        capture.landmarks,
        capture.valid,
        learn,
        camera,
        float(capture.fps),
        tuple(capture.cuts),
        tell,
    )
    torso_R, torso_t = torso_motion(bust, camera, head_R, head_t, learn)
    rotation, translation, neck_pose, neck_translation = compose(head_R, head_t, torso_R, torso_t, joints)
    split = replace(motion, rotation=rotation, translation=translation, neck_pose=neck_pose, neck_translation=neck_translation)
    return split, np.flatnonzero(~bust.valid)


def _write(folder: Path, motion: Motion, camera: Camera, head: HeadModel, report: dict) -> None:
    # tracking.json last: whoever finds it finds the others complete.
    (folder / "tracking.json").unlink(missing_ok=True)
    save_motion(motion, folder / "motion.npz")
    write_vhap(folder, motion, camera, head.num_vertices)
    for name, record in (("camera.json", camera.to_json()), ("tracking.json", report)):
        with atomic_path(folder / name) as path:
            path.write_text(json.dumps(record, indent=1), encoding="utf-8")


def _counted(items, tell):
    for index, item in enumerate(items):
        yield item
        tell(index + 1)
