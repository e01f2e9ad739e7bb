"""The C++ receiver of parameter streams: order, loss, duplicates, and senders that vanish and return."""

import json
import struct
import subprocess
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.viewer.runtime.programs import OPTIMISED, SANITIZED, built
from tests.viewer.runtime.streams import Script, Seen
from viewer.bridge.frame import DatagramError
from viewer.bridge.ue import Introduction, introduce, unpack
from viewer.stream.packets import END, Frame, pack

INTRODUCTION = Introduction(7, 0.0, "ana", "f614", Fraction(60), (("arkit", 2), ("neck_pose", 3)))
RATE = 60
DELAY = 2 / RATE + 0.02
FAST = ("-O3", "-ffast-math")


def moved(time: float) -> np.ndarray:
    """A head that moves as heads do: sines of one and two hertz, and a turn about one axis."""
    turn = 0.6 * np.sin(2 * np.pi * time) * np.array([0.48, 0.6, 0.64])
    return np.array([np.sin(2 * np.pi * time), np.cos(4 * np.pi * time), *turn], np.float32)


def frame(number: int, stream: int = 7, start: float = 0.0) -> bytes:
    return pack(Frame(stream, start + number / RATE, number, moved(number / RATE)))


def asked(script: Script, start: float, end: float, rate: float = 240) -> np.ndarray:
    moments = np.arange(start, end, 1 / rate) + 1e-4
    script.ask(*moments)
    return moments


def only(answers: list[list[Seen]]) -> list[Seen]:
    assert all(len(streams) == 1 for streams in answers)
    return [streams[0] for streams in answers]


def errors(seen: list[Seen], moments: np.ndarray) -> np.ndarray:
    """How far what was shown at each moment is from what the sender's head did `delay` before it."""
    return np.array([np.abs(each.values - moved(moment - each.delay)).max() for each, moment in zip(seen, moments, strict=True)])


@pytest.mark.parametrize("flags", [OPTIMISED, FAST, SANITIZED], ids=["O2", "fast", "sanitized"])
def test_a_clean_stream_is_shown_a_fixed_time_later(flags):
    script = Script()
    script.arrive(0, introduce(INTRODUCTION))
    for number in range(180):
        script.arrive(number / RATE, frame(number))
    moments = asked(script, 0.1, 2.9)
    statuses, answers = script.follow(flags)
    seen = only(answers)
    assert set(statuses) == {"ok"} and all(each.flow == "playing" for each in seen)
    assert seen[0].delay == pytest.approx(DELAY)
    assert errors(seen, moments).max() < 0.012  # what straight lines between frames leave out of a sine of 2 Hz
    assert (seen[-1].duplicates, seen[-1].late, seen[-1].lost, seen[-1].restarts) == (0, 0, 0, 0)


def test_it_tells_the_senders_time_of_what_it_shows():
    start = 50_000.25
    script = Script()
    script.arrive(0, introduce(INTRODUCTION))
    for number in range(30):
        script.arrive(number / RATE, frame(number, start=start))
    moments = asked(script, -0.1, 1.4)
    script.arrive(5, frame(40, start=start))
    script.ask(5.001, 5.04, 5.9)
    _, answers = script.follow()
    # Nobody is there before the introduction.
    times = [each.time for each in only(answers[-len(moments[moments > 0]) - 3 :])]
    shown = np.clip(start + moments[moments > 0] - DELAY, start, start + 29 / RATE)
    np.testing.assert_allclose(times[:-3], shown, atol=1e-9)
    # It fell silent and returned: the clock is read anew.
    np.testing.assert_allclose(times[-3:], start + 40 / RATE, atol=1e-9)


def test_loss_reordering_and_duplicates():
    rng = np.random.default_rng(5)
    script = Script()
    script.arrive(0, introduce(INTRODUCTION))
    lost = rng.random(600) < 0.1
    lost[0] = False
    for number in range(600):
        if not lost[number]:
            arrives = [number / RATE + rng.uniform(0, 0.025) for _ in range(1 + (rng.random() < 0.1))]
            for moment in arrives:
                script.arrive(moment, frame(number))
    moments = asked(script, 0.2, 9.9)
    seen = only(script.follow()[1])
    error = errors(seen, moments)
    # One frame lost is bridged; where two or three in a row are, the picture waits for a moment.
    assert np.quantile(error, 0.99) < 0.12 and error.max() < 0.7
    assert np.mean([each.flow == "held" for each in seen]) < 0.05
    assert abs(seen[-1].lost - lost[:590].sum()) <= 5 and seen[-1].duplicates > 20 and seen[-1].restarts == 0


