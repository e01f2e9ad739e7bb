import numpy as np
import pytest
import torch

from driver.channels import NUM_CHANNELS, REGIONS
from driver.corpus import Corpus
from driver.features import LOOKAHEAD, NUM_FEATURES
from driver.lips import Lips
from driver.model import PAST, Config, DriverNet
from driver.train import FRAMES, draw, losses, random_mask, statistics


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Two takes in which the jaw is one of the features: something that can be learnt in seconds."""
    rng = np.random.default_rng(0)
    T = 400
    features = np.cumsum(rng.normal(size=(T, NUM_FEATURES)) * 0.1, axis=0).astype(np.float16)
    frames = np.zeros((T, NUM_CHANNELS), np.float16)
    frames[:, :] = 0.2 * np.tanh(features[:, :1].astype(np.float32))
    return Corpus(features, frames, np.zeros(T, np.uint8), np.zeros(T, np.float16), np.array([0, 250, T]))


def test_loss_goes_down(corpus, lips: Lips):
    torch.manual_seed(0)
    net = DriverNet(Config(width=32, layers=1, heads=2, reach=4))
    net.mean, net.std = statistics(corpus)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    totals = []
    for step in range(40):
        rng = np.random.default_rng(step)
        loss, _ = losses(net, lips, draw(corpus, 4, rng), rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        totals.append(loss.item())
    assert np.mean(totals[-8:]) < 0.6 * np.mean(totals[:8])


def test_windows_keep_sound_and_motion_together(corpus):
    batch = draw(corpus, 16, np.random.default_rng(1))
    assert batch.features.shape == (16, PAST + FRAMES + LOOKAHEAD, NUM_FEATURES)
    now = batch.features[:, PAST : PAST + FRAMES, 0]
    torch.testing.assert_close(batch.motion[..., 0], 0.2 * torch.tanh(now), atol=1e-3, rtol=0)


def test_masks_give_prefixes_regions_and_nothing():
    known = random_mask(400, np.random.default_rng(2)).numpy()
    prefix = known[:, 0].all(axis=1)
    assert 0.5 < prefix.mean() < 0.75
    assert (known.reshape(400, -1).sum(1) == 0).mean() > 0.2
    alone = known[:, :, REGIONS["head"]].all(axis=(1, 2)) & ~known[:, :, REGIONS["mouth"]].all(axis=(1, 2))
    assert alone.any()


def test_sound_reaches_no_further_than_the_look_ahead(tiny_net):
    features = torch.randn(1, PAST + 20 + LOOKAHEAD, NUM_FEATURES)
    changed = features.clone()
    changed[:, PAST + 10 + LOOKAHEAD :] += 1
    first, second = tiny_net.encode(features), tiny_net.encode(changed)
    torch.testing.assert_close(first[:, :10], second[:, :10])
    assert not torch.allclose(first[:, 10], second[:, 10])


def test_frames_see_their_neighbours_only(tiny_net):
    T, d = 40, tiny_net.config.width
    x, known, sound = torch.randn(1, T, NUM_CHANNELS), torch.zeros(1, T, NUM_CHANNELS), torch.randn(1, T, d)
    changed = x.clone()
    changed[:, -1] += 1
    first, second = (tiny_net(v, known, torch.zeros(1), sound) for v in (x, changed))
    far = T - 1 - tiny_net.config.layers * tiny_net.config.reach
    torch.testing.assert_close(first[:, :far], second[:, :far])
    assert not torch.allclose(first[:, -3], second[:, -3])


def test_position_in_the_window_does_not_matter(tiny_net):
    T, d = 40, tiny_net.config.width
    x, known, sound = torch.randn(1, T, NUM_CHANNELS), torch.zeros(1, T, NUM_CHANNELS), torch.randn(1, T, d)
    whole = tiny_net(x, known, torch.full((1,), 0.5), sound)
    part = tiny_net(x[:, 10:], known[:, 10:], torch.full((1,), 0.5), sound[:, 10:])
    torch.testing.assert_close(whole[:, 20:], part[:, 10:], atol=1e-4, rtol=0)
