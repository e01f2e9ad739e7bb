"""What an avatar shall say: the options that speak and drive share, and the sound and the known phones that they mean."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from avatar3d.cli.common import check_range, note, open_driver
from avatar3d.cli.live_drive import check_live

if TYPE_CHECKING:
    import numpy as np

    from avatar3d.avatar import Avatar
    from avatar3d.cli.direct import Directing
    from avatar3d.motion import Motion
    from driver.direction import Direction

_NEAR = 4.0
"""Degrees from a gaze within which somebody seems to look there."""
_CHANGES_OVER = 0.6
"""Seconds over which a stretch that is made anew takes another mood than its surroundings."""


@dataclass(frozen=True)
class Talking:
    """What is said, and by which driver."""

    audio: Path | None = None
    """speech in any format; or give --text."""
    text: str | None = None
    """words for the built-in voice to say; [pause 0.5], [happy 0.7] and [neutral] in them are heeded."""
    voice: str = "en-us"
    """espeak-ng voice for --text, for instance en-us, en-gb, de, fr, ja, cmn."""
    tts_command: str | None = None
    """a command that speaks --text with another voice: it gets the words on standard input and writes the sound to the file that it is
    given as {out}, for instance 'piper -m voice.onnx -f {out}'."""
    live: str | None = None
    """for drive: follow sound as it comes in: mic, tcp://127.0.0.1:PORT (16 kHz mono, 16 bits, one sender), or a file at its own speed."""
    listen_to: Path | None = None
    """what another person says meanwhile, on the same clock: while it is silent itself, the avatar listens to that."""
    transcript: Path | None = None
    """text file of all that is said in --audio, in English: the mouth then knows its sounds."""
    video: Path | None = None
    """re-enact: a video (or capture folder) of anybody, whose motion and sound are taken over."""
    idle: float | None = None
    """seconds in which nobody speaks, and there is no sound: the avatar looks about, breathes and blinks."""
    redo: Path | None = None
    """a motion (.npz) of this avatar, of which a --stretch is made anew."""
    stretch: tuple[float, float] | None = None
    """from when to when, seconds, for --redo."""
    seed: int = 0
    """of head motion, blinks and brows; the words stay the same."""
    steps: int = 4
    """of the sampler; more is slower and finer."""
    guidance: float = 1.0
    """above 1 exaggerates what follows the sound, 1.25 the mouth by a quarter, and takes twice the time."""
    own_driver: bool = True
    """use the avatar's own driver where it has one; else the default one."""


@dataclass(frozen=True, eq=False)
class Said:
    """A sound, and what is known of it."""

    sound: "np.ndarray"
    """[samples]."""
    rate: int
    asked: "dict[str, np.ndarray]"
    """By slot of the driver."""
    notes: tuple[str, ...] = ()
    """What is to be told of it, once nothing is left that could be refused."""


