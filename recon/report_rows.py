"""The rows of a report card: measures turned into a grade and one line of advice. Every threshold says where it comes from."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from recon.face_coverage import SHAPES, reach
from recon.frame_meter import FrameMeasures
from recon.landmarks import CHIN, FOREHEAD
from recon.sound_meter import SoundMeasures

GOOD, FAIR, AGAIN = "good", "fair", "film again"
GRADES = (GOOD, FAIR, AGAIN)
BLURRED = 0.6
"""A frame with less than this part of the capture's usual sharpness is blurred by motion: its neighbours show what the lens can do."""


@dataclass(frozen=True)
class Row:
    """One line of the card."""

    name: str
    grade: str
    """One of `GRADES`."""
    value: str
    """What was found, for people."""
    advice: str = ""
    """What to do about it; empty where there is nothing to do."""
    measures: dict = field(default_factory=dict)
    """What was found, for programs."""

    def __str__(self) -> str:
        return f"{self.grade:>10}  {self.name}: {self.value}" + (f"; {self.advice}" if self.advice else "")


def length(seconds: float) -> Row:
    """Half a minute of talk holds every sound of a language and several blinks; ten seconds hold most sounds once."""
    grade = _at_least(seconds, 30, 10)
    return Row("length", grade, f"{seconds:.0f} s", _unless_good(grade, "film 30 seconds or more"), {"seconds": round(seconds, 2)})


def face_seen(valid: np.ndarray) -> Row:
    """Frames without a face are bridged: a hundredth of them is a sneeze, a twentieth is somebody who walks about."""
    missing = float((~valid).mean())
    grade = _at_most(missing, 0.01, 0.05)
    return Row(
        "face in view",
        grade,
        f"in {100 * (1 - missing):.0f} % of the frames",
        _unless_good(grade, "keep your face in the picture"),
        {"missing": round(missing, 4)},
    )


def face_size(landmarks: np.ndarray, scales: np.ndarray) -> Row:
    """A 512 crop gives the face 198 pixels from forehead to chin: with that many in the source nothing is enlarged. Below 110,
    where the mouth is 40 wide, teeth and lids are a few pixels each.

    Args:
        landmarks: [N, 478, 3] in crop pixels.
        scales: [N] crop pixels per source pixel.
    """
    height = np.linalg.norm(landmarks[:, FOREHEAD, :2] - landmarks[:, CHIN, :2], axis=1) / scales
    pixels = float(np.median(height)) if len(height) else 0.0
    grade = _at_least(pixels, 190, 110)
    advice = _unless_good(grade, "come closer to the camera or film at a higher resolution")
    return Row("face size", grade, f"{pixels:.0f} pixels from forehead to chin", advice, {"pixels": round(pixels, 1)})


def framing(frames: FrameMeasures) -> Row:
    """Hair that leaves the picture upwards is missing in the avatar."""
    touching = float(np.mean(np.nan_to_num(frames.cut_off) > 0.02)) if len(frames) else 0.0
    grade = _at_most(touching, 0.05, 0.5)
    value = "hair inside the picture" if touching == 0 else f"hair leaves the picture in {100 * touching:.0f} % of the frames"
    return Row("framing", grade, value, _unless_good(grade, "leave some room above your hair"), {"cut_off": round(touching, 4)})


def sharpness(frames: FrameMeasures) -> Row:
    """Sharp video measures 0.6 to 0.8; a blur of one pixel of the crop leaves about 0.45, of two about 0.3 (`frame_meter.sharpness`).
    One frame in seven blurred is ordinary motion."""
    value = _median(frames.sharpness)
    blurred = float((frames.sharpness < BLURRED * value).mean()) if len(frames) else 0.0
    grade = _at_least(value, 0.5, 0.33)
    advice = _unless_good(grade, "clean the lens, focus on the eyes, and film with less compression")
    if grade == GOOD and blurred > 0.15:
        grade, advice = FAIR, "move more slowly, or film in brighter light, which shortens the exposure"
    words = f"{value:.2f} (sharp: 0.6)" + (f", {100 * blurred:.0f} % of the frames blurred by motion" if blurred > 0.02 else "")
    return Row("sharpness", grade, words, advice, {"sharpness": _number(value), "blurred": round(blurred, 4)})


