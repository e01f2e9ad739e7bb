import numpy as np
import pytest
import torch

from driver.channels import NUM_CHANNELS
from driver.conditions import NUM_CONDITIONS, STYLE
from driver.features import LOOKAHEAD, NUM_FEATURES
from driver.lips import Lips
from driver.losses import losses
from driver.model import PAST, Config, DriverNet
from driver.train import statistics
from driver.windows import FRAMES, LIVE_FRAMES, Windows


@pytest.mark.parametrize("live", [False, True])
def test_loss_goes_down(corpus, lips: Lips, live: bool):
    torch.manual_seed(0)
    net = DriverNet(Config(width=32, layers=1, heads=2, reach=4))
    net.mean, net.std = statistics(corpus)
    optimizer, windows = torch.optim.AdamW(net.parameters(), lr=3e-3), Windows(corpus)
    totals = []
    for step in range(40):
        rng = np.random.default_rng(step)
        loss, _ = losses(net, lips, windows.draw(4, rng, LIVE_FRAMES if live else FRAMES), rng, live)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        totals.append(loss.item())
    assert np.mean(totals[-8:]) < 0.6 * np.mean(totals[:8])


def test_sound_from_long_ago_is_heard(tiny_net):
    features = torch.randn(1, PAST + 20 + LOOKAHEAD, NUM_FEATURES)
    changed = features.clone()
    changed[:, 10] += 1
    first, second = tiny_net.encode(features), tiny_net.encode(changed)
    torch.testing.assert_close(first[:, 11:], second[:, 11:])
    assert not torch.allclose(first[:, 10], second[:, 10], atol=1e-6)


def test_a_style_is_what_moves_how_and_not_when(tiny_net):
    time = torch.arange(100.0)[:, None]
    clip = 0.05 * torch.sin(0.5 * time + torch.arange(NUM_CHANNELS))[None]
    codes = tiny_net.style_of(torch.cat([clip, clip.roll(25, dims=1), 3 * clip]))
    assert codes.shape == (3, STYLE) and codes.abs().max() <= 1
    assert (codes[0] - codes[1]).norm() < 0.3 * (codes[0] - codes[2]).norm()


def test_sound_reaches_no_further_than_the_look_ahead(tiny_net):
    features = torch.randn(1, PAST + 20 + LOOKAHEAD, NUM_FEATURES)
    changed = features.clone()
    changed[:, PAST + 10 + LOOKAHEAD :] += 1
    first, second = tiny_net.encode(features), tiny_net.encode(changed)
    torch.testing.assert_close(first[:, :10], second[:, :10])
    assert not torch.allclose(first[:, 10], second[:, 10])


def test_frames_see_their_neighbours_only(tiny_net):
    T, d = 40, tiny_net.config.width
    x, known, sound, asked = torch.randn(1, T, NUM_CHANNELS), torch.zeros(1, T, NUM_CHANNELS), torch.randn(1, T, d), torch.zeros(1, T, NUM_CONDITIONS)
    changed = x.clone()
    changed[:, -1] += 1
    first, second = (tiny_net(v, known, torch.zeros(1), sound, asked) for v in (x, changed))
    far = T - 1 - tiny_net.config.layers * tiny_net.config.reach
    torch.testing.assert_close(first[:, :far], second[:, :far])
    assert not torch.allclose(first[:, -3], second[:, -3])


def test_position_in_the_window_does_not_matter(tiny_net):
    T, d = 40, tiny_net.config.width
    x, known, sound, asked = torch.randn(1, T, NUM_CHANNELS), torch.zeros(1, T, NUM_CHANNELS), torch.randn(1, T, d), torch.randn(1, T, NUM_CONDITIONS)
    whole = tiny_net(x, known, torch.full((1,), 0.5), sound, asked)
    part = tiny_net(x[:, 10:], known[:, 10:], torch.full((1,), 0.5), sound[:, 10:], asked[:, 10:])
    torch.testing.assert_close(whole[:, 20:], part[:, 10:], atol=1e-4, rtol=0)
