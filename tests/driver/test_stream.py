from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driver.channels import NUM_CHANNELS, REGIONS
from driver.conditions import conditions
from driver.features import LOOKAHEAD, NUM_FEATURES, RATE, SAMPLES, features, num_frames, silence
from driver.model import PAST
from driver.stream import AHEAD, GLIMPSE, PLANNED, PREFIX, Stream, frame_noise


def streamed(stream: Stream, sound: np.ndarray, sizes: list[int]) -> np.ndarray:
    made, position = [], 0
    while position < len(sound):
        for size in sizes:
            made.append(stream.push(sound[position : position + size]))
            position += size
    return np.concatenate([*made, stream.finish()])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(100, 5000), min_size=1, max_size=6), hop=st.sampled_from([1, 3, 5, 64]))
def test_however_the_sound_is_cut_the_motion_is_the_same(tiny_net, lips, babble, sizes, hop):
    sound = babble[: RATE + 123]
    whole = streamed(Stream(tiny_net, lips, seed=3, steps=1, hop=hop), sound, [len(sound)])
    cut = streamed(Stream(tiny_net, lips, seed=3, steps=1, hop=hop), sound, sizes)
    assert len(whole) == num_frames(len(sound))
    assert whole.tobytes() == cut.tobytes()


def test_a_frame_is_out_as_soon_as_what_follows_it_is_heard(tiny_net, lips, babble):
    def counts(**options) -> list[int]:
        stream = Stream(tiny_net, lips, steps=1, **options)
        return [len(stream.push(babble[frame * SAMPLES : (frame + 1) * SAMPLES])) for frame in range(24)]

    assert counts() == [0] * (AHEAD + LOOKAHEAD) + [1] * (24 - AHEAD - LOOKAHEAD)
    whole = counts(hop=10, beyond=1, planned=0)
    assert sum(whole) == 10 and whole[19] == 10


def test_only_the_first_frame_of_a_hop_takes_all_steps_and_its_face_is_kept(tiny_net, lips, babble, monkeypatch):
    seen = []

    def sample(net, lips, features, noise, given, known, steps, *rest):
        seen.append((steps, known[:, REGIONS["mouth"]].any().item(), known[:, REGIONS["head"]].all(1).sum().item()))
        return torch.where(known, given, torch.full(given.shape, float(len(seen)))).numpy()

    monkeypatch.setattr("driver.stream.sample_window", sample)
    made = streamed(Stream(tiny_net, lips, steps=4, hop=3), babble[: 12 * SAMPLES], [SAMPLES])
    assert [steps for steps, _, _ in seen] == [4, 1, 1] * 4
    # The mouth hears for itself; the head is what was planned, frame by frame.
    assert not any(mouth for _, mouth, _ in seen) and [head for _, _, head in seen[:6]] == [0, 3, 3, 3, 6, 6]
    assert made[:, REGIONS["mouth"]][:, 0].tolist() == list(range(1, 13))
    assert made[:, REGIONS["head"]][:, 0].tolist() == [1, 1, 1, 4, 4, 4, 7, 7, 7, 10, 10, 10]


def test_a_hop_that_no_window_holds_is_refused(tiny_net, lips):
    with pytest.raises(ValueError, match="hop is 8, expected 1 to 3"):
        Stream(tiny_net, lips, hop=8, planned=0)
    wrong: tuple[dict[str, Any], ...] = ({"hop": 1.5}, {"beyond": "2"}, {"seed": -1})
    for options in wrong:
        with pytest.raises(ValueError, match="expected a whole number"):
            Stream(tiny_net, lips, **options)


def test_whole_numbers_are_heard_as_the_fractions_that_they_are(tiny_net, lips, babble):
    sound = np.round(babble[: 12 * SAMPLES] * 32768).astype(np.int16)
    whole, real = (Stream(tiny_net, lips, steps=1).push(given) for given in (sound, sound.astype(np.float32) / 32768))
    np.testing.assert_array_equal(whole, real)
    with pytest.raises(ValueError, match=r"\[samples\] of finite"):
        Stream(tiny_net, lips).push(np.stack([sound, sound]))


