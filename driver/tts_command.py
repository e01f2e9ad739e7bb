"""A voice of the user's own: a command that turns words into a sound file."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from avatar3d.errors import UserError
from avatar3d.sound import read_sound
from driver.features import RATE
from driver.script import Line, Performed, performed
from driver.speech import Speech

LONGEST = 600.0
"""Seconds that the command may take for one line."""
_OUT = "{out}"
_SHELL = frozenset(";&|<>")
"""What only a shell heeds: here it would be handed to the command as an argument, which may be a file's name to it."""


def speak_by(command: str, script: Sequence[Line]) -> Performed:
    """A script spoken line by line by a command.

    Args:
        command: with `{out}` for the file that it writes; the words come on its standard input. It is run without a shell.
        script: from `read_script`.

    Raises:
        UserError: the command cannot be run, fails, takes too long, or writes no sound.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"--tts-command {command}: cannot be read ({error}); quote it like in a shell") from error
    if not words or not any(_OUT in word for word in words):
        raise UserError(f"--tts-command {command}: has no {_OUT}; put it where the command is told the file to write")
    lexed = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexed.whitespace_split = True
    operators = [word for word in lexed if word and set(word) <= _SHELL]
    if operators:
        raise UserError(f"--tts-command {command}: is run without a shell, which {operators[0]} needs; put it into a script, or give sh -c '...'")
    return performed(script, lambda text: _say(words, text))


def _say(command: list[str], text: str) -> Speech:
    with TemporaryDirectory(prefix="avatar3d-") as folder:
        out = Path(folder) / "speech.wav"
        filled = [word.replace(_OUT, str(out)) for word in command]
        try:
            done = subprocess.run(filled, input=text.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LONGEST, check=False)
        except OSError as error:
            raise UserError(f"--tts-command: {command[0]} cannot be run ({error.strerror}); give its full name") from error
        except subprocess.TimeoutExpired as error:
            raise UserError(f"--tts-command: {command[0]} took longer than {LONGEST:g} s for one line; is it waiting for something?") from error
        if done.returncode or not out.exists():
            said = done.stderr.decode(errors="replace").strip().splitlines()
            reason = said[-1][:200] if said else f"status {done.returncode}, no sound written"
            raise UserError(f"--tts-command: {command[0]} failed: {reason}; try it by itself")
        try:
            return Speech(read_sound(out, RATE), RATE, ())
        except UserError as error:
            raise UserError(f"--tts-command: {command[0]} wrote no sound that can be read to {_OUT}; let it write a WAV file there") from error
