import json
import os
import re
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.errors import UserError
from avatar3d.sound import read_sound
from tests.viewer.export.scenes import assert_close, tiny_frames
from viewer.export import sequence
from viewer.export.options import FormatOptions
from viewer.export.ply import read_ply
from viewer.export.selection import Selection
from viewer.export.sequence import in_parallel, read_manifest, write_ply_sequence, write_splat_sequence, write_spz_sequence
from viewer.export.spz import read_spz


def _write(folder, frames=None, write=write_ply_sequence, progress=lambda *_: None, **options):
    return write(frames or tiny_frames(), folder, FormatOptions(**options), progress)


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_for_each_frame_by_the_names_that_players_expect(tmp_path):
    frames = tiny_frames()
    told = _write(tmp_path / "talk", frames)
    names = sorted(path.name for path in (tmp_path / "talk").iterdir())
    assert names == ["manifest.json", "talk.wav", *(f"talk_{i:05d}.ply" for i in range(1, 7))]
    # SuperSplat's rule for sequences.
    assert all(re.fullmatch(r"(.*?)(\d+)(?:\.compressed)?\.ply", name) for name in names[2:])
    for index in (0, 5):
        read = read_ply((tmp_path / "talk" / f"talk_{index + 1:05d}.ply").read_bytes())
        assert_close(read.gaussians, frames.gaussians(index), rotation=1e-6)
    assert "6 frames of 50 Gaussians" in told


def test_the_manifest_says_how_it_plays_and_what_it_is(tmp_path):
    _write(tmp_path / "talk", tiny_frames(Selection(every=2)))
    manifest = read_manifest(tmp_path / "talk")
    assert (manifest["fps"], manifest["fps_fraction"], manifest["count"], manifest["complete"]) == (12.5, [25, 2], 3, True)
    assert manifest["provenance"]["subject"] == "nobody" and "Synthetic" in manifest["provenance"]["synthetic"]
    assert len(read_sound(tmp_path / "talk" / manifest["sound"])) == 3840


def test_the_other_kinds(tmp_path):
    _write(tmp_path / "a", tiny_frames(up="y"), write_spz_sequence, spz_version=3)
    assert read_spz((tmp_path / "a" / "a_00006.spz").read_bytes()).layout["version"] == 3
    _write(tmp_path / "b", write=write_splat_sequence)
    assert (tmp_path / "b" / "b_00006.splat").stat().st_size == 50 * 32


def test_frames_that_are_there_are_left_alone(tmp_path):
    _write(tmp_path / "talk")
    whole = _contents(tmp_path / "talk")
    (tmp_path / "talk" / "talk_00003.ply").unlink()
    (tmp_path / "talk" / ".talk_00005.ply.part").write_text("half")
    (tmp_path / "talk" / "talk_00001.ply").touch()
    os.utime(tmp_path / "talk" / "talk_00001.ply", (1, 1))
    done = []
    told = _write(tmp_path / "talk", progress=lambda now, total: done.append((now, total)))
    assert "5 of 6 frames were there" in told and done[-1] == (6, 6)
    assert _contents(tmp_path / "talk") == whole
    assert (tmp_path / "talk" / "talk_00001.ply").stat().st_mtime == 1


@pytest.mark.parametrize("write", [write_ply_sequence, write_splat_sequence, write_spz_sequence])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-7]])
def test_frames_that_are_not_whole_are_written_anew(tmp_path, write, damage):
    _write(tmp_path / "talk", write=write)
    whole = _contents(tmp_path / "talk")
    (frame,) = (tmp_path / "talk").glob("talk_00003.*")
    frame.write_bytes(damage(frame.read_bytes()))
    told = _write(tmp_path / "talk", write=write)
    assert "1 that were there were not whole" in told
    assert _contents(tmp_path / "talk") == whole


@pytest.mark.parametrize("change", ["frames", "options", "stretch"])
def test_another_export_takes_an_unfinished_folder_over_whole(tmp_path, change):
    _write(tmp_path / "talk")
    manifest = tmp_path / "talk" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"complete": true', '"complete": false'))
    frames = {"frames": tiny_frames(Selection(scale=2)), "stretch": tiny_frames(Selection(end=0.08))}.get(change)
    told = _write(tmp_path / "talk", frames, sh_degree=0 if change == "options" else 3)
    _write(tmp_path / "fresh" / "talk", frames, sh_degree=0 if change == "options" else 3)
    assert "of another export, which was not finished, are replaced" in told
    assert _contents(tmp_path / "talk") == _contents(tmp_path / "fresh" / "talk")