def test_windows_hear_what_the_whole_holds(tiny_net, lips, babble, monkeypatch):
    whole = np.concatenate([silence(PAST), features(babble), silence(100)])
    heard = []

    def sample(net, lips, features, noise, *rest):
        heard.append(features.numpy())
        return np.zeros(noise.shape, np.float32)

    monkeypatch.setattr("driver.stream.sample_window", sample)
    streamed(Stream(tiny_net, lips, hop=7), babble, [1000])
    for number, window in enumerate(heard):
        first = max(0, number - PREFIX)
        unheard = GLIMPSE if number % 7 else PLANNED
        known = window[: len(window) - unheard]
        np.testing.assert_allclose(known, whole[first : first + len(known)], atol=2e-5)
        np.testing.assert_array_equal(window[len(known) :], silence(unheard))


def test_a_stream_of_nothing_is_one_frame_of_rest(tiny_net, lips):
    assert Stream(tiny_net, lips, steps=1).finish().shape == (1, NUM_CHANNELS)


def test_what_is_pinned_and_asked_is_of_the_absolute_frame(tiny_net, lips, babble):
    seen: list[tuple[int, int]] = []

    def asking(first: int, last: int) -> torch.Tensor:
        seen.append((first, last))
        return conditions(last - first)

    def pinning(first: int, last: int) -> tuple[torch.Tensor, torch.Tensor]:
        known = torch.zeros(last - first, NUM_CHANNELS, dtype=torch.bool)
        known[[frame - first for frame in (20, 21) if first <= frame < last]] = True
        return torch.full(known.shape, 0.25), known

    made = streamed(Stream(tiny_net, lips, steps=1, hop=4, asking=asking, pinning=pinning), babble[:RATE], [500])
    assert (made[20:22] == 0.25).all() and not (made[19] == 0.25).all()
    heard = 1 + AHEAD
    assert seen[:3] == [(0, heard + PLANNED), (0, 1 + heard + GLIMPSE), (0, 2 + heard + GLIMPSE)]
    assert seen[16] == (16 - PREFIX, 16 + heard + PLANNED) and seen[18] == (18 - PREFIX, 18 + heard + GLIMPSE)


def test_windows_that_are_wholly_given_need_no_network(tiny_net, lips, babble, monkeypatch):
    monkeypatch.setattr("driver.stream.sample_window", None)

    def pinning(first: int, last: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.ones(last - first, NUM_CHANNELS), torch.ones(last - first, NUM_CHANNELS, dtype=torch.bool)

    assert (streamed(Stream(tiny_net, lips, pinning=pinning), babble[:RATE], [RATE]) == 1).all()


def test_what_is_planned_follows_sound_that_goes_on_as_it_is(tiny_net, lips, monkeypatch):
    codes = []
    forward = type(tiny_net).forward

    def seen(self, noisy, known, time, sound, asked):
        codes.append(sound[0].clone())
        return forward(self, noisy, known, time, sound, asked)

    monkeypatch.setattr(type(tiny_net), "forward", seen)
    Stream(tiny_net, lips, steps=1).push(np.random.default_rng(0).normal(0, 0.1, 5 * SAMPLES).astype(np.float32))
    heard = 1 + AHEAD
    assert len(codes[0]) == heard + PLANNED
    assert (codes[0][heard:] == codes[0][heard - 1]).all() and not torch.equal(codes[0][0], codes[0][heard - 1])


def test_codes_of_an_encoder_are_needed_where_it_hears_by_them(tiny_net, lips):
    with pytest.raises(ValueError, match="whole sound"):
        Stream(tiny_net, lips, codes=np.zeros((3, NUM_FEATURES), np.float32))


def test_noise_belongs_to_the_frame():
    whole = frame_noise(5, 0, 300)
    np.testing.assert_array_equal(frame_noise(5, 100, 250), whole[100:250])
    mouth, rest = REGIONS["mouth"], np.concatenate([REGIONS[name] for name in ("brows", "eyes", "head")])
    assert abs(whole.mean()) < 0.02
    assert whole[:, rest].std() == pytest.approx(1, abs=0.02)
    assert 0.1 < whole[:, mouth].std() < 0.9
    other = frame_noise(6, 0, 300)
    # Another seed moves the head in another way, and says the same.
    np.testing.assert_array_equal(whole[:, mouth], other[:, mouth])
    assert abs(np.corrcoef(whole[:, rest].ravel(), other[:, rest].ravel())[0, 1]) < 0.05


def test_what_is_no_sound_and_what_comes_after_the_end_is_refused(tiny_net, lips):
    stream = Stream(tiny_net, lips, steps=1)
    for sound in (np.array([0.0, np.nan]), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="finite numbers"):
            stream.push(sound)
    stream.finish()
    with pytest.raises(ValueError, match="finished"):
        stream.push(np.zeros(10))