def test_time_never_turns_back():
    rng = np.random.default_rng(3)
    script = Script()
    script.arrive(0, introduce(replace(INTRODUCTION, channels=(("arkit", 1),))))
    for number in range(400):
        if rng.random() > 0.2:
            script.arrive(number / RATE + rng.exponential(0.02), pack(Frame(7, number / RATE, number, np.array([number / RATE], np.float32))))
    asked(script, 0.1, 6)
    shown = np.array([each.values[0] for each in only(script.follow()[1])])
    assert (np.diff(shown) >= 0).all() and np.diff(shown).max() < 0.2


def test_turns_take_the_shorter_way():
    first, second = Rotation.from_euler("y", 170, degrees=True), Rotation.from_euler("y", 190, degrees=True)
    script = Script()
    script.arrive(0, introduce(replace(INTRODUCTION, channels=(("neck_pose", 3),))))
    for number, turn in enumerate((first, second)):
        script.arrive(number / RATE, pack(Frame(7, number / RATE, number, turn.as_rotvec().astype(np.float32))))
    script.ask(0.5 / RATE + DELAY)
    shown = Rotation.from_rotvec(only(script.follow()[1])[0].values)
    assert (shown * Rotation.from_euler("y", 180, degrees=True).inv()).magnitude() < 1e-3


def test_a_sender_that_vanishes_and_returns():
    script = Script()
    for number in range(600):
        if number % 30 == 0 and not 180 <= number < 360:
            script.arrive(number / RATE, introduce(INTRODUCTION))
        if not 180 <= number < 360:
            script.arrive(number / RATE, frame(number))
    script.ask(2.9, 3.2, 5.9)
    moments = asked(script, 6.1, 9.9)
    seen = only(script.follow()[1])
    assert [each.flow for each in seen[:3]] == ["playing", "held", "silent"]
    # While nothing comes the head stays as it was last.
    np.testing.assert_array_equal(seen[1].values, moved(179 / RATE))
    np.testing.assert_array_equal(seen[2].values, moved(179 / RATE))
    assert all(each.flow == "playing" for each in seen[3:]) and errors(seen[3:], moments).max() < 0.012
    assert seen[-1].restarts == 1


def test_whoever_comes_late_or_was_away_needs_one_introduction():
    script = Script()
    for number in range(100, 160):
        if number == 130:
            script.arrive(number / RATE, introduce(INTRODUCTION))
        script.arrive(number / RATE, frame(number))
    script.ask(129 / RATE, 150 / RATE)
    statuses, (before, after) = script.follow()
    assert statuses[:30] == ["unknown"] * 30 and set(statuses[30:]) == {"ok"}
    assert before == [] and after[0].flow == "playing"


def test_a_sender_that_is_started_again_takes_over():
    script = Script()
    script.arrive(0, introduce(INTRODUCTION))
    for number in range(120):
        script.arrive(number / RATE, frame(number))
    script.arrive(2.5, introduce(replace(INTRODUCTION, stream=9, time=0.0)))
    for number in range(60):
        script.arrive(2.5 + number / RATE, frame(number, 9))
    # The one before still says something: it has been replaced.
    script.arrive(2.6, introduce(INTRODUCTION), frame(150))
    moments = asked(script, 2.7, 3.4)
    seen = only(script.follow()[1])
    assert all(each.stream == 9 for each in seen) and errors(seen, moments - 2.5).max() < 0.012


def test_a_stream_that_begins_anew_under_its_own_number():
    script = Script()
    script.arrive(0, introduce(INTRODUCTION))
    for number in range(300):
        script.arrive(number / RATE, frame(number))
    for number in range(120):
        script.arrive(5 + number / RATE, frame(number))
    moments = asked(script, 5.2, 6.9)
    seen = only(script.follow()[1])
    assert errors(seen, moments - 5).max() < 0.012 and seen[-1].restarts == 1


def test_a_network_that_becomes_slower_for_good():
    script = Script()
    script.arrive(0, introduce(INTRODUCTION))
    for number in range(300):
        script.arrive(number / RATE + (0.2 if number >= 120 else 0), frame(number))
    moments = asked(script, 2.7, 4.9)
    seen = only(script.follow()[1])
    assert all(each.flow == "playing" for each in seen)
    assert errors(seen, moments - 0.2).max() < 0.012


