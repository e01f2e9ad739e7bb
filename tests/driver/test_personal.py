"""Adapting the driver: a made-up capture of somebody whose mouth is the default's, shifted and of another size."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from driver.captures import capture_takes
from driver.channels import INDEX, JAW, NUM_CHANNELS, REGIONS
from driver.evaluate import lip_motion_mm
from driver.features import RATE
from driver.held_out import DEFAULT, OWN, compare_held_out
from driver.lips import lips_of
from driver.personal import adapt, in_units_of, with_whole_blinks
from driver.sample import generate
from driver.takes import Take
from driver.weights import load_weights, network_of, weights_file
from tests.driver.somebody import somebody

HEAD = load_head()


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return somebody(tmp_path_factory.mktemp("somebody") / "x.capture")


def test_units_are_the_persons(capture: Path) -> None:
    prior, lips = load_weights(), lips_of(HEAD)
    frames = np.concatenate([take.frames for take in capture_takes(capture, HEAD)])
    closed = np.concatenate([take.closed for take in capture_takes(capture, HEAD)])
    net = in_units_of(prior, frames, closed, lips)
    mouth, rest = REGIONS["mouth"], np.concatenate([REGIONS[name] for name in ("brows", "eyes", "head")])
    torch.testing.assert_close(net.mean[rest], torch.from_numpy(frames.mean(axis=0))[rest])
    # A mouth at rest stays one.
    silent = net.colour(prior.whiten(torch.zeros(1, len(net.mean))))[0]
    np.testing.assert_allclose(silent[mouth], np.median(frames[closed > 0.9], axis=0)[mouth], atol=1e-5)
    assert float(silent @ lips.gap) < float(net.lips_apart) + 0.5
    assert float(net.whiten(torch.from_numpy(frames))[:, JAW].std()) == pytest.approx(1, abs=0.01)
    # Where the lips are closest in the frames, they touch by the network's own measure.
    assert float((frames @ lips.gap.numpy())[closed > 0.9].mean()) == pytest.approx(float(net.lips_apart), abs=0.4)
    assert float(prior.lips_apart) == 0
    again = network_of(weights_file(net.state_dict(), net.config, HEAD, "a test"), "test")
    assert float(again.lips_apart) == float(net.lips_apart)
    torch.testing.assert_close(again.mean, net.mean)


def test_adapting_makes_the_driver_more_like_the_person(capture: Path) -> None:
    prior = load_weights()
    own = adapt(capture, HEAD, prior, holdout=0.25, steps=16, seed=1)
    # Beyond what the person's units alone do.
    assert own.steps > 8 and own.error[1] < 0.9 * own.error[0]
    # Silence leaves the lips where they touch.
    silent = np.concatenate(list(generate(np.zeros(5 * RATE, np.float32), own.net, lips_of(HEAD))))
    assert lip_motion_mm(silent, HEAD) < 0.3
    assert (silent @ lips_of(HEAD).gap.numpy()).max() < float(own.net.lips_apart) + 1.3
    table = compare_held_out(capture, HEAD, prior, own.net, 0.25)
    assert table[OWN]["lve_mm"][0] < 0.8 * table[DEFAULT]["lve_mm"][0]
    assert table[OWN]["lve_mm"][0] < table["mean face"]["lve_mm"][0]


def test_the_same_seed_gives_the_same_driver(capture: Path) -> None:
    prior = load_weights()
    one, two = (adapt(capture, HEAD, prior, steps=3, seed=4).net.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_too_little_is_refused(capture: Path) -> None:
    with pytest.raises(UserError, match="film a minute"):
        adapt(capture, HEAD, load_weights(), holdout=0.75)


def test_blinks_become_as_deep_as_the_persons(tiny_net, lips, monkeypatch) -> None:
    lid = INDEX["eyeBlinkLeft"]
    shallow, seen = np.zeros((200, NUM_CHANNELS), np.float32), np.full((200, NUM_CHANNELS), 0.1, np.float32)
    shallow[:, lid] = 0.1
    shallow[50:54, lid], shallow[120:124, lid], seen[80:84, lid] = 0.4, 0.4, 1.0
    monkeypatch.setattr("driver.personal.sampled", lambda *_: lambda sound: shallow)
    take = Take(np.zeros(10), np.zeros((200, 1)), seen, np.zeros(200), np.zeros(200), np.zeros(1))
    deeper = with_whole_blinks(tiny_net, lips, [take])
    white = tiny_net.whiten(torch.from_numpy(shallow))
    made = deeper.colour(white).numpy()
    assert made[0, lid] == pytest.approx(0.1, abs=1e-4) and made[51, lid] == pytest.approx(1.0, abs=0.02)
    others = np.delete(np.arange(NUM_CHANNELS), [lid])
    np.testing.assert_allclose(made[:, others], shallow[:, others], atol=1e-5)
