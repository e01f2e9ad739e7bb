"""The sound of a motion from the loudspeaker of the machine that the workbench runs on."""

import numpy as np

from avatar3d.errors import UserError
from viewer.live.player import Player


def sounddevice():
    """The library that plays.

    Raises:
        UserError: it or PortAudio is missing, or the machine has no loudspeaker.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise UserError(f"loudspeaker: sounddevice cannot be loaded ({error}); `pip install 'avatar3d[mic]'`, and PortAudio on Linux") from error
    try:
        sounddevice.query_devices(kind="output")
    except (ValueError, sounddevice.PortAudioError) as error:
        raise UserError("loudspeaker: this machine has none; listen in the browser") from error
    return sounddevice


class Loudspeaker:
    """Plays what the player plays, from where it is."""

    def __init__(self) -> None:
        self._device = None

    def follow(self, player: Player) -> None:
        """Begin where the player is, or be silent where it rests.

        Raises:
            UserError: as `sounddevice`.
        """
        self.stop()
        motion = player.motion
        if not player.playing or motion.sound is None or not motion.sound_rate:
            return
        self._device = sounddevice()
        rest = motion.sound[int(player.position * motion.sound_rate) :]
        if player.loop:
            rest = np.concatenate([rest, np.tile(motion.sound, max(1, int(600 / motion.duration)))])
        # Another speed is another sampling rate: the pitch goes along, as on a tape.
        self._device.play(rest, round(motion.sound_rate * player.speed))

    def stop(self) -> None:
        """Be silent."""
        if self._device is not None:
            self._device.stop()
            self._device = None
