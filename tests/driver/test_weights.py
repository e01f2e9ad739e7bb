from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from avatar3d.errors import UserError
from driver.model import Config, DriverNet
from driver.train import train
from driver.weights import load_weights, network_of, save_weights, weights_file
from driver.windows import Windows


@pytest.fixture
def saved(tmp_path: Path, head, tiny_net: DriverNet) -> Path:
    path = tmp_path / "w.safetensors"
    save_weights(path, tiny_net.state_dict(), tiny_net.config, head, "a test")
    return path


def test_round_trip(saved, tiny_net):
    again = load_weights(saved)
    assert again.config == tiny_net.config
    for name, value in tiny_net.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=2e-3, rtol=2e-3)


def test_absent_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_weights(tmp_path / "none.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("not weights")
    with pytest.raises(UserError, match=r"text.safetensors: is not a weights file"):
        load_weights(text)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(3)}, foreign)
    with pytest.raises(UserError, match="not a complete weights file"):
        load_weights(foreign)


def test_damaged_files_are_refused(saved):
    saved.write_bytes(saved.read_bytes()[:-1000])
    with pytest.raises(UserError, match="is not a weights file"):
        load_weights(saved)


def test_weights_of_an_older_schema_are_refused(tmp_path, head, tiny_net):
    content = weights_file(tiny_net.state_dict(), tiny_net.config, head, "a test", schema="2")
    with pytest.raises(UserError, match=r"old: was written by another version of avatar3d; use that version, or do something"):
        network_of(content, "old", "do something")


def test_weights_that_are_no_numbers_are_refused(head, tiny_net):
    state = {**tiny_net.state_dict(), "mean": torch.full_like(tiny_net.mean, torch.nan)}
    with pytest.raises(UserError, match="not a complete weights file"):
        network_of(weights_file(state, tiny_net.config, head, "a test"), "broken")


def test_the_shipped_file_is_small_and_says_what_it_is():
    from safetensors import safe_open

    from avatar3d.data import data_path

    path = data_path("driver", "driver.safetensors")
    assert path.stat().st_size < 10_000_000
    with safe_open(path, framework="pt") as archive:
        metadata = archive.metadata()
    assert metadata["head"]
    assert metadata["licence"]
    assert "espeak-ng" in metadata["made"]


@pytest.fixture(autouse=True)
def _few_sentences(monkeypatch):
    """Reading all of the standard library takes seconds."""
    monkeypatch.setattr("driver.corpus.sentences", lambda: (("Bob may pay five pence for a map.",), ()))


def _train(tmp_path: Path, name: str, **options) -> Path:
    small = Config(width=16, layers=1, heads=2, reach=4)
    settings = {"hours": 0.01, "batch": 2, "config": small, "say": lambda _: None} | options
    return train(tmp_path / name, cache=tmp_path / "cache", **settings)


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch):
    pytest.importorskip("espeakng_loader")
    straight = _train(tmp_path, "straight.safetensors", steps=8)
    calls, draw = [], Windows.draw

    def stopping_draw(*arguments):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return draw(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Windows, "draw", stopping_draw)
        _train(tmp_path, "stopped.safetensors", steps=8, keep_every=3)
    assert (tmp_path / "stopped.checkpoint.safetensors").exists()
    assert not (tmp_path / "stopped.safetensors").exists()
    with pytest.raises(UserError, match="other options"):
        _train(tmp_path, "stopped.safetensors", steps=8, seed=9)
    resumed = _train(tmp_path, "stopped.safetensors", steps=8, keep_every=3)
    assert not (tmp_path / "stopped.checkpoint.safetensors").exists()
    one, two = load_weights(straight).state_dict(), load_weights(resumed).state_dict()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-3, rtol=1e-3)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    pytest.importorskip("espeakng_loader")
    save_file({"net.a": torch.zeros(2)}, tmp_path / "w.checkpoint.safetensors", {"step": "3", "spent": "1"})
    with pytest.raises(UserError, match="no checkpoint of this training"):
        _train(tmp_path, "w.safetensors", steps=1)


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"\.safetensors"):
        _train(tmp_path, "w.pt", steps=1)
