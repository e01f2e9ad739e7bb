"""What several verbs share: finding heads and avatars, the next command."""

import functools
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.head.model import HeadModel
    from driver.model import DriverNet
    from recon.landmarks import LandmarkDetector


def open_head(path: Path | None) -> "HeadModel":
    """The head model to work with: a file, ICT-FaceKit's folder, or the embedded one. A user's FLAME or ICT-FaceKit is registered on first use.

    Raises:
        UserError: not a head model.
    """
    from avatar3d.head.store import load_head
    from avatar3d.progress import console

    return load_head(path, _detect, console)


def _detect(image: "np.ndarray") -> "np.ndarray | None":
    """The landmark detector that another head is completed with on first use; loaded only then."""
    return _detector().detect(image)


@functools.cache
def _detector() -> "LandmarkDetector":
    from recon.landmarks import LandmarkDetector

    return LandmarkDetector(several=True, still=True).__enter__()


def open_avatar(path: Path, head: Path | None = None) -> "Avatar":
    """An avatar with its head.

    Args:
        path: the `.avatar` file.
        head: file of its head model, where it is not the embedded one and not in `$AVATAR3D_HEADS`.

    Raises:
        UserError: unreadable, or its head is not at hand.
    """
    from avatar3d.avatar_file import load_avatar
    from avatar3d.errors import UserError
    from avatar3d.head.store import find_head
    from avatar3d.progress import console

    def find(fingerprint: str, name: str) -> "HeadModel":
        if head is not None:
            given = open_head(head)
            if given.fingerprint != fingerprint:
                raise UserError(f"{path}: was fitted on head {name} ({fingerprint}), but {head} is {given.name} ({given.fingerprint}); give its own")
            return given
        try:
            return find_head(fingerprint, _detect, console)
        except UserError as error:
            raise UserError(f"{path}: was fitted on head {name} ({fingerprint}), which is not here; give its file with --head") from error

    return load_avatar(path, find)


def open_driver(avatar: Path | None) -> "tuple[DriverNet, bool]":
    """The driver that an avatar speaks with, and whether it is its own: the one in its file, else (or with None) the default one.

    Raises:
        UserError: the driver in the file cannot be used.
    """
    from avatar3d.avatar_file import DRIVER_REMEDY, read_driver
    from driver.weights import load_weights, network_of

    weights = None if avatar is None else read_driver(avatar)
    if weights is None:
        return load_weights(), False
    return network_of(weights, f"{avatar}: its own driver", DRIVER_REMEDY), True


def check_range(option: str, value: float | None, low: float, high: float) -> None:
    """Refuse an option outside low..high; None means that it was not given.

    Raises:
        UserError: names the option and the range.
    """
    from avatar3d.errors import UserError

    if value is not None and not low <= value <= high:
        raise UserError(f"{option} {value}: choose {low} to {high}")


def interrupted() -> Callable[[], bool]:
    """Whether Ctrl-C was pressed since this was called. It raises KeyboardInterrupt as ever; but that is lost where it comes while a compiler
    or a library calls back into Python, and whoever waits without end must ask for it too.
    """
    pressed = threading.Event()

    def end(*_) -> None:
        pressed.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, end)
    return pressed.is_set


def say(line: str) -> None:
    """A line of the result on standard output, in one piece where several threads speak."""
    print(f"{line}\n", end="", flush=True)


def note(line: str) -> None:
    """A remark on standard error, in one piece."""
    print(f"{line}\n", end="", file=sys.stderr, flush=True)
