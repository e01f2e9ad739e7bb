"""Speech -> motion: the shipped network, window by window, for sound of any length."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_opening

from avatar3d.arkit import EXPR_NAMES
from avatar3d.head.model import HeadModel
from avatar3d.head.retarget import fit_retarget, retarget
from avatar3d.head.store import load_head
from avatar3d.motion import Motion
from avatar3d.runs import runs
from avatar3d.statistics import NOTHING_MEANT, Meant
from driver.backchannel import answers
from driver.blinks import whole_blinks
from driver.channels import EXPR, NUM_CHANNELS, REGIONS, unpack
from driver.conditions import EMOTIONS, MODES, USUAL, Asked, conditions
from driver.direction import Direction, amounts, exaggerated, levels, slots, usual_blinks
from driver.encoders import load_encoder
from driver.features import FPS, SAMPLES, as_mono, as_mono16k, framed, num_frames
from driver.leads import SINGLE, led_to
from driver.lips import Lips, lips_of
from driver.model import DriverNet
from driver.mood import bare, mood_face, worn
from driver.pins import Pins, held, sized, stretch_pins
from driver.stream import Pinning, Stream, nothing_pinned
from driver.turned import GAZE, looks, turned
from driver.weights import load_weights

NEW, BEYOND = 64, 8
"""Frames that a window adds, and that it makes beyond its end so that its last ones see what follows them."""
_BEYOND_PINNED = 32
"""The same where frames are given: what is to be met later is prepared for earlier."""
_FADES_IN = round(0.6 * FPS)
"""Frames from what is given over which a mood or a gaze that is added by rule comes in."""
_TURN = 20
"""Frames at the end of a loop that lead back to its beginning."""


def drive(
    sound: np.ndarray,
    rate: int,
    *,
    head: HeadModel,
    seed: int = 0,
    steps: int = 4,
    shape: np.ndarray | None = None,
    weights: Path | DriverNet | None = None,
    direction: Direction = Direction(),  # noqa: B008
    asked: Asked | None = None,
    guidance: float = 1.0,
    own: bool = False,
    led: bool = True,
) -> Motion:
    """The motion of a head that speaks `sound`, at 25 frames a second, with the sound in it.

    Args:
        sound: [samples] or [samples, channels], -1..1, or whole numbers as recorders give them (int16 and the like).
        rate: Hz.
        head: the embedded head, one with its expressions, or any other with landmarks, to which the motion is retargeted.
        seed: another seed, other blinks, gaze and head; the same seed, the same motion.
        steps: of the flow, 1-64; 2 are fast, and move head and lids half as much.
        shape: [S] identity, default the mean.
        weights: a weights file or a loaded network, default the one that ships.
        direction: style, emotion, amounts, gaze, blinks, and what is given already.
        asked: what is asked for besides, by slot (see `driver.conditions`): values for all of it, or one row a frame. It goes before
            what the direction says of that slot.
        guidance: see `driver.window.sample_window`.
        own: whether the driver is one person's own: mood and gaze are then added by rule.
        led: whether single pinned frames get ways that lead to them and away. Who brings the motion into a range afterwards makes the ways
            in that range (`driver.leads.led_to`): bent ones would show a shoulder.

    Raises:
        UserError: the head has neither ARKit expressions nor landmarks, the sound is empty, or the weights cannot be used.
        ValueError: seed, steps, rate or guidance are out of range, the sound has another shape, or what is asked for does not fit.
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed is {seed!r}, expected a whole number, 0 or more")
    if not isinstance(steps, int | np.integer) or not 1 <= steps <= 64:
        raise ValueError(f"steps is {steps!r}, expected 1 to 64")
    if not 0 <= guidance < np.inf:
        raise ValueError(f"guidance is {guidance!r}, expected 0 or more; 1 is none")
    if rate <= 0:
        raise ValueError(f"rate is {rate!r}, expected the sound's samples a second")
    net = weights if isinstance(weights, DriverNet) else load_weights(weights)
    clean = as_mono16k(sound, rate)
    carrier = head if head.expr_names == EXPR_NAMES else load_head()
    frames = perform(clean, net, lips_of(carrier), direction, seed=seed, steps=steps, asked=asked, guidance=guidance, own=own, led=led)
    if carrier is head:
        return motion_of(frames, head, shape, sound, rate)
    return retarget(motion_of(frames, carrier, None, sound, rate), fit_retarget(carrier, head), shape)


