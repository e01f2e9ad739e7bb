"""Motion while the sound comes in: push sound in pieces of any size, get the frames that it completes.

Live, the face is planned a hop ahead, and the mouth of every frame is settled by a window of its own as soon as enough of
what follows is heard. A file is driven by the same code with long windows (`driver.sample`), each made at once. Sound is
heard in pieces of a fixed size, however it arrives, so that its cutting changes nothing, not even the last bit.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from driver.channels import NUM_CHANNELS, REGIONS
from driver.conditions import conditions
from driver.features import LOOKAHEAD, SAMPLES, FeatureStream, fractions, num_frames, silence
from driver.lips import Lips
from driver.model import PAST, DriverNet
from driver.window import sample_window

HOP = 3
"""Frames between two plans of a live face: 120 ms."""
AHEAD = 2
"""Frames after its own that a live mouth hears, besides the look-ahead: a mouth opens 0.1 s before it is heard."""
PLANNED = 16
"""Frames that a live window plans ahead of the sound."""
PREFIX = 16
"""Frames that a window takes over from the one before."""
_MOUTH_NOISE = 0.5
"""Of the noise's spread, what the mouth has: what is said leaves it little choice, and a mouth that takes none is nearest to the truth."""
_NOISE_BLOCK = 64
_SHORT_HOP = 8
"""Frames of a hop up to which sound is heard and frames are made one by one."""
GLIMPSE = 6
"""Frames of what is planned that the window of a single mouth goes on to."""
_REST = np.setdiff1d(np.arange(NUM_CHANNELS), REGIONS["mouth"])

Asking = Callable[[int, int], Tensor]
"""First and last + 1 frame -> rows [n, NUM_CONDITIONS] of what is asked for there."""
Pinning = Callable[[int, int], tuple[Tensor, Tensor]]
"""First and last + 1 frame -> motion [n, NUM_CHANNELS] and where it is given, bool of that shape."""
Finishing = Callable[[np.ndarray, int, np.ndarray], np.ndarray]
"""Frames [n, NUM_CHANNELS], number of the first, and features [m, NUM_FEATURES] of all that is heard from it on -> the frames to give out."""


def nothing_asked(first: int, last: int) -> Tensor:
    """Rows of empty slots."""
    return conditions(last - first)


def nothing_pinned(first: int, last: int) -> tuple[Tensor, Tensor]:
    """No frame is given."""
    return torch.zeros(last - first, NUM_CHANNELS), torch.zeros(last - first, NUM_CHANNELS, dtype=torch.bool)


def as_made(frames: np.ndarray, first: int, heard: np.ndarray) -> np.ndarray:
    """Nothing is done to the frames."""
    return frames


