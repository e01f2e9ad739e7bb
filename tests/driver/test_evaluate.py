import numpy as np
import pytest

from driver.channels import INDEX, JAW, NUM_CHANNELS, REGIONS
from driver.coarticulation import articulate
from driver.evaluate import Driven, blinks_per_minute, closure, diversity, energy_correlation, energy_db, lip_motion_mm, seam_ratio, speed
from driver.features import FPS, RATE
from driver.manner import Manner
from driver.phones import Segment
from driver.sample import NEW
from driver.takes import Take


def test_blinks_are_counted():
    frames = np.zeros((60 * FPS, NUM_CHANNELS), np.float32)
    for start in range(0, 60 * FPS, 100):
        frames[start + 10 : start + 15, [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]] = 1
    assert blinks_per_minute([frames]) == 15


def test_a_wink_is_no_blink():
    frames = np.zeros((100, NUM_CHANNELS), np.float32)
    frames[20:25, INDEX["eyeBlinkLeft"]] = 1
    assert blinks_per_minute([frames]) == 0


def test_a_jump_at_every_join_is_found(tiny_net):
    rng = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(rng.normal(size=(20 * NEW, NUM_CHANNELS)), axis=0), axis=0) * 1e-3
    assert seam_ratio([smooth], tiny_net) == pytest.approx(1, abs=0.1)
    jumps = 0.5 * (np.arange(20 * NEW) // NEW)[:, None]
    assert seam_ratio([smooth + jumps], tiny_net) > 3


def test_lip_motion_is_in_millimetres(head):
    frames = np.zeros((10, NUM_CHANNELS), np.float32)
    assert lip_motion_mm(frames, head) < 1e-3
    frames[::2, JAW] = 0.2
    assert 0.5 < lip_motion_mm(frames, head) < 6


def test_a_mouth_that_follows_the_sound_correlates_and_a_moved_one_does_not(lips):
    rng = np.random.default_rng(1)
    loud = np.repeat(rng.uniform(0.01, 0.3, 60), 5)
    sound = (np.repeat(loud, RATE // FPS) * rng.normal(size=300 * RATE // FPS)).astype(np.float32)
    frames = np.zeros((300, NUM_CHANNELS), np.float32)
    frames[:, JAW] = 0.3 + 0.01 * energy_db(sound)
    own, chance = energy_correlation([Driven(sound, np.maximum(frames, 0))], lips)
    assert own > 0.9
    assert abs(chance) < 0.25


def test_rules_close_every_closure_and_an_open_mouth_none(lips):
    names = ["sil", *["aa", "pbm", "ow", "td", "ae", "kg", "uw", "pbm", "eh", "td"] * 4, "sil"]
    said = [Segment(name, 0.12 * k, 0.12 * (k + 1), 1.0) for k, name in enumerate(names)]
    T = round(said[-1].end * FPS)
    made = articulate(said, T)
    sound = np.zeros(T * RATE // FPS, np.float32)
    take = Take(sound, np.zeros((T, 1)), made.frames, made.viseme, made.closed, Manner().controls())
    figures = closure([take], [Driven(sound, made.frames)], lips)
    assert figures["closure_events"] == 8
    assert figures["closure_recall"] == figures["closure_contact"] == 1
    held = made.frames.copy()
    held[:] = made.frames[made.closed < 0.01].max(0)
    rng = np.random.default_rng(0)
    held[:, JAW] = rng.uniform(0.1, 0.3, T)
    held[:, INDEX["mouthClose"]] = 0
    assert closure([take], [Driven(sound, held)], lips)["closure_recall"] < 0.6


def test_takes_with_other_seeds_differ_and_one_take_does_not(tiny_net, lips, babble):
    found = diversity([babble[:32000], babble[32000:64000]], tiny_net, lips, steps=1, seeds=3)
    assert list(found) == list(REGIONS)
    assert all(low <= value <= high and value > 0 for value, low, high in found.values())
    assert np.isnan([value for value, _, _ in diversity([babble[:16000]], tiny_net, lips, steps=1, seeds=1).values()]).all()


def test_a_window_takes_as_long_as_its_parts(tiny_net, lips, babble):
    found = speed(babble, tiny_net, lips, 1)
    assert found["window_frames"] == NEW
    assert 0 < found["features_ms_p50"] < found["window_ms_p50"] <= found["window_ms_p95"]
    assert found["realtime_factor"] > 0
