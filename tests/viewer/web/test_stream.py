"""A page that is moved over a WebSocket, in Chromium."""

import time

import numpy as np
import pytest

from avatar3d.motion import Motion
from tests.viewer.web.conftest import performing
from tests.viewer.web.shown import Shown, until
from viewer.export.web import page_parts
from viewer.stream.playback import track_of
from viewer.stream.server import SOCKET, StreamServer
from viewer.stream.site import page_files

SHOWN = "[...player.performance.frame(performance.now() / 1000).{channel}]"


def _server(person, port: int = 0, rate: int = 16_000, motion: Motion | None = None) -> StreamServer:
    parts = page_parts(person, motion)
    files, fingerprint = page_files(parts, "#d8dce2", SOCKET)
    track = track_of(performing(1), person.head) if motion is None else {name: parts["motion"].values(name) for name in parts["motion"].arrays}
    channels = tuple((name, values.shape[1]) for name, values in track.items())
    return StreamServer(files, {"avatar": fingerprint}, channels, host="127.0.0.1", port=port, rate=rate)


def _hold(server: StreamServer, shown: Shown, track: dict, code: str, seconds: float = 60) -> None:
    """Send one frame again and again at its time until an expression in `player` is true."""
    began, end = time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(5):
            server.frame(time.monotonic() - began, track)
            if server._pieces is not None:
                server.sound(np.full(640, 0.1, np.float32))
            time.sleep(0.04)
        if shown.evaluate(code):
            return
    raise AssertionError(f"the page did not come to {code}: {shown.evaluate('player.link.notice')}")


@pytest.fixture
def frame(person) -> dict:
    return {name: values[3] for name, values in track_of(performing(10), person.head).items()}


def _whole(channel: str, frame: dict) -> str:
    wanted = [float(x) for x in frame[channel]]
    return f"{wanted}.every((x, i) => Math.abs(x - {SHOWN.format(channel=channel)}[i]) < 1e-5)"


def test_the_head_moves_as_the_frames_say_and_who_comes_late_sees_the_same(person, show, frame):
    with _server(person) as server:
        first = show(server.address)
        assert first.evaluate("player.link.notice") == "nothing is performed at the moment"
        _hold(server, first, frame, _whole("expr", frame))
        assert first.page.inner_text("#stream") == "live · sound is off"
        late = show(server.address)
        _hold(server, late, frame, f"{_whole('expr', frame)} && {_whole('neck_pose', frame)}")
        server.end(1.0)
        first.wait("player.link.state === 'over' || player.link.state === 'away'")


def test_a_script_takes_the_head_and_gives_it_back_to_the_stream(person, show, frame):
    with _server(person) as server:
        shown = show(server.address)
        _hold(server, shown, frame, _whole("expr", frame))
        shown.page.evaluate("window.postMessage({avatar3d: {frame: {jaw_pose: [0.25, 0, 0]}}}, '*')")
        _hold(server, shown, frame, f"{SHOWN.format(channel='jaw_pose')}[0] === 0.25")
        shown.page.evaluate("window.postMessage({avatar3d: {frame: null}}, '*')")
        _hold(server, shown, frame, f"{_whole('expr', frame)} && {_whole('jaw_pose', frame)}")


_SAID = """window.said = [];
new MutationObserver(() => {
  const line = document.getElementById("stream");
  if (line && !line.hidden) window.said.push([line.textContent, Boolean(window.avatar3d?.view?.drawn)]);
}).observe(document, { subtree: true, childList: true });"""


def test_nothing_is_called_live_before_the_head_is_drawn(person, show, frame):
    with _server(person) as server:
        server.frame(0.0, frame)
        shown = show(server.address, _SAID)
        _hold(server, shown, frame, "player.view.drawn && player.link.state === 'live'")
        said = shown.page.evaluate("window.said")
    assert said[0][0] == "the head is on its way" and said[-1][0].startswith("live")
    assert all(text == "the head is on its way" for text, drawn in said if not drawn)


def test_sound_is_laid_out_on_its_clock_and_the_picture_follows(person, show, frame):
    with _server(person) as server:
        shown = show(server.address, size=(500, 300))
        _hold(server, shown, frame, "player.link.audible")
        shown.page.click("#listen")
        _hold(server, shown, frame, "player.link.voice.position > 1")
        heard, lag, now = shown.evaluate("[player.link.voice.position, player.link.track.lag(performance.now() / 1000), performance.now() / 1000]")
        assert heard == pytest.approx(now - lag, abs=0.1)
        assert shown.evaluate("player.link.voice.codec") == "opus"
        shown.page.keyboard.press("m")
        assert shown.evaluate("player.link.voice === null")


def test_without_a_decoder_sound_comes_as_it_is(person, show, frame):
    with _server(person) as server:
        shown = show(server.address, "delete globalThis.AudioDecoder;", size=(500, 300))
        _hold(server, shown, frame, "player.link.audible")
        shown.page.click("#listen")
        _hold(server, shown, frame, "player.link.voice.position > 1")
        piece = shown.evaluate("[...player.link.voice._pieces.at(-1).samples.subarray(0, 3)]")
        np.testing.assert_allclose(piece, 0.1, atol=1e-4)


def test_a_server_that_comes_back_is_found_again(person, show, frame):
    with _server(person) as server:
        port, shown = server.port, show(server.address)
        _hold(server, shown, frame, "player.link.state === 'live'")
    shown.wait("player.link.state === 'away'")
    until(lambda: "trying again in" in shown.page.inner_text("#stream"))
    with _server(person, port) as server:
        _hold(server, shown, frame, "player.link.state === 'live'")
        _hold(server, shown, frame, _whole("jaw_pose", frame))
    # The browser writes down every try that fails.
    assert all("ERR_CONNECTION_REFUSED" in line for line in shown.troubles)
    shown.troubles.clear()


def test_another_avatar_brings_its_own_page(person, show, frame):
    from dataclasses import replace

    with _server(person) as server:
        port, shown = server.port, show(server.address)
        shown.wait("player.link.state === 'waiting'")
    with _server(replace(person, metadata={"subject": "somebody else"}), port):
        until(lambda: "somebody else" in shown.page.inner_text("#label"))
        until(lambda: shown.page.evaluate("window.avatar3d?.link?.state") == "waiting")
    shown.troubles.clear()


def test_the_page_may_ask_for_its_own_socket_alone(person, show):
    with _server(person) as server:
        shown = show(server.address)
        shown.wait("player.link.state === 'waiting'")
        refused = shown.page.evaluate(
            "new Promise((done) => { document.addEventListener('securitypolicyviolation', (event) => done(event.blockedURI));"
            " try { new WebSocket('ws://127.0.0.1:1/'); } catch (error) { done(String(error)); } })"
        )
        assert "127.0.0.1:1" in refused
        shown.troubles.clear()


def test_a_head_without_a_rig_is_moved_by_its_tracks(person, show):
    from dataclasses import replace

    closed = replace(person, head=replace(person.head, redistributable=False))
    motion = performing(12)
    with _server(closed, motion=motion, rate=0) as server:
        track = page_parts(closed, motion)["motion"]
        shown = show(server.address)
        values = {name: track.values(name)[5] for name in track.arrays}
        _hold(server, shown, values, _whole("coefficients", values))
        assert not shown.evaluate("player.link.audible") and shown.page.is_hidden("#listen")
