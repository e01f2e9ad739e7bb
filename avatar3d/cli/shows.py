"""What `stream` sends out of a motion, whether it is known beforehand or not."""

from fractions import Fraction
from typing import TYPE_CHECKING

from avatar3d.cli.common import note
from avatar3d.cli.ways import Show, Way

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion


def known_show(person: "Avatar", motion: "Motion", name: str, background: str, way: Way) -> "tuple[Show, np.ndarray | None]":
    """What goes out of a motion, and its sound."""
    from avatar3d.motion import resampled
    from viewer.bridge.sender import face_track
    from viewer.export.web import page_parts
    from viewer.stream.playback import track_of

    motion = resampled(motion, way.rate(motion.fps))
    if not way.page:
        _tell_fit(person)
        return Show(person, face_track(motion, person.head), motion.fps, 0, name), None
    if person.head.redistributable:
        parts, track = page_parts(person, None), track_of(motion, person.head)
    else:
        parts = page_parts(person, motion)
        track = {name: parts["motion"].values(name) for name in parts["motion"].arrays}
    sound, rate = _sound(motion)
    return Show(person, track, motion.fps, rate, name, parts, background), sound


def live_show(person: "Avatar", avatar: str, fps: Fraction, rate: int, name: str, background: str, way: Way, remedy: str) -> Show:
    """What goes out of a motion that is not known yet.

    Args:
        person: who performs.
        avatar: how the error names them.
        fps: frames a second as they come.
        rate: of the sound, Hz.
        name: of the subject.
        background: of a page.
        way: where to.
        remedy: what to do where the head may not be given away.

    Raises:
        UserError: a page cannot have the head.
    """
    from avatar3d.errors import UserError
    from avatar3d.motion import rest_motion
    from viewer.bridge.sender import face_track
    from viewer.export.web import page_parts
    from viewer.stream.playback import track_of

    if not way.page:
        _tell_fit(person)
        still = rest_motion(person.head, 1)
        # A jaw that goes sideways needs a map between heads. It takes longer to make than there is time for a frame, so it is made now.
        still.jaw_pose[:, 1] = 0.1
        return Show(person, face_track(still, person.head), fps, rate, name, live=True)
    if not person.head.redistributable:
        raise UserError(
            f"{avatar}: is on head {person.head.name}, which may not be given away, and then only a motion that is known beforehand can be sent; "
            f"{remedy}"
        )
    return Show(person, track_of(rest_motion(person.head, 1), person.head), fps, rate, name, page_parts(person, None), background, live=True)


def _tell_fit(person: "Avatar") -> None:
    """How well ARKit's shapes fit a head that is not made of them."""
    from avatar3d.arkit import EXPR_NAMES
    from avatar3d.head.retarget import fit_retarget
    from avatar3d.head.store import load_head

    if person.head.expr_names == EXPR_NAMES:
        return
    fitted = fit_retarget(load_head(), person.head)
    worst = ", ".join(f"{fitted.channels[index]} {1e3 * fitted.residual[index]:.2f} mm" for index in fitted.residual.argsort()[:-4:-1])
    note(f"ARKit's values are fitted to head {person.head.name}; furthest off: {worst} (all: avatar3d head arkit --to HEAD)")


def _sound(motion: "Motion") -> "tuple[np.ndarray | None, int]":
    """A motion's sound at the rate at which it is sent."""
    import numpy as np
    from scipy.signal import resample_poly

    if motion.sound is None or not len(motion.sound):
        return None, 0
    rate = 16_000 if motion.sound_rate <= 16_000 else 24_000
    ratio = Fraction(rate, motion.sound_rate)
    return np.asarray(resample_poly(motion.sound, ratio.numerator, ratio.denominator), np.float32), rate
