"""What the weights that ship must show; wider figures come from `avatar3d eval-driver`."""

import numpy as np
import pytest

from avatar3d.errors import UserError
from driver.channels import INDEX, JAW
from driver.corpus import held_out_takes
from driver.evaluate import blinks_per_minute, closure, drive_all, energy_correlation, lip_motion_mm, seam_ratio
from driver.features import FPS, RATE
from driver.sample import NEW
from driver.weights import load_weights


@pytest.fixture(scope="module")
def net():
    return load_weights()


@pytest.fixture(scope="module")
def takes():
    pytest.importorskip("espeakng_loader")
    return held_out_takes(8)


@pytest.fixture(scope="module")
def driven(net, lips, takes):
    return drive_all([take.sound for take in takes], net, lips, steps=4)


def test_lips_close_for_p_b_m(takes, driven, lips):
    assert closure(takes, driven, lips)["closure_recall"] >= 0.85


def test_mouth_follows_the_sound(driven, lips):
    own, chance = energy_correlation(driven, lips)
    assert own > 0.4
    assert abs(chance) < 0.15


def test_mouth_rests_in_silence_and_noise(net, lips, head):
    rng = np.random.default_rng(0)
    quiet = np.zeros(12 * RATE, np.float32)
    noise = (quiet + rng.normal(0, 0.002, len(quiet))).astype(np.float32)
    for made in drive_all([quiet, noise], net, lips, steps=4):
        assert lip_motion_mm(made.frames, head) < 0.3
        assert made.frames[:, JAW].max() < 0.02


def test_the_face_is_alive_without_speech(net, lips):
    (made,) = drive_all([np.zeros(60 * RATE, np.float32)], net, lips, steps=4)
    assert 8 <= blinks_per_minute([made.frames]) <= 30
    assert np.degrees(made.frames[:, INDEX["neck_pose_1"]].std()) > 0.5
    assert np.degrees(made.frames[:, INDEX["eyes_pose_1"]].std()) > 0.5


def test_windows_join_without_a_seam(net, lips, driven):
    """The sound is moved against the windows, so that it is not the words at the joins that are measured."""
    sound = np.concatenate([made.sound for made in driven])
    moved = [np.concatenate([np.zeros(frames * RATE // FPS, np.float32), sound]) for frames in range(0, NEW, 8)]
    assert seam_ratio([made.frames for made in drive_all(moved, net, lips, steps=4)], net) < 1.15


def test_real_speech_moves_the_mouth(net, lips, shared_data):
    soundfile = pytest.importorskip("soundfile")
    clips = sorted((shared_data / "speech" / "test").glob("*.flac"))[:4]
    sounds = [soundfile.read(path, dtype="float32")[0] for path in clips]
    own, _ = energy_correlation(drive_all(sounds, net, lips, steps=4), lips)
    assert own > 0.4


def test_a_foreign_file_is_no_weights(tmp_path):
    path = tmp_path / "driver.safetensors"
    path.write_bytes(b"\0" * 100)
    with pytest.raises(UserError, match=r"driver\.safetensors"):
        load_weights(path)
