from pathlib import Path

import numpy as np
import pytest
import soundfile

from avatar3d.errors import UserError
from driver.channels import EXPR
from driver.corpus import build, held_out_takes
from driver.features import FPS, RATE
from driver.speech import synthesize


def test_the_corpus_is_cached(tmp_path: Path, monkeypatch):
    pytest.importorskip("espeakng_loader")
    monkeypatch.setattr("driver.corpus.sentences", lambda: (("Bob may pay five pence for a map.",), ()))
    first = build(tmp_path, 0.01, seed=1, say=lambda _: None)
    assert first.starts[-1] == len(first.frames) >= 0.01 * 3600 * FPS
    folder = next(tmp_path.iterdir())
    stamp = (folder / "frames.npy").stat().st_mtime_ns
    again = build(tmp_path, 0.01, seed=1, say=lambda _: None)
    assert (folder / "frames.npy").stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(first.starts, again.starts)


def test_held_out_takes_are_clean_and_reproducible_in_motion():
    pytest.importorskip("espeakng_loader")
    one, again = (held_out_takes(1)[0] for _ in range(2))
    assert (one.closed > 0.9).any() and one.frames[:, EXPR].min() >= 0
    np.testing.assert_array_equal(one.frames, again.frames)


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch) -> Path:
    """Two recordings, of which one is trained on."""
    pytest.importorskip("espeakng_loader")
    pytest.importorskip("pocketsphinx")
    monkeypatch.setattr("driver.corpus.sentences", lambda: (("Bob may pay five pence for a map.",), ()))
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in "ab":
        soundfile.write(folder / f"{name}.wav", synthesize("my mother saw a blue moon", rate=140).sound, RATE)
    (folder / "transcripts.tsv").write_text("a\tMY MOTHER SAW A BLUE MOON\nb\tMY MOTHER SAW A BLUE MOON\n")
    return folder


def test_changed_recordings_make_another_corpus(recorded, tmp_path):
    lines: list[str] = []
    people = [build(tmp_path / "cache", 0.001, 0, recorded, say=lines.append).person.max()]
    (recorded / "transcripts.tsv").write_text("a\tMY MOTHER\nb\tELEPHANTS NEVER EVER FORGET WHAT THEY HAVE BEEN TOLD\n")
    people.append(build(tmp_path / "cache", 0.001, 0, recorded, say=lines.append).person.max())
    # The one that is trained on fits no more, which is said.
    assert people[1] == people[0] - 1
    assert [line for line in lines if "left out" in line] == ["corpus: 1 recordings left out, whose transcripts do not fit them"]


def test_a_single_recording_is_refused(recorded, tmp_path):
    (recorded / "transcripts.tsv").write_text("a\tMY MOTHER SAW A BLUE MOON\n")
    with pytest.raises(UserError, match="holds one recording"):
        build(tmp_path / "cache", 0.001, 0, recorded)
