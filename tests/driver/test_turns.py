import numpy as np

from driver.conditions import MODES
from driver.features import FPS, RATE
from driver.turns import heard_in_turn, modes, speaking, take_turns


def voice(seconds: float, level: float = 0.1) -> np.ndarray:
    """A buzz with the pitch and the syllables of a voice."""
    time = np.arange(int(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
    return (level * buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))).astype(np.float32)


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE), np.float32)


def test_a_voice_speaks_from_its_first_to_its_last_sound_gaps_included():
    sound = np.concatenate([quiet(2), voice(1), quiet(0.5), voice(1), quiet(2)])
    active = speaking(sound)
    assert active[int(2.1 * FPS) : int(4.4 * FPS)].all()
    assert not active[: int(1.2 * FPS)].any() and not active[int(5.3 * FPS) :].any()


def test_nobody_speaks_in_silence_and_noise():
    noise = np.random.default_rng(0).normal(0, 1e-3, 3 * RATE).astype(np.float32)
    assert not speaking(quiet(3)).any() and speaking(noise).mean() < 0.3


def test_who_is_silent_listens_while_another_speaks_and_then_idles():
    own, other = np.zeros(400, bool), np.zeros(400, bool)
    own[0:50], other[60:120] = True, True
    rows = modes(own, other)
    assert MODES[rows[25].argmax()] == "speak" and MODES[rows[100].argmax()] == "listen" and MODES[rows[390].argmax()] == "idle"
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    assert np.abs(np.diff(rows, axis=0)).max() < 0.3


def test_the_own_voice_goes_first():
    both = np.ones(100, bool)
    assert (modes(both, both).argmax(axis=1) == MODES.index("speak")).all()


def test_what_is_attended_to_is_the_own_voice_then_the_others():
    own, other = np.concatenate([voice(2), quiet(4)]), np.concatenate([quiet(3), voice(2), quiet(1)])
    sound, rows = take_turns(own, other)
    assert len(sound) == len(own) and len(rows) == 6 * FPS
    np.testing.assert_allclose(sound[RATE : RATE + 100], own[RATE : RATE + 100], atol=1e-4)
    np.testing.assert_allclose(sound[4 * RATE : 4 * RATE + 100], other[4 * RATE : 4 * RATE + 100], atol=1e-4)
    assert len(heard_in_turn(own, other[: 3 * RATE], rows)) == len(own)
