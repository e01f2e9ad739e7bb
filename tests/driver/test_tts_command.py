import sys

import pytest

from avatar3d.errors import UserError
from driver.features import RATE
from driver.script import read_script
from driver.tts_command import speak_by

VOICE = """
import sys, wave
words = sys.stdin.read().split()
with wave.open(sys.argv[1], "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(22050)
    file.writeframes(bytes(2 * 2205 * len(words)))
"""


@pytest.fixture
def voice(tmp_path):
    (tmp_path / "voice.py").write_text(VOICE)
    return f"{sys.executable} {tmp_path / 'voice.py'} {{out}}"


def test_a_command_speaks_the_lines_one_by_one(voice):
    made = speak_by(voice, read_script("One two three. [pause 0.5] Four."))
    assert len(made.sound) == pytest.approx(0.9 * RATE, abs=4)
    assert made.asked == {}


@pytest.mark.parametrize(
    ("command", "match"),
    [
        ("say hello", r"has no \{out\}"),
        ("say 'hello {out}", "quote"),
        ("tee words.txt > {out}", "without a shell, which > needs"),
        ("tee words.txt; voice {out}", "without a shell, which ; needs"),
        ("/nowhere/voice {out}", "/nowhere/voice cannot be run"),
        (f"{sys.executable} -c \"import sys; sys.exit('no such voice')\" {{out}}", "failed: no such voice"),
        (f"{sys.executable} -c pass {{out}}", "no sound written"),
        (f"{sys.executable} -c \"import sys; open(sys.argv[1], 'w').write('x')\" {{out}}", "wrote no sound"),
    ],
)
def test_commands_that_do_not_speak_are_one_clear_line(command, match):
    with pytest.raises(UserError, match=match):
        speak_by(command, read_script("Hello."))
