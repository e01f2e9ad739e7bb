"""Controls whose callbacks come one after the other, with the value of their moment."""

import threading
import time

import msgspec
import pytest

viser = pytest.importorskip("viser")
pytest.importorskip("websockets")

from tests.viewer.live.wire import listen  # noqa: E402
from viewer.live.in_turn import InTurn  # noqa: E402
from viewer.live.workbench import close_server, open_server  # noqa: E402


@pytest.fixture
def server():
    made = open_server("127.0.0.1", 0, "test")
    yield made
    close_server(made)


class Heard:
    """What was heard of controls, by work that takes the longer the earlier it was asked for."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self.clients: list[object] = []
        self.in_turn = InTurn(lambda work: work)

    def work(self, value: object, event) -> None:
        time.sleep(0.02 / (1 + len(self.values)))
        self.values.append(value)
        self.clients.append(event.client)

    def reaches(self, count: int) -> bool:
        until = time.monotonic() + 60
        while len(self.values) < count and time.monotonic() < until:
            time.sleep(0.005)
        return len(self.values) == count


def tell(socket, control, value: object) -> None:
    """As a browser says that a control was moved or clicked."""
    socket.send(msgspec.msgpack.encode({"type": "GuiUpdateMessage", "uuid": control._impl.uuid, "updates": {"value": value}}))


def test_quick_clicks_on_different_buttons_are_all_done_in_their_order(server):
    heard, names = Heard(), ("first", "-1", "+1", "last")
    group = server.gui.add_button_group("go to", names)
    heard.in_turn.heed(group, heard.work)
    asked = [names[number % 4] for number in range(40)]
    with listen(server.get_port(), viser.__version__) as socket:
        for name in asked:
            tell(socket, group, name)
        assert heard.reaches(40)
    assert heard.values == asked
    heard.in_turn.close()


def test_a_drag_ends_where_it_ended_whatever_else_is_moved(server):
    heard = Heard()
    slider, other = (server.gui.add_slider(name, 0.0, 100.0, 1.0, 0.0) for name in ("slider", "other"))
    for control in (slider, other):
        heard.in_turn.heed(control, heard.work)
    with listen(server.get_port(), viser.__version__) as socket:
        for at in range(1, 31):
            tell(socket, slider, float(at))
            tell(socket, other, float(100 - at))
        assert heard.reaches(60)
    assert heard.values[::2] == list(range(1, 31)) and heard.values[1::2] == list(range(99, 69, -1))
    heard.in_turn.close()


def test_what_the_program_sets_has_no_client_and_a_click_at_the_end_is_nobodys(server):
    heard = Heard()
    box, button = server.gui.add_checkbox("box", False), server.gui.add_button("button")
    for control in (box, button):
        heard.in_turn.heed(control, heard.work)
    box.value = True
    assert heard.reaches(1) and heard.values == [True] and heard.clients == [None]
    with listen(server.get_port(), viser.__version__) as socket:
        tell(socket, button, True)
        assert heard.reaches(2) and heard.clients[1] is not None
        heard.in_turn.close()
        over = threading.Event()
        last = server.gui.add_button("over")
        last.on_click(lambda _: over.set())
        tell(socket, button, True)
        # The connection that the click came by is still there.
        tell(socket, last, True)
        assert over.wait(60)
    assert len(heard.values) == 2
