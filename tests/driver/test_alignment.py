from itertools import pairwise

import numpy as np
import pytest
import soundfile

from avatar3d.errors import UserError
from driver import alignment
from driver.alignment import align, pronunciation, read_recording, recognise, recordings
from driver.coarticulation import visemes_at_frames
from driver.features import RATE, num_frames
from driver.phones import VOWELS, segments
from driver.speech import synthesize
from driver.takes import tile

TEXT = "bob put the big book on the table and left for home"


def test_known_text_is_found_where_it_was_said():
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("espeakng_loader")
    text = "bob put the big book on the table and left for home"
    said = synthesize(text, voice="en-us+f2", rate=150)
    found = align(np.concatenate([np.zeros(3200, np.float32), said.sound]), text)
    assert found is not None
    exact = [s.end + 0.2 for s in segments(said.phones) if s.viseme == "pbm"]
    errors = [min(abs(s.end - end) for end in exact) for s in found if s.viseme == "pbm"]
    # Neighbouring b and p are one closure in the exact times.
    assert len(errors) >= len(exact)
    assert np.median(errors) < 0.05


def test_without_a_text_phones_are_found_and_pauses_are_pauses():
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("espeakng_loader")
    quiet = np.zeros(RATE, np.float32)
    said = synthesize("my mother saw a blue moon", voice="en-us", rate=140)
    found = recognise(np.concatenate([quiet, said.sound, quiet]))
    assert all(a.end == pytest.approx(b.start) for a, b in pairwise(found))
    vowels = [s for s in found if s.viseme in VOWELS]
    assert len(vowels) >= 4
    assert all(s.start > 0.9 and s.end < 1.1 + len(said.sound) / RATE for s in vowels)
    assert not {s.viseme for s in recognise(quiet)} & (VOWELS | {"pbm"})


def test_unknown_words_are_pronounced():
    pytest.importorskip("espeakng_loader")
    assert pronunciation("bob") == "B AA B"


def test_a_folder_without_transcripts_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"transcripts\.tsv: cannot be read"):
        recordings(tmp_path)


def test_only_recordings_that_are_there_are_listed(tmp_path):
    (tmp_path / "transcripts.tsv").write_text("a\tHELLO\nb\tWORLD\n")
    (tmp_path / "a.flac").touch()
    assert [(path.name, text) for path, text in recordings(tmp_path)] == [("a.flac", "HELLO")]


def test_transcripts_of_absent_recordings_are_refused(tmp_path):
    (tmp_path / "transcripts.tsv").write_text("a\tHELLO\nno tab\n")
    with pytest.raises(UserError, match=r"transcripts\.tsv: names no sound"):
        recordings(tmp_path)


def test_recordings_without_samples_or_numbers_are_refused_by_name(tmp_path):
    path = tmp_path / "a.wav"
    for samples, match in ((np.zeros(0), "holds no samples"), (np.full(RATE, np.nan), "not finite")):
        soundfile.write(path, samples.astype(np.float32), RATE, subtype="FLOAT")
        with pytest.raises(UserError, match=rf"a\.wav: .*{match}"):
            read_recording(path)


def test_long_sounds_are_aligned_in_pieces(monkeypatch):
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("espeakng_loader")
    quiet = np.zeros(RATE // 2, np.float32)
    said = synthesize(TEXT, voice="en-us+f2", rate=140).sound
    sound, text = np.concatenate([said, quiet, said, quiet, said]), " ".join([TEXT] * 3)
    whole = align(sound, text)
    monkeypatch.setattr(alignment, "_PIECE", 1)
    monkeypatch.setattr(alignment, "_LONGEST_PIECE", 5)
    lengths, decode = [], alignment._decode
    monkeypatch.setattr(alignment, "_decode", lambda decoder, piece: (lengths.append(len(piece)), decode(decoder, piece)))
    parts = align(sound, text)
    assert whole is not None and parts is not None
    assert lengths[0] == len(sound) and len(lengths) > 4 and max(lengths[1:]) < 0.7 * len(sound)
    same = [visemes_at_frames(tile(found, len(sound) / RATE), num_frames(len(sound))) for found in (whole, parts)]
    assert (same[0] == same[1]).mean() > 0.9