def meant(head: HeadModel, direction: Direction, emotion: Mapping[str, float] | np.ndarray | None = None) -> Meant:
    """How far a motion may go beyond what was filmed of a person, since it was asked for (`avatar3d.avatar.Avatar.admit`).

    Args:
        head: the person's; on one without ARKit's expressions nothing is known.
        direction: what is asked for.
        emotion: at its strongest, by name or in the order of `EMOTIONS`; default the direction's.
    """
    if head.expr_names != EXPR_NAMES:
        return NOTHING_MEANT
    row, times = mood_face(direction.emotion if emotion is None else emotion), np.ones(NUM_CHANNELS, np.float32)
    if direction.gaze is not None:
        row[GAZE] = row[[index + 3 for index in GAZE]] = np.radians([-direction.gaze[1], direction.gaze[0]])
    for region, amount in amounts(direction).items():
        times[REGIONS[region]] = max(1.0, amount)
    # Of the jaw, as of the rest, a share: no angle.
    return Meant(
        {name: value[0] for name, value in unpack(row[None], head.jaw_open_angle).items()},
        {name: value[0] for name, value in unpack(times[None], 1.0).items()},
    )


def motion_of(frames: np.ndarray, head: HeadModel, shape: np.ndarray | None, sound: np.ndarray, rate: int) -> Motion:
    """Frames [T, NUM_CHANNELS] as a motion of a head with its sound; arguments as of `drive`."""
    return Motion(
        **unpack(frames, head.jaw_open_angle),  # pyright: ignore[reportArgumentType]
        shape=np.zeros(head.num_shape, np.float32) if shape is None else np.asarray(shape, np.float32),
        fps=Fraction(FPS),
        head_fingerprint=head.fingerprint,
        sound=as_mono(sound),
        sound_rate=int(rate),
    )


def perform(
    sound: np.ndarray,
    net: DriverNet,
    lips: Lips,
    direction: Direction,
    *,
    seed: int = 0,
    steps: int = 4,
    asked: Asked | None = None,
    guidance: float = 1.0,
    own: bool = False,
    led: bool = True,
) -> np.ndarray:
    """All frames [T, NUM_CHANNELS] of a 16 kHz sound [samples] as directed; arguments as of `drive` and `generate`."""
    pins, frames = direction.pins, num_frames(len(sound))
    given = np.zeros((frames, NUM_CHANNELS), bool) if pins is None else _lasting(sized(pins, frames).known)
    # The network goes on with the gaze that it is given around a stretch, whatever is asked for.
    ruled = own or bool(given[:, GAZE].any())
    wanted = {**slots(direction, ruled), **(asked or {})}
    if direction.blinks is None and np.shape(wanted["mode"])[1:] == (len(MODES),) and "blinks" not in (asked or {}):
        wanted["blinks"] = usual_blinks(np.asarray(wanted["mode"]))
    emotion = _moods(direction, asked or {}, frames)
    wanted["emotion"] = [0.0] * len(EMOTIONS)
    share = np.ones(NUM_CHANNELS, np.float32)
    if pins is not None:
        pins, share = bare(pins, emotion)
    if direction.mode == "idle":
        # Who does neither speak nor listen hears nothing.
        sound = np.zeros_like(sound)

    def make(sound: np.ndarray, asked: Asked, pinning: Pinning) -> np.ndarray:
        return np.concatenate(list(generate(sound, net, lips, seed=seed, steps=steps, asked=asked, pinning=pinning, guidance=guidance)))

    def whole(asked: Asked) -> np.ndarray:
        made = make(sound, asked, nothing_pinned if pins is None else pins.pinning)
        return _looped(made, sound, asked, pins, make) if direction.loop else made

    made = whole(wanted)
    changed = [name for name, amount in amounts(direction).items() if amount != 1]
    if changed:
        # Whoever asks one region for more does not mean the others: their blinks and glances would come at other times.
        usual = slots(replace(direction, **dict.fromkeys(changed, 1.0)), ruled)
        others = np.setdiff1d(np.arange(NUM_CHANNELS), np.concatenate([REGIONS[name] for name in changed]))
        made[:, others] = whole({**wanted, **{name: usual[name] for name in changed if name not in (asked or {})}})[:, others]
    made = whole_blinks(made, pins, own)
    listening = np.broadcast_to(np.asarray(wanted["mode"], np.float32), (len(made), len(MODES)))[:, MODES.index("listen")]
    if listening.max() > 0:
        made = made + answers(sound, listening, seed)
        made[:, EXPR] = made[:, EXPR].clip(0, 1)
    away = _away_from(given)
    if ruled and direction.gaze is not None:
        made = turned(made, given, direction.gaze, _ahead(pins, looks(made, own)), away)
    moods = _at(emotion, np.arange(len(made))) if len(emotion) > 1 else emotion
    made = worn(exaggerated(made, direction, share=away), moods, lips, share + (1 - share) * away)
    return led_to(made, direction.pins) if led else held(made, direction.pins)


def _moods(direction: Direction, asked: Asked, frames: int) -> np.ndarray:
    """Intensities [frames or 1, EMOTIONS] that are asked for in one way or the other.

    Raises:
        ValueError: both ask, or what is asked fits no frames or is no intensity.
    """
    if "emotion" not in asked:
        return np.array([levels(direction)], np.float32)
    if direction.emotion:
        raise ValueError("the direction and what is asked for both name an emotion; leave one of them out")
    emotion = np.atleast_2d(np.asarray(asked["emotion"], np.float32))
    if emotion.shape not in ((1, len(EMOTIONS)), (frames, len(EMOTIONS))):
        raise ValueError(f"emotion has shape {list(emotion.shape)}, which does not fit [{frames}, {len(EMOTIONS)}]")
    if not ((emotion >= 0) & (emotion <= 1)).all():
        raise ValueError("emotion holds values that are no intensities; choose 0 to 1")
    return emotion


