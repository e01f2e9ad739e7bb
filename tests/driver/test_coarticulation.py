import numpy as np
import pytest
import torch

from driver.channels import INDEX, JAW, NUM_CHANNELS
from driver.coarticulation import articulate
from driver.evaluate import posed_gap
from driver.features import FPS
from driver.lips import opening
from driver.phones import Segment


def _say(*names: str, length: float = 0.12) -> list[Segment]:
    return [Segment(name, k * length, (k + 1) * length, 1.0) for k, name in enumerate(names)]


def _frames(segments: list[Segment]) -> int:
    return round(segments[-1].end * FPS)


@pytest.mark.parametrize("vowel", ["aa", "ae", "iy", "uw", "ow"])
def test_lips_meet_for_p_b_m_between_any_vowels(lips, vowel):
    said = _say("sil", "sil", vowel, "pbm", vowel, "sil", "sil")
    gap = posed_gap(articulate(said, _frames(said)).frames, lips)
    middle = int(3.5 * 0.12 * FPS)
    assert gap[middle - 1 : middle + 2].min() < 0.1
    assert gap.max() > 1.0


@pytest.mark.parametrize("length", [0.03, 0.05, 0.2])
def test_a_short_closure_is_not_lost_between_frames(lips, length):
    said = [Segment("aa", 0, 0.3, 1.0), Segment("pbm", 0.3, 0.3 + length, 1.0), Segment("aa", 0.3 + length, 0.8, 1.0)]
    result = articulate(said, 20)
    assert result.closed.max() > 0.99
    assert posed_gap(result.frames, lips).min() < 0.1


def test_lips_do_not_pass_through_each_other(lips):
    said = _say("sil", "uw", "pbm", "ow", "fv", "sh", "pbm", "w", "iy", "sil")
    assert posed_gap(articulate(said, _frames(said)).frames, lips).min() > -2.5


def test_mouth_leads_the_sound():
    said = [Segment("sil", 0, 1.0, 1.0), Segment("aa", 1.0, 1.3, 1.0), Segment("sil", 1.3, 2.0, 1.0)]
    jaw = articulate(said, 50).frames[:, JAW]
    opened = int(np.argmax(jaw > 0.2 * jaw.max()))
    assert 1.0 - 0.2 < opened / FPS < 1.0


def test_a_pause_is_rest():
    said = [Segment("aa", 0, 0.3, 1.0), Segment("sil", 0.3, 2.0, 1.0), Segment("aa", 2.0, 2.3, 1.0)]
    result = articulate(said, 58)
    assert result.resting.any()
    assert np.abs(result.frames[result.resting]).max() < 0.01


def test_louder_opens_wider(lips):
    said = _say("sil", "aa", "td", "aa", "sil")
    T = _frames(said)
    quiet, loud = (articulate(said, T, np.full(T, level)).frames for level in (-10.0, 10.0))
    assert opening(lips, torch.from_numpy(loud)).mean() > 1.4 * opening(lips, torch.from_numpy(quiet)).mean()


def test_rounded_and_spread_vowels_differ():
    rounded, spread = (articulate(_say(v, v, v), 9).frames[4] for v in ("uw", "iy"))
    assert rounded[INDEX["mouthPucker"]] > 0.5 > spread[INDEX["mouthPucker"]]
    assert spread[INDEX["mouthStretchLeft"]] > 0.15 > rounded[INDEX["mouthStretchLeft"]]


def test_lower_lip_rises_for_f(lips):
    bitten, plain = (articulate(_say("aa", consonant, "aa"), 9).frames for consonant in ("fv", "kg"))
    assert bitten[:, INDEX["mouthRollLower"]].max() > 0.4
    assert posed_gap(bitten, lips)[3:6].min() < 0.6 * posed_gap(plain, lips)[3:6].min()


def test_shapes_stay_in_range():
    said = _say("sil", "aa", "pbm", "uw", "fv", "iy", "sh", "ow", "w", "sz", "sil")
    T = _frames(said)
    frames = articulate(said, T, np.full(T, 15.0), amplitude=1.2).frames
    assert frames.shape == (T, NUM_CHANNELS)
    assert frames.min() >= 0
    assert frames.max() <= 1
