"""Sound from the machine's own loudspeaker, with a sounddevice of ours."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from avatar3d.errors import UserError
from tests.avatar3d.tiny import tiny_head, tiny_motion
from viewer.live.loudspeaker import Loudspeaker
from viewer.live.player import Player


class Device:
    """Keeps what it was told to play."""

    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self, there: bool = True) -> None:
        self.played: list[tuple[np.ndarray, int]] = []
        self.stopped = 0
        self._there = there

    def query_devices(self, kind: str) -> None:
        if not self._there:
            raise ValueError(f"no {kind} device")

    def play(self, samples: np.ndarray, rate: int) -> None:
        self.played.append((samples, rate))

    def stop(self) -> None:
        self.stopped += 1


@pytest.fixture
def player():
    motion = replace(tiny_motion(tiny_head(), 25), sound=np.arange(16000, dtype=np.float32), sound_rate=16000)
    return Player(motion, clock=lambda: 0.0)


def test_sounds_from_where_the_player_is(player, monkeypatch):
    device = Device()
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    player.seek(0.25)
    player.set_speed(0.5)
    player.play()
    speaker = Loudspeaker()
    speaker.follow(player)
    samples, rate = device.played[0]
    assert samples[0] == 4000 and len(samples) == 12000 and rate == 8000
    player.pause()
    speaker.follow(player)
    assert len(device.played) == 1 and device.stopped == 1


def test_a_loop_begins_again(player, monkeypatch):
    device = Device()
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    player.set_loop(True)
    player.play()
    Loudspeaker().follow(player)
    samples, _ = device.played[0]
    assert len(samples) > 10 * 16000 and samples[16000] == 0 and samples[16001] == 1


@pytest.mark.parametrize("device", [None, Device(there=False)])
def test_without_one_it_is_said(player, monkeypatch, device):
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    player.play()
    with pytest.raises(UserError, match="loudspeaker"):
        Loudspeaker().follow(player)


def test_a_silent_motion_needs_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    player = Player(tiny_motion(tiny_head()))
    player.play()
    Loudspeaker().follow(player)
    assert player.playing
