import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar3d.avatar_file import save_avatar
from avatar3d.cli.ways import address_of
from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion, save_motion
from avatar3d.sound import read_sound
from tests.avatar3d.tiny import tiny_avatar, tiny_head
from tests.ports import tcp_port
from tests.viewer.stream.reader import Viewer


@pytest.fixture(scope="module")
def nodding(tmp_path_factory) -> Path:
    """A second of nods, at 60 frames a second, with a tone."""
    motion = rest_motion(load_head(), 60)
    motion.neck_pose[:, 0] = 0.1 * np.sin(np.arange(60) / 9)
    tone = (0.2 * np.sin(np.arange(22_050) / 8)).astype(np.float32)
    path = tmp_path_factory.mktemp("motion") / "nod.npz"
    save_motion(replace(motion, fps=motion.fps * 60 / 25, sound=tone, sound_rate=22_050), path)
    return path


@contextmanager
def streaming(*words: object) -> Iterator[tuple[subprocess.Popen, int, str]]:
    """The command in a process of its own, its port and its page's path, once it listens."""
    command = [sys.executable, "-m", "avatar3d.cli.main", "stream", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        found = re.search(r"http://[\d.]+:(\d+)(/\S*)", line)
        assert found is not None, line + process.stderr.read()
        yield process, int(found[1]), found[2]
    finally:
        process.kill()
        process.communicate()


def test_a_motion_with_its_sound_reaches_a_viewer_to_the_end(small_avatar, nodding):
    with streaming(small_avatar, "--motion", nodding, "--to", f"ws://:{tcp_port()}") as (process, port, _), Viewer(port) as viewer:
        facts = viewer.next(1)["facts"]
        assert facts["fps"] == [30, 1] and facts["sound"]["rate"] == 24_000 and dict(facts["channels"])["expr"] == 51
        assert facts["mesh"] == "rig" and facts["head"] == load_head().fingerprint and "video" not in facts["synthetic"]
        viewer.send(b'{"sound":"pcm16"}')
        start = 51 + 3
        frames, pieces = [], []
        while isinstance(message := viewer.receive(), bytes):
            kind = message[3]
            frames += [message] if kind == 2 else []
            pieces += [message] if kind == 3 else []
        nods = [np.frombuffer(frame, "<f4", 1, 24 + 4 * start)[0] for frame in frames]
        assert len(frames) > 5 and np.ptp(nods) > 0.05
        assert len(pieces) >= 25 and process.wait(20) == 0


def test_ctrl_c_ends_it_quietly(small_avatar, nodding):
    with streaming(small_avatar, "--motion", nodding, "--loop", "--to", f"ws://127.0.0.1:{tcp_port()}") as (process, port, _):
        with Viewer(port) as viewer:
            numbers = [viewer.next(2)["number"] for _ in range(40)]
            assert numbers == sorted(numbers) and numbers[-1] > 30
            process.send_signal(signal.SIGINT)
            while isinstance(viewer.receive(), bytes):
                pass
        assert process.wait(20) == 0
        assert process.stderr is not None and process.stderr.read() == f"{small_avatar}: getting ready …\n"


def test_ctrl_c_ends_the_waiting_for_a_viewer(small_avatar, nodding):
    with streaming(small_avatar, "--motion", nodding, "--to", f"ws://127.0.0.1:{tcp_port()}") as (process, _, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_a_live_sound_moves_the_head(small_avatar, spoken):
    with streaming(small_avatar, "--live", spoken, "--to", f"ws://:{tcp_port()}") as (process, port, _), Viewer(port) as viewer:
        facts = viewer.next(1)["facts"]
        assert facts["fps"] == [25, 1] and facts["sound"]["rate"] == 16_000
        viewer.send(b'{"sound":"opus"}')
        jaws, kinds, times = [], set(), []
        while isinstance(message := viewer.receive(), bytes):
            kinds.add(message[3])
            if message[3] == 2:
                times.append(np.frombuffer(message, "<f8", 1, 8)[0])
                jaws.append(np.frombuffer(message, "<f4", 1, 24 + 4 * 51)[0])
        assert process.wait(20) == 0 and process.stdout is not None
        told = re.search(r"^(\d+) frames; .*sound to frame", process.stdout.read(), re.MULTILINE)
        count = -(-25 * len(read_sound(spoken, 16_000)) // 16_000)
        assert told is not None and int(told[1]) == count
        # A busy machine leaves frames out, and shows the last one always.
        assert kinds >= {2, 3} and times == sorted(set(times)) and times[-1] == pytest.approx((count - 1) / 25)
        assert len(set(jaws)) > 1


def test_senders_come_and_go_and_viewers_stay(small_avatar, spoken):
    sound = (np.clip(read_sound(spoken)[:16_000], -1, 1) * 32767).astype("<i2").tobytes()
    sender = tcp_port()
    with (
        streaming(small_avatar, "--live", f"tcp://127.0.0.1:{sender}", "--to", f"ws://:{tcp_port()}") as (process, port, _),
        Viewer(port) as viewer,
    ):
        streams = []
        for _ in range(2):
            streams.append(viewer.next(1)["stream"])
            with _connected(sender) as line:
                for start in range(0, len(sound), 1280):
                    line.sendall(sound[start : start + 1280])
                    time.sleep(0.04)
            assert viewer.next(2)["number"] == 0
            viewer.next(4)
        assert len(set(streams)) == 2 and process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def _connected(port: int) -> socket.socket:
    """A line to a port on which somebody will soon listen."""
    for _ in range(500):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.04)
    raise AssertionError("nobody listens")


def test_a_token_of_ones_own_is_kept(small_avatar, nodding):
    words = (small_avatar, "--motion", nodding, "--loop", "--token", "my-own_token1", "--to", f"ws://127.0.0.1:{tcp_port()}")
    with streaming(*words) as (_, port, path):
        assert path == "/my-own_token1/"
        with Viewer(port, "/stream") as stranger, Viewer(port, f"{path}stream") as viewer:
            assert (stranger.status, viewer.status) == (404, 101)


@pytest.mark.parametrize("to", ["ftp://x", "udp", "", "ws:", "ws//x"])
def test_an_unknown_way_is_refused(refused, small_avatar, to):
    refused("stream", small_avatar, "--text", "x", "--to", to, match=(f"--to {to}: is not known", "ws://HOST:PORT"))


@pytest.mark.parametrize("to", ["ws://x:y", "ws://:0", "ws://:99999", "ws://h/path", "ws://u@h", "ws://["])
def test_no_address(refused, small_avatar, to):
    refused("stream", small_avatar, "--text", "x", "--to", to, match=(f"--to {to}: is no address", "ws://127.0.0.1:8765"))


def test_addresses():
    assert address_of("ws", "", 8765) == ("127.0.0.1", 8765)
    assert address_of("ws://:1", ":1", 8765) == ("127.0.0.1", 1)
    assert address_of("ws://0.0.0.0", "0.0.0.0", 8765) == ("0.0.0.0", 8765)
    assert address_of("ws://[::1]:5/", "[::1]:5/", 8765) == ("::1", 5)
    with pytest.raises(UserError):
        address_of("ws://a:b", "a:b", 8765)


def test_a_port_in_use_is_told_before_any_work(refused, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ("stream", tmp_path / "not_read.avatar", "--text", "Hello.", "--to", f"ws://:{port}")
        refused(*words, match=(str(port), "in use", "choose another port"))


def test_an_address_that_is_not_of_this_machine(refused, small_avatar, nodding):
    told = ("192.0.2.1:8765", "cannot be listened on", "an address of this machine")
    refused("stream", small_avatar, "--motion", nodding, "--to", "ws://192.0.2.1:8765", match=told)


def test_nothing_to_perform(refused, small_avatar):
    refused("stream", small_avatar, "--to", "ws", match=("--motion", "--audio", "--text", "--live"))


def test_two_things_to_perform(refused, small_avatar, nodding):
    refused("stream", small_avatar, "--to", "ws", "--motion", nodding, "--text", "x", match=("--motion", "leave"))


def test_missing_files(refused, small_avatar, tmp_path):
    refused("stream", tmp_path / "no.avatar", "--text", "x", "--to", "ws", match=("no.avatar",))
    for option in ("--motion", "--audio", "--live"):
        refused("stream", small_avatar, option, tmp_path / "no.x", "--to", "ws", match=("no.x",))


def test_a_motion_of_another_head(refused, small_avatar, tmp_path):
    save_motion(rest_motion(tiny_head(), 3), tmp_path / "m.npz")
    refused("stream", small_avatar, "--motion", tmp_path / "m.npz", "--to", "ws", match=("m.npz", "head"))


def test_no_microphone(refused, small_avatar, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    refused("stream", small_avatar, "--live", "mic", "--to", f"ws://:{tcp_port()}", match=("microphone", "avatar3d[mic]"))


@pytest.mark.parametrize("token", ["short", "with/slash", "with space.", "ü" * 9])
def test_a_token_that_cannot_stand_in_an_address(refused, small_avatar, token):
    refused("stream", small_avatar, "--text", "x", "--to", "ws", "--token", token, match=("--token", "8 to 128"))


def test_without_the_package(refused, small_avatar, monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets", None)
    refused("stream", small_avatar, "--text", "x", "--to", "ws", match=("websockets", "avatar3d[web]"))


def test_live_needs_a_head_that_may_be_given_away(refused, tmp_path, spoken, monkeypatch):
    from avatar3d.cli import stream as command

    person = tiny_avatar(load_head(), count=20)
    save_avatar(person, tmp_path / "closed.avatar")
    closed = replace(person, head=replace(person.head, redistributable=False))
    monkeypatch.setattr(command, "open_avatar", lambda *_: closed)
    refused("stream", tmp_path / "closed.avatar", "--live", spoken, "--to", "ws", match=("closed.avatar", "may not be given away", "--audio"))


def test_help_says_what_it_takes():
    environment = os.environ | {"COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "avatar3d.cli.main", "stream", "--help"], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0
    assert all(option in done.stdout for option in ("--to", "--motion", "--live", "--token", "--loop"))
