"""The training corpus: many takes of many people, generated or recorded, made once and kept."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

import numpy as np

from avatar3d.errors import UserError
from avatar3d.files import atomic_folder
from driver.alignment import recordings
from driver.encoders import Encoder
from driver.features import FPS
from driver.manner import draw_habits
from driver.takes import Take, generated_take, recorded_takes, sentences

VERSION = 5
"""Raised when the corpus changes for the same settings, so that a cached one is made again."""
_TYPES = {"features": np.float16, "frames": np.float16, "viseme": np.int8, "closed": np.float16}
TAKES_A_PERSON = 4
"""Takes in a row that have the same habits."""
COPIES = 8
"""Times that each recording is used, degraded differently."""
_HELD_OUT_RECORDINGS = 10
"""One recording in so many is kept for validation."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Takes one after the other, as arrays over all frames (memory mapped)."""

    features: np.ndarray
    frames: np.ndarray
    viseme: np.ndarray
    closed: np.ndarray
    starts: np.ndarray
    """[takes + 1] first frame of each take, and the end."""
    controls: np.ndarray
    """[takes, *] see `Take`."""
    person: np.ndarray
    """[takes] whose it is."""


def joined(people: Sequence[Sequence[Take]]) -> Corpus:
    """A corpus of the takes of some people, in memory."""
    takes = [take for person in people for take in person]
    arrays = {name: np.concatenate([getattr(take, name).astype(kind) for take in takes]) for name, kind in _TYPES.items()}
    starts = np.cumsum([0] + [len(take.frames) for take in takes])
    person = np.repeat(np.arange(len(people)), [len(each) for each in people])
    return Corpus(**arrays, starts=starts, controls=np.stack([take.controls for take in takes]), person=person)


def build(
    cache: Path,
    hours: float,
    seed: int,
    recordings_folder: Path | None = None,
    workers: int = 1,
    say: Callable[[str], None] = print,
    encoder: Encoder | None = None,
) -> Corpus:
    """The corpus of so many hours, from the cache or made now.

    Args:
        cache: folder that keeps made corpora.
        hours: of generated speech.
        seed: the same seed gives the same corpus on the same Python and espeak-ng, however many workers there are.
        recordings_folder: with sound files and `transcripts.tsv`; each is used `COPIES` times, degraded differently.
        workers: processes that make it.
        say: takes progress lines.
        encoder: whose codes lie beside the features.

    Raises:
        UserError: espeak-ng is missing, or the cache cannot be written.
    """
    key = f"{VERSION}:{hours}:{seed}:{_contents(recordings_folder) if recordings_folder else ''}" + (f":{encoder.name}" if encoder else "")
    folder = Path(cache) / f"corpus-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        made: list[tuple[int, Take]] = []
        frames, unfit = 0, 0
        for person, takes in _people(hours, seed, recordings_folder, workers):
            unfit += not takes
            made += [(person, take if encoder is None else replace(take, features=encoder.beside(take.features, take.sound))) for take in takes]
            frames += sum(len(take.frames) for take in takes)
            if person % 50 == 49:
                say(f"corpus: {len(made)} takes, {frames / FPS / 3600:.2f} h")
        if unfit:
            say(f"corpus: {unfit} recordings left out, whose transcripts do not fit them")
        with atomic_folder(folder) as temporary:
            for name, kind in _TYPES.items():
                np.save(temporary / f"{name}.npy", np.concatenate([getattr(take, name).astype(kind) for _, take in made]))
            np.save(temporary / "starts.npy", np.cumsum([0] + [len(take.frames) for _, take in made]))
            np.save(temporary / "controls.npy", np.stack([take.controls for _, take in made]))
            np.save(temporary / "person.npy", np.array([person for person, _ in made]))
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in (*_TYPES, "starts", "controls", "person")}
    return Corpus(**arrays)


def _contents(folder: Path) -> str:
    """What tells the recordings of a folder from others, and from what it held before."""
    return f"{folder.resolve()}:" + "\n".join(f"{path.name}:{path.stat().st_size}:{text}" for path, text in recordings(folder))


def _people(hours: float, seed: int, recordings_folder: Path | None, workers: int) -> Iterator[tuple[int, list[Take]]]:
    """Numbered people and their takes: made-up ones until there are enough hours, then those of the recordings."""
    training, _ = sentences()
    frames, person = 0, 0
    jobs = ((training, seed, index) for index in count())
    spoken = []
    if recordings_folder is not None:
        spoken = [(path, text, seed + number) for number, (path, text) in enumerate(recordings(recordings_folder)) if number % _HELD_OUT_RECORDINGS]
        if not spoken:
            raise UserError(f"{recordings_folder}: holds one recording, which is kept to measure on; give more of them")
    with ProcessPoolExecutor(workers) if workers > 1 else nullcontext() as pool:
        for takes in _in_order(_generated_person, jobs, pool, workers):
            yield person, takes
            person += 1
            frames += sum(len(take.frames) for take in takes)
            if frames >= hours * 3600 * FPS:
                break
        for takes in _in_order(_recorded_person, iter(spoken), pool, workers):
            yield person, takes
            person += 1


def _in_order(work: Callable[..., list[Take]], jobs: Iterator[tuple], pool: ProcessPoolExecutor | None, workers: int) -> Iterator[list[Take]]:
    """Results in the order of the jobs, a few of them begun ahead."""
    if pool is None:
        yield from (work(*job) for job in jobs)
        return
    begun = deque(pool.submit(work, *job) for job in islice(jobs, 3 * workers))
    try:
        while begun:
            yield begun.popleft().result()
            begun.extend(pool.submit(work, *job) for job in islice(jobs, 1))
    finally:
        for future in begun:
            future.cancel()


def _generated_person(pool: tuple[str, ...], seed: int, index: int) -> list[Take]:
    habits = draw_habits(np.random.default_rng([seed, index]))
    return [generated_take(pool, np.random.default_rng([seed, index, take]), habits=habits) for take in range(TAKES_A_PERSON)]


def _recorded_person(path: Path, text: str, seed: int) -> list[Take]:
    return list(recorded_takes(path, text, COPIES, seed))


def held_out_takes(count: int, seed: int = 7) -> list[Take]:
    """Clean takes of sentences that training never sees."""
    _, held = sentences()
    return [generated_take(held, np.random.default_rng([seed, 1_000_000 + index]), degrade=False) for index in range(count)]
