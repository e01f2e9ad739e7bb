"""Make the demo capture: a made-up person who talks, filmed with the project's own renderer, and the truth about it.

    python data/demo/make.py

writes demo.mp4 and truth.npz beside this file. Needs the extra `tts` (espeak-ng). The same versions give the same bytes.
"""

import argparse
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from avatar3d.head.store import load_head
from avatar3d.motion import Motion, save_motion
from avatar3d.mp4 import VideoWriter
from avatar3d.progress import console
from driver.behaviour import behave
from driver.channels import INDEX, NUM_CHANNELS, unpack
from driver.coarticulation import articulate
from driver.features import FPS, features, num_frames
from driver.phones import Segment, segments
from driver.speech import RATE, synthesize
from driver.takes import prosody_of, relative_loudness
from recon.synthetic import backdrop, film_synthetic, synthetic_avatar, synthetic_camera

FOLDER = Path(__file__).resolve().parent
SEED, SIZE = 5, 512
VOICE, WORDS_A_MINUTE, PITCH, MELODY = "en-us", 152, 42, 60
SCRIPT = (
    (0.7, "Hello, and welcome. I am a made up person, and nobody ever filmed me."),
    (0.8, "Everything about my face is known exactly: how far I turn my head, when I blink, and where my mouth is."),
    (0.7, "Please watch my lips: papa, mama, baby, five, blue moon, fish and chips."),
    (0.6, "So the tracker can be measured against the truth, frame by frame."),
    (0.9, ""),
)
"""Seconds of pause, then what is said."""
TURNS = ((2.0, 5.2, 0.0, 19.0, 2.0), (6.6, 9.6, 3.0, -20.0, -3.0), (11.0, 12.4, 7.0, 2.0, 0.0), (13.2, 16.0, -5.0, -12.0, 4.0),
         (17.0, 19.6, 2.0, 16.0, -4.0), (20.5, 23.0, 4.0, -15.0, 2.0))  # fmt: skip
"""Start and end in seconds, and how far the head nods, turns and tilts in between, degrees."""
SWAY = 2.2
"""The torso moves so many times as much as a calm speaker's."""
SMILES = ((0.1, 1.6, 0.45), (20.8, 24.5, 0.4))
RAISED_BROWS = ((6.2, 7.4, 0.6), (17.2, 18.4, 0.5))
"""Start and end in seconds, and strength."""


def spoken() -> tuple[np.ndarray, list[Segment]]:
    """The whole sound [samples] and its timed segments."""
    parts, found, offset = [], [], 0.0
    for pause, text in SCRIPT:
        silence = np.zeros(round(pause * RATE), np.float32)
        found.append(Segment("sil", offset, offset + pause, 1.0))
        parts.append(silence)
        offset += len(silence) / RATE
        if not text:
            continue
        speech = synthesize(text, VOICE, WORDS_A_MINUTE, PITCH, MELODY)
        found += [Segment(s.viseme, s.start + offset, s.end + offset, s.stress) for s in segments(speech.phones)]
        parts.append(speech.sound)
        offset += len(speech.sound) / RATE
    return np.concatenate(parts), found


def bump(time: np.ndarray, start: float, end: float, ramp: float) -> np.ndarray:
    """[T] 0..1: up within `ramp` seconds of the start, down as long before the end."""
    level = np.clip(np.minimum(time - start, end - time) / ramp, 0, 1)
    return level * level * (3 - 2 * level)


def perform(sound: np.ndarray, found: list[Segment]) -> np.ndarray:
    """[T, NUM_CHANNELS] what the person does: the driver's rules for the words and beside them, and the turns of `TURNS`."""
    T = num_frames(len(sound))
    time = np.arange(T) / FPS
    rng = np.random.default_rng(SEED)
    frames = articulate(found, T, relative_loudness(sound, found)).frames + behave(prosody_of(found, features(sound)[:, -1]), rng)
    for name in (f"{pose}_{axis}" for pose in ("rotation", "translation") for axis in range(3)):
        frames[:, INDEX[name]] *= SWAY
    for start, end, *angles in TURNS:
        held = gaussian_filter1d(bump(time, start, end, 0.9), 3, mode="nearest")
        for axis, angle in enumerate(angles):
            frames[:, INDEX[f"neck_pose_{axis}"]] += np.radians(angle) * held
            if axis < 2:
                # The eyes stay on the camera for two thirds of the turn.
                for eye in (0, 3):
                    frames[:, INDEX[f"eyes_pose_{eye + axis}"]] -= np.radians(0.66 * angle) * held
    for start, end, strength in SMILES:
        smile = strength * bump(time, start, end, 0.5)
        for name, share in (("mouthSmile", 1.0), ("cheekSquint", 0.5), ("eyeSquint", 0.35)):
            for side in ("Left", "Right"):
                frames[:, INDEX[name + side]] += share * smile
    for start, end, strength in RAISED_BROWS:
        for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"):
            frames[:, INDEX[name]] += strength * bump(time, start, end, 0.25)
    eyes = [INDEX[f"eyes_pose_{axis}"] for axis in range(6)]
    frames[:, eyes] = np.clip(frames[:, eyes], -np.radians(24), np.radians(24))
    expressions = slice(0, NUM_CHANNELS - 18)
    frames[:, expressions] = np.clip(frames[:, expressions], 0, 1)
    return frames


def main() -> None:
    """Write the video and the truth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--seconds", type=float, default=None, help="stop early, for a look")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    head = load_head()
    sound, found = spoken()
    frames = perform(sound, found)
    if args.seconds:
        frames = frames[: round(args.seconds * FPS)]
    avatar = synthetic_avatar(head, args.seed)
    channels = unpack(frames, head.jaw_open_angle)
    # Half precision in the file: the video shows the motion as stored, so that the truth is true to the bit.
    channels = {name: value.astype(np.float16).astype(np.float32) for name, value in channels.items()}
    motion = Motion(
        **channels,
        neck_translation=np.zeros((len(frames), 3), np.float32),
        shape=avatar.shape.numpy(),
        fps=Fraction(FPS),
        head_fingerprint=head.fingerprint,
    )
    camera = synthetic_camera(SIZE)
    background = backdrop(SIZE, args.seed)
    writer = VideoWriter(
        args.out / "demo.mp4", fps=motion.fps, size=(SIZE, SIZE), sound=sound, sound_rate=RATE, title="avatar3d demo: a made-up person",
        comment="Synthetic: nobody is shown. CC0 1.0.", options={"crf": str(CRF), "preset": "veryslow"},
    )  # fmt: skip
    with console("demo") as progress, writer as video:
        for index, picture in enumerate(film_synthetic(avatar, motion, camera, background, args.threads)):
            video.write(picture)
            progress(index + 1, len(motion))
    save_motion(replace(motion, valid=np.ones(len(motion), bool)), args.out / "truth.npz")
    (args.out / "camera.json").write_text(json.dumps(camera.to_json(), indent=1) + "\n")
    for name in ("demo.mp4", "truth.npz"):
        print(f"{name}: {(args.out / name).stat().st_size / 1e6:.2f} MB, {len(motion)} frames")


CRF = 15
"""x264's quality: the demo may weigh 3 MB in all."""

if __name__ == "__main__":
    main()