def test_a_finished_export_is_not_lost_to_another(tmp_path):
    _write(tmp_path / "talk")
    whole = _contents(tmp_path / "talk")
    with pytest.raises(UserError, match="holds another finished export"):
        _write(tmp_path / "talk", tiny_frames(Selection(scale=2)))
    assert _contents(tmp_path / "talk") == whole


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "talk").mkdir()
    (tmp_path / "talk" / "letter.txt").write_text("mine")
    with pytest.raises(UserError, match=r"letter\.txt"):
        _write(tmp_path / "talk")
    assert [path.name for path in (tmp_path / "talk").iterdir()] == ["letter.txt"]


def test_files_put_among_the_frames_are_not_lost(tmp_path):
    _write(tmp_path / "talk")
    (tmp_path / "talk" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"notes\.txt"):
        _write(tmp_path / "talk", tiny_frames(Selection(scale=2)))
    assert (tmp_path / "talk" / "talk_00006.ply").is_file()


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "talk").write_text("mine")
    with pytest.raises(UserError, match="talk: cannot be made a folder"):
        _write(tmp_path / "talk")
    assert (tmp_path / "talk").read_text() == "mine"


def test_one_frame_is_a_sequence_too(tmp_path):
    _write(tmp_path / "talk", tiny_frames(frames=1))
    assert read_manifest(tmp_path / "talk")["count"] == 1


def test_a_failing_frame_leaves_whole_ones_and_an_unfinished_manifest(tmp_path, monkeypatch):
    frames = tiny_frames()
    made = type(frames).gaussians

    def gaussians(self, index):
        if index == 4:
            raise UserError("frame 4: no")
        return made(self, index)

    monkeypatch.setattr(type(frames), "gaussians", gaussians)
    with pytest.raises(UserError, match="frame 4: no"):
        _write(tmp_path / "talk", frames)
    assert not list((tmp_path / "talk").glob(".*"))
    assert read_manifest(tmp_path / "talk")["complete"] is False
    monkeypatch.undo()
    _write(tmp_path / "talk", frames)
    _write(tmp_path / "fresh" / "talk", frames)
    assert _contents(tmp_path / "talk") == _contents(tmp_path / "fresh" / "talk")


def test_a_name_with_a_percent_sign(tmp_path):
    _write(tmp_path / "50%d")
    (tmp_path / "50%d" / "50_d_00006.ply").unlink()
    _write(tmp_path / "50%d")
    assert (tmp_path / "50%d" / "50_d_00006.ply").is_file()


def test_threads_do_the_work_and_only_a_few_pieces_wait():
    running, most, lock, seen = 0, 0, threading.Lock(), set()

    def work(index):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            seen.add(index)
        with lock:
            running -= 1

    counts = []
    in_parallel(work, list(range(100)), counts.append)
    assert seen == set(range(100)) and counts[-1] == 100 and counts == sorted(counts)
    assert most <= (os.cpu_count() or 1)


def test_torch_has_its_threads_again_afterwards(tmp_path):
    before = torch.get_num_threads()
    _write(tmp_path / "talk")
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda manifest: manifest | {"pattern": "../../x_%05d.ply"},
        lambda manifest: manifest | {"pattern": "x_%s.ply"},
        lambda manifest: manifest | {"pattern": "x_%0999999999d.ply"},
        lambda manifest: manifest | {"count": 10**12},
        lambda manifest: manifest | {"count": "many"},
        lambda manifest: {},
        lambda manifest: [],
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(tmp_path, spoil):
    _write(tmp_path / "talk")
    path = tmp_path / "talk" / sequence.MANIFEST
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    with pytest.raises(UserError, match=r"manifest\.json"):
        read_manifest(tmp_path / "talk")


def test_a_motion_without_sound_leaves_none(tmp_path):
    frames = tiny_frames()
    _write(tmp_path / "talk", replace(frames, motion=replace(frames.motion, sound=np.zeros(0, np.float32), sound_rate=0)))
    assert read_manifest(tmp_path / "talk")["sound"] is None and not (tmp_path / "talk" / "talk.wav").exists()
