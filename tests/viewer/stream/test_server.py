import contextlib
import http.client
import os
import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import urljoin

import numpy as np
import pytest

from avatar3d.errors import UserError
from tests.viewer.stream.conftest import CHANNELS, SITE
from tests.viewer.stream.reader import Viewer
from viewer.stream import server as streaming
from viewer.stream.server import MAX_CONNECTIONS, MAX_MESSAGES, StreamServer

DESCRIPTION, FRAME, SOUND, END = 1, 2, 3, 4


def _values(x: float) -> dict[str, np.ndarray]:
    return {"expr": np.array([x, 0]), "jaw_pose": np.zeros(3)}


def _until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to it"
        time.sleep(0.01)


def _get(port: int, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    line.request("GET", path, headers=headers)
    answer = line.getresponse()
    content = answer.read()
    line.close()
    return answer.status, content, dict(answer.getheaders())


def test_the_page_comes_over_http(served):
    status, content, headers = _get(served.port, "/")
    assert (status, content) == (200, b"<p>the page") and headers["Content-Type"] == "text/html"
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
    assert _get(served.port, "/player.js")[1] == SITE["player.js"].content
    status, content, headers = _get(served.port, "/player.js", **{"Accept-Encoding": "br, gzip"})
    assert content == b"packed" and headers["Content-Encoding"] == "gzip"
    assert [_get(served.port, path)[0] for path in ("/other", "/../x", "/player.js/", "//", "//[")] == [404] * 5


def test_a_viewer_gets_the_description_then_frames(served):
    with Viewer(served.port) as viewer:
        assert viewer.status == 101 and viewer.headers["sec-websocket-protocol"] == "avatar3d.stream.1"
        about = viewer.next(DESCRIPTION)
        assert about["facts"]["channels"] == [list(channel) for channel in CHANNELS]
        assert about["facts"]["sound"] == {"rate": 16000, "codecs": ["opus", "pcm16"]}
        served.frame(0.04, _values(0.5))
        frame = viewer.next(FRAME)
        assert (frame["stream"], frame["time"], frame["number"], frame["values"]) == (about["stream"], 0.04, 0, [0.5, 0, 0, 0, 0])


def test_who_comes_late_gets_the_present_state_and_goes_on(served):
    for number in range(50):
        served.frame(number / 25, _values(number))
    with Viewer(served.port) as viewer:
        viewer.next(DESCRIPTION)
        assert viewer.next(FRAME)["number"] == 49
        served.frame(2.0, _values(50))
        assert viewer.next(FRAME)["number"] == 50


def test_sound_comes_to_those_who_want_it_with_its_time(served):
    tone = (0.5 * np.sin(np.arange(16_000) / 5)).astype(np.float32)
    with Viewer(served.port) as plain, Viewer(served.port) as packed, Viewer(served.port) as deaf:
        for viewer, wish in ((plain, b'{"sound":"pcm16"}'), (packed, b'{"sound":"opus"}'), (deaf, b'{"sound":null}')):
            viewer.next(DESCRIPTION)
            viewer.send(wish)
        assert served.wait(listening=True, seconds=10)
        _until(lambda: sum(box.codec is not None for box in served._viewers.mailboxes) == 2)
        served.sound(tone[:3200])
        pieces = [plain.next(SOUND) for _ in range(5)]
        assert [piece["time"] for piece in pieces] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
        assert {piece["codec"] for piece in pieces} == {2} and {piece["samples"] for piece in pieces} == {640}
        heard = np.frombuffer(b"".join(piece["data"] for piece in pieces), "<i2") / 32767
        np.testing.assert_allclose(heard, tone[:3200], atol=1e-4)
        first = packed.next(SOUND)
        assert first["codec"] == 1 and first["time"] == pytest.approx(-0.0065) and len(first["data"]) < 400
        served.frame(0.0, _values(1))
        assert deaf.next(FRAME)["number"] == 0


def test_an_end_is_said_and_everybody_is_let_go():
    with StreamServer(SITE, {}, CHANNELS, host="127.0.0.1", port=0) as server:
        viewer = Viewer(server.port)
        viewer.next(DESCRIPTION)
        server.end(3.5)
    assert viewer.next(END)["time"] == 3.5
    assert viewer.receive() in (1001, 1006)
    viewer.close()


def test_another_performance_is_described_and_starts_from_nothing(served):
    with Viewer(served.port) as viewer:
        first = viewer.next(DESCRIPTION)
        viewer.send(b'{"sound":"pcm16"}')
        _until(lambda: any(box.codec for box in served._viewers.mailboxes))
        served.frame(5.0, _values(1))
        served.sound(np.zeros(1000, np.float32))
        served.end(5.0)
        viewer.next(END)
        served.begin()
        second = viewer.next(DESCRIPTION)
        assert second["stream"] != first["stream"] and second["facts"] == first["facts"]
        served.frame(0.0, _values(2))
        served.sound(np.zeros(640, np.float32))
        frame, sound = viewer.next(FRAME), viewer.next(SOUND)
        assert (frame["stream"], frame["number"]) == (second["stream"], 0)
        assert (sound["stream"], sound["number"], sound["time"]) == (second["stream"], 0, 0)


def test_the_same_port_is_free_again_at_once():
    with StreamServer(SITE, {}, CHANNELS, host="127.0.0.1", port=0) as server, Viewer(server.port) as viewer:
        viewer.next(DESCRIPTION)
        port = server.port
    with StreamServer(SITE, {}, CHANNELS, host="127.0.0.1", port=port), Viewer(port) as viewer:
        viewer.next(DESCRIPTION)


def test_a_port_in_use_is_named(served):
    with pytest.raises(UserError, match=f"{served.port}: cannot be listened on .* choose another port"):
        StreamServer(SITE, {}, CHANNELS, host="127.0.0.1", port=served.port).__enter__()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://["])
def test_pages_of_others_are_refused(served, origin):
    with Viewer(served.port, origin=origin) as viewer:
        assert viewer.status == 403
    with Viewer(served.port, origin=f"http://127.0.0.1:{served.port}") as viewer:
        assert viewer.status == 101


def test_a_name_that_was_made_to_point_here_is_refused(served):
    assert _get(served.port, "/", Host="evil.example")[0] == 403
    assert _get(served.port, "/", Host=f"evil.example:{served.port}")[0] == 403
    with Viewer(served.port, host="evil.example", origin="http://evil.example") as viewer:
        assert viewer.status == 403
    assert _get(served.port, "/", Host="[")[0] == 403
    assert _get(served.port, "/", Host=f"localhost:{served.port}")[0] == 200


@pytest.mark.parametrize("served", [{"host": "0.0.0.0"}], indirect=True)
def test_other_addresses_need_a_token(served):
    token = served.token
    assert token is not None and len(token) >= 16 and token in served.address
    for path in ("/", "/stream", "/player.js", f"/{token[:-1]}", f"/{token[:-1]}/", "//", "/%00/"):
        assert _get(served.port, path)[0] == 404, path
    assert _get(served.port, f"/{token}/")[0] == 200
    status, _, headers = _get(served.port, f"/{token}")
    assert status == 308 and urljoin(f"http://here/{token}", headers["Location"]) == f"http://here/{token}/"
    assert served.address.split("/")[2] != f"0.0.0.0:{served.port}"
    with Viewer(served.port) as viewer:
        assert viewer.status == 404
    with Viewer(served.port, f"/{token}/stream") as viewer:
        assert viewer.status == 101


@pytest.mark.parametrize(
    ("payload", "opcode", "code"),
    [
        (b"hello", 1, 1003), (b"[" * 200, 1, 1003), (b'{"sound":["opus"]}', 1, 1003), (b'{"sound":{}}', 1, 1003), (bytes(range(150, 250)), 2, 1003),
        (b"\xff\xfe", 1, 1007), (b"x" * 300, 1, 1009), (b"x" * 5_000_000, 2, 1009), (b"", 7, 1002),
    ],
)  # fmt: skip
def test_who_says_nonsense_is_let_go_and_nobody_else(served, payload, opcode, code):
    with Viewer(served.port) as good, Viewer(served.port) as bad:
        good.next(DESCRIPTION)
        bad.next(DESCRIPTION)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            bad.send(payload, opcode)
        answer = bad.receive()
        # A reset overtakes the close frame where there was more to read.
        assert answer in (code, 1006)
        served.frame(0.0, _values(1))
        assert good.next(FRAME)["number"] == 0
    _until(lambda: served.viewers == 0)


def test_who_says_too_much_is_let_go(served):
    with Viewer(served.port) as viewer:
        for _ in range(MAX_MESSAGES + 1):
            viewer.send(b'{"sound":null}')
        viewer.next(DESCRIPTION)
        assert viewer.receive() == 1008


def test_garbage_instead_of_http_harms_nobody(served):
    for data in (bytes(5000), b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 500 + b"\r\n", b"GET /" + b"a" * 20_000, b"\0", b"POST / HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
            line.sendall(data)
            line.shutdown(socket.SHUT_WR)
            try:
                while line.recv(4096):
                    pass
            except ConnectionError:
                pass
    assert _get(served.port, "/")[0] == 200


def test_who_stops_reading_is_let_go_and_slows_nobody(served, monkeypatch):
    monkeypatch.setattr(streaming, "STALL", 0.5)
    with Viewer(served.port, small=True) as stuck, Viewer(served.port) as good:
        stuck.next(DESCRIPTION)
        good.next(DESCRIPTION)
        stuck.send(b'{"sound":"pcm16"}')
        _until(lambda: any(box.codec for box in served._viewers.mailboxes))
        got, end = 0, time.monotonic() + 20
        while served.viewers == 2 and time.monotonic() < end:
            served.frame(got / 25, _values(got))
            served.sound(np.zeros(16_000, np.float32))
            assert good.next(FRAME)["number"] == got
            got += 1
        assert served.viewers == 1 and got > 3


def test_nothing_is_left_of_those_who_came_and_went(served):
    def once() -> None:
        for kind in range(30):
            viewer = Viewer(served.port)
            if kind % 3:
                viewer.next(DESCRIPTION)
            viewer.close()
            _get(served.port, "/")

    once()
    _until(lambda: served.viewers == 0 and len(os.listdir("/proc/self/fd")) > 0)
    before = len(os.listdir("/proc/self/fd"))
    threads = [threading.Thread(target=once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _until(lambda: served.viewers == 0 and len(os.listdir("/proc/self/fd")) <= before)
    _until(lambda: _tasks(served) <= 2)


def _tasks(server: StreamServer) -> int:
    import asyncio

    return len(asyncio.all_tasks(server._loop))


def test_more_than_can_be_served_are_refused(served, monkeypatch):
    assert MAX_CONNECTIONS >= 100
    monkeypatch.setattr(streaming, "MAX_CONNECTIONS", 3)
    lines = [socket.create_connection(("127.0.0.1", served.port), timeout=10) for _ in range(3)]
    time.sleep(0.2)
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as one_more:
        assert _silence(one_more)
    for line in lines:
        line.close()
    _until(lambda: _get_or_none(served.port) == 200)


def _silence(line: socket.socket) -> bool:
    """Whether the other side has hung up without a word."""
    try:
        return line.recv(1) == b""
    except ConnectionError:
        return True


def _get_or_none(port: int) -> int | None:
    try:
        return _get(port, "/")[0]
    except (OSError, http.client.HTTPException):
        return None
