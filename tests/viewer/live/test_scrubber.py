"""A slider that follows a place and is dragged elsewhere at the same time."""

import contextlib
import threading
import time

import msgspec
import pytest

viser = pytest.importorskip("viser")
pytest.importorskip("websockets")

from tests.viewer.live.wire import listen, messages  # noqa: E402
from viewer.live.in_turn import InTurn  # noqa: E402
from viewer.live.scrubber import Scrubber  # noqa: E402
from viewer.live.workbench import close_server, open_server  # noqa: E402


class Place:
    """Somewhere, with a slider to it."""

    def __init__(self, server) -> None:
        self.at = 0.0
        self.slider = server.gui.add_slider("place", 0.0, 100.0, 1.0, 0.0)
        self.in_turn = InTurn(lambda work: work)
        self.scrubber = Scrubber(server, self.slider, lambda: self.at, self.go, self.in_turn.heed)

    def go(self, at: float, _) -> None:
        # As long as a machine with much to do takes to come to it.
        time.sleep(0.005)
        self.at = at

    def reaches(self, at: float) -> bool:
        until = time.monotonic() + 60
        while self.at != at and time.monotonic() < until:
            time.sleep(0.001)
        return self.at == at


@pytest.fixture(scope="module")
def server():
    made = open_server("127.0.0.1", 0, "test")
    yield made
    close_server(made)


def drag(socket, slider, at: float) -> None:
    """As a browser says that a slider was dragged."""
    socket.send(msgspec.msgpack.encode({"type": "GuiUpdateMessage", "uuid": slider._impl.uuid, "updates": {"value": at}}))


def test_it_shows_where_it_is(server):
    place = Place(server)
    with listen(server.get_port(), viser.__version__) as socket:
        place.at = 7.0
        place.scrubber.follow()
        for message in messages(socket, 60.0):
            if message.get("uuid") == place.slider._impl.uuid and message.get("updates") == {"value": 7.0}:
                break
        else:
            raise AssertionError("the browser hears nothing of it")


@contextlib.contextmanager
def followed(place: Place):
    """The slider follows much more often than a workbench's does."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(0.0002):
            place.scrubber.follow()

    following = threading.Thread(target=follow)
    following.start()
    try:
        yield
    finally:
        over.set()
        following.join()


def test_what_is_asked_for_is_never_overwritten_by_what_is_followed(server):
    place = Place(server)
    with followed(place), listen(server.get_port(), viser.__version__) as socket:
        for at in range(1, 100):
            drag(socket, place.slider, float(at))
            assert place.reaches(float(at)), f"{at} was lost"


def test_a_slider_does_not_go_back_while_a_drag_is_on_its_way(server):
    place, written = Place(server), []
    with followed(place), listen(server.get_port(), viser.__version__) as socket:
        for at in range(1, 20):
            drag(socket, place.slider, float(at))
            assert place.reaches(float(at))
        place.at = 100.0
        for message in messages(socket, 60.0):
            if message.get("uuid") == place.slider._impl.uuid and "value" in message.get("updates", {}):
                written.append(message["updates"]["value"])
                if written[-1] == 100.0:
                    break
    # The browser knows where it dragged to; only the last place is news.
    assert written == [100.0]


def test_many_drags_in_a_row_end_at_the_last(server):
    place = Place(server)
    with listen(server.get_port(), viser.__version__) as socket:
        for at in range(1, 100):
            drag(socket, place.slider, float(at))
        assert place.reaches(99.0)
        time.sleep(0.1)
        assert place.at == 99.0
