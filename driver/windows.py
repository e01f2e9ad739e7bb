"""Random windows of a corpus on a device, with what could be asked for to get them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from driver.channels import NUM_CHANNELS, REGIONS
from driver.conditions import NUM_CONDITIONS, PRESENCE, SLOTS, WIDTHS
from driver.corpus import Corpus
from driver.features import LOOKAHEAD, NUM_FEATURES, silence
from driver.manner import CONTROLS
from driver.model import PAST, STYLE_CLIP
from driver.phones import UNKNOWN
from driver.stream import AHEAD, HOP, PLANNED, PREFIX

FRAMES = 80
_LONGEST_HOP = 8
_UNHEARD, _PASSED = 0.3, 0.1
"""What a live frame counts whose sound is yet to come, and a mouth's that was made before: they only lead the new ones somewhere."""
LIVE_FRAMES = PREFIX + _LONGEST_HOP + PLANNED
"""Of a window of live speech."""
_PHONES_SHARE, _STYLE_SHARE, _CONTROL_SHARE = 0.5, 0.5, 0.5
"""How often a slot is filled in training."""
_LISTEN = 1
"""Place of "listen" in the slot `mode`."""


@dataclass(frozen=True, eq=False)
class Batch:
    """B windows of T frames."""

    features: Tensor
    """[B, PAST + T + LOOKAHEAD, NUM_FEATURES + an encoder's codes]."""
    motion: Tensor
    """[B, T, NUM_CHANNELS]."""
    viseme: Tensor
    """[B, T] index into VISEME_NAMES, UNKNOWN where nobody says."""
    closed: Tensor
    """[B, T]."""
    asked: Tensor
    """[B, T, NUM_CONDITIONS], the style's code not yet in it."""
    clip: Tensor
    """[B, STYLE_CLIP, NUM_CHANNELS] of the same person, for the style's code."""


