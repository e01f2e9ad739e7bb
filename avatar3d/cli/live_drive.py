"""drive --live: an avatar follows sound as it comes in."""

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
    from driver.live import LiveReport
    from driver.sources import Source
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
    amounts = {"--head-amount": directing.head_amount, "--brow-amount": directing.brow_amount, "--mouth-amount": directing.mouth_amount}
    for name, amount in amounts.items():
        if amount != 1:
            raise UserError(f"{name}: scales the whole motion; leave it out with --live")
    if directing.style is not None or directing.blink_rate == 0:
        raise UserError("--style, --blink-rate 0: change the whole motion; leave them out with --live")
    if directing.mode == "idle":
        raise UserError("--mode idle: hears nothing, and --live has only sound to offer; leave one of them out")


def open_live(
    person: "Avatar", avatar: Path, options: "Talking", directing: "Directing", for_ever: bool = False
) -> "tuple[Source, Callable[[], Stream], Callable[[np.ndarray, np.ndarray], Motion]]":
    """What a live performance needs.

    Args:
        person: who performs.
        avatar: the person's file.
        options: with what is listened to, in `live`.
        directing: how it is performed.
        for_ever: whether a sender on a socket is waited for as long as it takes.

    Returns:
        where the sound comes from; what gives a fresh state of the driver; and what makes its frames [T, NUM_CHANNELS] and their sound
        [samples] the avatar's motion.

    Raises:
        UserError: the head is no ARKit one, options contradict each other, or the source cannot be used.
    """
    import numpy as np
    import torch

    from avatar3d.cli.direct import direction_of
    from avatar3d.errors import UserError
    from driver.channels import EXPR, check_driven_head
    from driver.conditions import USUAL, conditions
    from driver.direction import slots
    from driver.features import RATE
    from driver.lips import lips_of
    from driver.manner import mood_face
    from driver.sample import motion_of
    from driver.sources import open_source
    from driver.stream import Stream

    assert options.live is not None
    check_driven_head(person.head)
    net, own = open_driver(avatar if options.own_driver else None)
    if own and (directing.emotion or directing.gaze != "free"):
        raise UserError("--emotion, --gaze: are added to the whole motion of an own driver; with --live give --no-own-driver too, or leave them out")
    direction, _ = direction_of(directing, person, net, 1, own)
    row = conditions(1, {**USUAL, "style": net.usual_style, **slots(direction)})
    lips, meant = lips_of(person.head), mood_face(direction.emotion)[EXPR]

    def asking(first: int, last: int) -> torch.Tensor:
        return row.expand(last - first, -1)

    def fresh() -> Stream:
        return Stream(net, lips, seed=options.seed, steps=options.steps, asking=asking, guidance=options.guidance)

    def admitted(frames: np.ndarray, sound: np.ndarray) -> "Motion":
        return person.admit(motion_of(frames, person.head, person.shape.numpy(), sound, RATE), own, meant)

    # The first windows are slow: they are made before anybody sends or speaks.
    fresh().push(np.zeros(RATE, np.float32))
    source = open_source(options.live, for_ever)
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))
    return source, fresh, admitted


def drive_live(person: "Avatar", avatar: Path, out: Path, options: "Talking", directing: "Directing") -> None:
    """Follow the sound of `options.live` until it ends or Ctrl-C, and write the motion with the sound.

    Raises:
        UserError: the source cannot be used or fails; what was made until then is written.
    """
    from driver.live import perform_live

    source, fresh, admitted = open_live(person, avatar, options, directing)
    heard: list[np.ndarray] = []
    say(f"listening to {options.live}; Ctrl-C ends it and writes {out}")
    try:
        frames, report = perform_live(_kept(source, heard), fresh(), _tell)
    except BaseException as error:
        frames, report = getattr(error, "performed", (None, None))
        if frames is not None and report is not None and heard:
            _write(admitted, frames, heard, out, report)
        if isinstance(error, KeyboardInterrupt) and heard:
            return
        raise
    _write(admitted, frames, heard, out, report)


def _kept(source: "Source", heard: "list[np.ndarray]") -> "Iterator[np.ndarray]":
    """The pieces of a source, each also kept in 16 bits."""
    import numpy as np

    for piece in source:
        heard.append((np.clip(piece, -1, 1) * 32767).astype(np.int16))
        yield piece


def _tell(number: int, frame: "np.ndarray") -> None:
    from driver.channels import JAW
    from driver.features import FPS

    if number % _TOLD_EVERY == 0:
        note(f"{number / FPS:.0f} s, jaw {100 * float(frame[JAW]):.0f} %")


def _write(
    admitted: "Callable[[np.ndarray, np.ndarray], Motion]", frames: "np.ndarray", heard: "list[np.ndarray]", out: Path, report: "LiveReport"
) -> None:
    import numpy as np

    from avatar3d.motion import save_motion

    motion = admitted(frames, np.concatenate(heard).astype(np.float32) / 32767)
    save_motion(motion, out)
    middle, slow, most = report.latency
    say(f"{out}: {len(motion)} frames, {motion.duration:.1f} s")
    say(f"first frame after {report.first:.0f} ms; sound to frame {middle:.0f} ms, 95 % within {slow:.0f}, most {most:.0f}")
    say(f"frames on time to {report.jitter:.1f} ms (99 %), {report.late} too late")
    if report.stalled:
        say(f"the sound stalled for {report.stalled:.1f} s; the motion waited for it")
    if not report.reproducible:
        used = ", ".join(f"{steps} in {count} hops" for steps, count in sorted(report.steps.items(), reverse=True))
        say(f"the machine was busy, and steps were saved ({used}): this motion cannot be made again from its sound and seed")
