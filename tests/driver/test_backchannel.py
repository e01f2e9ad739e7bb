import numpy as np

from driver.backchannel import Answer, Listener, answers, pauses, shown
from driver.channels import INDEX
from driver.features import FPS, RATE


def spoken() -> np.ndarray:
    """Six seconds: three buzzes like a voice's with a second of silence after each."""
    time = np.arange(RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20)).astype(np.float32) * 0.1
    return np.concatenate([voice, np.zeros(RATE, np.float32)] * 3)


def test_a_pause_is_where_a_voice_falls_silent_for_a_while():
    time = np.arange(RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20)).astype(np.float32) * 0.1
    sound = np.concatenate([voice, np.zeros(RATE), voice, np.zeros(RATE // 10), voice, np.zeros(RATE)])
    np.testing.assert_allclose(pauses(sound), [FPS, 4.1 * FPS], atol=3)


def test_a_pause_is_noticed_once_it_has_lasted_and_however_it_is_heard():
    voiced = np.repeat([0, 1, 0, 1, 0, 1, 0], [5, 20, 40, 20, 2, 20, 90]).astype(bool)
    listener, times = Listener(0), []
    for number, voice in enumerate(voiced):
        times += [(number, answer) for answer in listener.hear(np.array([voice]), np.ones(1))]
    whole = Listener(0).hear(voiced, np.ones(len(voiced)))
    assert [answer for _, answer in times] == whole and 1 <= len(whole) <= 2
    for number, answer in times:
        # The pauses begin at frames 25 and 107; the gap of two frames at 85 is none.
        pause = 25 if number < 100 else 107
        assert number == pause + 7 and 0.2 <= answer.onset - pause / FPS <= 0.4


def test_nods_answer_pauses_while_one_listens_and_only_then():
    sound = np.tile(spoken(), 4)
    T = len(sound) * FPS // RATE
    made = answers(sound, np.ones(T), 3)
    nod = made[:, INDEX["neck_pose_0"]]
    assert np.radians(3) < nod.max() < np.radians(10)
    starts = np.flatnonzero((nod[1:] != 0) & (nod[:-1] == 0))
    assert len(starts) >= 1 and not nod[: FPS + 5].any()
    assert np.ptp(nod) > 0 and not answers(sound, np.zeros(T), 3).any()


def test_answers_follow_the_seed():
    sound = np.tile(spoken(), 4)
    listening = np.ones(len(sound) * FPS // RATE)
    assert answers(sound, listening, 1).tobytes() == answers(sound, listening, 1).tobytes()
    assert answers(sound, listening, 1).tobytes() != answers(sound, listening, 2).tobytes()


def test_silence_is_not_answered():
    assert not answers(np.zeros(4 * RATE, np.float32), np.ones(100), 0).any()


def test_a_smile_comes_and_goes_gradually():
    time = np.arange(0, 4, 0.01)
    smile = shown([Answer(1.0, 4.0, brows=True, smile=True)], time)[:, INDEX["mouthSmileLeft"]]
    assert 0.24 < smile.max() < 0.26 and smile[time < 1].max() == 0 and smile[-1] == 0
    # A corner would show as one large change of the speed among small ones.
    assert np.abs(np.diff(smile, 2)).max() < 0.3 * np.abs(np.diff(smile)).max()
