"""speak, drive, render: an avatar performs."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from avatar3d.cli.common import check_range, note, open_avatar, say

if TYPE_CHECKING:
    from avatar3d.avatar import Avatar
    from avatar3d.motion import Motion


def speak(
    avatar: Positional[Path],
    /,
    out: Annotated[Path, arg(aliases=["-o"])],
    audio: Path | None = None,
    text: str | None = None,
    voice: str = "en-us",
    seed: int = 0,
    steps: int = 4,
    guidance: float = 1.0,
    transcript: Path | None = None,
    own_driver: bool = True,
    camera: str = "front",
    size: int = 512,
    background: str = "#d8dce2",
    capture: Path | None = None,
    fps: int | None = None,
    head: Path | None = None,
) -> None:
    """Let an avatar say something, as a video with sound.

    Args:
        avatar: the .avatar file.
        out: the MP4 to write.
        audio: speech in any format; or give --text.
        text: words for the built-in voice to say.
        voice: espeak-ng voice for --text, for instance en-us, en-gb, de.
        seed: of head motion, blinks and brows; the words stay the same.
        steps: of the sampler; more is slower and finer.
        guidance: above 1 exaggerates what follows the sound, 1.25 the mouth by a quarter, and takes twice the time.
        transcript: text file of all that is said in --audio, in English: the mouth then knows its sounds.
        own_driver: speak with the avatar's own driver where it has one; else with the default one.
        camera: front, orbit, or a camera as JSON file.
        size: side of the picture, pixels.
        background: a colour, or "capture" for the frames of the capture with the head pasted back.
        capture: the capture folder, for --background capture.
        fps: frames per second of the video; default 25.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.files import check_output

    check_output(out, avatar, audio, transcript)
    check_film(out, camera, size, background, fps)
    person = open_avatar(avatar, head)
    motion = _drive(person, avatar if own_driver else None, audio, text, voice, transcript, seed, steps, guidance)
    _film(person, motion, out, camera, size, background, capture, fps)


def drive(
    avatar: Positional[Path],
    /,
    out: Annotated[Path, arg(aliases=["-o"])],
    audio: Path | None = None,
    text: str | None = None,
    voice: str = "en-us",
    seed: int = 0,
    steps: int = 4,
    guidance: float = 1.0,
    transcript: Path | None = None,
    own_driver: bool = True,
    head: Path | None = None,
) -> None:
    """Turn speech into a motion file for an avatar.

    Args:
        avatar: the .avatar file.
        out: the motion (.npz) to write.
        audio: speech in any format; or give --text.
        text: words for the built-in voice to say.
        voice: espeak-ng voice for --text.
        seed: of head motion, blinks and brows.
        steps: of the sampler.
        guidance: above 1 exaggerates what follows the sound, 1.25 the mouth by a quarter, and takes twice the time.
        transcript: text file of all that is said in --audio, in English: the mouth then knows its sounds.
        own_driver: speak with the avatar's own driver where it has one; else with the default one.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.errors import UserError
    from avatar3d.files import check_output
    from avatar3d.motion import save_motion

    if out.suffix != ".npz":
        raise UserError(f"{out}: motions are written as .npz; give such a name, or make a film with `avatar3d speak`")
    check_output(out, avatar, audio, transcript)
    person = open_avatar(avatar, head)
    motion = _drive(person, avatar if own_driver else None, audio, text, voice, transcript, seed, steps, guidance)
    save_motion(motion, out)
    say(f"{out}: {len(motion)} frames, {motion.duration:.1f} s")
    say(f"next: avatar3d render {avatar} --motion {out} -o {out.with_suffix('.mp4')}")


def render(
    avatar: Positional[Path],
    /,
    motion: Path,
    out: Annotated[Path, arg(aliases=["-o"])],
    camera: str = "front",
    size: int = 512,
    background: str = "#d8dce2",
    capture: Path | None = None,
    fps: int | None = None,
    head: Path | None = None,
) -> None:
    """Draw an avatar performing a motion file.

    Args:
        avatar: the .avatar file.
        motion: the motion (.npz), for instance from drive or track.
        out: the MP4 to write.
        camera: front, orbit, or a camera as JSON file.
        size: side of the picture, pixels.
        background: a colour, or "capture" for the frames of the capture with the head pasted back.
        capture: the capture folder, for --background capture.
        fps: frames per second of the video; default the motion's.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.files import check_output
    from avatar3d.motion import load_motion

    check_output(out, avatar, motion)
    check_film(out, camera, size, background, fps)
    person = open_avatar(avatar, head)
    _film(person, load_motion(motion, person.head), out, camera, size, background, capture, fps)