def exposure(frames: FrameMeasures) -> Row:
    """Judged by the highlights of the face, since those are bright on dark skin too: below 70 of 255 few levels are left for
    shadows, 105 is a sixth of full light. Clipped skin has lost its colour. Halves of the face that differ by 0.6 (1.5 times
    the value, 2.5 times the light) put the shadow of the nose into the avatar for good. Highlights that wander by 8 % are an
    automatic exposure at work, or a head that turns into and out of the light. Grain of 6 hides the pores, of 12 the wrinkles."""
    light, highlight, burnt, grain, side = (_median(x) for x in (frames.light, frames.highlight, frames.burnt, frames.grain, frames.side))
    seen = frames.highlight[np.isfinite(frames.highlight)]
    wander = float(np.ptp(np.percentile(seen, (10, 90)))) / 2 / max(highlight, 1.0) if len(seen) else float("nan")
    complaints = [
        (_at_least(highlight, 105, 70), "brighter light from the front"),
        (_at_most(burnt, 0.03, 0.1), "less light on the face or a shorter exposure"),
        (_at_most(grain, 6.0, 12.0), "more light, the picture is grainy"),
        (_at_most(abs(side), 0.6, 1.2), f"light from the {'right' if side > 0 else 'left'} of the picture as well"),
        (_at_most(wander, 0.08, 0.25), "lock the exposure of the camera"),
    ]
    advice = ", ".join(words for grade, words in complaints if grade != GOOD)
    value = f"face {light:.0f}, highlights {highlight:.0f} of 255" + (f", {100 * burnt:.1f} % clipped" if burnt >= 0.001 else "")
    measures = {"light": light, "highlight": highlight, "burnt": burnt, "grain": grain, "side": side, "wander": wander}
    return Row("exposure", _worst(grade for grade, _ in complaints), value, advice, {name: _number(v) for name, v in measures.items()})


def turns(yaw: np.ndarray) -> Row:
    """What was never seen can only be guessed: a head turned by 25 degrees shows the cheek up to the ear, by 12 the side of the nose."""
    left, right = reach(yaw)
    sides = [name for name, angle in (("left", left), ("right", right)) if angle < 25]
    advice = f"turn your head slowly to the {' and the '.join(sides)}{' as well' if len(sides) == 1 else ''}, 30 degrees or more" if sides else ""
    measures = {"left": round(left, 1), "right": round(right, 1)}
    return Row("head turns", _at_least(min(left, right), 25, 12), f"{left:.0f} degrees left, {right:.0f} right", advice, measures)


def nods(pitch: np.ndarray) -> Row:
    """From the usual pose: ten degrees show the chin from below and the crown from above; people who talk nod by about five."""
    up, down = reach(pitch)
    sides = [name for name, angle in (("up", up), ("down", down)) if angle < 10]
    advice = f"move your head {' and '.join(sides)}{' as well' if len(sides) == 1 else ''}, 10 degrees or more" if sides else ""
    measures = {"up": round(up, 1), "down": round(down, 1)}
    return Row("head nods", _at_least(min(up, down), 10, 3), f"{up:.0f} degrees up, {down:.0f} down", advice, measures)


def mouth(seconds: dict[str, float]) -> Row:
    """A shape counts as seen after 0.2 s, about the length of one sound: fewer frames than that are a passing blur.

    Args:
        seconds: of each of `face_coverage.SHAPES`.
    """
    missing = [name for name in SHAPES if seconds[name] < 0.2]
    how = {
        "open": "open your mouth wide",
        "wide": 'smile and say "cheese"',
        "round": 'say "who knew"',
        "closed": "close your lips",
        "teeth": "show your teeth",
    }
    value = "seen " + ", ".join(f"{name} {seconds[name]:.1f} s" for name in SHAPES)
    return Row("mouth shapes", _at_most(len(missing), 0, 2), value, ", ".join(how[name] for name in missing), {"seconds": seconds})


def blinks(count: int, seconds: float) -> Row:
    """People blink 10 to 20 times a minute. Three blinks show closed lids in some ten frames; without one the avatar must guess them."""
    grade = _at_least(count, 3, 1)
    rate = 60 * count / max(seconds, 1e-6)
    advice = _unless_good(grade, "blink now and then, and close your eyes once for a second")
    return Row("blinks", grade, f"{count}, {rate:.0f} a minute", advice, {"count": count, "per_minute": round(rate, 2)})


def occlusions(hidden: np.ndarray) -> Row:
    """Frames with something before the face are left out where it is, which costs nothing while they are few: a fiftieth is
    one gesture in half a minute, a tenth is a habit that leaves holes."""
    share = float(hidden.mean()) if len(hidden) else 0.0
    grade = _at_most(share, 0.02, 0.1)
    value = "nothing in front of the face" if share == 0 else f"something in front of the face in {100 * share:.0f} % of the frames"
    return Row("occlusions", grade, value, _unless_good(grade, "keep hands and things away from your face"), {"share": round(share, 4)})