def test_several_subjects_at_once():
    script = Script()
    for stream, subject in enumerate(("ana", "bo", "chen"), 1):
        script.arrive(0, introduce(replace(INTRODUCTION, stream=stream, subject=subject)))
        for number in range(30):
            script.arrive(number / RATE, frame(number, stream))
    script.ask(0.3)
    (seen,) = script.follow()[1]
    assert [each.stream for each in sorted(seen, key=lambda each: each.stream)] == [1, 2, 3]
    assert all(each.flow == "playing" for each in seen)


def test_there_is_room_for_sixteen_and_the_silent_make_place():
    script = Script()
    for stream in range(17):
        script.arrive(stream / 100, introduce(replace(INTRODUCTION, stream=stream, subject=f"s{stream}")))
    script.arrive(12, introduce(replace(INTRODUCTION, stream=99, subject="late")))
    script.ask(1, 12.1)
    statuses, (many, late) = script.follow()
    assert statuses == ["ok"] * 16 + ["full", "ok"]
    assert len(many) == 16 and [each.stream for each in late] == [99]


def test_names_that_differ_by_case_are_one_subject_which_is_the_first():
    script = Script()
    for now, stream, subject in ((0.0, 1, "ana"), (0.1, 2, "ANA"), (0.2, 3, "anas"), (0.3, 4, "ana"), (15.0, 5, "Ana")):
        script.arrive(now, introduce(replace(INTRODUCTION, stream=stream, subject=subject)))
    script.ask(0.4, 15.1)
    statuses, (many, late) = script.follow()
    # One of the same name takes over, and when all have gone the name is free in any case.
    assert statuses == ["ok", "other_case", "ok", "ok", "ok"]
    assert sorted(each.stream for each in many) == [3, 4] and [each.stream for each in late] == [5]


@pytest.mark.parametrize("letter", ["a", "ë"])
def test_a_name_has_sixty_four_letters_at_most(letter):
    script = Script()
    whole = introduce(replace(INTRODUCTION, subject=64 * letter))
    longer = whole.replace(64 * letter.encode(), 65 * letter.encode()).replace(
        struct.pack("<H", 64 * len(letter.encode())), struct.pack("<H", 65 * len(letter.encode()))
    )
    script.arrive(0, longer, whole)
    assert sorted(script.follow()[0]) == ["ok", "text"]
    with pytest.raises(DatagramError, match="64 letters"):
        unpack(longer)
    assert unpack(whole) is not None


def test_an_end_is_told_and_a_wrong_width_refused():
    script = Script()
    script.arrive(0, introduce(INTRODUCTION), frame(0), pack(Frame(7, 0.1, 1, np.zeros(4, np.float32))))
    script.arrive(0.1, struct.pack("<2sBBId", b"A3", 1, END, 7, 0.1))
    script.ask(0.05, 0.2)
    statuses, (before, after) = script.follow()
    assert statuses == ["ok", "ok", "other_width", "ok"]
    assert not before[0].ended and after[0].ended


def test_a_receiver_that_did_not_look_for_long():
    script = Script()
    script.arrive(0, introduce(INTRODUCTION))
    for number in range(600):
        script.arrive(number / RATE, frame(number))
    script.ask(0.2, 599 / RATE)
    seen = only(script.follow()[1])
    assert seen[1].flow == "playing" and seen[1].lost == 0
    assert errors(seen[1:], np.array([599 / RATE])).max() < 0.012


def spoiled(count: int, seed: int, folder) -> dict[str, int]:
    """How often each status came of spoiled datagrams of three streams."""
    whole = []
    for stream in (1, 2, 3):
        whole += [introduce(replace(INTRODUCTION, stream=stream, subject="zoë" * stream))] * 20
        whole += [frame(number, stream) for number in range(40)]
        whole.append(struct.pack("<2sBBId", b"A3", 1, END, stream, 0.7))
    # Refused wherever the first of the three is there.
    whole += [introduce(replace(INTRODUCTION, stream=4, subject="ZOë"))] * 20
    path = folder / "whole"
    path.write_bytes(b"".join(struct.pack("<I", len(data)) + data for data in whole))
    done = subprocess.run([str(built("mutate_stream", SANITIZED)), str(path), str(count), str(seed)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_spoiled_datagrams(tmp_path):
    seen = spoiled(20_000, 1, tmp_path)
    assert sum(seen.values()) == 2 * seen["mutations"]
    # Spoiled in every way that has a name, and most of them whole.
    assert all(count > 0 for count in seen.values()), seen
    assert seen["ok"] > 5000