class Windows:
    """A corpus as tensors; every take lies between silence, so that a window is one range of rows."""

    def __init__(self, corpus: Corpus, device: str | torch.device = "cpu", weights: np.ndarray | None = None):
        """`weights` [takes] say how much likelier the frames of one take are drawn than those of another; None for all alike."""
        self.device = torch.device(device)
        lengths = np.diff(corpus.starts)
        self._usable = np.flatnonzero(lengths >= FRAMES)
        odds = lengths[self._usable] * (1.0 if weights is None else weights[self._usable])
        self._odds = odds / odds.sum()
        self._lengths, self._starts = lengths, np.asarray(corpus.starts[:-1])
        gap = PAST + LOOKAHEAD
        self._heard = self._starts + gap * np.arange(len(lengths))
        """Row of the features at which a take's lead-in begins."""
        rows = np.full(int(lengths.sum() + gap * len(lengths)), len(corpus.features), np.int64)
        for first, start, length in zip(self._heard, self._starts, lengths, strict=True):
            rows[first + PAST : first + PAST + length] = np.arange(start, start + length)
        heard = np.asarray(corpus.features)
        # An encoder's codes, which come after the built-in features, are zero in silence.
        quiet = np.pad(silence(1), ((0, 0), (0, heard.shape[1] - NUM_FEATURES)))
        features = np.concatenate([heard, quiet.astype(np.float16)])
        self._rows = torch.from_numpy(rows).to(self.device)
        self._features = torch.from_numpy(features).to(self.device)
        self._motion = torch.from_numpy(np.array(corpus.frames)).to(self.device)
        self._viseme = torch.from_numpy(np.array(corpus.viseme)).to(self.device)
        self._closed = torch.from_numpy(np.array(corpus.closed)).to(self.device)
        self._controls = np.asarray(corpus.controls, np.float32)
        self._siblings, self._sibling_count = _siblings(np.asarray(corpus.person), lengths >= STYLE_CLIP)

    def draw(self, count: int, rng: np.random.Generator, frames: int = FRAMES) -> Batch:
        """Random windows of so many frames, each frame of the corpus as likely as another, but for the weights."""
        takes = rng.choice(self._usable, count, p=self._odds)
        offset = rng.integers(0, self._lengths[takes] - frames + 1)
        frame = self._ranges(self._starts[takes] + offset, frames)
        heard = self._rows[self._ranges(self._heard[takes] + offset, PAST + frames + LOOKAHEAD)]
        asked, styled = self._asked(takes, rng)
        viseme = self._viseme[frame].long()
        told = (viseme != UNKNOWN)[..., None]
        sounding = torch.nn.functional.one_hot(viseme.clamp_min(0), WIDTHS["phones"]).float()
        rows = torch.from_numpy(asked).to(self.device)[:, None].repeat(1, frames, 1)
        rows[..., PRESENCE["phones"], None] *= told
        rows[..., SLOTS["phones"]] = rows[..., PRESENCE["phones"], None] * sounding
        return Batch(
            self._features[heard].float(), self._motion[frame].float(), viseme, self._closed[frame].float(), rows, self._clips(takes, styled, rng)
        )  # fmt: skip

    def _ranges(self, first: np.ndarray, length: int) -> Tensor:
        return torch.from_numpy(first[:, None] + np.arange(length)).to(self.device)

    def _asked(self, takes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Conditions [B, NUM_CONDITIONS] but for style and phones, and which have a style [B]."""
        count = len(takes)
        asked = np.zeros((count, NUM_CONDITIONS), np.float32)
        controls, start = self._controls[takes], 0
        listening = controls[:, self._listen_column()] > 0
        # Half of the windows are asked for nothing in particular.
        free = rng.random(count) < 0.5
        for name in CONTROLS:
            values = controls[:, start : start + WIDTHS[name]]
            start += WIDTHS[name]
            present = ~free & (rng.random(count) < _CONTROL_SHARE) & np.isfinite(values).all(axis=1)
            if name == "mode":
                # Who listens is told so: by the sound alone nobody could know.
                present |= listening
            asked[:, SLOTS[name]] = np.where(present[:, None], values, 0)
            asked[:, PRESENCE[name]] = present
        asked[:, PRESENCE["phones"]] = (rng.random(count) < _PHONES_SHARE) & ~listening
        styled = (rng.random(count) < _STYLE_SHARE) & (self._sibling_count[takes] > 0)
        asked[:, PRESENCE["style"]] = styled
        return asked, styled

    @staticmethod
    def _listen_column() -> int:
        return sum(WIDTHS[name] for name in CONTROLS[: CONTROLS.index("mode")]) + _LISTEN

    def _clips(self, takes: np.ndarray, styled: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Clips [B, STYLE_CLIP, NUM_CHANNELS] of another take of the same person where there is one; zeros where no style is asked for."""
        which = (rng.random(len(takes)) * self._sibling_count[takes]).astype(np.int64)
        chosen = np.where(styled, self._siblings[takes, which], takes)
        spare = np.maximum(self._lengths[chosen] - STYLE_CLIP, 0)
        first = self._starts[chosen] + (rng.random(len(takes)) * (spare + 1)).astype(np.int64)
        rows = self._ranges(first, STYLE_CLIP).clamp_max(len(self._motion) - 1)
        return self._motion[rows].float() * torch.from_numpy(styled).to(self.device)[:, None, None]


def _siblings(person: np.ndarray, long: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Long takes of the same person [takes, most], from which a style may be read, a take itself only where it is the one; and how many."""
    found = []
    for take, whose in enumerate(person):
        first, last = np.searchsorted(person, [whose, whose + 1])
        takes = first + np.flatnonzero(long[first:last])
        others = takes[takes != take]
        found.append(others if len(others) else takes)
    counts = np.array([len(takes) for takes in found])
    padded = np.zeros((len(found), max(1, counts.max(initial=0))), np.int64)
    for row, takes in enumerate(found):
        padded[row, : len(takes)] = takes
    return padded, counts


def random_mask(count: int, rng: np.random.Generator) -> Tensor:
    """Which values are given [B, FRAMES, NUM_CHANNELS]: mostly a prefix, at times all but the end as in a stream, and sometimes whole
    regions, keyframes of all or of one region, or an end to arrive at."""
    usual = np.where(rng.random(count) < 0.8, PREFIX, rng.integers(1, PREFIX, count))
    prefix = np.where(rng.random(count) < 0.15, rng.integers(PREFIX, FRAMES, count), usual) * (rng.random(count) < 0.65)
    known = np.repeat((np.arange(FRAMES) < prefix[:, None])[..., None], NUM_CHANNELS, axis=2).astype(np.float32)
    names, kinds = list(REGIONS), rng.random(count)
    for row in np.flatnonzero(kinds < 0.28):
        if kinds[row] < 0.1:
            for name in rng.choice(names, int(rng.integers(1, len(names))), replace=False):
                known[row][:, REGIONS[str(name)]] = 1
        elif kinds[row] < 0.14:
            known[row, int(rng.integers(0, 12)) :: int(rng.integers(8, 30))] = 1
        elif kinds[row] < 0.2:
            pinned = rng.choice(FRAMES, int(rng.integers(1, 5)), replace=False)
            rows = REGIONS[str(rng.choice(names))] if rng.random() < 0.6 else np.arange(NUM_CHANNELS)
            known[row][np.ix_(pinned, rows)] = 1
        else:
            known[row, -int(rng.integers(1, PREFIX + 1)) :] = 1
    return torch.from_numpy(known)


def live_mask(count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Which values are given [B, LIVE_FRAMES, NUM_CHANNELS], which frames are heard [B, LIVE_FRAMES], and what each value counts, in windows of
    live speech as `driver.stream` has them.

    Given is the face but for the mouth: what was made before, mostly `PREFIX` frames and at a beginning fewer, and what is planned of a hop.
    What counts most is the mouth of the first new frame.
    """
    prefix = np.where(rng.random(count) < 0.9, PREFIX, rng.integers(0, PREFIX, count))[:, None]
    planned = rng.integers(0, HOP, count)[:, None]
    hears = prefix + np.where(rng.random(count) < 0.7, 1 + AHEAD, rng.integers(1, _LONGEST_HOP + 1, count))[:, None]
    frame = np.arange(LIVE_FRAMES)
    known = np.repeat((frame < prefix + planned)[..., None], NUM_CHANNELS, axis=2).astype(np.float32)
    known[..., REGIONS["mouth"]] = 0
    counts = np.repeat(np.where(frame < hears, 1, _UNHEARD)[..., None], NUM_CHANNELS, axis=2).astype(np.float32)
    counts[..., REGIONS["mouth"]] *= np.where(frame == prefix, 3, np.where(frame < prefix, _PASSED, 1))[..., None]
    return torch.from_numpy(known), torch.from_numpy(frame < hears), torch.from_numpy(counts)
