"""Live driving over a long time, cut in every way, and on a slow machine: `python -m tests.bench.live --speech FOLDER`."""

import resource
import time
from pathlib import Path

import numpy as np
import tyro

from avatar3d.head.store import load_head
from driver import stream as streaming
from driver.alignment import SUFFIXES, read_recording
from driver.features import RATE
from driver.lips import lips_of
from driver.live import perform_live
from driver.sources import PIECE
from driver.stream import Stream
from driver.weights import load_weights


def bench(speech: Path, clips: int = 20, chunkings: int = 10, minutes: float = 60.0, slower: float = 10.0, slow_seconds: float = 30.0) -> None:
    """Print whether all chunkings of all clips give the same motion, the memory of a long sound, and how a slow machine keeps up.

    Args:
        speech: folder with recordings.
        clips: of them.
        chunkings: random ones of each clip.
        minutes: of sound pushed through one stream, with one step.
        slower: times that windows take as long as they do.
        slow_seconds: of sound on the slow machine.
    """
    net, lips = load_weights(), lips_of(load_head())
    sounds = [read_recording(path) for path in sorted(speech.iterdir()) if path.suffix.lower() in SUFFIXES][:clips]
    rng = np.random.default_rng(0)

    def through(sound: np.ndarray, cuts: np.ndarray) -> bytes:
        stream = Stream(net, lips, seed=1, steps=1)
        return np.concatenate([*(stream.push(piece) for piece in np.split(sound, cuts)), stream.finish()]).tobytes()

    same = 0
    for sound in sounds:
        whole = through(sound, np.array([], int))
        same += sum(through(sound, np.sort(rng.integers(0, len(sound), int(rng.integers(1, 200))))) == whole for _ in range(chunkings))
    print(f"{same} of {len(sounds) * chunkings} chunkings of {len(sounds)} clips give the same motion to the last bit", flush=True)

    everything = np.concatenate(sounds)
    stream, pushed, began = Stream(net, lips, steps=1), 0, time.monotonic()
    for minute in range(round(minutes)):
        for _ in range(60):
            piece = np.take(everything, np.arange(pushed, pushed + RATE), mode="wrap")
            stream.push(piece)
            pushed += RATE
        if minute in (0, 4) or (minute + 1) % 15 == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{minute + 1} min of sound in {time.monotonic() - began:.0f} s, at most {peak:.0f} MB", flush=True)

    quick = streaming.sample_window

    def slow(*arguments) -> np.ndarray:
        before = time.monotonic()
        made = quick(*arguments)
        time.sleep((slower - 1) * (time.monotonic() - before))
        return made

    streaming.sample_window = slow
    sound = everything[: int(slow_seconds * RATE)]
    began = time.monotonic()

    def arriving():
        for start in range(0, len(sound), PIECE):
            time.sleep(max(0.0, began + (start + PIECE) / RATE - time.monotonic()))
            yield sound[start : start + PIECE]

    frames, report = perform_live(arriving(), Stream(net, lips, seed=1), lambda number, frame: None)
    print(f"{slower:g} times slower: {len(frames)} frames of {slow_seconds:g} s in {time.monotonic() - began:.1f} s; {report}")


if __name__ == "__main__":
    tyro.cli(bench)
