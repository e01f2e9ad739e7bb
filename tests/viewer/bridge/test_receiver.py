import time
from dataclasses import replace

import numpy as np
import pytest

from avatar3d.errors import UserError
from tests.viewer.bridge.faces import a_frame, random_frame
from viewer.bridge import livelink, osc, ue, vmc
from viewer.bridge.jitter_buffer import ANEW
from viewer.bridge.receiver import MAX_SUBJECTS, Assembly, Listener, faces
from viewer.bridge.sender import Socket
from viewer.bridge.take import take_of


def test_faces_of_several_subjects_are_kept_apart():
    assembly = Assembly(livelink)
    for number in range(3):
        for name, seed in (("Ana", 1), ("Ben", 2)):
            (data,) = livelink.encode(replace(random_frame(seed), subject=name, number=number, seconds_of_day=number / 60))
            face = assembly.add(data, number / 60)
            assert face is not None and face.subject == name and abs(face.weights - random_frame(seed).arkit).max() < 1e-6
    assert assembly.subjects == ["Ana", "Ben"]


def test_of_names_that_differ_by_capitals_the_first_counts_while_it_is_heard():
    def say(name: str, arrived: float) -> bool:
        return assembly.add(livelink.encode(replace(a_frame(), subject=name, seconds_of_day=arrived))[0], arrived) is not None

    assembly = Assembly(livelink)
    assert say("Ana", 0.0) and not say("ANA", 0.1) and not say("ana", 9.0) and say("Ana", 9.5) and say("Änä", 9.5) and say("äNä", 9.6)
    assert assembly.refused == 2 and "ana is Ana but for capitals" in assembly.trouble and assembly.subjects == ["Ana", "Änä", "äNä"]
    assert say("ana", 19.6) and not say("Ana", 20.0)


def test_a_flood_of_names_is_no_flood_of_memory():
    assembly = Assembly(livelink)
    for number in range(500):
        assembly.add(livelink.encode(replace(a_frame(), subject=f"s{number}"))[0], 1.0)
    assert len(assembly.subjects) == MAX_SUBJECTS


def test_of_senders_that_left_the_one_silent_for_longest_makes_place():
    def say(name: str, arrived: float) -> bool:
        return assembly.add(livelink.encode(replace(a_frame(), subject=name, seconds_of_day=arrived))[0], arrived) is not None

    assembly = Assembly(livelink)
    # Somebody who was there first and never left, and visitors who each say a word.
    for number in range(3 * MAX_SUBJECTS):
        assert say("host", 10.0 * number) and say(f"visitor {number}", 10.0 * number + 1)
    last = 10.0 * number + 1
    assert assembly.subjects == ["host", *(f"visitor {number}" for number in range(2 * MAX_SUBJECTS + 1, 3 * MAX_SUBJECTS))]
    # All places are taken by who is heard: nobody has to leave, and it is told.
    for name in assembly.subjects:
        assert say(name, last + 1)
    assert not say("one more", last + 11) and assembly.refused == 1 and "one more is one more; end some" in assembly.trouble
    assert len(assembly.subjects) == MAX_SUBJECTS and say("one more", last + 11.1) and "host" not in assembly.subjects


def test_who_returns_in_time_goes_on_and_who_was_forgotten_begins():
    def say(name: str, time: float, arrived: float) -> float:
        face = assembly.add(livelink.encode(replace(a_frame(), subject=name, seconds_of_day=time))[0], arrived)
        assert face is not None
        return face.time

    assembly = Assembly(livelink)
    assert say("Ana", 100, 0) == 100
    # Its own clock went back meanwhile, as that of a phone which was started again.
    assert say("Ana", 5, 50) == pytest.approx(150)
    for number in range(MAX_SUBJECTS):
        say(f"s{number}", 0, 100)
    assert "Ana" not in assembly.subjects and say("ana", 7, 120) == 7


def test_of_two_senders_of_one_name_the_later_one_counts_while_it_is_heard():
    def say(stream: int, arrived: float) -> bool:
        frame = replace(a_frame(), subject="Ana", number=1, seconds_of_day=arrived)
        return [assembly.add(data, arrived) for data in ue.encode(frame, stream)][-1] is not None

    assembly = Assembly(ue)
    assert say(1, 0.0) and say(1, 0.1) and say(2, 0.2) and not say(1, 0.3) and say(2, 0.4) and not say(1, 10.0)
    assert assembly.refused == 2 and "several senders call themselves Ana" in assembly.trouble
    # The second one has gone; then it comes back, and began later.
    assert say(1, 10.5) and say(2, 10.6) and not say(1, 10.7)
    # However many there are.
    for stream in range(3, 300):
        say(stream, 10.8)
    assert say(16, 10.9) and not say(299, 10.9) and not say(2, 11.0)


@pytest.mark.parametrize("protocol", [vmc, osc])
def test_what_was_lost_of_a_frame_stays_as_it_was(protocol):
    assembly = Assembly(protocol)
    first, second = replace(random_frame(1), number=1, time=1 / 60), replace(random_frame(2), number=2, time=2 / 60)
    for data in protocol.encode(first):
        assembly.add(data, 1.0)
    kept = protocol.encode(second)
    face = [assembly.add(data, 1.02) for data in kept[1:]][-1]
    assert face is not None
    apart = [abs(face.weights - frame.arkit) < 1e-6 for frame in (first, second)]
    assert (apart[0] | apart[1]).all() and apart[0].any() and apart[1].any()


def test_foreign_datagrams_are_counted_and_passed_over():
    assembly = Assembly(livelink)
    assert assembly.add(b"GET / HTTP/1.1", 1.0) is None
    assert assembly.add(livelink.encode(a_frame())[0], 1.0) is not None
    assert (assembly.datagrams, assembly.refused) == (2, 1) and "version 6" in assembly.trouble


def test_a_listener_hears_and_ends_after_so_many_seconds():
    with Listener("127.0.0.1", 0) as listener, Socket("127.0.0.1", listener.port) as line:
        for number in range(3):
            line.send(livelink.encode(replace(a_frame(), seconds_of_day=number / 60))[0])
        began = time.monotonic()
        heard = list(faces(Assembly(livelink), iter(listener), 0.2))
    assert len(heard) == 3 and 0.1 < time.monotonic() - began < 5
    np.testing.assert_allclose(np.diff([face.time for face in heard]), 1 / 60, atol=1e-4)


def test_no_sender_stretches_a_take_beyond_the_time_that_passed():
    assembly, heard = Assembly(ue), []
    for number in range(180):
        for data in ue.encode(replace(a_frame(), number=number, seconds_of_day=10.0 + 0.9 * number)):
            heard.append(assembly.add(data, 5 + number / 60))
    take, _ = take_of([face for face in heard if face is not None])
    assert len(take.weights) / float(take.fps) < 3 + 2 * ANEW + 0.1


def test_a_port_in_use_is_refused():
    with Listener("127.0.0.1", 0) as listener, pytest.raises(UserError, match=f"{listener.port}: cannot be listened on"):
        Listener("127.0.0.1", listener.port)
