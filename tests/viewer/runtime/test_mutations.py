"""Spoiled files: the C++ runtime refuses them or poses what they have become, and touches no memory that is not its own."""

import json
import struct
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar3d.errors import UserError
from tests.avatar3d.tiny import tiny_avatar, tiny_head, tiny_motion
from tests.viewer.runtime.programs import SANITIZED, built
from viewer.export.a3d import Bundle, write_bundle
from viewer.export.a3d_bundle import bundle_of, packed_of


def small_bundle(closed: bool) -> Bundle:
    """Few kilobytes with every section: a rig or vertex tracks, a motion of three frames, a little sound."""
    head = replace(tiny_head(expressions=2), redistributable=not closed)
    if not closed:
        head = replace(head, eyelid_basis=torch.full((2, head.num_vertices, 3), 0.001))
    avatar = tiny_avatar(head, count=5, bases=2)
    motion = replace(tiny_motion(avatar.head, 3), sound=np.zeros(40, np.float32), sound_rate=8000)
    return bundle_of(avatar, motion)


def spoiled(bundle: Bundle, count: int, seed: int, folder) -> dict[str, int]:
    """How often each status came."""
    path = folder / "small.a3d"
    path.write_bytes(write_bundle(bundle))
    done = subprocess.run([str(built("mutate", SANITIZED)), str(path), str(count), str(seed)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("closed", [False, True], ids=["rig", "tracks"])
def test_spoiled_files(tmp_path, closed):
    seen = spoiled(small_bundle(closed), 5000, 1, tmp_path)
    assert sum(seen.values()) == 2 * seen["mutations"] and seen["memory"] == 0
    # Spoiled in every way that has a name, and often still whole: posing was reached.
    assert all(seen[name] > 0 for name in ("not_a_bundle", "size", "checksum", "table", "missing", "shape", "index", "number"))
    assert seen["ok"] > 500


CHANGES = {
    "faces": lambda a: a + np.uint32(10**6),
    "splat_face": lambda a: np.full_like(a, 0xFFFFFFFF),
    "expr_vertex": lambda a: np.full_like(a, 0x80000000),
    "expr_start": lambda a: a[::-1].copy(),
    "pose_start": lambda a: a + np.uint32(1),
    "rest": lambda a: a[:-1],
    "joints": lambda a: a[:4],
    "skin_weights": lambda a: a[:, :4],
    "input_mean": lambda a: a[:-1],
    "network.1.weight": lambda a: a[:, :-1],
    "network.2.bias": lambda a: a[:-1],
    "basis": lambda a: a[:1],
    "splat_colour": lambda a: a[:, :2],
    "motion.fps": lambda a: a * np.uint32(0),
    "motion.expr": lambda a: a[:2],
    "motion.rotation": lambda a: a[:, :2],
}
"""Sections that fit their table and not one another."""


@pytest.mark.parametrize("name", CHANGES)
def test_sections_that_do_not_fit_are_refused_here_and_there(name, tmp_path):
    bundle = small_bundle(False)
    spoiled_bundle = replace(bundle, arrays=bundle.arrays | {name: CHANGES[name](bundle.arrays[name])})
    told = _refusal(spoiled_bundle, tmp_path)
    assert "export it again" in told
    with pytest.raises(UserError, match="export it again"):
        _read_and_pose(spoiled_bundle)


@pytest.mark.parametrize(
    "name", ["faces", "rest", "joints", "input_std", "network.0.weight", "basis", "splat_face", "motion.rotation", "jaw_open_angle"]
)
def test_a_section_that_is_missing_is_named(name, tmp_path):
    bundle = small_bundle(False)
    told = _refusal(replace(bundle, arrays={key: array for key, array in bundle.arrays.items() if key != name}), tmp_path)
    assert f"lacks a section; export it again ({name})" in told


def _refusal(bundle: Bundle, folder) -> str:
    (folder / "a.a3d").write_bytes(write_bundle(bundle))
    (folder / "times").write_bytes(struct.pack("<d", 0))
    command = [str(built("pose", SANITIZED)), "times", str(folder / "a.a3d"), str(folder / "times")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, (done.returncode, done.stderr)
    return done.stderr


def _read_and_pose(bundle: Bundle) -> None:
    from viewer.export.a3d_bundle import unpack_avatar, unpack_motion

    packed, track = packed_of(bundle)
    avatar = unpack_avatar(packed)
    assert track is not None
    motion = unpack_motion(track)
    raise AssertionError(f"{len(avatar)} Gaussians in {len(motion)} frames were read")


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=16), st.integers(0, 1 << 20))
def test_both_readers_refuse_bytes_that_changed(noise, place):
    from viewer.export.a3d import read_bundle

    data = bytearray(write_bundle(SMALL))
    place %= len(data)
    changed = data[:place] + noise + data[place + len(noise) :]
    if changed != data:
        with pytest.raises(UserError):
            read_bundle(bytes(changed))


SMALL = small_bundle(False)
