"""A person's own driver beside the default one and the baselines, on the end of the capture that none of them has seen."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from avatar3d.head.model import HeadModel
from avatar3d.motion import Motion
from avatar3d.statistics import MotionStatistics, admit, motion_statistics
from driver.baselines import BASELINES
from driver.captures import capture_takes, tracked
from driver.channels import pack, unpack
from driver.comparison import Driver, Table, sampled
from driver.features import FPS, features
from driver.figures import Judged, observe, ruler_of, summary
from driver.lips import lips_of
from driver.model import DriverNet

OWN, DEFAULT = "own driver", "default driver"
_SHOWN = ("lve_mm", "lve_m2", "mod_mm", "mtm_s", "jaw_r", "mouth_spread", "mouth_velocity", "mhd_mm")


def compare_held_out(folder: Path, head: HeadModel, prior: DriverNet, own: DriverNet, holdout: float, steps: int = 4) -> Table:
    """Figures of the mouth by driver; the truth is the tracked motion, with the tracker's own errors in it.

    The default driver's motion is brought to the person's face and range as `speak` does it (`admit`); the baselines are
    fitted to the person's frames before the end that is held out.

    Args:
        folder: the capture.
        head: it was tracked with.
        prior: the default driver.
        own: adapted to the frames before the end.
        holdout: share of the capture, at its end, that is measured.
        steps: of the sampler.

    Raises:
        UserError: the end shows no 3.2 s of a speaking face without a break.
    """
    learned, held = capture_takes(folder, head, part=(0.0, 1 - holdout)), capture_takes(folder, head, part=(1 - holdout, 1.0))
    clips = [Judged(f"stretch {number + 1}", t.sound, t.frames, t.viseme, t.closed, True) for number, t in enumerate(held)]
    motion, _ = tracked(folder, head)
    statistics = motion_statistics(motion.frames(np.arange(round(len(motion) * (1 - holdout)))), head)
    lips = lips_of(head)
    default = sampled(prior, lips, steps)
    drivers: dict[str, Driver] = {OWN: sampled(own, lips, steps), DEFAULT: lambda sound: admitted(default(sound), statistics, head)}
    for name, fit in BASELINES.items():
        drivers[name] = _heard(fit([take.features for take in learned], [take.frames for take in learned]))
    ruler = ruler_of(head, lips, own.std.numpy())
    table = {name: summary([observe(clip, drive(clip.sound), ruler) for clip in clips]) for name, drive in drivers.items()}
    return {name: {figure: row[figure] for figure in _SHOWN} for name, row in table.items()}


def admitted(frames: np.ndarray, statistics: MotionStatistics, head: HeadModel) -> np.ndarray:
    """Frames [T, NUM_CHANNELS] of the default driver as the avatar of a person would perform them."""
    shape = np.zeros(head.num_shape, np.float32)
    made = unpack(frames, head.jaw_open_angle)
    motion = Motion(fps=Fraction(FPS), shape=shape, head_fingerprint=head.fingerprint, **made)  # pyright: ignore[reportArgumentType]
    performed = admit(motion, statistics, head)
    names = ("expr", "jaw_pose", "neck_pose", "eyes_pose", "rotation", "translation")
    return pack({name: getattr(performed, name) for name in names}, head.jaw_open_angle)


def _heard(baseline: Callable[[np.ndarray], np.ndarray]) -> Driver:
    return lambda sound: baseline(features(sound)).astype(np.float32)
