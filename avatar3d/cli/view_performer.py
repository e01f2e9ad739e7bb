"""The speech driver in the shape that the workbench asks for."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avatar3d.performer import Wish

if TYPE_CHECKING:
    from avatar3d.avatar import Avatar
    from avatar3d.cli.direct import Directing
    from avatar3d.cli.talk import Talking
    from avatar3d.motion import Motion


class DriverPerformer:
    """Lets one avatar speak by its own driver or the default one.

    Args:
        person: the avatar.
        path: of its file, which may hold a driver.
    """

    def __init__(self, person: "Avatar", path: Path) -> None:
        from avatar3d.avatar_file import read_driver

        self._person, self._path = person, path
        self._own = read_driver(path) is not None

    @property
    def emotions(self) -> tuple[str, ...]:
        """Moods of the driver."""
        from driver.conditions import EMOTIONS

        return EMOTIONS

    @property
    def voices(self) -> tuple[str, ...]:
        """Of espeak-ng, where it is installed."""
        from importlib.util import find_spec

        from driver.languages import LANGUAGE_OF

        return ("en-us", "en-gb", *LANGUAGE_OF) if find_spec("espeakng_loader") else ()

    @property
    def has_own(self) -> bool:
        """Whether the file holds a driver."""
        return self._own

    def warm(self) -> None:
        """A word is said to nobody: that loads libraries, networks and the voice. Raises UserError."""
        if self.voices:
            self.speak(Wish(text="Yes."))

    def speak(self, wish: Wish) -> "Motion":
        """As `avatar3d drive`. Raises UserError."""
        from avatar3d.cli.talk import check_talk, performance

        talking, directing = _options(wish)
        check_talk(talking, directing)
        return performance(self._person, self._path, talking, directing)

    def listen(self, wish: Wish, stop: threading.Event, deliver: "Callable[[Motion], None]") -> "Motion":
        """As `avatar3d drive --live mic`, until `stop` is set. Raises UserError."""
        from avatar3d.cli.live_drive import check_live, live_motion, live_stream
        from driver.sources import open_source

        talking, directing = _options(wish, live="mic")
        check_live(talking, directing)
        # A machine without a microphone says so before anything is loaded.
        source = open_source("mic")
        live = live_stream(self._person, self._path, talking, directing)
        return live_motion(live, _until(source, stop), deliver)[0]


def _until(source: "Iterator[np.ndarray]", stop: threading.Event) -> "Iterator[np.ndarray]":
    for piece in source:
        if stop.is_set():
            return
        yield piece


def _options(wish: Wish, live: str | None = None) -> "tuple[Talking, Directing]":
    """The options of the command line that mean the same."""
    from avatar3d.cli.direct import Directing
    from avatar3d.cli.talk import Talking

    said = {} if live is not None else {"audio": wish.audio, "text": wish.text}
    talking = Talking(**said, voice=wish.voice, live=live, seed=wish.seed, own_driver=wish.own_driver)  # pyright: ignore[reportArgumentType]
    directing = Directing(
        style=wish.style, emotion=tuple(f"{name}:{level:g}" for name, level in wish.emotion.items() if level), blink_rate=wish.blink_rate,
        gaze=wish.gaze, head_amount=wish.head_amount, mouth_amount=wish.mouth_amount, brow_amount=wish.brow_amount,
    )  # fmt: skip
    return talking, directing
