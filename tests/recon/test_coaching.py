"""What is ticked off, and what is asked for next."""

from dataclasses import replace

import numpy as np
import pytest

from avatar3d.head.model import NUM_LANDMARKS
from recon.coaching import ADVICE, Coach, Goal, Seen, goals, kept, next_advice
from recon.landmarks import CHIN, FOREHEAD, LOWER_LIP, UPPER_LIP

FPS = 25.0
MOUTH, EYES = (61, 291), (33, 263)


def _faces(T: int) -> np.ndarray:
    """[T, 478, 3] of a face 200 pixels high, mouth 60 wide and a little open, eyes 100 apart and open."""
    points = np.zeros((T, NUM_LANDMARKS, 3), np.float32)
    points[:, FOREHEAD, 1], points[:, CHIN, 1] = -100, 100
    points[:, UPPER_LIP, 1], points[:, LOWER_LIP, 1] = 40, 48
    points[:, MOUTH[0], 0], points[:, MOUTH[1], 0] = -30, 30
    points[:, EYES[0], 0], points[:, EYES[1], 0] = -50, 50
    return points


def _seen(T: int = 100, landmarks: np.ndarray | None = None, fps: float = FPS, **angles: np.ndarray) -> Seen:
    still = {name: np.zeros(T) for name in ("yaw", "pitch", "gaze")} | angles
    return Seen(_faces(T) if landmarks is None else landmarks, **still, fps=fps)


def _done(seen: Seen) -> set[str]:
    return {goal.name for goal in goals(seen) if goal.done}


def test_nothing_was_seen_before_the_first_face():
    empty = np.zeros(0)
    wanted = goals(Seen(np.zeros((0, NUM_LANDMARKS, 3), np.float32), empty, empty, empty, FPS))
    assert [goal.name for goal in wanted] == list(ADVICE)
    assert all(goal.progress == 0 for goal in wanted)


def test_a_still_face_ticks_off_nothing():
    assert _done(_seen()) == set()


@pytest.mark.parametrize(("channel", "angle", "name"), [
    ("yaw", 25, "head left"), ("yaw", -25, "head right"), ("pitch", 12, "chin up"), ("pitch", -12, "chin down"),
    ("gaze", 12, "eyes left"), ("gaze", -12, "eyes right"),
])  # fmt: skip
def test_each_turn_ticks_off_its_own_goal(channel, angle, name):
    angles = np.zeros(100)
    angles[40:46] = angle
    assert _done(replace(_seen(), **{channel: angles})) == {name}


def test_a_passing_twitch_is_not_enough():
    yaw = np.zeros(100)
    yaw[40:42] = 30
    wanted = {goal.name: goal for goal in goals(_seen(yaw=yaw))}
    assert 0 < wanted["head left"].progress < 1


def test_frames_count_by_the_rate_at_which_they_were_looked_at():
    yaw = np.zeros(100)
    yaw[40:42] = 30
    assert "head left" in _done(_seen(yaw=yaw, fps=10.0))


@pytest.mark.parametrize(("name", "gap", "width"), [("mouth open", 20, 60), ("lips closed", 2, 60), ("“eee”", 8, 66), ("“ooh”", 8, 50)])
def test_each_shape_of_the_mouth_ticks_off_its_own_goal(name, gap, width):
    points = _faces(100)
    points[40:46, LOWER_LIP, 1] = 40 + gap
    points[40:46, MOUTH[0], 0], points[40:46, MOUTH[1], 0] = -width / 2, width / 2
    assert _done(_seen(landmarks=points)) == {name}


def test_twenty_seconds_are_enough_talk():
    assert "talk" in _done(_seen(T=500))


def test_the_first_goal_not_done_is_asked_for():
    wanted = (Goal("a", "do a", 1.0), Goal("b", "do b", 0.4), Goal("c", "do c", 0.0))
    assert next_advice(wanted) == "do b"


def _goals(*progress: float) -> tuple[Goal, ...]:
    return tuple(Goal(name, f"do {name}", share) for name, share in zip("abc", progress, strict=True))


def test_a_coach_waits_until_it_is_done_and_then_asks_for_the_next():
    coach = Coach()
    assert coach.ask(_goals(0, 0, 0), 10.0) == "do a" and coach.ask(_goals(0.5, 0, 0), 12.0) == "do a"
    assert coach.ask(_goals(1, 0, 0), 12.5) == "do b"


def test_a_coach_does_not_insist():
    coach = Coach()
    said = [coach.ask(_goals(0, 1, 0), float(second)) for second in range(20)]
    assert said[0] == "do a" and said[6] == "do c" and said[12] == "do a" and said[18] == "do c"


def test_a_coach_ends():
    coach = Coach()
    coach.ask(_goals(1, 0, 1), 0.0)
    assert "everything" in coach.ask(_goals(1, 1, 1), 1.0)


def test_who_has_done_everything_is_told_so():
    assert "everything" in next_advice((Goal("a", "do a", 1.0),))


def test_a_tick_stays_when_frames_are_looked_at_more_often():
    yaw = np.zeros(100)
    yaw[40:42] = 30
    slowly, fast = goals(_seen(yaw=yaw, fps=10.0)), goals(_seen(yaw=yaw, fps=25.0))
    assert "head left" in {goal.name for goal in slowly if goal.done} and "head left" not in {goal.name for goal in fast if goal.done}
    assert {goal.name for goal in kept(slowly, fast) if goal.done} == {"head left"}
    # What was not seen goes up and down with what there is to say.
    assert kept(fast, slowly) == slowly and kept(fast, fast) == fast


def test_who_looks_aside_at_first_is_not_taken_to_look_straight_ahead():
    gaze = np.concatenate([np.full(30, 12.0), np.zeros(200)])
    ticks = goals(_seen(T=40, gaze=gaze[:40]))
    for T in range(45, 231, 5):
        ticks = kept(ticks, goals(_seen(T=T, gaze=gaze[:T])))
    assert {goal.name for goal in ticks if goal.done} == {"eyes left"}
