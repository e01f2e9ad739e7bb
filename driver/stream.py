"""Motion while the sound comes in: push sound in pieces of any size, get the frames that it completes.

A file is driven by the same code with longer windows (`driver.sample`). Sound is heard in pieces of a fixed size, however it
arrives, so that its cutting changes nothing, not even the last bit.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from driver.channels import NUM_CHANNELS, REGIONS
from driver.conditions import conditions
from driver.features import FPS, LOOKAHEAD, RATE, FeatureStream, num_frames, silence
from driver.lips import Lips
from driver.model import PAST, DriverNet
from driver.window import sample_window

HOP = 3
"""Frames that a live window adds: 120 ms."""
PLANNED = 16
"""Frames that a live window plans ahead of the sound."""
PREFIX = 16
"""Frames that a window takes over from the one before."""
SAMPLES = RATE // FPS
"""Samples in a frame."""
_MOUTH_NOISE = 0.5
"""Of the noise's spread, what the mouth has: what is said leaves it little choice, and a mouth that takes none is nearest to the truth."""
_NOISE_BLOCK = 64
_SHORT_HOP = 8
"""Frames of a hop up to which sound is heard frame by frame, so that no part of a hop is waited for in vain."""

Asking = Callable[[int, int], Tensor]
"""First and last + 1 frame -> rows [n, NUM_CONDITIONS] of what is asked for there."""
Pinning = Callable[[int, int], tuple[Tensor, Tensor]]
"""First and last + 1 frame -> motion [n, NUM_CHANNELS] and where it is given, bool of that shape."""


def nothing_asked(first: int, last: int) -> Tensor:
    """Rows of empty slots."""
    return conditions(last - first)


