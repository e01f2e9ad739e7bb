"""The options that direct a performance, shared by speak and drive, and what they mean."""

from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from avatar3d.cli.arguments import at_least_one

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion
    from driver.direction import Direction
    from driver.model import DriverNet
    from driver.pins import Pins


def _regions(words: list[str]) -> tuple[tuple[str, Path], ...]:
    """Regions and the motions from which they are kept."""
    from driver.channels import REGIONS

    pairs = tuple((region, Path(motion)) for region, motion in zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or any(region not in REGIONS for region, _ in pairs):
        raise ValueError(f"give a region and a motion, such as head M.npz, once or more; regions are {', '.join(REGIONS)}")
    return pairs


@dataclass(frozen=True)
class Directing:
    """How it is performed."""

    style: Path | None = None
    """a capture folder, motion (.npz) or video of somebody: their manner, not their words."""
    emotion: Annotated[tuple[str, ...], at_least_one("NAME:LEVEL")] = ()
    """NAME:LEVEL, for instance happy:0.7; several mix. happy, sad, angry, surprised, afraid, disgusted, contemptuous, tired."""
    blink_rate: float | None = None
    """blinks a minute, 0 for never; default about 17, at most about 35."""
    gaze: str = "free"
    """free, camera, or X,Y: degrees right and up of straight ahead, as the viewer sees it."""
    head_amount: float = 1.0
    """how much the head moves, 0 to 2 times the usual."""
    mouth_amount: float = 1.0
    """how much the mouth moves, 0 to 2 times the usual."""
    brow_amount: float = 1.0
    """how much the brows move, 0 to 2 times the usual."""
    mode: Literal["speak", "listen", "idle"] = "speak"
    """speak the sound, listen to it, or do neither."""
    keep: Annotated[tuple[tuple[str, Path], ...], at_least_one("{head,brows,eyes,mouth} PATH", _regions)] = ()
    """REGION MOTION.npz: a region's motion as it is in a motion of this avatar; the rest is made to go with it. Where the sound lasts longer, the
    region is made anew from the motion's end on."""
    head_pose: Path | None = None
    """a motion (.npz) or capture folder of anybody, on any head, whose head moves so; as long as it lasts."""
    keyframes: Path | None = None
    """a JSON file of frames and values that are to be met (docs/driver.md)."""
    loop: bool = False
    """make the end lead back to the beginning."""


def check_directing(options: Directing) -> None:
    """Refuse options that contradict each other, before any work.

    Raises:
        UserError: names both.
    """
    from avatar3d.errors import UserError

    regions = [region for region, _ in options.keep]
    if len(set(regions)) < len(regions):
        raise UserError(f"--keep {' and '.join(regions)}: a region can be kept from one motion alone; leave the others out")
    amounts = {"head": ("--head-amount", options.head_amount), "brows": ("--brow-amount", options.brow_amount),
               "mouth": ("--mouth-amount", options.mouth_amount)}  # fmt: skip
    given = {"--head-pose": options.head_pose is not None, "--gaze": options.gaze != "free", "--blink-rate": options.blink_rate is not None}
    given |= {option: amount != 1 for option, amount in amounts.values()}
    pairs = [(f"--keep {region}", option) for region, (option, _) in amounts.items() if region in regions]
    pairs += [("--keep head", "--head-pose")] if "head" in regions else []
    pairs += [("--keep eyes", "--gaze"), ("--keep eyes", "--blink-rate")] if "eyes" in regions else []
    pairs += [("--head-pose", "--head-amount")] if options.head_pose is not None else []
    for one, other in pairs:
        if given[other]:
            raise UserError(f"{one} and {other} contradict each other; leave one of them out")
    if options.mode != "speak" and options.mouth_amount != 1:
        raise UserError(f"--mouth-amount: does nothing with --mode {options.mode}, in which the mouth rests; leave it out")


def direction_of(
    options: Directing, person: "Avatar", net: "DriverNet", frames: int, own: bool, redo: "tuple[Motion, float, float] | None" = None
) -> "tuple[Direction, Pins, list[str]]":
    """What the options ask for, what is pinned in the avatar's own values, which `pinned_exactly` puts back at the end, and what is to be said of it.

    Args:
        options: as given.
        person: the avatar.
        net: the driver that will perform.
        frames: of the motion that is to be made.
        own: whether it is the person's own driver.
        redo: a motion of this avatar, and from when to when (seconds) it is to be made anew.

    Raises:
        UserError: a file cannot be used, or options contradict each other or are out of range.
    """
    from avatar3d.errors import UserError
    from driver.direction import MOST_BLINKS, Direction
    from driver.pins import Pins, joined_pins, keyframe_pins, no_pins, region_pins

    given: list[tuple[str, Pins]] = []
    # Said once nothing is left that could be refused.
    notes: list[str] = []
    if redo is not None:
        given.append(("--redo", _around(*redo, frames, person)))
    for region, path in options.keep:
        kept = _kept(path, person)
        notes += _short(f"--keep {region}", path, kept, frames)
        given.append((f"--keep {region}", region_pins(kept, region, frames)))
    if options.keyframes is not None:
        given.append((f"--keyframes {options.keyframes}", keyframe_pins(options.keyframes, frames, person.head.jaw_open_angle)))
    exact = no_pins(frames)
    for number, (name, each) in enumerate(given):
        for other, pins in given[:number]:
            joined_pins(pins, each, f"{other} and {name}")
        exact = joined_pins(exact, each, name)
    pins = _for_the_driver(exact, person, own)
    if options.head_pose is not None:
        moved = _relative_to_itself(_posed(options.head_pose, person), person)
        notes += _short("--head-pose", options.head_pose, moved, frames)
        posed = region_pins(moved, "head", frames)
        for other, each in given:
            joined_pins(each, posed, f"{other} and --head-pose")
        pins = joined_pins(pins, posed, "--head-pose")
    code, manner = (None, {}) if options.style is None else _style(options.style, person, net, own)
    try:
        direction = Direction(
            style=code, emotion=_emotions(options.emotion), mouth=_amount(options.mouth_amount, manner.get("mouth")),
            brows=_amount(options.brow_amount, manner.get("brows")), head=_amount(options.head_amount, manner.get("head")),
            blinks=manner.get("blinks") if options.blink_rate is None else options.blink_rate,
            gaze=_gaze(options.gaze), mode=options.mode, pins=pins if pins.known.any() else None, loop=options.loop,
        )  # fmt: skip
    except ValueError as error:
        raise UserError(str(error)) from error
    if (total := sum(direction.emotion.values())) > 1:
        shown = " ".join(f"{name}:{level / total:.2g}" for name, level in direction.emotion.items())
        notes.append(f"--emotion: comes to {total:g} together, and a face shows 1 at most; it wears {shown}")
    if options.blink_rate is not None and options.blink_rate > MOST_BLINKS:
        notes.append(f"--blink-rate {options.blink_rate:g}: comes to about {MOST_BLINKS:g}, which is as often as the driver blinks")
    return direction, exact, notes


def pinned_exactly(motion: "Motion", pins: "Pins", person: "Avatar") -> "Motion":
    """A motion of an avatar in which what is pinned has its very values, whatever `admit` made of it."""
    import numpy as np

    from driver.channels import frames_of, unpack
    from driver.leads import led_to

    if not pins.known.any():
        return motion
    frames = led_to(frames_of(motion, person.head), pins)
    return replace(motion, **unpack(frames.astype(np.float32), person.head.jaw_open_angle))


def _for_the_driver(pins: "Pins", person: "Avatar", own: bool) -> "Pins":
    """Pins in the avatar's values, relative to its rest as a driver's motion is."""
    import numpy as np

    from avatar3d.statistics import relative
    from driver.channels import frames_of
    from driver.pins import Pins
    from driver.sample import motion_of

    if not pins.known.any():
        return pins
    motion = motion_of(pins.values, person.head, person.shape.numpy(), np.zeros(0, np.float32), 0)
    return Pins(frames_of(relative(motion, person.statistics, person.head, own), person.head), pins.known)


def remade(former: "Motion", made: "Motion", begin: float, end: float) -> "Motion":
    """A motion at its own rate, in which the frames from `begin` to `end` (seconds) are those that the driver made; all others are the very
    same, whatever rate the driver has."""
    from math import ceil

    import numpy as np

    from avatar3d.motion import resampled
    from driver.channels import POSES
    from driver.features import FPS

    first, last = (min(ceil(round(time * FPS) * former.fps / FPS), len(former)) for time in (begin, end))
    new = resampled(made, former.fps)
    values = {}
    for name in ("expr", *POSES):
        track = np.array(getattr(former, name))
        track[first:last] = getattr(new, name)[np.minimum(np.arange(first, last), len(new) - 1)]
        values[name] = track
    return replace(former, **values, sound=made.sound, sound_rate=made.sound_rate)


def _around(motion: "Motion", begin: float, end: float, frames: int, person: "Avatar") -> "Pins":
    from avatar3d.errors import UserError
    from driver.channels import frames_of
    from driver.features import FPS
    from driver.pins import sized, stretch_pins

    first, last = (round(time * FPS) if isfinite(time) else -1 for time in (begin, end))
    if 0 <= first == last <= frames and begin < end:
        raise UserError(f"--stretch {begin:g} {end:g}: holds no frame to make anew; give {1 / FPS:g} s or more")
    if not 0 <= first < last <= frames:
        raise UserError(f"--stretch {begin:g} {end:g}: give two times, in order, within the {frames / FPS:.2f} s of the motion")
    return sized(stretch_pins(frames_of(motion, person.head), first, last), frames)


def worn_already(motion: "Motion", person: "Avatar", frames: int) -> "np.ndarray":
    """Intensities [frames, EMOTIONS] of the moods that a motion of an avatar wears, at the driver's rate."""
    import numpy as np

    from avatar3d.statistics import relative
    from driver.channels import frames_of
    from driver.mood import moods_of

    moods = moods_of(frames_of(relative(motion, person.statistics, person.head), person.head))
    return moods[np.minimum(np.arange(frames), len(moods) - 1)]


def motion_for(path: Path, person: "Avatar") -> "Motion":
    """A motion of the avatar's own head.

    Raises:
        UserError: unreadable, or of another head.
    """
    from avatar3d.errors import UserError
    from avatar3d.motion import load_motion

    if load_motion(path).head_fingerprint != person.head.fingerprint:
        raise UserError(
            f"{path}: moves another head than the avatar's ({person.head.name}); carry it over first: "
            f"avatar3d head retarget {path} --from ITS_HEAD -o {path.stem}_carried.npz"
        )
    return load_motion(path, person.head)


def _kept(path: Path, person: "Avatar") -> "np.ndarray":
    from driver.channels import frames_of

    return frames_of(motion_for(path, person), person.head)


def _posed(path: Path, person: "Avatar") -> "Motion":
    """A motion of which the head's poses alone are wanted: they mean the same on every head, and expressions of another one are left out."""
    from avatar3d.motion import load_motion, rest_motion

    file = _motion_file(path)
    if file.suffix != ".npz" or (motion := load_motion(file)).head_fingerprint == person.head.fingerprint:
        return recorded(path, person)
    poses = {name: getattr(motion, name) for name in ("neck_pose", "rotation", "translation")}
    return replace(rest_motion(person.head, len(motion), motion.fps), **poses, valid=motion.valid)


def _motion_file(path: Path) -> Path:
    """The motion file of a capture folder, or the path itself.

    Raises:
        UserError: a folder holds no motion.
    """
    from avatar3d.errors import UserError

    if not path.is_dir():
        return path
    if not (path / "motion.npz").is_file():
        raise UserError(f"{path}: is a folder without motion.npz; give the folder that `avatar3d track` wrote, a motion (.npz) or a video")
    return path / "motion.npz"


def _short(option: str, path: Path, frames: "np.ndarray", length: int) -> list[str]:
    """What is to be said where frames [T, NUM_CHANNELS] that are taken over are fewer than `length`."""
    from driver.features import FPS

    if len(frames) >= length:
        return []
    return [f"{option}: {path} ends at {len(frames) / FPS:.1f} s of {length / FPS:.1f}; what it says is made anew from there on"]


def recorded(path: Path, person: "Avatar") -> "Motion":
    """A motion file, or the motion of a capture folder or of a video, which is tracked for it."""
    from avatar3d.cli.capture import motion_of_video
    from avatar3d.errors import UserError

    filed = path.suffix == ".npz" or path.is_dir()
    motion = motion_for(_motion_file(path), person) if filed else motion_of_video(path, person.head)
    if motion.valid is not None and not motion.valid.any():
        raise UserError(f"{path}: shows no face; give a video of a speaking person, face and shoulders")
    return motion


def _relative_to_itself(motion: "Motion", person: "Avatar") -> "np.ndarray":
    """Channels of somebody's motion, zero being their own calm face and usual place."""
    from avatar3d.statistics import motion_statistics, relative
    from driver.channels import frames_of

    return frames_of(relative(motion, motion_statistics(motion, person.head), person.head), person.head)


def _style(path: Path, person: "Avatar", net: "DriverNet", own: bool) -> "tuple[np.ndarray, dict[str, float]]":
    """Style code of a clip, the mean over its stretches of four seconds, and how much it moves and blinks (`driver.direction.manner_of`)."""
    from avatar3d.errors import UserError
    from avatar3d.statistics import motion_statistics, relative
    from driver.channels import frames_of
    from driver.direction import manner_of
    from driver.features import FPS
    from driver.model import STYLE_CLIP
    from driver.style import style_code

    motion = recorded(path, person)
    motion = relative(motion, motion_statistics(motion, person.head), person.head)
    frames = frames_of(person.admit(motion) if own else motion, person.head)
    if len(frames) < STYLE_CLIP // 2:
        raise UserError(f"{path}: lasts {len(frames) / FPS:.1f} s; a manner shows in {STYLE_CLIP / FPS:.0f} s and more of somebody who speaks")
    return style_code(frames, net), manner_of(frames_of(motion, person.head))


def _amount(asked: float, manner: float | None) -> float:
    """An amount of a manner: together at most as much as can be asked for, where each of the two is possible."""
    from driver.direction import MOST

    return asked if manner is None or not 0 <= asked <= MOST else min(asked * manner, MOST)


def _emotions(given: tuple[str, ...]) -> dict[str, float]:
    from avatar3d.errors import UserError

    found: dict[str, float] = {}
    for each in given:
        name, colon, level = each.partition(":")
        name = name.lower()
        if not name or (colon and not level):
            raise UserError(f"--emotion {each or '(nothing)'}: write NAME:LEVEL, for instance happy:0.7")
        if name in found:
            raise UserError(f"--emotion {each}: {name} is said twice; leave one out")
        try:
            found[name] = float(level) if colon else 1.0
        except ValueError as error:
            raise UserError(f"--emotion {each}: write NAME:LEVEL, for instance happy:0.7") from error
    return found


def _gaze(given: str) -> tuple[float, float] | None:
    from avatar3d.errors import UserError

    if given in ("free", "camera"):
        return None if given == "free" else (0.0, 0.0)
    try:
        right, up = (float(part) for part in given.split(","))
    except ValueError as error:
        raise UserError(f"--gaze {given}: write free, camera, or two angles such as -10,5 (degrees right and up)") from error
    return right, up
