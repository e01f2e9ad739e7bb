"""The workbench on its wire, read by a listener of our own: what browsers are sent, and that they may come and go."""

import io
import time
from dataclasses import replace
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from avatar3d.motion import Motion
from tests.avatar3d.tiny import tiny_avatar, tiny_head, tiny_motion
from viewer.live.splats import SCALE

viser = pytest.importorskip("viser")
pytest.importorskip("websockets")

from websockets.exceptions import InvalidStatus  # noqa: E402
from websockets.sync.client import connect  # noqa: E402
from websockets.typing import Origin, Subprotocol  # noqa: E402

from tests.viewer.live.wire import listen, messages  # noqa: E402
from viewer.live.workbench import Workbench, close_server, free_port, open_server  # noqa: E402


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A workbench of a tiny avatar with a motion."""
    avatar = tiny_avatar(count=400)
    server = open_server("127.0.0.1", 0, "test")
    made = Workbench(server, avatar, "tiny", ("m.npz", tiny_motion(avatar.head, 50)), scratch=tmp_path_factory.mktemp("scratch"))
    yield made
    made.close()
    close_server(server)


@pytest.fixture
def socket(bench):
    """A browser of ours."""
    bench.stage.choose(None, splats=False)
    with listen(bench.server.get_port(), viser.__version__) as connection:
        yield connection


def arrived(socket, kind: str, seconds: float = 20.0) -> dict:
    """The next message of a kind."""
    return next(message for message in messages(socket, seconds) if message["type"] == kind)


def test_a_picture_comes_at_once_and_then_a_whole_one(bench, socket):
    sizes = []
    for message in messages(socket, 20.0):
        # viser begins by taking away what may be there.
        if message["type"] == "BackgroundImageMessage" and message["rgb_data"] is not None:
            sizes.append(Image.open(io.BytesIO(message["rgb_data"])).size)
            if sizes[-1] == (400, 300):
                break
    assert sizes and sizes[-1] == (400, 300)


def buffers(socket, seconds: float = 20.0):
    for message in messages(socket, seconds):
        held = message.get("props", message.get("updates", {}))
        if message.get("name") == "/avatar" and "buffer" in held:
            yield held["buffer"].reshape(-1, 8)


def test_every_covariance_on_the_wire_is_positive_definite(bench, socket):
    bench.stage.choose(None, splats=True)
    bench.player.play()
    bench.stage.wake()
    seen = 0
    for words in buffers(socket):
        # Words 4 to 6 of eight are six float16 numbers: xx, xy, xz, yy, yz, zz.
        six = np.ascontiguousarray(words[:, 4:7]).view(np.float16).astype(np.float64)
        full = six[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
        assert len(full) == 400 and (np.linalg.eigvalsh(full) > 0).all()
        seen += 1
        if seen == 5:
            break
    assert seen == 5
    bench.player.pause()


def test_the_wire_holds_the_posed_gaussians(bench, socket):
    bench.player.seek(0.4)
    bench.stage.choose(None, splats=True)
    posed = bench.stage.avatar.pose(bench.player.motion, 0.4)
    for words in buffers(socket):
        centers = np.ascontiguousarray(words[:, :3]).view(np.float32) * SCALE
        if np.abs(centers - posed.position.numpy()).max() < 1e-5:
            break
    else:
        raise AssertionError("the pose of this moment is not on the wire")
    rgba = np.ascontiguousarray(words[:, 7:]).view(np.uint8).reshape(-1, 4)
    opacity = 1 / (1 + np.exp(-posed.opacity_logit.numpy()))
    np.testing.assert_allclose(rgba[:, 3] / 255, opacity, atol=0.503 / 255)


def test_pages_of_other_sites_are_refused(bench):
    own, protocols = f"http://127.0.0.1:{bench.server.get_port()}", [Subprotocol(f"viser-v{viser.__version__}")]
    address = own.replace("http", "ws")
    with pytest.raises(InvalidStatus) as refused:
        connect(address, origin=Origin("http://evil.example"), subprotocols=protocols)
    assert refused.value.response.status_code == 403
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        with pytest.raises(HTTPError, match="403"):
            urlopen(Request(own, headers=headers))
    with connect(address, origin=Origin(own), subprotocols=protocols), urlopen(own) as answer:
        assert answer.status == 200


def test_whoever_does_not_know_the_token_is_refused():
    server = open_server("0.0.0.0", 0, "test", "my-own_token")
    try:
        own, protocols = f"http://127.0.0.1:{server.get_port()}", [Subprotocol(f"viser-v{viser.__version__}")]
        for path in ("/", "/my-own_toke/", "/index.html", "//my-own_token/"):
            with pytest.raises(HTTPError, match="404"):
                urlopen(own + path)
        with pytest.raises(InvalidStatus) as refused:
            connect(own.replace("http", "ws"), subprotocols=protocols)
        assert refused.value.response.status_code == 404
        # The page opens its socket at its own address, and adds the server to it as a query.
        for path in ("/my-own_token/", "/my-own_token", "/my-own_token/?websocket=ws://x/y"):
            with urlopen(own + path) as answer:
                assert b"<html" in answer.read(2000)
        with connect(f"{own.replace('http', 'ws')}/my-own_token", subprotocols=protocols):
            pass
    finally:
        close_server(server)


def test_browsers_may_come_and_go(bench):
    bench.stage.choose(None, splats=False)

    def settled(count: int) -> bool:
        for _ in range(100):
            if len(bench.stage.browsers) == len(bench.desk._sounds) == count:
                return True
            time.sleep(0.1)
        return False

    assert settled(0)
    for _ in range(3):
        sockets = [listen(bench.server.get_port(), viser.__version__) for _ in range(4)]
        assert settled(4)
        for socket in sockets:
            assert arrived(socket, "BackgroundImageMessage")
            socket.close()
        assert settled(0)


def test_lids_close_together_as_the_panel_says(tmp_path):
    head = tiny_head()
    avatar = tiny_avatar(replace(head, eyelid_basis=torch.zeros(2, head.num_vertices, 3)), count=50)
    server = open_server("127.0.0.1", 0, "test")
    made = Workbench(server, avatar, "tiny", scratch=tmp_path)
    left, right = (made.face._handles[f"close {side}"] for side in ("left", "right"))
    with listen(server.get_port(), viser.__version__) as socket:
        # As a browser says that a slider was moved.
        message = {"type": "GuiUpdateMessage", "uuid": left._impl.uuid, "updates": {"value": 0.75}}
        socket.send(msgspec.msgpack.encode(message))
        for _ in range(100):
            if made.stage.adjustments.lids == (0.75, 0.75):
                break
            time.sleep(0.1)
    assert made.stage.adjustments.lids == (0.75, 0.75) and right.value == 0.75
    made.close()
    close_server(server)


def test_the_sound_of_another_motion_is_sent(bench, socket):
    arrived(socket, "ReplayDoneMessage")
    motion: Motion = replace(tiny_motion(bench.stage.avatar.head, 25), sound=np.zeros(1600, np.float32), sound_rate=1600)
    bench.desk.load(motion)
    contents = []
    for message in messages(socket, 20.0):
        content = message.get("updates", message.get("props", {})).get("content", "")
        contents.append(content)
        if "data:audio/wav" in content:
            break
    assert "data:audio/wav;base64," in contents[-1]


def test_a_free_port_is_free_and_next_to_the_wanted_one(bench):
    taken = bench.server.get_port()
    found = free_port("127.0.0.1", taken)
    assert taken < found <= taken + 100