def check_talk(options: Talking, directing: "Directing") -> None:
    """Refuse options that contradict each other or are out of range, before any work.

    Raises:
        UserError: names the option.
    """
    from avatar3d.cli.direct import check_directing
    from avatar3d.errors import UserError

    sources = {"--audio": options.audio, "--text": options.text, "--video": options.video, "--idle": options.idle, "--redo": options.redo,
               "--live": options.live}  # fmt: skip
    given = [name for name, value in sources.items() if value is not None]
    if len(given) > 1 and given != ["--audio", "--redo"]:
        raise UserError(f"speech: {' and '.join(given)} contradict each other; give one of them")
    if not given:
        raise UserError("speech: give --audio FILE, --text WORDS or --video FILE, or --idle SECONDS without any")
    if options.live is not None:
        check_live(options, directing)
    check_directing(directing)
    if options.transcript is not None and options.audio is None:
        raise UserError("--transcript: says what is said in --audio; with --text it is known already")
    if options.tts_command is not None and options.text is None:
        raise UserError("--tts-command: speaks --text; give some words")
    if options.text is None and options.voice != "en-us":
        raise UserError("--voice: speaks --text; give some words, or leave it out")
    if options.tts_command is not None and options.voice != "en-us":
        raise UserError("--voice and --tts-command contradict each other; give one of them")
    if (options.redo is None) != (options.stretch is None):
        raise UserError("--redo: needs --stretch, two times in seconds, and the other way round")
    if directing.emotion and options.text is not None and "[" in options.text:
        raise UserError("--emotion: contradicts the marks in the text; say all moods in one of the two")
    if options.video is not None and (options.listen_to is not None or options.transcript is not None):
        raise UserError("--video: takes motion and sound over; leave --listen-to and --transcript out")
    usual = Talking()
    taken = (options.seed, options.steps, options.guidance) != (usual.seed, usual.steps, usual.guidance)
    if options.video is not None and (taken or directing != type(directing)()):
        raise UserError("--video: takes the motion over as it is; leave --seed, --steps, --guidance and the options that direct it out")
    if options.redo is not None:
        for name, value in {"--keep": directing.keep, "--head-pose": directing.head_pose}.items():
            if value:
                raise UserError(f"--redo and {name} contradict each other: --redo keeps all of the motion but its stretch; leave {name} out")
    if options.idle is not None:
        check_range("--idle", options.idle, 0.04, 3600)
        if directing.mouth_amount != 1:
            raise UserError("--mouth-amount: does nothing with --idle, in which the mouth rests; leave it out")
        if directing.mode == "listen" or options.listen_to is not None:
            raise UserError("--idle: hears nothing; give what is listened to with --audio and --mode listen, or leave listening out")
    if directing.loop:
        ends = {"--keep": directing.keep, "--head-pose": directing.head_pose, "--redo": options.redo, "--listen-to": options.listen_to}
        for name, value in ends.items():
            if value:
                raise UserError(f"{name}: says what the end is, and --loop leads it back to the beginning; leave one of them out")
        if directing.mode == "listen":
            raise UserError("--mode listen: answers the sound to its end; leave it or --loop out")
    if options.listen_to is not None and directing.mode != "speak":
        raise UserError(f"--mode {directing.mode}: contradicts --listen-to, which says when the avatar speaks, listens and idles")
    check_range("--seed", options.seed, 0, 2**31 - 1)
    check_range("--steps", options.steps, 1, 64)
    check_range("--guidance", options.guidance, 0, 4)


def check_other_head(directing: "Directing", options: Talking, avatar: Path) -> None:
    """Refuse what is said in the channels of the embedded head, for an avatar on another.

    Raises:
        UserError: names the option.
    """
    from avatar3d.errors import UserError

    given = {
        "--style": directing.style, "--keep": directing.keep, "--head-pose": directing.head_pose, "--keyframes": directing.keyframes,
        "--redo": options.redo,
    }  # fmt: skip
    for name, value in given.items():
        if value:
            raise UserError(
                f"{name}: is meant in ARKit's expressions, and {avatar} is on a head without them; leave it out, or make the motion with an avatar "
                "on the embedded head and carry it over: avatar3d head retarget M.npz --to HEAD -o N.npz"
            )


