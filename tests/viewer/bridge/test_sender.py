import socket
from fractions import Fraction

import numpy as np
import pytest

from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion
from tests.viewer.bridge.faces import read_livelink
from viewer.bridge import livelink, ue
from viewer.bridge.receiver import Listener
from viewer.bridge.sender import ARKIT, EYES, HEAD, DatagramOutlet, Socket, face_track
from viewer.stream.packets import Frame
from viewer.stream.playback import play


def _values() -> dict[str, np.ndarray]:
    return {ARKIT: np.zeros(52, np.float32), HEAD: np.zeros(3), EYES: np.zeros(6), "jaw_pose": np.zeros(3)}


def _next(listener: Listener) -> bytes:
    return next(each[0] for each in listener if each is not None)


def test_frames_arrive_with_growing_time_codes_over_rounds_and_performances():
    with Listener("127.0.0.1", 0) as listener, Socket("127.0.0.1", listener.port) as line:
        outlet = DatagramOutlet(livelink, line, "Ana", Fraction(30), day=lambda: 86_399.0)
        for number in range(40):
            outlet.frame(number / 30, _values())
        outlet.end(40 / 30)
        outlet.begin()
        for number in range(5):
            outlet.frame(number / 30, _values())
        read = [read_livelink(_next(listener)) for _ in range(45)]
    codes = [each["frame"] for each in read]
    assert codes[:40] == list(range(86_399 * 30, 86_399 * 30 + 40)) and all(np.diff(codes) >= 1)
    assert {each["subject"] for each in read} == {"Ana"} and line.sent == 45


def test_parameters_carry_the_time_of_the_day_and_go_on_past_midnight():
    with Listener("127.0.0.1", 0) as listener, Socket("127.0.0.1", listener.port) as line:
        outlet = DatagramOutlet(ue, line, "Ana", Fraction(30), day=lambda: 86_399.5)
        for number in range(30):
            outlet.frame(number / 30, _values())
        heard = [ue.unpack(_next(listener)) for _ in range(line.sent)]
    times = [packet.time for packet in heard if isinstance(packet, Frame)]
    np.testing.assert_allclose(times, 86_399.5 + np.arange(30) / 30, atol=1e-9)


def test_a_receiver_that_goes_and_comes_back_is_sent_to_all_the_while():
    listener = Listener("127.0.0.1", 0)
    with Socket("127.0.0.1", listener.port) as line:
        line.send(b"one")
        assert _next(listener) == b"one"
        listener.__exit__()
        for _ in range(20):
            line.send(b"lost")
        with Listener("127.0.0.1", listener.port) as again:
            line.send(b"two")
            assert _next(again) == b"two"
    assert line.sent + line.lost == 22


def test_trouble_of_the_network_stops_nothing(monkeypatch):
    class Down(socket.socket):
        def sendto(self, *_):
            raise OSError("network is unreachable")

    monkeypatch.setattr(socket, "socket", Down)
    with Socket("127.0.0.1", 9) as line:
        line.send(b"x")
        line.send(b"x")
    assert (line.sent, line.lost) == (0, 2)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 70, "\N{SNOWMAN}" * 70])
def test_a_host_that_is_none_is_refused(host):
    with pytest.raises(UserError, match="cannot be sent to"):
        Socket(host, 1)


def test_a_motion_is_sent_as_it_is():
    head = load_head()
    motion = rest_motion(head, 6, Fraction(60))
    motion.jaw_pose[:, 0] = np.linspace(0, head.jaw_open_angle, 6)
    motion.neck_pose[:, 1] = 0.25
    with Listener("127.0.0.1", 0) as listener, Socket("127.0.0.1", listener.port) as line:
        play(face_track(motion, head), motion.fps, DatagramOutlet(livelink, line, "Ana", motion.fps), sleep=lambda _: None, clock=_Clock())
        read = [read_livelink(_next(listener))["values"] for _ in range(6)]
    np.testing.assert_allclose([each["JawOpen"] for each in read], np.linspace(0, 1, 6), atol=1e-6)
    assert read[0]["HeadYaw"] == pytest.approx(0.25 / np.pi)


class _Clock:
    """Stands still, so that every frame is due."""

    def __call__(self) -> float:
        return 0.0


def test_why_a_datagram_did_not_go_out_is_kept():
    with Listener("127.0.0.1", 0) as listener, Socket("127.0.0.1", listener.port) as line:
        line.send(bytes(70_000))
        line.send(b"whole")
        assert (line.sent, line.lost) == (1, 1) and "too long" in line.trouble
