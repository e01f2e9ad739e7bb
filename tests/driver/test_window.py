import numpy as np
import pytest
import torch

from driver.channels import EXPR, INDEX, JAW, NUM_CHANNELS, REGIONS
from driver.conditions import PRESENCE, SLOTS, conditions
from driver.evaluate import posed_gap
from driver.features import NUM_FEATURES
from driver.model import PAST, Config, DriverNet
from driver.phones import VISEME_INDEX
from driver.window import _MERGE, _smoother, contact, project, sample_window

PREFIX = 16


def known_first(frames: int, count: int) -> torch.Tensor:
    return (torch.arange(frames) < count)[:, None].repeat(1, NUM_CHANNELS)


def test_guidance_goes_beyond_what_is_made_without_hearing_in_one_call_a_step(lips, monkeypatch):
    torch.manual_seed(0)
    net, T = DriverNet(Config(width=24, layers=1, heads=2)).eval(), 12
    heard, noise = torch.randn(PAST + T + 2, NUM_FEATURES), torch.randn(T, NUM_CHANNELS)
    batches: list[int] = []
    forward = DriverNet.forward

    def counted(self, noisy, *rest):
        batches.append(len(noisy))
        return forward(self, noisy, *rest)

    monkeypatch.setattr(DriverNet, "forward", counted)

    def made(guidance: float, of: torch.Tensor = heard) -> np.ndarray:
        return sample_window(net, lips, of, noise, torch.zeros(T, NUM_CHANNELS), known_first(T, 0), 3, guidance=guidance)

    plain = made(1.0)
    assert batches == [1, 1, 1]
    np.testing.assert_allclose(made(1 + 1e-6), plain, atol=1e-3)
    assert batches[3:] == [2, 2, 2]
    # Without any guidance it does not matter what sounds, but for lips that meet.
    monkeypatch.setattr("driver.window.contact", lambda net, sound, asked: torch.zeros(len(sound)))
    np.testing.assert_allclose(made(0.0), made(0.0, torch.randn_like(heard)), atol=1e-5)


def test_lips_meet_for_what_is_asked_or_heard(lips):
    asked = conditions(5)
    asked[2:, PRESENCE["phones"]] = 1
    asked[3, SLOTS["phones"].start + VISEME_INDEX["pbm"]] = 1
    net = DriverNet(Config(width=24, layers=1, heads=2))
    # Every code says: a p, b or m, in frame 0 alone.
    torch.nn.init.zeros_(net.viseme_head.weight)
    net.viseme_head.weight.data[VISEME_INDEX["pbm"]] = 100.0
    sound = torch.full((5, 24), -1.0)
    sound[0] = 1.0
    touching = contact(net, sound, asked)
    torch.testing.assert_close(touching, torch.tensor([1.0, 0.5, 0.5, 1.0, 0.5]))
    wide = torch.zeros(5, NUM_CHANNELS)
    wide[:, JAW] = 0.3
    gap = project(wide, lips, touching=touching) @ lips.gap
    assert (gap[[0, 3]] < 0.05).all() and (gap[[1, 2, 4]] > 1).all()


def test_bounds_are_kept(lips):
    frames = torch.randn(200, NUM_CHANNELS, generator=torch.Generator().manual_seed(0))
    free = project(frames, lips)
    assert free[:, EXPR].min() >= 0
    assert free[:, EXPR].max() <= 1
    assert free[:, JAW].min() >= 0


def test_given_frames_are_not_projected(lips):
    frames = torch.randn(20, NUM_CHANNELS)
    torch.testing.assert_close(project(frames, lips, known_first(len(frames), PREFIX))[:PREFIX], frames[:PREFIX])


def test_lips_that_all_but_touch_are_closed(lips):
    frames = torch.zeros(30, NUM_CHANNELS)
    frames[:, JAW] = torch.linspace(0, 0.3, 30)
    before, after = posed_gap(frames.numpy(), lips), posed_gap(project(frames, lips).numpy(), lips)
    assert after[before < 0.45].max() < 0.06
    np.testing.assert_allclose(after[before > 1.5], before[before > 1.5], atol=1e-4)
    assert (np.diff(after) > -0.02).all()


