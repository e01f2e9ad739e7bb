"""What a person who is being filmed should do next: what an avatar needs to have seen, ticked off as it is seen."""

from dataclasses import dataclass, replace

import numpy as np

from recon.face_coverage import find_blinks, mouth_shapes
from recon.face_regions import eye_aperture
from recon.lag import mouth_opening

TURN, NOD, GLANCE = 20.0, 8.0, 8.0
"""Degrees by which the head must turn and nod, and the eyes in it, to either side."""
HELD = 0.2
"""Seconds for which something must be seen, about the length of one sound."""
PATIENCE = 6.0
"""Seconds for which one thing is asked for; who talks on may do it later."""
MIDDLE = 3.0
"""Seconds of the face from which on its middle is known: before, who happens to look aside at first would be taken to look straight ahead."""
BLINKS = 2
TALK = 20.0
"""Seconds of the face: most sounds of a language come in as many."""

ADVICE = {
    "lips closed": "close your lips and look into the camera",
    "head left": "turn your head slowly to your left",
    "head right": "turn your head slowly to your right",
    "chin up": "raise your chin",
    "chin down": "lower your chin",
    "mouth open": "open your mouth wide, say “aah”",
    "“ooh”": "say “ooh”",
    "“eee”": "smile and say “eee”",
    "blink": "blink twice",
    "eyes left": "look to your left with the eyes alone",
    "eyes right": "look to your right with the eyes alone",
    "talk": "talk on, about anything",
}
"""What to say to somebody whose avatar lacks it, by the name of the goal."""
SHAPES = {"lips closed": "closed", "mouth open": "open", "“ooh”": "round", "“eee”": "wide"}
"""Goals that are shapes of the mouth, as `recon.face_coverage` calls them."""
_BY_MIDDLE = ("chin up", "chin down", "eyes left", "eyes right", "“ooh”", "“eee”")
"""Goals that are measured against the person's own middle."""


@dataclass(frozen=True)
class Goal:
    """One thing to be seen."""

    name: str
    advice: str
    """What the person should do."""
    progress: float
    """0..1; 1 where it was seen."""

    @property
    def done(self) -> bool:
        """Whether it was seen."""
        return self.progress >= 1.0


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen of a person so far, T frames with a face."""

    landmarks: np.ndarray
    """[T, 478, 3]."""
    yaw: np.ndarray
    """[T] degrees of the head from the camera, positive to the subject's left."""
    pitch: np.ndarray
    """[T] degrees, positive upwards."""
    gaze: np.ndarray
    """[T] degrees by which the eyes are turned in the head, positive to the subject's left."""
    fps: float
    """Frames that were looked at a second."""


def goals(seen: Seen) -> tuple[Goal, ...]:
    """All goals in the order in which they are asked for."""
    fps, T = seen.fps, len(seen.yaw)
    if T == 0:
        return tuple(Goal(name, advice, 0.0) for name, advice in ADVICE.items())
    pitch, gaze = seen.pitch - np.median(seen.pitch), seen.gaze - np.median(seen.gaze)
    found = {
        "head left": (seen.yaw > TURN).sum() / fps / HELD,
        "head right": (seen.yaw < -TURN).sum() / fps / HELD,
        "chin up": (pitch > NOD).sum() / fps / HELD,
        "chin down": (pitch < -NOD).sum() / fps / HELD,
        "eyes left": (gaze > GLANCE).sum() / fps / HELD,
        "eyes right": (gaze < -GLANCE).sum() / fps / HELD,
        "blink": len(find_blinks(eye_aperture(seen.landmarks).mean(axis=1), fps)) / BLINKS,
        "talk": T / fps / TALK,
    }
    shapes = mouth_shapes(seen.landmarks, mouth_opening(seen.landmarks), seen.yaw, fps, np.zeros(0), 1.0)
    found |= {name: shapes[shape] / HELD for name, shape in SHAPES.items()}
    if T / fps < MIDDLE:
        found |= dict.fromkeys(_BY_MIDDLE, 0.0)
    return tuple(Goal(name, advice, min(float(found[name]), 1.0)) for name, advice in ADVICE.items())


def kept(before: tuple[Goal, ...], now: tuple[Goal, ...]) -> tuple[Goal, ...]:
    """The goals as they are now, but for what was seen before, which stays seen: the rate of looking and the person's middle become other ones
    with every frame, and what was done must not be asked for again."""
    return tuple(replace(new, progress=1.0) if old.done else new for old, new in zip(before, now, strict=True))


def next_advice(wanted: tuple[Goal, ...]) -> str:
    """What is lacking first."""
    return next((goal.advice for goal in wanted if not goal.done), "everything was seen; talk on, or stop")


class Coach:
    """Asks for one thing at a time: until it was seen, or for PATIENCE seconds, and then for the next that is lacking, in turn."""

    def __init__(self) -> None:
        self._asked, self._since = -1, 0.0

    def ask(self, wanted: tuple[Goal, ...], now: float) -> str:
        """What to say.

        Args:
            wanted: all goals, in the same order each time.
            now: seconds on any clock.
        """
        lacking = [index for index, goal in enumerate(wanted) if not goal.done]
        if self._asked not in lacking or now - self._since >= PATIENCE:
            later = [index for index in lacking if index > self._asked]
            self._asked, self._since = (later or lacking or [-1])[0], now
        return next_advice(wanted) if self._asked < 0 else wanted[self._asked].advice
