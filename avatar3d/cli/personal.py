"""adapt: the driver made one person's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from avatar3d.cli.common import check_range, note, open_avatar, say

if TYPE_CHECKING:
    from avatar3d.avatar import Avatar
    from avatar3d.head.model import HeadModel

MINUTES = 8.0
"""Wall time at most."""


def adapt(
    avatar: Positional[Path],
    capture: Positional[Path | None] = None,
    /,
    out: Annotated[Path | None, arg(aliases=["-o"])] = None,
    minutes: float = MINUTES,
    seed: int = 0,
    head: Path | None = None,
    remove: bool = False,
    other_capture: bool = False,
) -> None:
    """Make the speech driver this person's own, from the capture in which they speak; `fit` does it for balanced and quality.

    Args:
        avatar: the .avatar file; it keeps the driver, and speaks with it from now on.
        capture: the capture folder that it was fitted to, with sound. Frames that the fit held out are held out here too.
        out: another .avatar file to write instead.
        minutes: wall time at most.
        seed: of everything random.
        head: file of the avatar's head model where it is not the embedded one.
        remove: take the own driver away again; no capture is needed.
        other_capture: the capture is another than the avatar was fitted to, of the same person: its faces are then another tracking's.
    """
    import shutil

    from avatar3d.avatar_file import set_driver
    from avatar3d.errors import UserError
    from avatar3d.files import atomic_path, check_output

    check_range("--minutes", minutes, 0.05, 600)
    check_range("--seed", seed, 0, 2**31 - 1)
    person = open_avatar(avatar, head)
    target = check_output(avatar if out is None else out, capture)
    if target.is_dir():
        raise UserError(f"{target}: is a folder; give the name of an .avatar file")
    content = None
    if not remove:
        if capture is None:
            raise UserError("adapt: needs the capture folder that the avatar was fitted to, or --remove")
        same = _is_of(person, capture)
        if not (same or other_capture):
            raise UserError(f"{capture}: is not what {avatar} was fitted to; give that capture, or --other-capture if it shows the same person")
        holdout = float(person.metadata.get("fit", {}).get("holdout", 0.0)) if same else 0.0
        content = own_driver(capture, person.head, holdout, minutes, seed)
    if target != avatar:
        with atomic_path(target) as temporary:
            shutil.copyfile(avatar, temporary)
    set_driver(target, content)
    say(f'next: avatar3d speak {target} --text "Hello, this is me." -o {target.with_suffix(".mp4")}')


def _is_of(person: "Avatar", capture: Path) -> bool:
    """Whether an avatar was fitted to a capture: both have the identity that was tracked in it.

    Raises:
        UserError: it is no tracked capture.
    """
    import numpy as np

    from driver.captures import tracked

    motion, _ = tracked(capture, person.head)
    return motion.shape.shape == tuple(person.shape.shape) and bool(np.allclose(motion.shape, person.shape.numpy(), atol=1e-5))


def give_own_driver(avatar: Path, capture: Path, head: Path | None, holdout: float, seed: int) -> None:
    """Adapt the driver for a freshly fitted avatar; one whose capture does not do for it speaks with the default driver."""
    from avatar3d.avatar_file import set_driver
    from avatar3d.errors import UserError

    try:
        content = own_driver(capture, open_avatar(avatar, head).head, holdout, MINUTES, seed)
    except UserError as error:
        say(f"no driver of its own, it speaks with the default one: {error}")
        return
    set_driver(avatar, content)


def own_driver(capture: Path, head: "HeadModel", holdout: float, minutes: float, seed: int) -> bytes:
    """The weights file of a person's own driver, and what there is to say about it.

    Raises:
        UserError: the capture cannot be used.
    """
    from avatar3d.errors import UserError
    from avatar3d.progress import console
    from driver.held_out import compare_held_out
    from driver.personal import adapt as adapt_driver
    from driver.table import table_lines
    from driver.weights import load_weights, weights_file

    prior = load_weights()
    with console("adapt") as progress:
        personal = adapt_driver(capture, head, prior, holdout=holdout, minutes=minutes, seed=seed, progress=progress)
    note("")
    say(
        f"own driver: from {personal.material:.0f} s of speech in {personal.seconds:.0f} s, {personal.steps} steps; "
        f"lip vertices off by {personal.error[1]:.2f} mm where it was decided, {personal.error[0]:.2f} with the default one"
    )
    if holdout:
        # A short end can be too little to measure on; what was learned is kept all the same.
        try:
            lines = table_lines(compare_held_out(capture, head, prior, personal.net, holdout))
        except UserError as error:
            lines = [f"not measured on the end that was held out: {error}"]
        for line in lines:
            say(line)
    made = f"adapted to {personal.material:.0f} s of {capture.name}, {personal.steps} steps, seed {seed}"
    return weights_file(personal.net.state_dict(), personal.net.config, head, made)