def _lasting(known: np.ndarray) -> np.ndarray:
    """Where more than single frames are given, of `Pins.known` [T, NUM_CHANNELS]."""
    return binary_opening(known, np.ones((SINGLE + 1, 1)))


def _away_from(given: np.ndarray, fades_in: float = _FADES_IN) -> np.ndarray:
    """What is added by rule to channels of which stretches are `given` [T, C], as a share of each [T, C]: beside those it begins gradually.

    Single frames have ways that lead to them from wherever the rest is (`driver.leads`); beside them nothing has to give way. A gap in which there
    is no time to come in and go out again gets so much less that nothing bends more.
    """
    share, T = np.ones(given.shape, np.float32), len(given)
    for channel in np.flatnonzero(given.any(axis=0)):
        share[given[:, channel], channel] = 0
        for first, last in runs(~given[:, channel]):
            inside = np.arange(1, last - first + 1)
            sides = [far for far, bounded in ((inside, first > 0), (inside[::-1], last < T)) if bounded]
            half = (last - first + 1) / 2 if len(sides) == 2 else np.inf
            come = np.clip(np.min(sides, axis=0) / min(fades_in, half), 0, 1)
            share[first:last, channel] = come * come * (3 - 2 * come) * min(1.0, half / fades_in) ** 2
    return share


def _ahead(pins: Pins | None, looked: np.ndarray) -> np.ndarray:
    """[2] where eyes mostly look, of what each frame looks at [T, 2], in the frames whose gaze is not given."""
    free = np.ones(len(looked), bool) if pins is None else ~sized(pins, len(looked)).known[:, GAZE].any(axis=1)
    return np.median(looked[free] if free.any() else looked, axis=0)


def _looped(frames: np.ndarray, sound: np.ndarray, asked: Asked, pins: Pins | None, make: Callable[..., np.ndarray]) -> np.ndarray:
    """Frames whose last ones are made anew, between what comes before them and the beginning."""
    T = len(frames)
    turn = min(_TURN, T // 3)
    lead, after = min(4 * turn, T - turn), min(2 * turn, T - turn)
    # The end once more, with the beginning behind it: as whoever watches the loop sees it.
    order = np.concatenate([np.arange(T - turn - lead, T), np.arange(after)])
    heard = framed(sound, T)
    around = stretch_pins(frames[order], lead, lead + turn)
    if pins is not None:
        pinned = sized(pins, T)
        around = Pins(np.where(pinned.known[order], pinned.values[order], around.values), around.known | pinned.known[order])
    made = make(heard[order].ravel(), {name: _at(value, order) for name, value in asked.items()}, around.pinning)
    return np.concatenate([frames[: T - turn], made[lead : lead + turn]])


def _at(value, order: np.ndarray):
    """What is asked for in some frames, of one value for all or of one row a frame."""
    return value[np.minimum(order, len(value) - 1)] if np.ndim(value) == 2 else value


def generate(
    sound: np.ndarray,
    net: DriverNet,
    lips: Lips,
    *,
    seed: int = 0,
    steps: int = 4,
    asked: Asked | None = None,
    pinning: Pinning = nothing_pinned,
    guidance: float = 1.0,
) -> Iterator[np.ndarray]:
    """Frames [n, NUM_CHANNELS], window after window, of a 16 kHz sound.

    Each window continues the last frames of the one before, which are given to the network as known; the noise belongs to
    the absolute frame. Features are made a window at a time, so that memory does not grow with the sound.

    Args:
        sound: [samples].
        net: the network.
        lips: of the head.
        seed: see `drive`.
        steps: see `drive`.
        asked: values by slot, for all of it or one row a frame (see `driver.conditions`); what it does not name is as usual.
        pinning: motion that is given already, by frame.
        guidance: see `driver.window.sample_window`.
    """
    total = num_frames(len(sound))
    wanted = conditions(total, {**USUAL, "style": net.usual_style, **(asked or {})})
    stream = Stream(
        net, lips, seed=seed, steps=steps, hop=NEW, beyond=BEYOND if pinning is nothing_pinned else _BEYOND_PINNED, planned=0,
        asking=lambda first, last: wanted[np.minimum(np.arange(first, last), total - 1)], pinning=pinning, guidance=guidance,
        codes=load_encoder(net.config.encoder).codes(sound) if net.config.encoder else None,
    )  # fmt: skip
    size = NEW * SAMPLES
    for start in range(0, len(sound), size):
        made = stream.push(sound[start : start + size])
        if len(made):
            yield made
    yield stream.finish()