def nothing_pinned(first: int, last: int) -> tuple[Tensor, Tensor]:
    """No frame is given."""
    return torch.zeros(last - first, NUM_CHANNELS), torch.zeros(last - first, NUM_CHANNELS, dtype=torch.bool)


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
        beyond: int = 0,
        planned: int = PLANNED,
        asking: Asking = nothing_asked,
        pinning: Pinning = nothing_pinned,
        guidance: float = 1.0,
        codes: np.ndarray | None = None,
    ) -> None:
        """Begin before the first sample.

        Args:
            net: the network.
            lips: of the head.
            seed: another seed, other blinks, gaze and head.
            steps: of the flow; may be changed between two pushes.
            hop: frames that a window adds.
            beyond: frames that it makes beyond its end, and that are blended with what the next one makes there.
            planned: frames that it makes after those, whose sound is not heard yet, so that what is slow has somewhere to go.
            asking: what is asked for, by frame.
            pinning: what is given already, by frame.
            guidance: see `sample_window`.
            codes: [frames, codes] of a network's encoder for the whole sound, where it hears by one.

        Raises:
            ValueError: the network hears by an encoder, and its codes are not given.
        """
        if (codes is None) != (net.config.codes == 0):
            raise ValueError(f"this network hears by {net.config.encoder}, which needs the whole sound at once")
        self.steps = steps
        self._net, self._lips, self._seed, self._guidance = net, lips, seed, guidance
        self._hop, self._beyond_frames, self._planned = hop, beyond, planned
        self._asking, self._pinning, self._codes = asking, pinning, codes
        self._piece = SAMPLES * (1 if hop <= _SHORT_HOP else hop)
        self._features = FeatureStream()
        self._pending = np.zeros(0, np.float32)
        self._samples = 0
        self._heard, self._first = silence(PAST), -PAST
        self._start = 0
        self._before, self._beyond = np.zeros((0, NUM_CHANNELS), np.float32), np.zeros((0, NUM_CHANNELS), np.float32)

    @property
    def frames(self) -> int:
        """Frames given out so far."""
        return self._start

    @property
    def waiting(self) -> int:
        """Whole hops whose sound is here already."""
        whole = self._first + len(self._heard) + len(self._pending) // self._piece * (self._piece // SAMPLES)
        return max(0, (whole - self._start - self._beyond_frames - LOOKAHEAD) // self._hop)

    def push(self, sound: np.ndarray) -> np.ndarray:
        """Frames [n, NUM_CHANNELS] that this piece of 16 kHz sound [samples] completes; n is a multiple of the hop."""
        self.hear(sound)
        return _joined(self.make() for _ in range(self.waiting))

    def hear(self, sound: np.ndarray) -> None:
        """Take a piece of 16 kHz sound [samples] in, and make nothing yet."""
        self._samples += len(sound)
        self._pending = np.concatenate([self._pending, np.asarray(sound, np.float32)])

    def make(self, hops: int = 1) -> np.ndarray:
        """The next hop of frames [hops * hop, NUM_CHANNELS], or several as one window, which is quicker and another motion; their sound must be
        here (`waiting`)."""
        whole = len(self._pending) // self._piece * self._piece
        needed = self._start + hops * self._hop + self._beyond_frames + LOOKAHEAD
        used = 0
        while used < whole and self._first + len(self._heard) < needed:
            self._take(self._features.push(self._pending[used : used + self._piece]))
            used += self._piece
        self._pending = self._pending[used:]
        return self._window(hops * self._hop)

    def finish(self) -> np.ndarray:
        """The frames [n, NUM_CHANNELS] that are left once the sound has ended, as if silence followed."""
        total = num_frames(self._samples)
        made = [self.make() for _ in range(self.waiting)]
        rest = np.concatenate([self._pending, np.zeros(-len(self._pending) % SAMPLES, np.float32)])
        if not self._samples:
            rest = np.zeros(SAMPLES, np.float32)
        self._take(self._features.push(rest))
        self._pending = self._pending[:0]
        while self._start < total:
            needed = self._start + self._hop + self._beyond_frames + LOOKAHEAD
            self._take(silence(max(0, needed - self._first - len(self._heard))))
            made.append(self._window(self._hop))
        frames = _joined(made)
        return frames[: len(frames) - (self._start - total)]

    def _take(self, heard: np.ndarray) -> None:
        self._heard = np.concatenate([self._heard, heard])

    def _window(self, hop: int) -> np.ndarray:
        """One window: its new frames [hop, NUM_CHANNELS]."""
        start, taken = self._start, len(self._before)
        first, heard = start - taken, start + hop + self._beyond_frames
        last = heard + self._planned
        self._heard, self._first = self._heard[first - PAST - self._first :], first - PAST
        given, known = self._pinning(first, last)
        given, known = given.clone(), known.clone()
        given[:taken], known[:taken] = torch.from_numpy(self._before), True
        if bool(known[: taken + hop + self._beyond_frames].all()):
            made = given.numpy()
        else:
            features = torch.from_numpy(self._hearing(first - PAST, heard + LOOKAHEAD, last + LOOKAHEAD))
            noise = torch.from_numpy(frame_noise(self._seed, first, last))
            asked = self._asking(first, last)
            made = sample_window(
                self._net, self._lips, features, noise, given, known, self.steps, asked, self._guidance, heard - first if self._planned else None
            )
        # What the window before made beyond its end and what this one makes there are one motion, seen from two sides.
        joined = slice(taken, taken + len(self._beyond))
        share = np.arange(1, len(self._beyond) + 1, dtype=np.float32)[:, None] / (self._beyond_frames + 1)
        blended = made[joined] + (1 - share) * (self._beyond - made[joined])
        made[joined] = np.where(known[joined].numpy(), made[joined], blended)
        new, self._beyond = made[taken : taken + hop], made[taken + hop : taken + hop + self._beyond_frames]
        self._before = np.concatenate([self._before, new])[-PREFIX:]
        self._start += hop
        return new

    def _hearing(self, first: int, heard: int, last: int) -> np.ndarray:
        """Features [last - first, NUM_FEATURES + codes], those before `heard` as they are here, the others silence."""
        features = np.concatenate([self._heard[first - self._first : heard - self._first], silence(last - heard)])
        if self._codes is None:
            return features
        codes = np.zeros((last - first, self._codes.shape[1]), np.float32)
        inside = slice(max(first, 0), max(min(heard, len(self._codes)), 0))
        codes[inside.start - first : inside.stop - first] = self._codes[inside]
        return np.concatenate([features, codes], axis=1)


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
