import numpy as np
import pytest
import torch

from driver.channels import NUM_CHANNELS, REGIONS
from driver.conditions import PRESENCE, SLOTS, WIDTHS
from driver.corpus import Corpus
from driver.features import LOOKAHEAD, NUM_FEATURES, silence
from driver.losses import without_bands
from driver.model import PAST, STYLE_CLIP
from driver.stream import AHEAD, PREFIX
from driver.windows import FRAMES, LIVE_FRAMES, Windows, live_mask, random_mask


def test_windows_keep_sound_and_motion_together(corpus: Corpus):
    batch = Windows(corpus).draw(16, np.random.default_rng(1))
    assert batch.features.shape == (16, PAST + FRAMES + LOOKAHEAD, NUM_FEATURES)
    now = batch.features[:, PAST : PAST + FRAMES, 0]
    torch.testing.assert_close(batch.motion[..., 0], 0.2 * torch.tanh(now), atol=1e-3, rtol=0)


def test_takes_lie_between_silence(corpus: Corpus):
    windows, quiet = Windows(corpus), torch.from_numpy(silence(1)[0]).half().float()
    found = set()
    for seed in range(40):
        batch = windows.draw(8, np.random.default_rng(seed))
        silent = (batch.features == quiet).all(-1)
        found |= set(silent[:, :PAST].sum(1).tolist())
        # No window begins or ends outside its take.
        assert not silent[:, PAST : PAST + FRAMES].any()
    assert max(found) > 0 and min(found) == 0


def test_slots_are_filled_with_what_the_take_is_and_often_empty(corpus: Corpus):
    windows = Windows(corpus)
    batch = windows.draw(400, np.random.default_rng(2))
    asked = batch.asked[:, 0]
    for name in WIDTHS:
        share = float(asked[:, PRESENCE[name]].mean())
        assert 0.1 < share < 0.7 or name == "gaze", (name, share)
        empty = asked[asked[:, PRESENCE[name]] == 0]
        assert not empty[:, SLOTS[name]].any(), name
    assert not asked[:, PRESENCE["gaze"]].any()
    happy = asked[:, SLOTS["emotion"]][asked[:, PRESENCE["emotion"]] == 1]
    assert set(happy[:, 0].tolist()) == {0.0, 0.5}
    sounding = batch.asked[..., SLOTS["phones"]][batch.asked[:, 0, PRESENCE["phones"]] == 1]
    assert (sounding.sum(-1) == 1).all()


def test_listening_is_always_told_and_never_has_phones(corpus: Corpus):
    asked = Windows(corpus).draw(300, np.random.default_rng(3)).asked[:, 0]
    mode = asked[:, SLOTS["mode"]]
    listening = mode[:, 1] == 1
    assert 0.3 < listening.float().mean() < 0.6
    assert not asked[listening, PRESENCE["phones"]].any()


def test_a_style_is_read_off_another_take_of_the_same_person(corpus: Corpus):
    batch = Windows(corpus).draw(64, np.random.default_rng(4))
    styled = batch.asked[:, 0, PRESENCE["style"]] == 1
    assert batch.clip.shape[1] == STYLE_CLIP and 0.3 < styled.float().mean() < 0.7
    assert not batch.clip[~styled].any() and batch.clip[styled].any()


def test_masks_give_prefixes_regions_and_nothing():
    known = random_mask(400, np.random.default_rng(2)).numpy()
    prefix = known[:, 0].all(axis=1)
    assert 0.5 < prefix.mean() < 0.75
    assert (known.reshape(400, -1).sum(1) == 0).mean() > 0.2
    alone = known[:, :, REGIONS["head"]].all(axis=(1, 2)) & ~known[:, :, REGIONS["mouth"]].all(axis=(1, 2))
    assert alone.any()
    # As in a stream: all is known but the last frames.
    assert (known[:, :70].all(axis=(1, 2)) & ~known[:, 79].any(axis=1)).any()
    # Single frames in which one region is pinned.
    pinned = known[:, :, REGIONS["eyes"]].all(axis=2).sum(axis=1)
    assert ((pinned > 0) & (pinned < 6) & ~known[:, :, REGIONS["head"]].any(axis=(1, 2))).any()
    ends = known[:, -1].all(axis=1) & ~known[:, 40].any(axis=1)
    assert 0.03 < ends.mean() < 0.15


def test_wiping_out_bands_leaves_loudness_and_pitch():
    features = torch.ones(200, 30, NUM_FEATURES)
    wiped = without_bands(features, np.random.default_rng(5))
    assert torch.equal(wiped[..., 400:], features[..., 400:])
    assert 0.01 < float((wiped[..., :400] == 0).float().mean()) < 0.3
    assert float((wiped == features).all(dim=(1, 2)).float().mean()) == pytest.approx(0.35, abs=0.12)


def test_weights_say_what_is_drawn_more_often(corpus: Corpus):
    first = {row.tobytes() for row in np.asarray(corpus.features[:150], np.float32)}

    def share(weights: np.ndarray | None) -> float:
        batch = Windows(corpus, weights=weights).draw(300, np.random.default_rng(6))
        return float(np.mean([row.tobytes() in first for row in batch.features[:, PAST].numpy()]))

    assert share(np.array([1.0, 0.0, 0.0])) == 1
    assert share(np.array([0.0, 1.0, 1.0])) == 0
    # Frames count, not takes: 150 of 600 are the first take's.
    assert share(None) == pytest.approx(0.25, abs=0.07)
    assert share(np.array([3.0, 1.0, 1.0])) == pytest.approx(0.5, abs=0.08)


def test_live_windows_give_the_face_but_not_the_mouth_and_count_the_next_frame_most():
    known, hears, counts = live_mask(300, np.random.default_rng(0))
    assert known.shape == counts.shape == (300, LIVE_FRAMES, NUM_CHANNELS) and hears.shape == (300, LIVE_FRAMES)
    assert not known[..., REGIONS["mouth"]].any()
    head, mouth = known[..., REGIONS["head"][0]], counts[..., REGIONS["mouth"][0]]
    assert (head[:, :-1] >= head[:, 1:]).all() and (hears[:, :-1] >= hears[:, 1:]).all()
    usual = (head.sum(1) >= PREFIX) & (hears.sum(1) == PREFIX + 1 + AHEAD)
    assert usual.float().mean() > 0.5
    assert (mouth.argmax(1)[usual] == PREFIX).all() and (mouth[usual][:, PREFIX + 1 + AHEAD :] < 0.5).all()