def performance(person: "Avatar", avatar: Path, options: Talking, directing: "Directing") -> "Motion":
    """The motion that the options ask for, within what the avatar has seen.

    Raises:
        UserError: a file, a voice or the driver cannot be used.
    """
    from avatar3d.arkit import EXPR_NAMES
    from avatar3d.cli.direct import direction_of, pinned_exactly, remade, worn_already
    from avatar3d.errors import UserError
    from driver.features import FPS, as_mono16k, num_frames
    from driver.sample import drive, meant

    if person.head.expr_names != EXPR_NAMES:
        check_other_head(directing, options, avatar)
    if options.video is not None:
        return _reenacted(person, options.video)
    if options.idle is not None:
        directing = replace(directing, mode="idle")
    said, former = _said(person, options, directing.mode)
    net, own = open_driver(avatar if options.own_driver else None)
    redo = None if former is None or options.stretch is None else (former, *options.stretch)
    frames = num_frames(len(as_mono16k(said.sound, said.rate)))
    if former is not None and abs(frames / FPS - former.duration) > 2 / FPS:
        raise UserError(
            f"--redo: {options.redo} lasts {former.duration:.2f} s and {options.audio} {frames / FPS:.2f} s; give the sound it was made from"
        )
    direction, exact, notes = direction_of(directing, person, net, frames, own, redo)
    if redo is not None:
        said, direction = _in_its_mood(said, direction, worn_already(redo[0], person, frames), *redo[1:])
    attended = said if options.listen_to is None else _in_turn(said, options.listen_to)
    moods = said.asked["emotion"].max(axis=0) if "emotion" in said.asked else direction.emotion
    still = [region for region, _ in directing.keep if region != "head"]
    if still and any(moods.values() if isinstance(moods, Mapping) else moods):
        notes.append(f"--keep {' and '.join(still)}: as in the motion that is given; the mood shows in the rest of the face alone")
    for line in (*said.notes, *notes):
        note(line)
    motion = drive(
        attended.sound, attended.rate, head=person.head, seed=options.seed, steps=options.steps, shape=person.shape.numpy(), weights=net,
        direction=direction, asked=attended.asked, guidance=options.guidance, own=own, led=False,
    )  # fmt: skip
    if attended is not said:
        # What is heard in the film is the conversation.
        motion = replace(motion, sound=conversation(said.sound, said.rate, options.listen_to), sound_rate=said.rate)
    if options.idle is not None:
        motion = replace(motion, sound=None, sound_rate=0)
    motion = pinned_exactly(person.admit(motion, own, meant(person.head, direction, moods)), exact, person)
    if redo is None:
        return motion
    made = remade(redo[0], motion, *redo[1:])
    if direction.gaze is not None:
        _tell_how_near(made, person, own, direction.gaze, *redo[1:])
    return made


def _tell_how_near(motion: "Motion", person: "Avatar", own: bool, gaze: tuple[float, float], begin: float, end: float) -> None:
    """Say how near the eyes come to a gaze in a stretch that is made anew, where that is not near."""
    import numpy as np

    from driver.channels import frames_of
    from driver.features import FPS
    from driver.turned import looks

    eyes = np.degrees(looks(frames_of(motion, person.head), own))
    wanted, first, last = np.array([-gaze[1], gaze[0]]), round(begin * FPS), round(end * FPS)
    left = float(np.linalg.norm(eyes[first:last] - wanted, axis=1).min())
    way = float(np.linalg.norm(eyes[max(0, first - 1)] - wanted))
    if left > max(_NEAR, 0.4 * way):
        note(
            f"--gaze {gaze[0]:g},{gaze[1]:g}: in {end - begin:g} s the eyes come no nearer to it than {left:.0f} degrees, as gently as they "
            "move elsewhere; give a longer --stretch"
        )


def _said(person: "Avatar", options: Talking, mode: str) -> "tuple[Said, Motion | None]":
    """The sound, and the motion that is made anew in part."""
    import numpy as np

    from avatar3d.cli.direct import motion_for
    from avatar3d.errors import UserError
    from avatar3d.sound import read_sound
    from driver.voice import check_speech
    from driver.words import phones_of_transcript

    former = None if options.redo is None else motion_for(options.redo, person)
    if former is not None and not np.allclose(former.shape, person.shape.numpy()[: len(former.shape)], atol=1e-4):
        raise UserError(f"--redo: {options.redo} is another person's motion; give one that was made for this avatar")
    if options.idle is not None:
        return Said(np.zeros(round(options.idle * 16000), np.float32), 16000, {}), None
    if options.text is not None:
        return _spoken(options.text, options), former
    rate = 16000
    if options.audio is not None:
        sound, name = read_sound(options.audio, rate), options.audio
        if mode == "speak" and options.listen_to is None:
            check_speech(sound, rate, name)
    else:
        assert former is not None and options.redo is not None
        if former.sound is None:
            raise UserError(f"{options.redo}: holds no sound; give the one that it was made from with --audio")
        sound, rate = former.sound, former.sound_rate
    known = {}
    if options.transcript is not None:
        known["phones"] = phones_of_transcript(sound, rate, _words(options.transcript), options.transcript)
    return Said(sound, rate, known), former


