import copy
import dataclasses
import tracemalloc

import numpy as np
import pytest
import torch

from avatar3d.errors import UserError
from driver.channels import CHANNELS, EXPR, INDEX, JAW, NUM_CHANNELS, REGIONS, pack, unpack
from driver.conditions import PRESENCE, SLOTS, WIDTHS, conditions
from driver.evaluate import posed_gap
from driver.features import NUM_FEATURES, RATE, features, num_frames, silence
from driver.model import PAST, Config, DriverNet
from driver.phones import VISEME_INDEX
from driver.sample import _MERGE, BEYOND, NEW, PREFIX, _Hearing, _smoother, contact, drive, frame_noise, generate, project, sample_window


@pytest.mark.parametrize("samples", [1, 640, 641, NEW * 640, NEW * 640 + 1, 3 * NEW * 640 - 5])
def test_any_length(head, tiny_net, babble, samples):
    motion = drive(np.tile(babble, 2)[:samples], RATE, head=head, weights=tiny_net, steps=1)
    assert len(motion) == num_frames(samples)
    assert np.isfinite(motion.expr).all()
    assert motion.sound_rate == RATE
    assert motion.sound is not None
    assert len(motion.sound) == samples


def test_seeds(head, tiny_net, babble):
    one, same, other = (drive(babble, RATE, head=head, weights=tiny_net, steps=2, seed=seed) for seed in (1, 1, 2))
    assert one.expr.tobytes() == same.expr.tobytes()
    assert one.neck_pose.tobytes() == same.neck_pose.tobytes()
    assert not np.array_equal(one.neck_pose, other.neck_pose)


def test_later_sound_leaves_earlier_windows_alone(tiny_net, lips, babble):
    """A window sees its own frames, those it throws away and the look-ahead; what comes after is not needed yet."""
    changed = babble.copy()
    changed[(NEW + BEYOND + 2) * 640 :] = 0
    first, second = (next(iter(generate(sound, tiny_net, lips, steps=2))) for sound in (babble, changed))
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_windows_are_heard_as_the_whole(babble, monkeypatch):
    monkeypatch.setattr("driver.sample._SOUND_BLOCK", RATE)
    total = num_frames(len(babble))
    whole = np.concatenate([silence(PAST), features(babble), silence(100)])
    hearing = _Hearing(babble, total)
    for start in range(0, total, NEW):
        first, last = start - PAST, start + NEW + BEYOND
        np.testing.assert_allclose(hearing.frames(first, last), whole[first + PAST : last + PAST], atol=2e-5)


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
        return sample_window(net, lips, of, noise, torch.zeros(0, NUM_CHANNELS), 3, guidance=guidance)

    plain = made(1.0)
    assert batches == [1, 1, 1]
    np.testing.assert_allclose(made(1 + 1e-6), plain, atol=1e-3)
    assert batches[3:] == [2, 2, 2]
    # Without any guidance it does not matter what sounds, but for lips that meet.
    monkeypatch.setattr("driver.sample.contact", lambda net, sound, asked: torch.zeros(len(sound)))
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


def test_what_is_asked_for_belongs_to_its_frames(tiny_net, lips):
    """Phones in the second window, over a mouth that stands open otherwise."""
    net = copy.deepcopy(tiny_net)
    net.mean[JAW] = 0.4
    told = np.zeros((2 * NEW, WIDTHS["phones"]), np.float32)
    told[:, VISEME_INDEX["aa"]] = 1
    told[NEW + 20 : NEW + 23] = np.eye(WIDTHS["phones"], dtype=np.float32)[VISEME_INDEX["pbm"]]
    made = np.concatenate(list(generate(np.zeros(2 * NEW * 640, np.float32), net, lips, asked={"phones": told}, steps=1)))
    gap = made @ lips.gap.numpy()
    assert gap[NEW + 20 : NEW + 23].max() < 0.05
    assert np.delete(gap, np.arange(NEW + 19, NEW + 24)).min() > 1


def test_what_cannot_be_asked_for_is_refused(head, tiny_net, babble):
    for asked, match in (
        ({"phones": np.ones((3, WIDTHS["phones"]))}, "phones has shape"), ({"mood": 1.0}, "no slot is called mood"), ({"mouth": np.nan}, "finite"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            drive(babble, RATE, head=head, weights=tiny_net, asked=asked)
    for options in ({"seed": -1}, {"steps": 0}):
        with pytest.raises(ValueError, match="expected"):
            drive(babble, RATE, head=head, weights=tiny_net, **options)


def test_memory_does_not_grow_with_the_sound(tiny_net, lips):
    def most(minutes: int) -> int:
        """Bytes that numpy holds at most while so much silence is driven."""
        quiet = np.zeros(minutes * 60 * RATE, np.float32)
        tracemalloc.start()
        try:
            for window in generate(quiet, tiny_net, lips, steps=1):
                assert len(window) <= NEW
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # The first call fills caches.
    most(1)
    assert most(10) < 1.3 * most(3)


def test_bounds_are_kept(lips):
    frames = torch.randn(200, NUM_CHANNELS, generator=torch.Generator().manual_seed(0))
    free = project(frames, lips)
    assert free[:, EXPR].min() >= 0
    assert free[:, EXPR].max() <= 1
    assert free[:, JAW].min() >= 0


def test_given_frames_are_not_projected(lips):
    frames = torch.randn(20, NUM_CHANNELS)
    torch.testing.assert_close(project(frames, lips, first=PREFIX)[:PREFIX], frames[:PREFIX])


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


def test_a_head_without_arkit_names_is_refused(head, tiny_net, babble):
    foreign = dataclasses.replace(head, name="flame2023", expr_names=())
    with pytest.raises(UserError, match=r"flame2023.*lacks.*browDownLeft"):
        drive(babble, RATE, head=foreign, weights=tiny_net)


def test_empty_sound_is_refused(head, tiny_net):
    with pytest.raises(UserError, match="sound"):
        drive(np.zeros(0, np.float32), RATE, head=head, weights=tiny_net)


def test_channels_go_round(head):
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(7, NUM_CHANNELS)).astype(np.float32)
    np.testing.assert_allclose(pack(unpack(frames, head.jaw_open_angle), head.jaw_open_angle), frames, rtol=1e-6)
    opened = np.zeros((1, NUM_CHANNELS), np.float32)
    opened[0, JAW] = 1
    assert unpack(opened, head.jaw_open_angle)["jaw_pose"][0, 0] == pytest.approx(head.jaw_open_angle)


def test_every_channel_has_one_region():
    assert sorted(np.concatenate(list(REGIONS.values())).tolist()) == list(range(len(CHANNELS)))


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
    made = _smoother(T, first, stiffness).numpy() @ frames.astype(np.float32)
    np.testing.assert_allclose(made, expected, atol=1e-4)


def test_smoothing_keeps_steady_motion():
    ramp = torch.arange(40.0)[:, None] * 0.1
    torch.testing.assert_close(_smoother(40, 0, 4.0) @ ramp, ramp, atol=1e-3, rtol=0)
    torch.testing.assert_close(_smoother(40, 16, 4.0) @ ramp, ramp[16:], atol=1e-3, rtol=0)


def test_a_jump_of_the_head_at_a_join_is_taken_up(lips):
    frames = torch.zeros(60, NUM_CHANNELS)
    frames[PREFIX:, INDEX["neck_pose_1"]] = 0.02
    turn = project(frames, lips, first=PREFIX)[:, INDEX["neck_pose_1"]]
    assert turn.diff(n=2).abs().max() < 0.003
    assert turn[-1] == pytest.approx(0.02, abs=1e-3)
