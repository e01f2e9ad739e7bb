"""A person's own minutes as training material: the tracked motion of a capture folder beside its sound."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_closing, uniform_filter1d

from avatar3d.errors import UserError
from avatar3d.head.model import HeadModel
from avatar3d.motion import ROTATIONS, Motion, between, load_motion
from driver import augment
from driver.channels import EXPR, JAW, LIDS, check_driven_head, pack
from driver.corpus import Corpus, joined
from driver.encoders import Encoder
from driver.features import FPS, MELS, PER_FRAME, RATE, SAMPLES, as_mono16k, features
from driver.lips import Lips, lips_of
from driver.manner import Manner
from driver.phones import UNKNOWN
from driver.takes import Take
from driver.voice import check_speech
from driver.windows import FRAMES
from driver.words import phones_of_transcript

LARGEST_LEAD = 0.2
"""Seconds by which lips and sound of a video are shifted against each other at most."""
USUAL_LEAD = 0.03
"""What is measured where sound and lips are in time: the median over 40 generated takes, of which 25 showed a clear relation."""
_STEPS = FPS * PER_FRAME
_LOUDNESS = slice(MELS * PER_FRAME + MELS, MELS * PER_FRAME + MELS + 2 * PER_FRAME, 2)
"""Columns of the features: the level, four times in a frame."""
_PIECES, _SIGNIFICANT = 6, 3.2
"""Independent pieces in a second of talk, about; and standard deviations of chance that the best of many shifts must exceed."""
COPIES = 4
"""Times that each capture is used, heard by other microphones."""
_BRIDGED = 3
"""Frames without a face, at most, that the tracker's bridge across them may stand for: 0.12 s."""
_CLOSED, _OPEN = 0.5, 1.3
"""Millimetres between the lips, beyond the person's closest, up to which they count as closed, and from which on as open."""
_LARGEST_ZERO = 1.5
"""Millimetres that a tracker may show between lips that touch."""


