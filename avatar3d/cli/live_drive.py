"""drive --live: an avatar follows sound as it comes in."""

import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from avatar3d.cli.common import note, open_driver, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.cli.direct import Directing
    from avatar3d.cli.talk import Talking
    from avatar3d.motion import Motion
    from avatar3d.statistics import Meant
    from driver.live import LiveReport
    from driver.stream import Stream

_TOLD_EVERY = 25
"""Frames between two lines of progress."""


def check_live(options: "Talking", directing: "Directing") -> None:
    """Refuse what cannot be had while the sound is not known yet.

    Raises:
        UserError: names the option.
    """
    from avatar3d.errors import UserError

    given = {
        "--loop": directing.loop, "--keep": directing.keep, "--keyframes": directing.keyframes, "--head-pose": directing.head_pose,
        "--transcript": options.transcript, "--listen-to": options.listen_to,
    }  # fmt: skip
    for name, value in given.items():
        if value:
            raise UserError(f"{name}: needs the whole sound beforehand; leave it out with --live, or give the sound with --audio")
    if directing.mode == "idle":
        raise UserError("--mode idle: hears nothing, and --live has only sound to offer; leave one of them out")


@dataclass(frozen=True, eq=False)
class LiveStream:
    """A driver that is ready to hear."""

    person: "Avatar"
    fresh: "Callable[[], Stream]"
    """Gives the state of a new performance."""
    own: bool
    meant: "Meant"
    """What was asked for beyond what was filmed (`Avatar.admit`)."""

    def motion(self, frames: "np.ndarray", sound: "np.ndarray", rate: int) -> "Motion":
        """Frames [T, NUM_CHANNELS] as a motion of the person with its sound [samples]."""
        from driver.sample import motion_of

        return self.person.admit(motion_of(frames, self.person.head, self.person.shape.numpy(), sound, rate), self.own, self.meant)


def live_stream(person: "Avatar", avatar: Path, options: "Talking", directing: "Directing") -> LiveStream:
    """The driver of an avatar, directed and warm: its first windows are slow, and are made before anybody speaks.

    Raises:
        UserError: the avatar's head or driver cannot do it live.
    """
    import numpy as np
    import torch

    from avatar3d.cli.direct import direction_of
    from avatar3d.errors import UserError
    from driver.channels import check_driven_head
    from driver.conditions import USUAL, conditions
    from driver.direction import slots
    from driver.features import RATE
    from driver.finish import Finish
    from driver.lips import lips_of
    from driver.sample import meant
    from driver.stream import Stream

    try:
        check_driven_head(person.head)
    except UserError as error:
        raise UserError(f"{error}; or drive {avatar} by a sound file: avatar3d drive {avatar} --audio FILE -o M.npz") from error
    net, own = open_driver(avatar if options.own_driver else None)
    direction, _, notes = direction_of(directing, person, net, 1, own)
    for line in notes:
        note(line)
    row = conditions(1, {**USUAL, "style": net.usual_style, **slots(direction, own)})
    lips = lips_of(person.head)

    def asking(first: int, last: int) -> torch.Tensor:
        return row.expand(last - first, -1)

    def fresh() -> Stream:
        finish = Finish(direction, lips, net.mean.numpy(), seed=options.seed, own=own)
        return Stream(net, lips, seed=options.seed, steps=options.steps, asking=asking, finishing=finish, guidance=options.guidance)

    fresh().push(np.zeros(RATE, np.float32))
    return LiveStream(person, fresh, own, meant(person.head, direction))


def live_motion(live: LiveStream, source: "Iterator[np.ndarray]", deliver: "Callable[[Motion], None]") -> "tuple[Motion, LiveReport]":
    """Follow a source until it ends, delivering the person's frames when they are due; the whole motion with its sound, and how it went.

    Raises:
        UserError: the source cannot be used or fails. What was made until then is the error's attribute `performed`, as what is returned
            here; it is not there where nothing was heard.
    """
    import numpy as np

    from avatar3d.errors import UserError
    from driver.features import RATE
    from driver.live import perform_live

    heard: list[np.ndarray] = []
    silence = np.zeros(0, np.float32)

    def whole(frames: np.ndarray) -> "Motion":
        return live.motion(frames, np.concatenate(heard).astype(np.float32) / 32767, RATE)

    try:
        frames, report = perform_live(_kept(source, heard), live.fresh(), lambda _, frame: deliver(live.motion(frame[None], silence, 0)))
    except BaseException as error:
        frames, report = getattr(error, "performed", (None, None))
        if hasattr(error, "performed"):
            del error.performed  # type: ignore[attr-defined]
        if frames is not None and heard:
            error.performed = (whole(frames), report)  # type: ignore[attr-defined]
        raise
    if not heard:
        raise UserError("live sound: it ended before anything was heard; nothing is written")
    return whole(frames), report


def drive_live(person: "Avatar", avatar: Path, out: Path, options: "Talking", directing: "Directing") -> None:
    """Follow the sound of `options.live` until it ends or Ctrl-C, and write the motion with the sound.

    Raises:
        UserError: the head is no ARKit one, options contradict each other, or the source cannot be used.
    """
    import torch

    from driver.sources import open_source

    assert options.live is not None
    live = live_stream(person, avatar, options, directing)
    source = open_source(options.live)
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))
    say(f"listening to {options.live}; Ctrl-C ends it and writes {out}")
    told = _Teller(person.head.jaw_open_angle)
    # Who is told to end by a service manager ends as by Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        motion, report = live_motion(live, source, told)
    except BaseException as error:
        performed = getattr(error, "performed", None)
        if performed is not None:
            motion, report = performed
            _write(motion, report, out)
        if isinstance(error, KeyboardInterrupt) and performed is not None:
            return
        raise
    _write(motion, report, out)


def _kept(source: "Iterator[np.ndarray]", heard: "list[np.ndarray]") -> "Iterator[np.ndarray]":
    """The pieces of a source, each also kept in 16 bits."""
    import numpy as np

    for piece in source:
        heard.append((np.clip(piece, -1, 1) * 32767).astype(np.int16))
        yield piece


class _Teller:
    """Says once a second how far the jaw is open."""

    def __init__(self, angle: float) -> None:
        self._angle, self._frames = angle, 0

    def __call__(self, frame: "Motion") -> None:
        from driver.features import FPS

        if self._frames % _TOLD_EVERY == 0:
            note(f"{self._frames / FPS:.0f} s, jaw {100 * float(frame.jaw_pose[0, 0]) / self._angle:.0f} %")
        self._frames += 1


def _write(motion: "Motion", report: "LiveReport", out: Path) -> None:
    from avatar3d.motion import save_motion

    happened = report.happened()
    save_motion(replace(motion, note="" if report.reproducible else f"live: {happened}"), out)
    say(f"{out}: {len(motion)} frames, {motion.duration:.1f} s")
    say(report.timing())
    if happened:
        say(happened)
