import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from avatar3d.errors import UserError
from driver.encoders import BLOCK, load_encoder
from driver.features import FPS, NUM_FEATURES, RATE, features, num_frames
from driver.model import Config
from driver.sample import generate
from driver.train import train
from driver.weights import load_weights


@pytest.fixture(scope="module", params=["wav2vec2", "hubert"])
def folder(request, tmp_path_factory) -> Path:
    """A tiny network with random weights."""
    transformers = pytest.importorskip("transformers")
    sizes = {
        "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": (8,) * 7,
        "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
    }  # fmt: skip
    torch.manual_seed(0)
    if request.param == "wav2vec2":
        model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**sizes))
    else:
        model = transformers.HubertModel(transformers.HubertConfig(**sizes))
    path = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(path)
    return path


def test_there_is_a_code_for_every_motion_frame(folder, babble):
    encoder = load_encoder(str(folder))
    assert encoder.width == 24
    for samples in (len(babble), RATE // 2 + 17, 100):
        codes = encoder.codes(babble[:samples])
        assert codes.shape == (num_frames(samples), 24) and np.isfinite(codes).all()
    heard = encoder.beside(features(babble), babble)
    np.testing.assert_array_equal(heard[:, :-24], features(babble))
    np.testing.assert_array_equal(heard[:, -24:], encoder.codes(babble))


def test_codes_of_silence_are_zero(folder):
    codes = load_encoder(str(folder)).codes(np.zeros(3 * RATE, np.float32))
    assert np.abs(codes[10:-10]).max() < 0.05


def test_codes_are_where_their_sound_is(folder):
    encoder = load_encoder(str(folder))
    time = np.arange(4 * RATE) / RATE
    sound = np.where((time >= 2.2) & (time < 2.6), np.sin(2 * np.pi * 400 * time), 0)
    codes = encoder.codes(sound.astype(np.float32))
    unusual = np.abs(codes - np.median(codes, axis=0)).mean(1)
    loud = np.flatnonzero(unusual > unusual.max() / 2)
    assert abs(loud.mean() + 0.5 - 2.4 * FPS) < 1.5 and 7 <= len(loud) <= 16


def test_long_sounds_are_heard_block_by_block(folder, monkeypatch):
    encoder = load_encoder(str(folder))
    sound = np.random.default_rng(1).normal(0, 0.1, (BLOCK + 3) * RATE).astype(np.float32)
    blocks = encoder.codes(sound)
    monkeypatch.setattr("driver.encoders.BLOCK", BLOCK + 3)
    whole = encoder.codes(sound)
    assert blocks.shape == whole.shape
    assert np.abs(blocks - whole).mean() < 0.1 * np.abs(whole).mean()


def test_networks_that_cannot_be_used_are_refused(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    with pytest.raises(UserError, match="is not here and cannot be downloaded"):
        load_encoder(str(tmp_path / "none"))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="no wav2vec2, HuBERT or WavLM"):
        load_encoder(str(tmp_path))


def test_missing_transformers_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"pip install 'avatar3d\[encoders\]'"):
        load_encoder("never/loaded")


def test_a_driver_trained_with_an_encoder_needs_and_uses_it(tmp_path, folder, monkeypatch, lips, babble):
    pytest.importorskip("espeakng_loader")
    monkeypatch.setattr("driver.corpus.sentences", lambda: (("Bob may pay five pence for a map.",), ()))
    settings = {"cache": tmp_path / "cache", "hours": 0.01, "batch": 2, "say": lambda _: None}
    monkeypatch.setattr("driver.train.usual_style", lambda net: torch.zeros(16))
    small = Config(width=16, layers=1, heads=2, reach=4)
    path = train(tmp_path / "ears.safetensors", steps=3, encoder=str(folder), config=small, **settings)
    net = load_weights(path)
    assert (net.config.encoder, net.config.codes) == (str(folder), 24)
    assert net.hear[0].in_features == NUM_FEATURES + 24
    assert f"Sound is heard by {folder}" in path.with_suffix(".md").read_text()
    sound = babble[: 5 * RATE]
    frames = np.concatenate(list(generate(sound, net, lips)))
    assert len(frames) == 5 * FPS and np.isfinite(frames).all()
    # What the encoder says counts.
    with torch.no_grad():
        torch.nn.init.normal_(net.hear[0].weight[:, NUM_FEATURES:])
    assert np.abs(np.concatenate(list(generate(sound, net, lips))) - frames).max() > 1e-3
    further = train(tmp_path / "further.safetensors", steps=1, start=path, **settings)
    assert load_weights(further).config == net.config
    with pytest.raises(UserError, match="does not hear by another"):
        train(tmp_path / "wrong.safetensors", steps=1, start=path, encoder="another", **settings)