class Stream:
    """The running state of a performance. Memory does not grow with its length."""

    def __init__(
        self,
        net: DriverNet,
        lips: Lips,
        *,
        seed: int = 0,
        steps: int = 4,
        hop: int = HOP,
        beyond: int = AHEAD,
        planned: int = PLANNED,
        asking: Asking = nothing_asked,
        pinning: Pinning = nothing_pinned,
        finishing: Finishing = as_made,
        guidance: float = 1.0,
        codes: np.ndarray | None = None,
    ) -> None:
        """Begin before the first sample.

        Args:
            net: the network.
            lips: of the head.
            seed: another seed, other blinks, gaze and head.
            steps: of the flow; may be changed between two pushes.
            hop: frames of one plan: up to 8, their mouths are made one by one; else all at once.
            beyond: frames after its own that a window hears and makes; those of a long hop are blended with what the next one makes there.
            planned: frames that it makes after those, whose sound is not heard yet, so that what is slow has somewhere to go.
            asking: what is asked for, by frame.
            pinning: what is given already, by frame.
            finishing: what is done to the frames at last, see `driver.finish`.
            guidance: see `sample_window`.
            codes: [frames, codes] of a network's encoder for the whole sound, where it hears by one.

        Raises:
            ValueError: the network hears by an encoder, and its codes are not given; a number of frames is none; or a short hop is longer than
                what a window makes.
        """
        for name, value in (("hop", hop), ("beyond", beyond), ("planned", planned), ("steps", steps), ("seed", seed)):
            if not isinstance(value, int | np.integer) or value < 0:
                raise ValueError(f"{name} is {value!r}, expected a whole number")
        single = hop <= _SHORT_HOP
        if hop < 1 or (single and hop > 1 + beyond + planned):
            raise ValueError(f"hop is {hop}, expected 1 to {1 + beyond + planned}, which is what a window makes, or more than {_SHORT_HOP}")
        if (codes is None) != (net.config.codes == 0):
            raise ValueError(f"this network hears by {net.config.encoder}, which needs the whole sound at once")
        self.steps = steps
        self._net, self._lips, self._seed, self._guidance = net, lips, seed, guidance
        self._hop, self._beyond_frames, self._planned = hop, beyond, planned
        self._asking, self._pinning, self._finishing, self._codes = asking, pinning, finishing, codes
        self._single, self._unit = single, 1 if single else hop
        self._piece = SAMPLES * self._unit
        self._features = FeatureStream()
        self._pending = np.zeros(0, np.float32)
        self._samples, self._finished = 0, False
        self._heard, self._first = silence(PAST), -PAST
        self._start = 0
        self._before, self._beyond, self._plan = (np.zeros((0, NUM_CHANNELS), np.float32) for _ in range(3))

    @property
    def frames(self) -> int:
        """Frames given out so far."""
        return self._start

    @property
    def waiting(self) -> int:
        """Units, which are frames or long hops, whose sound is here already."""
        whole = self._first + len(self._heard) + len(self._pending) // self._piece * self._unit
        return max(0, (whole - self._start - self._beyond_frames - LOOKAHEAD) // self._unit)

    @property
    def reach(self) -> int:
        """Frames of sound, from its own on, that a unit is made of."""
        return self._unit + self._beyond_frames + LOOKAHEAD

    @property
    def plans(self) -> bool:
        """Whether the next unit takes all steps: of a short hop's frames only the first one does."""
        return not len(self._plan)

    def push(self, sound: np.ndarray) -> np.ndarray:
        """Frames [n, NUM_CHANNELS] that this piece of 16 kHz sound completes; see `hear`."""
        self.hear(sound)
        return _joined(self.make() for _ in range(self.waiting))

    def hear(self, sound: np.ndarray) -> None:
        """Take a piece of 16 kHz sound [samples] in, -1..1 or whole numbers such as int16, and make nothing yet.

        Raises:
            ValueError: the stream has been finished, or the sound is not one row of numbers.
        """
        sound = fractions(sound)
        if self._finished or sound.ndim != 1 or not np.isfinite(sound).all():
            raise ValueError("the stream is finished; begin another one" if self._finished else "sound is [samples] of finite numbers")
        self._samples += len(sound)
        self._pending = np.concatenate([self._pending, sound])

    def make(self, units: int = 1) -> np.ndarray:
        """The frames [n, NUM_CHANNELS] of the next unit, or of several as one window, which is quicker and another motion; their sound must
        be here (`waiting`)."""
        whole = len(self._pending) // self._piece * self._piece
        needed = self._start + units * self._unit + self._beyond_frames + LOOKAHEAD
        used = 0
        while used < whole and self._first + len(self._heard) < needed:
            self._take(self._features.push(self._pending[used : used + self._piece]))
            used += self._piece
        self._pending = self._pending[used:]
        if units > 1:
            self._plan = self._plan[:0]
        return self._window(units * self._unit)

    def finish(self) -> np.ndarray:
        """The frames [n, NUM_CHANNELS] that are left once the sound has ended, as if silence followed."""
        self._finished = True
        total = num_frames(self._samples)
        made = [self.make() for _ in range(self.waiting)]
        rest = np.concatenate([self._pending, np.zeros(-len(self._pending) % SAMPLES, np.float32)])
        if not self._samples:
            rest = np.zeros(SAMPLES, np.float32)
        self._take(self._features.push(rest))
        self._pending = self._pending[:0]
        while self._start < total:
            needed = self._start + self._unit + self._beyond_frames + LOOKAHEAD
            self._take(silence(max(0, needed - self._first - len(self._heard))))
            made.append(self._window(self._unit))
        frames = _joined(made)
        return frames[: len(frames) - (self._start - total)]

    def _take(self, heard: np.ndarray) -> None:
        self._heard = np.concatenate([self._heard, heard])

    def _window(self, count: int) -> np.ndarray:
        """One window: its new frames [count, NUM_CHANNELS]."""
        start, taken = self._start, len(self._before)
        first, heard = start - taken, start + count + self._beyond_frames
        last = heard + (self._planned if self.plans else min(self._planned, GLIMPSE))
        self._heard, self._first = self._heard[first - PAST - self._first :], first - PAST
        given, known = self._pinning(first, last)
        given, known = given.clone(), known.clone()
        # A short hop's mouth is settled by the sound alone: what was made of less sound would lead it astray.
        taken_over = _REST if self._single else np.arange(NUM_CHANNELS)
        _give(given, known, 0, self._before, taken_over)
        _give(given, known, taken, self._plan, _REST)
        if bool(known[taken : taken + count + (0 if self._single else self._beyond_frames)].all()):
            made = given.numpy()
        else:
            features = torch.from_numpy(self._hearing(first - PAST, heard + LOOKAHEAD, last + LOOKAHEAD))
            noise = torch.from_numpy(frame_noise(self._seed, first, last))
            asked = self._asking(first, last)
            steps = self.steps if self.plans else 1
            made = sample_window(
                self._net, self._lips, features, noise, given, known, steps, asked, self._guidance, heard - first if self._planned else None
            )
        if self._single:
            self._plan = self._plan[1:] if len(self._plan) else made[taken + count : taken + max(count, self._hop)]
        else:
            self._blend(made, known, taken)
            self._beyond = made[taken + count : taken + count + self._beyond_frames]
        new = made[taken : taken + count]
        self._before = np.concatenate([self._before, new])[-PREFIX:]
        self._start += count
        return self._finishing(new, start, self._heard[start - self._first : heard + LOOKAHEAD - self._first])

    def _blend(self, made: np.ndarray, known: Tensor, taken: int) -> None:
        """Blend the first new frames with what the window before made there: they are one motion, seen from two sides."""
        joined = slice(taken, taken + len(self._beyond))
        share = np.arange(1, len(self._beyond) + 1, dtype=np.float32)[:, None] / (self._beyond_frames + 1)
        blended = made[joined] + (1 - share) * (self._beyond - made[joined])
        made[joined] = np.where(known[joined].numpy(), made[joined], blended)

    def _hearing(self, first: int, heard: int, last: int) -> np.ndarray:
        """Features [last - first, NUM_FEATURES + codes], those before `heard` as they are here, the others silence."""
        features = np.concatenate([self._heard[first - self._first : heard - self._first], silence(last - heard)])
        if self._codes is None:
            return features
        codes = np.zeros((last - first, self._codes.shape[1]), np.float32)
        inside = slice(max(first, 0), max(min(heard, len(self._codes)), 0))
        codes[inside.start - first : inside.stop - first] = self._codes[inside]
        return np.concatenate([features, codes], axis=1)


def _give(given: Tensor, known: Tensor, first: int, frames: np.ndarray, channels: np.ndarray) -> None:
    """Make some channels of frames from `first` on known, unless they are pinned."""
    rows = slice(first, first + len(frames))
    free = torch.zeros(NUM_CHANNELS, dtype=torch.bool)
    free[channels] = True
    free = free & ~known[rows]
    given[rows] = torch.where(free, torch.from_numpy(frames), given[rows])
    known[rows] |= free


def _joined(pieces) -> np.ndarray:
    return np.concatenate([np.zeros((0, NUM_CHANNELS), np.float32), *pieces])


def frame_noise(seed: int, first: int, last: int) -> np.ndarray:
    """Noise [last - first, NUM_CHANNELS] of absolute frames: the same for a frame however the sound is cut, and for the mouth whatever the seed."""
    blocks = range(first // _NOISE_BLOCK, (last - 1) // _NOISE_BLOCK + 1)
    made = []
    for block in blocks:
        noise, of_mouth = (np.random.default_rng([each, block]).standard_normal((_NOISE_BLOCK, NUM_CHANNELS), np.float32) for each in (seed, 0))
        noise[:, REGIONS["mouth"]] = _MOUTH_NOISE * of_mouth[:, REGIONS["mouth"]]
        made.append(noise)
    offset = first - blocks[0] * _NOISE_BLOCK
    return np.concatenate(made)[offset : offset + last - first]