def test_lips_do_not_sink_into_each_other(lips):
    frames = torch.zeros(1, NUM_CHANNELS)
    frames[:, [INDEX["mouthRollLower"], INDEX["mouthPressLeft"], INDEX["mouthPressRight"], INDEX["mouthPucker"]]] = 0.9
    assert posed_gap(frames.numpy(), lips)[0] < -1.5
    assert posed_gap(project(frames, lips).numpy(), lips)[0] > -1.3


def test_smoothing_is_the_least_squares_fit():
    """The operator against a plain least-squares solution of the same problem."""
    T, first, stiffness = 30, 5, 4.0
    rng = np.random.default_rng(0)
    frames = rng.normal(size=T)
    trust = np.clip(np.arange(1, T - first + 1) / _MERGE, 0, 1) ** 3
    second = np.diff(np.eye(T), 2, axis=0)
    rows = np.concatenate([np.diag(np.sqrt(trust)), np.sqrt(stiffness) * second[:, first:]])
    values = np.concatenate([np.sqrt(trust) * frames[first:], -np.sqrt(stiffness) * second[:, :first] @ frames[:first]])
    expected = np.linalg.lstsq(rows, values, rcond=None)[0]
    made = _smoother((np.arange(T) < first).tobytes(), stiffness).numpy() @ frames.astype(np.float32)
    np.testing.assert_allclose(made[first:], expected, atol=1e-4)
    np.testing.assert_array_equal(made[:first], frames[:first].astype(np.float32))


def test_smoothing_keeps_steady_motion():
    ramp = torch.arange(40.0)[:, None] * 0.1
    torch.testing.assert_close(_smoother(bytes(40), 4.0) @ ramp, ramp, atol=1e-3, rtol=0)
    for held in (slice(0, 16), slice(24, 40), slice(18, 19)):
        given = np.zeros(40, bool)
        given[held] = True
        torch.testing.assert_close(_smoother(given.tobytes(), 4.0) @ ramp, ramp, atol=2e-3, rtol=0)


def test_a_jump_of_the_head_at_a_join_is_taken_up(lips):
    frames = torch.zeros(60, NUM_CHANNELS)
    frames[PREFIX:, INDEX["neck_pose_1"]] = 0.02
    turn = project(frames, lips, known_first(len(frames), PREFIX))[:, INDEX["neck_pose_1"]]
    assert turn.diff(n=2).abs().max() < 0.003
    assert turn[-1] == pytest.approx(0.02, abs=1e-3)


def test_what_is_known_comes_back_as_it_was_given(tiny_net, lips):
    T, rng = 40, np.random.default_rng(0)
    given = torch.from_numpy(rng.uniform(0, 0.3, (T, NUM_CHANNELS)).astype(np.float32))
    known = torch.zeros(T, NUM_CHANNELS, dtype=torch.bool)
    known[:10], known[20, REGIONS["head"]], known[30:, INDEX["jaw_pose_0"]] = True, True, True
    made = sample_window(tiny_net, lips, torch.zeros(PAST + T + 2, NUM_FEATURES), torch.zeros(T, NUM_CHANNELS), given, known, 2)
    np.testing.assert_array_equal(made[known.numpy()], given.numpy()[known.numpy()])


def test_a_pinned_pose_is_met_smoothly(lips):
    """One channel of one frame in the middle: its neighbours lead there and back, the other channels do not care."""
    frames, known = torch.zeros(81, NUM_CHANNELS), torch.zeros(81, NUM_CHANNELS, dtype=torch.bool)
    turn = INDEX["neck_pose_1"]
    frames[40, turn], known[40, turn] = 0.1, True
    made = project(frames, lips, known)
    assert made[40, turn] == pytest.approx(0.1) and made[41, turn] > 0.08
    assert made[:, turn].diff(n=2).abs().max() < 0.01
    assert made[:, INDEX["neck_pose_0"]].abs().max() < 1e-6
