import socket
import sys
import threading
import types

import numpy as np
import pytest
import soundfile

from avatar3d.errors import UserError
from driver import sources
from driver.features import RATE
from driver.sources import PIECE, open_source, played
from tests.ports import tcp_port


def test_a_file_is_played_at_its_own_speed(tmp_path):
    sound = np.linspace(-0.5, 0.5, RATE // 2).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    now, slept = 100.0, []

    def clock() -> float:
        return now + sum(slept)

    pieces = list(played(tmp_path / "a.wav", clock, slept.append))
    np.testing.assert_allclose(np.concatenate(pieces), sound, atol=1e-6)
    assert all(len(piece) == PIECE for piece in pieces)
    assert sum(slept) == pytest.approx(0.5)


def test_a_socket_gives_what_is_sent_whatever_its_packets():
    port = tcp_port()
    source = open_source(f"tcp://127.0.0.1:{port}")
    sound = (1000 * np.sin(np.arange(1000))).astype("<i2")

    def send() -> None:
        with socket.create_connection(("127.0.0.1", port)) as sender:
            data = sound.tobytes()
            for start in range(0, len(data), 333):
                sender.sendall(data[start : start + 333])

    thread = threading.Thread(target=send)
    thread.start()
    heard = np.concatenate(list(source))
    thread.join()
    np.testing.assert_allclose(heard, sound.astype(np.float32) / 32768)


def test_a_sender_that_stalls_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(sources, "STALL", 0.2)
    port = tcp_port()
    source = open_source(f"tcp://127.0.0.1:{port}")
    with socket.create_connection(("127.0.0.1", port)) as sender:
        sender.sendall(bytes(2 * PIECE))
        assert len(next(source)) > 0
        with pytest.raises(UserError, match=r"stalled for 0\.2 s"):
            list(source)


def test_nobody_who_connects_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(sources, "STALL", 0.1)
    with pytest.raises(UserError, match="nobody sent anything"):
        next(open_source(f"tcp://127.0.0.1:{tcp_port()}"))


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("tcp://127.0.0.1", "no port"),
        ("tcp://127.0.0.1:x", "no port"),
        ("tcp://192.0.2.1:7000", "no address of this machine"),
        ("http://127.0.0.1/a.wav", "cannot be followed live; give mic"),
        ("none.wav", r"none\.wav: no such file"),
    ],
)
def test_addresses_and_files_that_do_not_exist_are_one_clear_line(name, match):
    with pytest.raises(UserError, match=match):
        next(open_source(name))


def test_a_port_in_use_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(UserError, match=r"taken by another program.*another port"):
        open_source(f"tcp://127.0.0.1:{server.getsockname()[1]}")


def test_a_machine_without_a_microphone_is_one_clear_line(monkeypatch):
    class PortAudioError(Exception):
        pass

    def refuse(**options):
        raise PortAudioError("Error querying device -1")

    monkeypatch.setitem(sys.modules, "sounddevice", types.SimpleNamespace(PortAudioError=PortAudioError, InputStream=refuse))
    with pytest.raises(UserError, match=r"microphone: cannot be opened \(Error querying device -1\)"):
        next(open_source("mic"))
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UserError, match="sounddevice cannot be loaded"):
        open_source("mic")
