"""The panel that lets the avatar speak: typed words, a sound file, or the microphone; in a mood, a manner, a direction."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from textwrap import shorten

import viser

from avatar3d.errors import UserError
from avatar3d.performer import Performer, Wish
from viewer.live.desk import Desk

SOUNDS = (".wav", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".flac", ".webm", ".mp4", ".mov", ".mkv")
MANNERS = (".npz", ".mp4", ".mov", ".mkv", ".webm")
GAZES = ("free", "camera", "there")
_LARGEST_SEED = 2**31 - 1


class SpeakPanel:
    """Asks a performer for motions, and plays them.

    Args:
        desk: of the workbench.
        performer: who makes them.
    """

    def __init__(self, desk: Desk, performer: Performer) -> None:
        self.desk, self.performer = desk, performer
        self._style: Path | None = None
        self._last: Wish | None = None
        self._stop = threading.Event()
        self._listening = False
        self._loading = threading.Thread(target=self._warm, name="voice", daemon=True)
        gui, guarded = desk.gui, desk.guarded
        self.text = gui.add_text("words", "Hello, nice to meet you.", multiline=True, hint="[pause 0.5], [happy 0.7] and [neutral] are heeded.")
        voices = performer.voices
        self.voice = gui.add_dropdown("voice", voices or ("none",), initial_value=(voices or ("none",))[0], disabled=not voices)
        self.speak = gui.add_button("Speak", icon=viser.Icon.MESSAGE, disabled=not voices)
        if not voices:
            gui.add_markdown("Typed words need a voice: `pip install 'avatar3d[tts]'`.")
        self.sound = gui.add_upload_button("Speak a sound file", mime_type="audio/*,video/*", icon=viser.Icon.FILE_MUSIC)
        self.listen = gui.add_button("Follow the microphone of this machine", icon=viser.Icon.MICROPHONE)
        with gui.add_folder("Mood", expand_by_default=False):
            self.moods = {name: gui.add_slider(name, 0.0, 1.0, 0.05, 0.0) for name in performer.emotions}
        with gui.add_folder("Manner", expand_by_default=False):
            self.seed = gui.add_number("seed", 0, min=0, max=_LARGEST_SEED, step=1)
            self.again = gui.add_button("Again, with another seed", icon=viser.Icon.DICE)
            self.amounts = {name: gui.add_slider(f"{name} moves", 0.0, 2.0, 0.05, 1.0) for name in ("head", "brows", "mouth")}
            self.usual = gui.add_checkbox("blinks as usual", True)
            self.blinks = gui.add_slider("blinks a minute", 0.0, 35.0, 1.0, 17.0)
            self.gaze = gui.add_dropdown("gaze", GAZES, initial_value="free")
            self.right = gui.add_slider("there: right, °", -25.0, 25.0, 1.0, 0.0)
            self.up = gui.add_slider("there: up, °", -25.0, 25.0, 1.0, 0.0)
            self.manner = gui.add_upload_button("Manner of a clip", mime_type=".npz,video/*", hint="A motion or video of somebody who speaks.")
            self.manner_of = gui.add_markdown("own manner")
            self.plain = gui.add_button("Own manner again")
            self.own = gui.add_checkbox("the avatar's own driver", performer.has_own, disabled=not performer.has_own)
        self.speak.on_click(guarded(self._speak_text))
        self.sound.on_upload(guarded(self._speak_sound))
        self.listen.on_click(guarded(self._listen))
        self.again.on_click(guarded(self._once_more))
        desk.heed(self.manner, self._take_manner)
        desk.heed(self.plain, self._drop_manner)

    def warm(self) -> None:
        """Load the voice in the background: the first words would have to wait for it."""
        self._loading.start()

    def _warm(self) -> None:
        # What cannot be loaded is said to whoever asks for it.
        with contextlib.suppress(UserError):
            self.performer.warm()

    def _loaded(self, told: Callable[[str], None]) -> None:
        """Wait until the voice is there, and say so meanwhile."""
        if self._loading.is_alive():
            told("loading the voice")
            self._loading.join()
            told("")

    def wish(self, *, text: str | None = None, audio: Path | None = None) -> Wish:
        """What the controls ask for."""
        gaze = f"{self.right.value:g},{self.up.value:g}" if self.gaze.value == "there" else self.gaze.value
        return Wish(
            text=text, audio=audio, voice=self.voice.value, seed=int(self.seed.value), gaze=gaze,
            emotion={name: float(slider.value) for name, slider in self.moods.items() if slider.value},
            blink_rate=None if self.usual.value else float(self.blinks.value), head_amount=float(self.amounts["head"].value),
            brow_amount=float(self.amounts["brows"].value), mouth_amount=float(self.amounts["mouth"].value), style=self._style,
            own_driver=self.own.value if self.performer.has_own else True,
        )  # fmt: skip

    def _speak_text(self, _) -> None:
        text = self.text.value.strip()
        if not text:
            raise UserError("words: there are none; type some")
        self._perform(self.wish(text=text), f"“{shorten(text, 40, placeholder=' …')}”")

    def _speak_sound(self, _) -> None:
        upload = self.sound.value
        self._perform(self.wish(audio=self.desk.keep(upload, SOUNDS)), upload.name)

    def _once_more(self, event) -> None:
        if self._last is None:
            raise UserError("again: nothing was spoken yet; let it speak first")
        self.seed.value = (int(self.seed.value) + 1) % _LARGEST_SEED
        self._perform(self.wish(text=self._last.text, audio=self._last.audio), f"the same, seed {self.seed.value}")

    def _perform(self, wish: Wish, title: str) -> None:
        # The sound of what was said last is kept for another seed.
        before = None if self._last is None else self._last.audio
        try:
            with self.desk.job("working out how to say it") as told:
                self._loaded(told)
                motion = self.performer.speak(wish)
        except UserError:
            if wish.audio != before:
                self.desk.drop(wish.audio)
            raise
        if wish.audio != before:
            self.desk.drop(before)
        self._last = wish
        self.desk.load(motion, title, play=True)

    def _listen(self, _) -> None:
        if self._listening:
            self._stop.set()
            return
        self._stop.clear()
        with self.desk.job("getting ready to listen") as told:
            try:
                self._listening = True
                self.listen.label = "Stop listening"
                self._loaded(told)
                told("speak when the head moves")
                self.desk.player.pause()
                self.desk.moved()
                motion = self.performer.listen(self.wish(), self._stop, self.desk.stage.show_live)
            finally:
                self._listening = False
                self.listen.label = "Follow the microphone of this machine"
                self.desk.stage.show_live(None)
        self.desk.load(motion, "what the microphone heard")

    def _take_manner(self, upload, _) -> None:
        before, self._style = self._style, self.desk.keep(upload, MANNERS)
        self.desk.drop(before)
        self.manner_of.content = f"manner of {upload.name}"

    def _drop_manner(self, *_) -> None:
        self.desk.drop(self._style)
        self._style = None
        self.manner_of.content = "own manner"

    def close(self) -> None:
        """Stop listening. A voice that is being loaded is waited for: libraries that a program's end interrupts while they load abort it."""
        self._stop.set()
        if self._loading.is_alive():
            self._loading.join()