def check_film(out: Path, camera: str, size: int, background: str, fps: int | None) -> None:
    """Refuse options of a film that cannot be met, before any work.

    Raises:
        UserError: names the option.
    """
    from avatar3d.errors import UserError

    # A device or a pipe is called as it is.
    if out.suffix.lower() != ".mp4" and (out.is_file() or not out.exists()):
        raise UserError(f"{out}: films are written as MP4; give a name that ends in .mp4")
    check_range("--size", size, 16, 4096)
    check_range("--fps", fps, 1, 240)
    if background == "capture" and (camera != "front" or size != 512):
        raise UserError("--background capture: is drawn with the capture's own camera and size; leave --camera and --size out")


def _drive(
    person: "Avatar",
    source: Path | None,
    audio: Path | None,
    text: str | None,
    voice: str,
    transcript: Path | None,
    seed: int,
    steps: int,
    guidance: float,
) -> "Motion":
    """The motion of a person who speaks, by the driver that lies in the file `source` where there is one."""
    from avatar3d.avatar_file import DRIVER_REMEDY, read_driver
    from avatar3d.errors import UserError
    from avatar3d.sound import read_sound
    from driver.sample import drive as drive_sound
    from driver.voice import check_speech
    from driver.weights import network_of
    from driver.words import phones_of_speech, phones_of_transcript

    if (audio is None) == (text is None):
        raise UserError("speech: give either --audio FILE or --text WORDS")
    if transcript is not None and audio is None:
        raise UserError("--transcript: says what is said in --audio; with --text it is known already")
    check_range("--seed", seed, 0, 2**31 - 1)
    check_range("--steps", steps, 1, 64)
    check_range("--guidance", guidance, 0, 4)
    rate, asked = 16000, {}
    if audio is not None:
        sound = read_sound(audio, rate)
        check_speech(sound, rate, audio)
        if transcript is not None:
            asked["phones"] = phones_of_transcript(sound, rate, _words(transcript), transcript)
    else:
        from driver.speech import synthesize

        spoken = synthesize(text or "", voice=voice)
        sound, rate = spoken.sound, spoken.rate
        asked["phones"] = phones_of_speech(spoken)
    weights = None if source is None else read_driver(source)
    own = None if weights is None else network_of(weights, f"{source}: its own driver", DRIVER_REMEDY)
    shape = person.shape.numpy()
    motion = drive_sound(sound, rate, head=person.head, seed=seed, steps=steps, shape=shape, weights=own, asked=asked, guidance=guidance)
    return person.admit(motion, own is not None)


def _words(transcript: Path) -> str:
    from avatar3d.errors import UserError

    try:
        if transcript.stat().st_size > 1 << 20:
            raise UserError(f"{transcript}: is too long for what is said in one recording; give the words of this one")
        return transcript.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{transcript}: cannot be read as text; write all that is said into it, as plain text") from error


def _film(person: "Avatar", motion: "Motion", out: Path, camera: str, size: int, background: str, capture: Path | None, fps: int | None) -> None:
    from avatar3d.progress import console
    from viewer.cameras import camera_path
    from viewer.film import colour_background, film

    rate = Fraction(fps) if fps else None
    with console("render") as progress:
        if background == "capture":
            from avatar3d.cli.paste import film_over_capture

            frames = film_over_capture(person, motion, out, capture, rate, progress)
        else:
            cameras = camera_path(person, camera, size)
            frames = film(person, motion, out, cameras=cameras, background=colour_background(background), fps=rate, progress=progress)
    note("")
    say(f"{out}: {frames} frames, {motion.duration:.1f} s")
