"""The voice is loaded before anybody asks for it."""

import threading

import pytest

from avatar3d.errors import UserError
from avatar3d.motion import Motion
from avatar3d.performer import Wish
from tests.avatar3d.tiny import tiny_avatar, tiny_motion

pytest.importorskip("viser")

from viewer.live.workbench import Workbench, close_server, open_server


class Slow:
    """A performer whose voice is loaded when the test says so, with success or without."""

    emotions, voices, has_own = ("happy",), ("en-us",), False

    def __init__(self, motion: Motion, trouble: UserError | None) -> None:
        self.motion, self.trouble = motion, trouble
        self.asked, self.there = threading.Event(), threading.Event()

    def warm(self) -> None:
        self.asked.set()
        self.there.wait(60)
        if self.trouble is not None:
            raise self.trouble

    def speak(self, wish: Wish) -> Motion:
        assert self.there.is_set()
        return self.motion

    def listen(self, wish, stop, deliver) -> Motion:
        raise NotImplementedError


@pytest.mark.parametrize("trouble", [None, UserError("voice: is not there")])
def test_who_asks_too_early_is_told_what_is_waited_for(trouble, tmp_path):
    avatar = tiny_avatar(count=50)
    performer = Slow(tiny_motion(avatar.head, 10), trouble)
    server = open_server("127.0.0.1", 0, "test")
    made = Workbench(server, avatar, "tiny", performer=performer, scratch=tmp_path)
    try:
        assert performer.asked.wait(60) and made.speak is not None
        said: list[str] = []
        made.desk.say = lambda line, busy=False: said.append(line)
        asking = threading.Thread(target=made.speak._perform, args=(Wish(text="Hello."), "hello"))
        asking.start()
        asking.join(0.3)
        assert asking.is_alive() and "loading the voice" in said[-1] and made.player.motion is not performer.motion
        performer.there.set()
        asking.join(60)
        assert made.player.motion is performer.motion and said[-1] == "ready"
        # The second time there is nothing to wait for.
        said.clear()
        made.speak._perform(Wish(text="Hello."), "hello")
        assert not any("loading" in line for line in said)
    finally:
        performer.there.set()
        made.close()
        close_server(server)
