from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from avatar3d.errors import UserError
from recon.evaluation import evaluate
from recon.fit import fit, split_frames
from recon.occlusion import CELLS, Occlusions, save_occlusions
from recon.presets import PRESETS
from tests.recon.memory_capture import small_scene

PRESET = replace(PRESETS["fast"], gaussians=400, loose=20, bases=2, steps=60, batch=2)


def test_fitting_recovers_the_pictures(tmp_path):
    capture, motion, camera, avatar = small_scene(path=tmp_path)
    head = avatar.head
    short = fit(capture, motion, camera, head, replace(PRESET, steps=2))
    long = fit(capture, motion, camera, head, replace(PRESET, steps=200))
    frames = np.arange(len(capture))
    before, after = (evaluate(avatar, capture, motion, camera, frames).psnr_full for avatar in (short, long))
    # The true Gaussians are larger than a fit may make its own, so that the picture cannot be met exactly.
    assert after > before + 3 and after > 22


def test_the_same_seed_gives_the_same_avatar():
    capture, motion, camera, avatar = small_scene()
    first, second = (fit(capture, motion, camera, avatar.head, PRESET, seed=3, threads=threads) for threads in (1, 2))
    for name in ("position", "rotation", "log_scale", "opacity_logit", "colour", "position_basis", "colour_basis"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name


def test_a_killed_fit_goes_on_as_if_never_stopped(tmp_path, monkeypatch):
    capture, motion, camera, avatar = small_scene()
    monkeypatch.setattr("recon.fit.CHECKPOINT_INTERVAL", 0.0)
    whole = fit(capture, motion, camera, avatar.head, PRESET)

    class Killed(Exception):
        pass

    def kill(done, total, **figures):
        if done == 37:
            raise Killed

    checkpoint = tmp_path / "me.checkpoint"
    with pytest.raises(Killed):
        fit(capture, motion, camera, avatar.head, PRESET, checkpoint=checkpoint, progress=kill)
    assert checkpoint.exists()
    # As if the first run had taken an hour: what is recorded is the time of the whole fit.
    with safe_open(checkpoint, "pt") as archive:
        metadata = archive.metadata()
    assert 0 < float(metadata["seconds"]) < 600
    save_file(load_file(checkpoint), checkpoint, metadata | {"seconds": "3600"})
    resumed = fit(capture, motion, camera, avatar.head, PRESET, checkpoint=checkpoint, resume=True)
    assert torch.equal(whole.position, resumed.position) and torch.equal(whole.colour_basis, resumed.colour_basis)
    assert 3600 < resumed.metadata["fit"]["seconds"] < 4200


def test_a_checkpoint_of_another_fit_is_refused(tmp_path, monkeypatch):
    capture, motion, camera, avatar = small_scene()
    monkeypatch.setattr("recon.fit.CHECKPOINT_INTERVAL", 0.0)
    checkpoint = tmp_path / "me.checkpoint"

    def kill(done, total, **figures):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(capture, motion, camera, avatar.head, PRESET, checkpoint=checkpoint, progress=kill)
    with pytest.raises(UserError, match="another fit"):
        fit(capture, motion, camera, avatar.head, PRESET, seed=9, checkpoint=checkpoint, resume=True)
    checkpoint.write_bytes(b"nonsense")
    with pytest.raises(UserError, match="not a usable checkpoint"):
        fit(capture, motion, camera, avatar.head, PRESET, checkpoint=checkpoint, resume=True)


def test_held_out_frames_are_never_seen():
    capture, motion, camera, avatar = small_scene()
    split = split_frames(capture, motion, 0.25)
    assert split.train.tolist() == list(range(12)) and split.test.tolist() == [12, 13, 14, 15]
    spoiled = replace(capture, images=capture.images.copy())
    spoiled.images[12:] = 255
    first, second = (fit(c, motion, camera, avatar.head, PRESET, holdout=0.25) for c in (capture, spoiled))
    assert torch.equal(first.position, second.position) and torch.equal(first.colour, second.colour)


def test_too_few_frames_are_refused():
    capture, motion, _, _ = small_scene()
    capture.valid[3:] = False
    with pytest.raises(UserError, match="only 3 frames show a face"):
        split_frames(capture, motion, 0.0)


def test_what_is_in_front_of_the_person_teaches_nothing(tmp_path):
    capture, motion, camera, avatar = small_scene(path=tmp_path)
    masks = np.zeros((8, CELLS, CELLS), bool)
    masks[:, 8:, :] = True
    save_occlusions(Occlusions(np.arange(8, dtype=np.int32), masks, np.ones(8, np.float32)), tmp_path)
    spoiled = replace(capture, images=capture.images.copy())
    spoiled.images[:8, 8:] = 255
    frames = np.arange(8, len(capture))
    good, kept = (fit(c, motion, camera, avatar.head, PRESET) for c in (capture, spoiled))
    (tmp_path / "occlusions.npz").unlink()
    fooled = fit(spoiled, motion, camera, avatar.head, PRESET)
    clean, same, worse = (evaluate(a, capture, motion, camera, frames).psnr_full for a in (good, kept, fooled))
    assert same > clean - 1.5 and worse < same - 0.5