def _in_its_mood(said: Said, direction: "Direction", worn: "np.ndarray", begin: float, end: float) -> "tuple[Said, Direction]":
    """What is said, and how, with the moods of a motion of which a stretch is made anew.

    The stretch wears the mood of its surroundings, or changes over to the one that is asked for: else the face would fall in it, and jump at its
    ends.

    Args:
        said: the sound.
        direction: what is asked for.
        worn: [T, EMOTIONS] intensities of the motion that is there.
        begin: of the stretch, seconds.
        end: of the stretch.
    """
    import numpy as np

    from driver.conditions import EMOTIONS
    from driver.direction import levels
    from driver.features import FPS

    first, last = round(begin * FPS), round(end * FPS)
    strongest = worn[first:last].max(axis=0)
    if not direction.emotion:
        shown = [f"{name}:{level:.2g}" for name, level in zip(EMOTIONS, strongest, strict=True) if level > 0.05]
        if shown:
            calm = f"{shown[0].partition(':')[0]}:0"
            line = f"--redo: the motion is {' and '.join(shown)} there, and stays so; another --emotion changes that, {calm} makes it calm"
            said = replace(said, notes=(*said.notes, line))
    elif worn.any():
        inside = np.minimum(np.arange(1, last - first + 1), np.arange(last - first, 0, -1))
        share = np.clip(inside / min(_CHANGES_OVER * FPS, 1 + (last - first) / 2), 0, 1)[:, None]
        share = share * share * (3 - 2 * share)
        worn = worn.copy()
        worn[first:last] += share * (np.array(levels(direction), np.float32) - worn[first:last])
        direction = replace(direction, emotion={})
    return (replace(said, asked={**said.asked, "emotion": worn}) if worn.any() else said), direction


def _in_turn(said: Said, other: Path) -> Said:
    """What is attended to while another one talks as well."""
    from avatar3d.sound import read_sound
    from driver.features import RATE, as_mono16k
    from driver.turns import take_turns

    own, their = as_mono16k(said.sound, said.rate), as_mono16k(read_sound(other, RATE), RATE, other)
    sound, rows = take_turns(own, their[: len(own)])
    return replace(said, sound=sound, rate=RATE, asked={**said.asked, "mode": rows})


def conversation(own: "np.ndarray", rate: int, other: Path | None) -> "np.ndarray":
    """Two sounds at once, as loud as the first."""
    import numpy as np

    from avatar3d.sound import read_sound

    assert other is not None
    their = read_sound(other, rate)[: len(own)]
    both = own + np.concatenate([their, np.zeros(len(own) - len(their), np.float32)])
    return both / max(1.0, float(np.abs(both).max()))


def _spoken(text: str, options: Talking) -> Said:
    from driver.letters import other_voice
    from driver.script import perform_script, read_script
    from driver.tts_command import speak_by

    script, notes = read_script(text), ()
    if options.tts_command is None and (other := other_voice(text, options.voice)) is not None:
        notes = (f"--voice {options.voice}: most of the text is in letters that it spells out or leaves out; perhaps --voice {other} is meant",)
    performed = perform_script(script, options.voice) if options.tts_command is None else speak_by(options.tts_command, script)
    return Said(performed.sound, performed.rate, performed.asked, notes)


def _reenacted(person: "Avatar", source: Path) -> "Motion":
    """Somebody's motion as the avatar's: zero being their own calm face, within what the avatar has seen."""
    from avatar3d.cli.direct import recorded
    from avatar3d.statistics import motion_statistics, relative

    motion = recorded(source, person)
    own = relative(motion, motion_statistics(motion, person.head), person.head)
    return person.admit(replace(own, shape=person.shape.numpy()))


def _words(transcript: Path) -> str:
    from avatar3d.errors import UserError
    from avatar3d.files import check_input

    check_input(transcript, "a text file")
    try:
        if transcript.stat().st_size > 1 << 20:
            raise UserError(f"{transcript}: is too long for what is said in one recording; give the words of this one")
        return transcript.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{transcript}: cannot be read as text; write all that is said into it, as plain text") from error
