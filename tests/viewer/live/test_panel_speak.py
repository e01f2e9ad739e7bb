"""The voice is loaded before anybody asks for it."""

import threading
from types import SimpleNamespace

import pytest

from avatar3d.errors import UserError
from avatar3d.motion import Motion
from avatar3d.performer import Wish
from tests.avatar3d.tiny import tiny_avatar, tiny_motion

pytest.importorskip("viser")

from viewer.live.panel_speak import SOUNDS
from viewer.live.workbench import Workbench, close_server, open_server

AVATAR = tiny_avatar(count=50)


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
        if wish.audio is not None and not wish.audio.read_bytes().startswith(b"speech"):
            raise UserError(f"{wish.audio}: is not a sound file")
        return self.motion

    def listen(self, wish, stop, deliver) -> Motion:
        raise NotImplementedError


@pytest.fixture
def opened(tmp_path):
    """open(performer) -> a workbench."""
    server = open_server("127.0.0.1", 0, "test")
    made: list[Workbench] = []

    def open_with(performer: Slow) -> Workbench:
        made.append(Workbench(server, AVATAR, "tiny", performer=performer, scratch=tmp_path))
        return made[0]

    yield open_with
    for each in made:
        each.close()
    close_server(server)


def test_of_the_sounds_that_are_sent_the_last_one_that_could_be_spoken_is_kept(opened, tmp_path):
    performer = Slow(tiny_motion(AVATAR.head, 10), None)
    performer.there.set()
    bench = opened(performer)
    assert bench.speak is not None

    def send(name: str, content: bytes) -> None:
        upload = SimpleNamespace(name=name, content=content)
        bench.speak._perform(bench.speak.wish(audio=bench.desk.keep(upload, SOUNDS)), name)

    send("first.wav", b"speech 1")
    with pytest.raises(UserError, match="is not a sound file"):
        send("noise.wav", b"noise")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"speech 1"]
    bench.speak._once_more(None)
    send("second.wav", b"speech 2")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"speech 2"]


@pytest.mark.parametrize("trouble", [None, UserError("voice: is not there")])
def test_who_asks_too_early_is_told_what_is_waited_for(trouble, opened):
    performer = Slow(tiny_motion(AVATAR.head, 10), trouble)
    bench = opened(performer)
    assert performer.asked.wait(60)
    said: list[str] = []
    bench.desk.say = lambda line, busy=False: said.append(line)
    asking = threading.Thread(target=bench.speak._perform, args=(Wish(text="Hello."), "hello"))
    asking.start()
    asking.join(0.3)
    assert asking.is_alive() and "loading the voice" in said[-1] and bench.player.motion is not performer.motion
    performer.there.set()
    asking.join(60)
    assert bench.player.motion is performer.motion and said[-1] == "ready"
    # The second time there is nothing to wait for.
    said.clear()
    bench.speak._perform(Wish(text="Hello."), "hello")
    assert not any("loading" in line for line in said)


def test_who_closes_while_the_voice_is_loaded_waits_for_it(tmp_path):
    server = open_server("127.0.0.1", 0, "test")
    performer = Slow(tiny_motion(AVATAR.head, 10), None)
    bench = Workbench(server, AVATAR, "tiny", performer=performer, scratch=tmp_path)
    assert performer.asked.wait(60)
    closing = threading.Thread(target=bench.close)
    closing.start()
    closing.join(0.3)
    assert closing.is_alive()
    performer.there.set()
    closing.join(60)
    assert not closing.is_alive() and "voice" not in {thread.name for thread in threading.enumerate()}
    close_server(server)