def outline(frames: FrameMeasures) -> Row:
    """The matte is as good as the contrast behind the hair and as steady as its edge. A quarter of the outline without contrast
    is a dark shelf behind dark hair; half of it is hair before a curtain of its colour. An edge that moves by 1.5 pixels of a
    512 crop from frame to frame, after the head's own motion, blurs the hair by as much; by 3 it is seen to boil."""
    plain, flutter = _median(frames.camouflage), _median(frames.flutter)
    complaints = [
        (_at_most(plain, 0.25, 0.5), "a background of another colour than your hair and skin"),
        (_at_most(flutter, 1.5, 3.0), "a plain, still background and even light on it"),
    ]
    advice = ", ".join(words for grade, words in complaints if grade != GOOD)
    value = f"{100 * plain:.0f} % of the head's outline without contrast, edge steady to {flutter:.1f} pixels"
    return Row("matte", _worst(grade for grade, _ in complaints), value, advice, {"camouflage": _number(plain), "flutter": _number(flutter)})


def camera_shake(frames: FrameMeasures, cuts: np.ndarray) -> Row:
    """One camera is assumed to stand still: what it moves by is taken for motion of the person, and the background kept from the
    clip no longer fits. Two pixels of a 512 crop are the error of the landmarks; eight are a hand-held telephone."""
    known = np.isfinite(frames.shift).all(axis=1)
    if known.sum() < 0.2 * len(frames) or not known.any():
        return Row("camera", GOOD, "the background is too plain to tell", "", {"shake": None})
    # Corners are found to a tenth of a pixel: smaller steps are noise, which must not add up.
    steps = np.where(known[:, None] & (np.linalg.norm(np.nan_to_num(frames.shift), axis=1) > 0.1)[:, None], np.nan_to_num(frames.shift), 0.0)
    shots = np.searchsorted(np.sort(cuts), frames.index, side="right")
    spreads = []
    for shot in np.unique(shots):
        path = np.cumsum(steps[shots == shot], axis=0)
        spreads.append((len(path), float(np.linalg.norm(np.percentile(path, 95, axis=0) - np.percentile(path, 5, axis=0)))))
    shake = float(np.average([spread for _, spread in spreads], weights=[count for count, _ in spreads]))
    grade = _at_most(shake, 2.0, 8.0)
    advice = _unless_good(grade, "put the camera on a tripod or a shelf, and do not move or zoom it")
    return Row("camera", grade, f"moves by {shake:.1f} pixels of the crop", advice, {"shake": round(shake, 3)})


def sound(found: SoundMeasures | None, lag: float | None) -> Row:
    """Speech of people near a microphone lies at -30 to -12 dB; below -45 dB sixteen bits leave under nine of them. Clipping is
    heard when one frame of speech in a hundred has it. The driver hears words through noise 20 dB below them as well as without,
    and loses consonants at 10. A lag of up to a tenth of a second is found and undone.

    Args:
        found: None for a capture without sound.
        lag: seconds by which the sound comes after the lips, where known.
    """
    if found is None:
        return Row("sound", FAIR, "none", "film with sound if the avatar is to learn your way of speaking", {"level": None})
    measures = {"level": round(found.level, 1), "noise": round(found.noise, 1), "clipped": round(found.clipped, 4), "lag": lag}
    if found.level <= -60:
        return Row("sound", AGAIN, "silence", "check the microphone", measures)
    complaints = [
        (_at_least(found.level, -35, -45), "speak up or come closer to the microphone"),
        (_at_most(found.clipped, 0.01, 0.1), "lower the microphone's level, it clips"),
        (_at_least(found.level - found.noise, 20, 10), "find a quieter room"),
        (_at_most(abs(lag or 0.0), 0.12, 0.3), "use a camera that records sound and picture together"),
    ]
    advice = ", ".join(words for grade, words in complaints if grade != GOOD)
    value = f"speech at {found.level:.0f} dB, noise {found.level - found.noise:.0f} dB below" + (
        f", clipped in {100 * found.clipped:.1f} % of it" if found.clipped >= 0.001 else ""
    )
    return Row("sound", _worst(grade for grade, _ in complaints), value, advice, measures)


def _at_least(value: float, good: float, fair: float) -> str:
    """The grade of a measure that should be high; one that could not be taken is only fair."""
    if not np.isfinite(value):
        return FAIR
    return GOOD if value >= good else FAIR if value >= fair else AGAIN


def _at_most(value: float, good: float, fair: float) -> str:
    return _at_least(-value, -good, -fair)


def _unless_good(grade: str, advice: str) -> str:
    return "" if grade == GOOD else advice


def _worst(grades: Iterable[str]) -> str:
    return max(grades, key=GRADES.index)


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return round(value, 4) if np.isfinite(value) else None
