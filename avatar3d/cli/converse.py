"""converse: two avatars talk with each other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from avatar3d.cli.common import check_range, note, open_avatar, open_driver, say

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion

_ASIDE = 20.0
"""Degrees at which the other one is, for who sits beside it: enough to be seen, and within what eyes and head do on most films."""


def converse(
    one: Positional[Path],
    two: Positional[Path],
    /,
    audio: Path,
    out: Annotated[Path, arg(aliases=["-o"])],
    motions: tuple[Path, Path] | None = None,
    gaze: Literal["other", "camera"] = "other",
    seed: int = 0,
    steps: int = 4,
    own_driver: bool = True,
    size: int = 512,
    background: str = "#d8dce2",
) -> None:
    """Let two avatars have a conversation: each speaks its track, listens to the other's, and idles in silence.

    Args:
        one: the .avatar file of who is heard on the first (left) track.
        two: the .avatar file of who is heard on the second (right) track; it may be the same file.
        audio: a sound file with two tracks.
        out: the MP4 to write, both side by side.
        motions: two motion files (.npz) to write besides.
        gaze: whom both look at, but for glances away: the other, beside them in the picture, or the camera.
        seed: of heads, blinks and brows.
        steps: of the sampler.
        own_driver: speak with the avatars' own drivers where they have one.
        size: side of each picture, pixels.
        background: a colour.
    """
    from avatar3d.errors import UserError
    from avatar3d.files import check_output
    from avatar3d.motion import save_motion
    from avatar3d.progress import console
    from avatar3d.sound import read_tracks
    from driver.features import RATE
    from driver.voice import check_speech
    from viewer.cameras import camera_path
    from viewer.film import colour_background, film_together

    check_output(out, one, two, audio)
    check_range("--size", size, 16, 4096)
    if out.suffix.lower() != ".mp4" and (out.is_file() or not out.exists()):
        raise UserError(f"{out}: conversations are written as MP4; give a name that ends in .mp4")
    if motions is not None and motions[0].absolute() == motions[1].absolute():
        raise UserError(f"--motions {motions[0]} {motions[1]}: are one file, and two motions are written; give two names")
    for path in motions or ():
        if path.suffix != ".npz":
            raise UserError(f"{path}: motions are written as .npz; give such a name")
        check_output(path, one, two, audio)
    check_range("--seed", seed, 0, 2**31 - 2)
    check_range("--steps", steps, 1, 64)
    tracks = read_tracks(audio, RATE)
    if len(tracks) != 2:
        raise UserError(f"{audio}: has {len(tracks)} track{'s' * (len(tracks) != 1)}; give a sound with two, one for each voice")
    # One of the two may be silent: somebody who listens all the time.
    check_speech(tracks[0] + tracks[1], RATE, audio)
    people = [open_avatar(path) for path in (one, two)]
    seats = (_ASIDE, -_ASIDE) if gaze == "other" else (0.0, 0.0)
    made = [
        _turns(person, path if own_driver else None, tracks[index], tracks[1 - index], right, seed + index, steps)
        for index, (person, path, right) in enumerate(zip(people, (one, two), seats, strict=True))
    ]
    for path, motion in zip(motions or (), made, strict=False):
        save_motion(motion, path)
        say(f"{path}: {len(motion)} frames, {motion.duration:.1f} s")
    with console("render") as progress:
        performers = [(person, motion, camera_path(person, "front", size)) for person, motion in zip(people, made, strict=True)]
        frames = film_together(performers, out, background=colour_background(background), progress=progress)
    note("")
    say(f"{out}: {frames} frames, {made[0].duration:.1f} s")


def _turns(person: "Avatar", source: Path | None, own: "np.ndarray", other: "np.ndarray", right: float, seed: int, steps: int) -> "Motion":
    """One side of a conversation; `source` is the avatar's file where its own driver shall speak, `right` where it looks."""
    from dataclasses import replace

    from avatar3d.arkit import EXPR_NAMES
    from driver.features import RATE, as_mono16k
    from driver.mutual_gaze import meant_towards, turned_to
    from driver.sample import drive
    from driver.turns import take_turns

    net, learned = open_driver(source)
    sound, rows = take_turns(as_mono16k(own, RATE), as_mono16k(other, RATE))
    motion = drive(sound, RATE, head=person.head, seed=seed, steps=steps, shape=person.shape.numpy(), weights=net, asked={"mode": rows}, own=learned)
    motion = turned_to(motion, rows, right, seed, lids=person.head.expr_names == EXPR_NAMES)
    return person.admit(replace(motion, sound=0.5 * (own + other), sound_rate=RATE), learned, meant_towards(right))
