import io
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from avatar3d.motion import CHANNELS
from tests.avatar3d.tiny import tiny_head, tiny_motion
from viewer.export.motion_track import pack_motion, pack_sound, unpack_motion
from viewer.export.packed import Packed, read_packed, write_packed


def test_channels_are_kept():
    motion = replace(tiny_motion(tiny_head()), fps=Fraction(30000, 1001))
    read = unpack_motion(read_packed(write_packed(pack_motion(motion))))
    assert read.fps == motion.fps and len(read) == len(motion) and read.head_fingerprint == motion.head_fingerprint
    for name in ("expr", *CHANNELS):
        track = getattr(motion, name)
        if track is not None:
            assert np.abs(track - getattr(read, name)).max() < 1e-4, name


def test_a_second_costs_at_most_fifteen_kilobytes_with_its_sound():
    motion = tiny_motion(load_head(), 250)
    noise = np.random.default_rng(0).normal(size=10 * 16000).astype(np.float32) * 0.2
    size = len(write_packed(pack_motion(motion))) + len(pack_sound(noise, 16000))
    assert size / motion.duration < 15_000


def _heard(data: bytes) -> tuple[np.ndarray, int]:
    with av.open(io.BytesIO(data)) as container:
        pieces = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return np.concatenate(pieces, axis=1).mean(axis=0), container.streams.audio[0].rate


@pytest.mark.parametrize("rate", [16000, 44100])
def test_sound_starts_and_ends_where_it_did(rate):
    samples = np.zeros(2 * rate, np.float32)
    samples[rate : rate + rate // 20] = 0.5 * np.sin(np.arange(rate // 20) * 2 * np.pi * 440 / rate)
    sound, heard_rate = _heard(pack_sound(samples, rate))
    assert abs(len(sound) / heard_rate - 2) < 0.03
    loud = np.flatnonzero(np.abs(sound) > 0.1) / heard_rate
    assert abs(loud[0] - 1) < 0.01 and abs(loud[-1] - 1.05) < 0.01


def test_the_same_sound_gives_the_same_bytes():
    samples = np.sin(np.arange(16000) / 20).astype(np.float32)
    assert pack_sound(samples, 16000) == pack_sound(samples, 16000)


def test_another_file_is_refused():
    with pytest.raises(UserError, match=r"x\.bin: is not a web motion"):
        unpack_motion(Packed({}, {}), "x.bin")
    packed = pack_motion(tiny_motion(tiny_head()))
    del packed.arrays["jaw_pose"]
    with pytest.raises(UserError, match=r"x\.bin: is damaged"):
        unpack_motion(packed, "x.bin")
