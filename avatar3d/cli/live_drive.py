"""drive --live: an avatar follows sound as it comes in."""

from pathlib import Path
from typing import TYPE_CHECKING

from avatar3d.cli.common import note, open_driver, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.cli.direct import Directing
    from avatar3d.cli.talk import Talking
    from avatar3d.motion import Motion
    from driver.live import LiveReport
    from driver.sources import Source

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


def drive_live(person: "Avatar", avatar: Path, out: Path, options: "Talking", directing: "Directing") -> None:
    """Follow the sound of `options.live` until it ends or Ctrl-C, and write the motion with the sound.

    Raises:
        UserError: the source cannot be used or fails; what was made until then is written.
    """
    import numpy as np
    import torch

    from avatar3d.cli.direct import direction_of
    from driver.channels import EXPR, check_driven_head
    from driver.conditions import USUAL, conditions
    from driver.direction import slots
    from driver.features import RATE
    from driver.finish import Finish
    from driver.lips import lips_of
    from driver.live import perform_live
    from driver.manner import mood_face
    from driver.sources import open_source
    from driver.stream import Stream

    assert options.live is not None
    check_driven_head(person.head)
    net, own = open_driver(avatar if options.own_driver else None)
    direction, _ = direction_of(directing, person, net, 1, own)
    row = conditions(1, {**USUAL, "style": net.usual_style, **slots(direction, own)})
    lips, meant = lips_of(person.head), mood_face(direction.emotion)[EXPR]

    def asking(first: int, last: int) -> torch.Tensor:
        return row.expand(last - first, -1)

    def fresh() -> Stream:
        finish = Finish(direction, lips, net.mean.numpy(), seed=options.seed, own=own)
        return Stream(net, lips, seed=options.seed, steps=options.steps, asking=asking, finishing=finish, guidance=options.guidance)

    # The first windows are slow: they are made before anybody sends or speaks.
    fresh().push(np.zeros(RATE, np.float32))
    source = open_source(options.live)
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))
    heard: list[np.ndarray] = []
    say(f"listening to {options.live}; Ctrl-C ends it and writes {out}")
    try:
        frames, report = perform_live(_kept(source, heard), fresh(), _tell)
    except BaseException as error:
        frames, report = getattr(error, "performed", (None, None))
        if frames is not None and report is not None and heard:
            _write(person, frames, heard, out, own, meant, report)
        if isinstance(error, KeyboardInterrupt) and heard:
            return
        raise
    _write(person, frames, heard, out, own, meant, report)


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
    person: "Avatar", frames: "np.ndarray", heard: "list[np.ndarray]", out: Path, own: bool, meant: "np.ndarray", report: "LiveReport"
) -> None:
    from dataclasses import replace

    import numpy as np

    from avatar3d.motion import save_motion
    from driver.features import RATE
    from driver.sample import motion_of

    sound = np.concatenate(heard).astype(np.float32) / 32767
    motion: Motion = person.admit(motion_of(frames, person.head, person.shape.numpy(), sound, RATE), own, meant)
    busy = ""
    if not report.reproducible:
        used = ", ".join(f"{steps} in {count} frames" for steps, count in sorted(report.steps.items(), reverse=True))
        busy = f"the machine was busy, and steps were saved ({used}): this motion cannot be made again from its sound and seed"
    save_motion(replace(motion, note=busy), out)
    middle, slow, most = report.latency
    say(f"{out}: {len(motion)} frames, {motion.duration:.1f} s")
    say(f"first frame after {report.first:.0f} ms; sound to frame {middle:.0f} ms, 95 % within {slow:.0f}, most {most:.0f}")
    say(f"frames on time to {report.jitter:.1f} ms (99 %), {report.late} too late")
    if report.stalled:
        say(f"the sound stalled for {report.stalled:.1f} s; the motion waited for it")
    if busy:
        say(busy)
