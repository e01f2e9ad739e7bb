"""A small network and sounds for the driver's tests."""

import numpy as np
import pytest
import torch

from avatar3d.head.store import load_head
from driver.channels import NUM_CHANNELS
from driver.corpus import Corpus
from driver.features import NUM_FEATURES, RATE
from driver.lips import lips_of
from driver.manner import Manner
from driver.model import Config, DriverNet


@pytest.fixture(scope="session")
def head():
    return load_head()


@pytest.fixture(scope="session")
def lips(head):
    return lips_of(head)


@pytest.fixture(scope="session")
def tiny_net() -> DriverNet:
    """An untrained network: whatever it makes, the sampler's promises must hold."""
    torch.manual_seed(0)
    net = DriverNet(Config(width=32, layers=2, heads=2, reach=4))
    for block in net.blocks:
        torch.nn.init.normal_(block.merge.weight, std=0.2)
        torch.nn.init.normal_(block.feed[2].weight, std=0.2)
    net.mean.fill_(0.02)
    net.std.fill_(0.05)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def babble() -> np.ndarray:
    """Seven seconds of a voice-like sound with pauses, 16 kHz."""
    time = np.arange(7 * RATE) / RATE
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time)
    voice = sum(np.sin(2 * np.pi * k * np.cumsum(pitch) / RATE) / k for k in range(1, 12))
    loud = np.clip(np.sin(2 * np.pi * 2.2 * time), 0, 1) * (time % 3 < 2.2)
    return (0.1 * loud * voice).astype(np.float32)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Three takes of two people in which the motion is one of the features: something that can be learnt in seconds. In the last they listen."""
    rng = np.random.default_rng(0)
    T = 600
    features = np.cumsum(rng.normal(size=(T, NUM_FEATURES)) * 0.1, axis=0).astype(np.float16)
    frames = np.zeros((T, NUM_CHANNELS), np.float16)
    frames[:, :] = 0.2 * np.tanh(features[:, :1].astype(np.float32))
    mood = np.zeros(8)
    mood[0] = 0.5
    controls = np.stack([Manner(emotion=mood).controls(), Manner().controls(), Manner(mode="listen").controls()])
    return Corpus(features, frames, np.zeros(T, np.int8), np.zeros(T, np.float16), np.array([0, 150, 350, T]), controls, np.array([0, 0, 1]))
