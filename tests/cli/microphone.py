"""A sounddevice of ours, in place of the machine's."""

import threading

import numpy as np


class Microphone:
    """A sounddevice whose microphone hears a hum, and one that is broken."""

    class PortAudioError(Exception):
        pass

    def __init__(self, works: bool) -> None:
        self._works = works

    def InputStream(self, samplerate, channels, blocksize, dtype, callback):
        if not self._works:
            raise self.PortAudioError("no device")
        ended = threading.Event()

        def hum() -> None:
            phase = 0
            while not ended.wait(blocksize / samplerate):
                samples = 0.4 * np.sin(2 * np.pi * 140 * (phase + np.arange(blocksize)) / samplerate)
                phase += blocksize
                callback(samples[:, None].astype(np.float32), blocksize, None, None)

        class Stream:
            def __enter__(self):
                threading.Thread(target=hum, daemon=True).start()

            def __exit__(self, *_):
                ended.set()

        return Stream()