def capture_takes(
    folder: Path,
    head: HeadModel,
    *,
    text: str | None = None,
    lead: float | None = None,
    manner: Manner | None = None,
    part: tuple[float, float] = (0.0, 1.0),
    copies: int = 1,
    seed: int = 0,
) -> list[Take]:
    """What a tracked person said and did, one take for every stretch in which the face was seen without a break.

    Expressions and jaw are as tracked, 0..1 and fractions of the head's `jaw_open_angle`. Neck, gaze and torso are relative
    to the person's median, the torso's to that of each shot, since zero means "as usual" to the driver and `admit` adds
    what is usual again. Visemes are `UNKNOWN` without a transcript.

    Args:
        folder: a capture folder that `avatar3d track` has finished.
        head: the head it was tracked with.
        text: what is said, all of it; None takes the folder's `transcript.txt`, and is silent about visemes where there is none.
        lead: seconds by which the video's lips are early; None measures it (`lip_lead`).
        manner: what one would ask for to get this; None for a person's usual way of speaking.
        part: from where to where, as shares of the capture; medians and lead are of all of it.
        copies: of every take: the first with the sound as it is, the others with the sound of other rooms and microphones.
        seed: of those.

    Raises:
        UserError: no tracked motion, one of another head, no sound or nobody who speaks in it, less than 3.2 s of face with sound, or a transcript
            that does not fit the sound.
    """
    folder = Path(folder)
    check_driven_head(head)
    motion, cuts = tracked(folder, head)
    if motion.sound is None or not np.abs(motion.sound).max(initial=0) > 1e-5:
        raise UserError(f"{folder}: has no sound, and nothing can be learned about speech; track a video in which the person is heard")
    sound = as_mono16k(motion.sound, motion.sound_rate, folder)
    check_speech(sound, RATE, folder)
    lips = lips_of(head)
    if lead is None:
        frames, _ = person_frames(motion, cuts, head, 0.0)
        lead = lip_lead(frames, features(sound), lips) or 0.0
    lead = float(np.clip(lead, -LARGEST_LEAD, LARGEST_LEAD))
    frames, shot = person_frames(motion, cuts, head, lead)
    T = min(len(frames), len(sound) // SAMPLES)
    shot[: round(part[0] * T)] = -1
    shot[round(part[1] * T) :] = -1
    stretches = _stretches(shot[:T])
    if not stretches:
        seen = np.count_nonzero(shot[:T] >= 0) / FPS
        raise UserError(
            f"{folder}: shows a face with sound for {seen:.1f} s, nowhere for {FRAMES / FPS:.1f} s without a break; "
            "film half a minute or more, the face always in view"
        )
    viseme = _visemes(folder, sound, text, T)
    closed = closed_lips(frames @ lips.gap.numpy())
    controls = (manner or Manner()).controls()
    takes = []
    for copy in range(copies):
        heard = augment.degrade(sound, np.random.default_rng([seed, copy])) if copy else sound
        found = features(heard)
        for first, last in stretches:
            piece = heard[first * SAMPLES : last * SAMPLES]
            takes.append(Take(piece, found[first:last], frames[first:last], viseme[first:last], closed[first:last], controls))
    return takes


def tracked(folder: Path, head: HeadModel) -> tuple[Motion, np.ndarray]:
    """The motion of a capture folder and the frames that do not continue the one before."""
    if not (folder / "tracking.json").is_file():
        raise UserError(f"{folder}: is not a tracked capture; make it with `avatar3d track VIDEO -o FOLDER`")
    try:
        cuts = np.array(json.loads((folder / "tracking.json").read_text(encoding="utf-8"))["cuts"], np.int64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: its tracking.json is damaged; track it again with `avatar3d track`") from error
    return load_motion(folder / "motion.npz", head), cuts


def person_frames(motion: Motion, cuts: np.ndarray, head: HeadModel, lead: float) -> tuple[np.ndarray, np.ndarray]:
    """A tracked motion in the driver's channels and at its rate.

    Args:
        motion: at any rate.
        cuts: frames that do not continue the one before.
        head: whose.
        lead: seconds by which the lips are early; what is filmed at t is filed under t + `lead`.

    Returns:
        frames [T, NUM_CHANNELS], and [T] the number of the shot that each lies in, -1 where no face was seen or between shots.
    """
    N = len(motion)
    valid = np.ones(N, bool) if motion.valid is None else motion.valid
    # A face that is lost for an instant was bridged; one that is lost for longer is a guess.
    valid = valid | binary_closing(np.pad(valid, _BRIDGED), np.ones(_BRIDGED + 1))[_BRIDGED:-_BRIDGED]
    shots = np.searchsorted(cuts, np.arange(N), side="right")
    still = {name: np.array(getattr(motion, name)) for name in ("neck_pose", "eyes_pose", "rotation", "translation")}
    for name, track in still.items():
        # The torso's place is the camera's as well, so that it starts anew with every shot.
        for group in np.unique(shots) if name in ("rotation", "translation") else [None]:
            rows = np.ones(N, bool) if group is None else shots == group
            track[rows] -= np.median(track[rows & valid] if (rows & valid).any() else track[rows], axis=0)
    tracks = still | {"expr": motion.expr, "jaw_pose": motion.jaw_pose}
    if motion.eyelids is not None:
        tracks["eyelids"] = motion.eyelids
    times = np.arange(int(N * FPS / motion.fps))
    position = (times / FPS - lead) * float(motion.fps)
    inside = (position >= 0) & (position <= N - 1)
    first = np.clip(position.astype(np.int64), 0, max(N - 2, 0))
    second = np.minimum(first + 1, N - 1)
    fraction = np.clip(position - first, 0, 1)
    values = {name: between(track[first], track[second], fraction[:, None], name in ROTATIONS) for name, track in tracks.items()}
    frames = pack(values, head.jaw_open_angle)
    if "eyelids" in values:
        frames[:, LIDS] = np.maximum(frames[:, LIDS], values["eyelids"])
    frames[:, EXPR] = np.clip(frames[:, EXPR], 0, 1)
    frames[:, JAW] = np.maximum(frames[:, JAW], 0)
    whole = inside & valid[first] & valid[second] & (shots[first] == shots[second])
    return frames, np.where(whole, shots[first], -1)


def _stretches(shot: np.ndarray) -> list[tuple[int, int]]:
    """First and last + 1 of the runs of frames in one shot that are long enough for a window of training."""
    borders = np.flatnonzero(np.diff(shot, prepend=-2, append=-2))
    return [(int(a), int(b)) for a, b in pairwise(borders) if shot[a] >= 0 and b - a >= FRAMES]


def lip_lead(frames: np.ndarray, heard: np.ndarray, lips: Lips) -> float | None:
    """Seconds by which the lips of a video are early: the shift at which their opening goes best with the sound's level, less
    the usual one of speech in time (lips open before the voice is heard).

    Args:
        frames: [T, NUM_CHANNELS].
        heard: [T', NUM_FEATURES] of the sound.
        lips: of the head.

    Returns:
        within `LARGEST_LEAD`; None where lips and sound show no clear relation, as in silence or in a clip of a second or two.
    """
    T = min(len(frames), len(heard))
    reach = round((LARGEST_LEAD + USUAL_LEAD) * _STEPS)
    if 4 * reach > T * PER_FRAME:
        return None
    opening = np.interp(np.arange(T * PER_FRAME) / PER_FRAME, np.arange(T), frames[:T] @ lips.gap.numpy())
    # The voice's pauses count as its quiet sounds do: how silent they are says nothing.
    level = np.maximum(heard[:T, _LOUDNESS].reshape(-1), -1)
    opening, level = _quick(opening), _quick(level)
    scores = []
    for shift in range(-reach, reach + 1):
        early, late = (opening[: len(opening) - shift], level[shift:]) if shift >= 0 else (opening[-shift:], level[:shift])
        scores.append(float(early @ late / (np.linalg.norm(early) * np.linalg.norm(late) + 1e-9)))
    best = int(np.argmax(scores))
    if scores[best] < _SIGNIFICANT / np.sqrt(_PIECES * T / FPS):
        return None
    return float(np.clip((best - reach) / _STEPS - USUAL_LEAD, -LARGEST_LEAD, LARGEST_LEAD))


def _quick(signal: np.ndarray) -> np.ndarray:
    """What of a signal changes within syllables: smoothed over 0.06 s, without what stays for a second."""
    smooth = uniform_filter1d(signal, round(0.06 * _STEPS), mode="nearest")
    return smooth - uniform_filter1d(smooth, _STEPS, mode="nearest")


def closed_lips(gap: np.ndarray) -> np.ndarray:
    """How surely the lips meet [T], 0..1, from the millimetres between them [T].

    They count from the closest that this person comes, since a tracker sees a closed mouth some way open on many faces.
    """
    zero = min(float(np.percentile(gap, 2)), _LARGEST_ZERO)
    open_by = np.clip((gap - zero - _CLOSED) / (_OPEN - _CLOSED), 0, 1)
    return (1 - open_by * open_by * (3 - 2 * open_by)).astype(np.float32)


def _visemes(folder: Path, sound: np.ndarray, text: str | None, frames: int) -> np.ndarray:
    """Viseme index [frames] of a sound by forced alignment with what is said; `UNKNOWN` where that is not known."""
    transcript = folder / "transcript.txt"
    if text is None and transcript.is_file():
        try:
            text = transcript.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{transcript}: cannot be read; write it as plain text, or remove it") from error
    if text is None:
        return np.full(frames, UNKNOWN, np.int64)
    return phones_of_transcript(sound, RATE, text, transcript)[:frames].argmax(axis=1)


def captured_people(folders: Sequence[Path], head: HeadModel, seed: int, encoder: Encoder | None = None) -> list[list[Take]]:
    """The takes of several captures, a person each, `COPIES` times.

    Args:
        folders: captures.
        head: they were tracked with.
        seed: of the microphones that the copies are heard by.
        encoder: whose codes lie beside the features.

    Raises:
        UserError: a capture cannot be used (`capture_takes`).
    """
    people = [capture_takes(folder, head, copies=COPIES, seed=seed + number) for number, folder in enumerate(folders)]
    if encoder is None:
        return people
    return [[replace(take, features=encoder.beside(take.features, take.sound)) for take in person] for person in people]


def with_people(corpus: Corpus, people: Sequence[Sequence[Take]], share: float) -> tuple[Corpus, np.ndarray | None]:
    """A corpus with the takes of further people after its own, and how likely the frames of each take are to be drawn.

    Args:
        corpus: generated speech.
        people: the takes of each.
        share: of the frames that are drawn, how many are theirs.

    Returns:
        the corpus, and weights [takes] of its frames; None where nobody was added and all count alike.
    """
    if not any(people):
        return corpus, None
    added = joined(people)
    arrays = {name: np.concatenate([getattr(corpus, name), getattr(added, name)]) for name in ("features", "frames", "viseme", "closed", "controls")}
    starts = np.concatenate([corpus.starts, corpus.starts[-1] + added.starts[1:]])
    person = np.concatenate([corpus.person, added.person + int(corpus.person.max(initial=-1)) + 1])
    drawable = np.diff(starts) * (np.diff(starts) >= FRAMES)
    theirs = np.arange(len(starts) - 1) >= len(corpus.starts) - 1
    odds = np.where(theirs, share / drawable[theirs].sum(), (1 - share) / max(drawable[~theirs].sum(), 1))
    return Corpus(**arrays, starts=starts, person=person), odds
