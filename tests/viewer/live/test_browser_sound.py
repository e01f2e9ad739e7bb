"""Sound for a browser."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.avatar3d.tiny import tiny_head, tiny_motion
from viewer.live.browser_sound import audio_html, conductor_html, wav_bytes


def test_golden_bytes():
    expected = (
        b"RIFF\x2c\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\x08\x00\x00\x00"
        b"\x00\x00\xff\x7f\x01\x80\x00\x40"
    )
    assert wav_bytes(np.array([0, 1, -2, 0.5]), 16000) == expected


def test_an_independent_reader_hears_the_same():
    sound = np.random.default_rng(0).uniform(-1, 1, 4000).astype(np.float32)
    heard, rate = soundfile.read(io.BytesIO(wav_bytes(sound, 22050)), dtype="float32")
    assert rate == 22050
    np.testing.assert_allclose(heard, sound, atol=1e-4)


def test_the_element_holds_the_motions_sound():
    motion = replace(tiny_motion(tiny_head(), 1), sound=np.full(100, 0.25, np.float32), sound_rate=16000)
    html = audio_html("x", motion)
    data = re.search(r'<audio id="x"[^>]*src="data:audio/wav;base64,([^"]+)"', html)
    assert data and base64.b64decode(data[1]) == wav_bytes(np.pad(np.full(100, 0.25), (0, 540)), 16000)
    assert audio_html("x", tiny_motion(tiny_head())) == ""


@given(st.floats(-0.5, 1e4), st.booleans(), st.floats(0.1, 2), st.booleans(), st.integers(0, 10**6))
def test_the_conductor_stays_inside_its_attribute(position, playing, speed, loop, count):
    html = conductor_html("avatar3d-sound-3", position, playing, speed, loop, count)
    assert html.count('"') == 8 and f"{position if playing else max(position, 0):.4f}" in html
    assert html != conductor_html("avatar3d-sound-3", position, playing, speed, loop, count + 1)
