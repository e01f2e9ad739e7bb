"""The driver's graphs, run by another program, against torch."""

import sys

import numpy as np
import pytest
import torch

from avatar3d.errors import UserError
from driver import onnx_export
from driver.channels import NUM_CHANNELS
from driver.conditions import NUM_CONDITIONS
from driver.features import LOOKAHEAD, MELS, features
from driver.model import PAST, Config, DriverNet
from driver.onnx_export import flow_graph, hear_graph, portable
from driver.phones import VISEME_INDEX
from driver.weights import load_weights
from tests.avatar3d.tiny import tiny_head

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture(scope="module")
def net() -> DriverNet:
    return load_weights()


@pytest.fixture(scope="module")
def whole(net) -> bytes:
    """The flow's graph, its weights as they ship."""
    return flow_graph(net)


def _session(graph: bytes):
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    return runtime.InferenceSession(graph, options)


def _inputs(net: DriverNet, frames: int) -> dict[str, torch.Tensor]:
    """What the flow takes, known here and there."""
    rng = torch.Generator().manual_seed(frames)
    shapes = {"noisy": (1, frames, NUM_CHANNELS), "known": (1, frames, NUM_CHANNELS), "time": (1,), "sound": (1, frames, net.config.width)}
    drawn = {name: torch.rand(shape, generator=rng) for name, shape in (shapes | {"asked": (1, 1, NUM_CONDITIONS)}).items()}
    return drawn | {"known": (drawn["known"] > 0.5).float(), "noisy": 4 * drawn["noisy"] - 2, "sound": 4 * drawn["sound"] - 2}


def _run(session, inputs: dict[str, torch.Tensor]) -> list[np.ndarray]:
    return session.run(None, {name: value.numpy() for name, value in inputs.items()})


def test_another_program_hears_the_same(net, babble):
    session = _session(hear_graph(net))
    rows = torch.from_numpy(features(babble))[None]
    for frames in (1, 40, 100):
        given = rows[:, : PAST + frames + LOOKAHEAD]
        with torch.inference_mode():
            sound = net.encode(given)
            pbm = net.viseme_head(sound).softmax(-1)[..., VISEME_INDEX["pbm"]]
        heard, told = _run(session, {"features": given})
        assert np.abs(heard - sound.numpy()).max() < 1e-4
        assert np.abs(told - pbm.numpy()).max() < 1e-5


@torch.inference_mode()
def test_another_program_takes_the_same_step(net, whole):
    session = _session(whole)
    for frames in (2, 40, 88):
        inputs = _inputs(net, frames)
        (clean,) = _run(session, inputs)
        assert np.abs(clean - net(*inputs.values()).numpy()).max() < 1e-4


@torch.inference_mode()
def test_bytes_are_near_and_half_as_large(net, whole):
    small = flow_graph(net, 8)
    assert len(small) < 0.6 * len(whole)
    inputs = _inputs(net, 40)
    (clean,) = _run(_session(small), inputs)
    off = np.abs(clean - net(*inputs.values()).numpy())
    # Whitened: shares of a channel's spread.
    assert 0 < off.mean() < 0.01


def test_a_graph_tells_nothing_of_the_machine(tiny_net):
    graph = flow_graph(tiny_net)
    assert graph == flow_graph(tiny_net)
    for word in (b"site-packages", b"/driver/", b"model.py"):
        assert word not in graph


def test_a_portable_driver_says_what_it_is(tiny_net, head, lips):
    made = portable(tiny_net, head)
    assert made.header["format"] == onnx_export.FORMAT and len(made.header["channels"]) == NUM_CHANNELS
    assert made.arrays["mel_filters"].shape == (257, MELS)
    np.testing.assert_array_equal(made.arrays["gap"], lips.gap.numpy())
    for name in ("hear", "flow"):
        onnx.checker.check_model(onnx.load_from_string(made.arrays[name].tobytes()))


def test_a_driver_with_an_encoder_stays_at_home(head):
    with pytest.raises(UserError, match="hears by some/network"):
        portable(DriverNet(Config(width=32, layers=1, heads=2, encoder="some/network", codes=8)), head)


def test_a_head_without_expressions_is_refused(tiny_net):
    with pytest.raises(UserError, match="expressions"):
        portable(tiny_net, tiny_head())


def test_without_the_packages_one_is_told_which(tiny_net, head, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"avatar3d\[onnx\]"):
        portable(tiny_net, head)
