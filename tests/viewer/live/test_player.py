"""The player's clock, by a clock of our own."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar3d.motion import rest_motion
from tests.avatar3d.tiny import tiny_head
from viewer.live.player import Player

HEAD = tiny_head()


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def player(frames: int = 50) -> tuple[Player, Clock]:
    clock = Clock()
    return Player(rest_motion(HEAD, frames, Fraction(25)), clock), clock


def test_rests_at_the_beginning():
    it, clock = player()
    clock.now += 5
    assert it.position == 0 and not it.playing


def test_moves_with_the_clock_and_stops_at_the_end():
    it, clock = player()
    it.play()
    clock.now += 0.5
    assert it.position == pytest.approx(0.5) and it.playing
    clock.now += 9
    assert it.position == 2.0 and not it.playing


def test_a_pause_holds_the_position():
    it, clock = player()
    it.play()
    clock.now += 0.7
    it.pause()
    clock.now += 3
    assert it.position == pytest.approx(0.7)
    it.play()
    clock.now += 0.1
    assert it.position == pytest.approx(0.8)


def test_play_at_the_end_begins_again():
    it, clock = player()
    it.seek(2.0)
    it.play()
    clock.now += 0.25
    assert it.position == pytest.approx(0.25)


def test_a_loop_goes_round():
    it, clock = player()
    it.set_loop(True)
    it.play()
    clock.now += 5.5
    assert it.position == pytest.approx(1.5) and it.playing


def test_another_speed_from_here_on():
    it, clock = player()
    it.play()
    clock.now += 0.5
    it.set_speed(0.5)
    clock.now += 1.0
    assert it.position == pytest.approx(1.0)


def test_steps_go_from_frame_to_frame():
    it, _ = player()
    it.seek(0.41)
    it.step(1)
    assert it.position == pytest.approx(11 / 25)
    it.step(-100)
    assert it.position == 0
    it.step(1000)
    assert it.position == pytest.approx(49 / 25)


def test_another_motion_rests_at_its_beginning():
    it, clock = player()
    it.play()
    clock.now += 1
    it.load(rest_motion(HEAD, 5))
    assert it.position == 0 and not it.playing and it.end == pytest.approx(0.2)


@given(st.lists(st.tuples(st.sampled_from(["play", "pause", "seek", "wait", "loop", "speed", "step"]), st.floats(0, 4)), max_size=30))
def test_never_leaves_the_motion(actions):
    it, clock = player()
    for name, value in actions:
        match name:
            case "play":
                it.play()
            case "pause":
                it.pause()
            case "seek":
                it.seek(3 * value - 3)
            case "wait":
                clock.now += value
            case "loop":
                it.set_loop(value > 2)
            case "speed":
                it.set_speed(0.1 + value)
            case "step":
                it.step(round(value) - 2)
        assert 0 <= it.position <= it.end
