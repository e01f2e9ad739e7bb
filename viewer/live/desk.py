"""What all panels of the workbench share: the stage, the line that says what is going on, and jobs that take long."""

import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import viser

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.motion import Motion
from viewer.live.browser import Browser, perhaps_gone
from viewer.live.browser_sound import BrowserSound
from viewer.live.in_turn import InTurn
from viewer.live.loudspeaker import Loudspeaker
from viewer.live.player import Player
from viewer.live.stage import Stage
from viewer.live.status_line import StatusLine
from viewer.live.uploads import kept_upload

HEARD_IN = ("browser", "this machine", "nowhere")
"""Where the sound may come from."""

DELAY = 0.05
"""Seconds that a picture is usually under way longer than sound."""

NOTED = 12.0
"""Seconds for which a note is seen."""


class Desk:
    """The workbench's parts, as its panels reach them.

    Args:
        server: viser's.
        stage: what is shown.
        avatar: who.
        name: of the avatar, for files.
        scratch: folder for uploads; removed at the end.
    """

    def __init__(self, server: viser.ViserServer, stage: Stage, avatar: Avatar, name: str, scratch: Path) -> None:
        self.server, self.gui, self.stage, self.avatar, self.name, self.scratch = server, server.gui, stage, avatar, name, scratch
        self.player: Player = stage.player
        self.status = StatusLine(server)
        self.speaker = Loudspeaker()
        self.heard_in = HEARD_IN[0]
        self.delay = DELAY
        """Seconds by which the browsers' sound comes after the player."""
        self.on_load: list[Callable[[str, Motion], None]] = []
        """Told of another motion and its name, which may be empty."""
        self._controls = InTurn(self.guarded)
        self.heed = self._controls.heed
        """heed(control, work): `work(value, event)` for every value that it takes, or click on it, one after the other."""
        self._uploads: dict[Path, str] = {}
        self._sounds: dict[int, BrowserSound] = {}
        self._notes: dict[int, viser.NotificationHandle] = {}
        self.busy, self.doing = threading.Lock(), ""
        """Held by the job that runs, and what it, or the last one, does."""
        self._lock = threading.RLock()

    def say(self, line: str, busy: bool = False) -> None:
        """What is going on, in one line at the top of the panel."""
        self.status.say(line, busy)

    def tell(self, client: viser.ClientHandle | None, title: str, body: str = "") -> None:
        """A note to one browser, or to all where nobody in particular asked; it takes the place of the one before."""
        to = [client] if client is not None else list(self.server.get_clients().values())
        for each in to:
            with self._lock:
                before = self._notes.pop(each.client_id, None)
                if before is not None:
                    before.remove()
                self._notes[each.client_id] = each.add_notification(title, body, color="red", auto_close_seconds=NOTED)

    def guarded(self, work: Callable[[Any], None]) -> Callable[[Any], None]:
        """A callback whose errors are told to the browser that caused them."""

        def run(event: Any) -> None:
            try:
                with perhaps_gone():
                    work(event)
            except UserError as error:
                line = str(error)
                for path, name in list(self._uploads.items()):
                    line = line.replace(str(path), name)
                self.tell(event.client, "This cannot be done", line)
            except Exception as error:
                traceback.print_exc()
                self.tell(event.client, "Something went wrong", f"{type(error).__name__}: {error}")

        return run

    def keep(self, upload: Any, suffixes: tuple[str, ...]) -> Path:
        """The file of an upload button's value; errors about it call it by its own name. Raises UserError as `kept_upload`."""
        path = kept_upload(upload, self.scratch, suffixes)
        self._uploads[path] = upload.name
        return path

    def drop(self, path: Path | None) -> None:
        """An uploaded file is not needed any more; only its name is kept, for errors."""
        if path in self._uploads:
            path.unlink(missing_ok=True)

    def job(self, doing: str) -> "Job":
        """A long job: one at a time, and the panel says which. Raises UserError while another one runs."""
        return Job(self, doing)

    # The sound follows the player: every change of it goes through here.

    def load(self, motion: Motion, name: str = "", *, play: bool = False) -> None:
        """Show another motion. Of two that are loaded at once one comes after the other, with its name and its sound."""
        with self._lock:
            self.player.load(motion)
            for sound in self._sounds.values():
                with perhaps_gone():
                    sound.load(motion)
            for told in list(self.on_load):
                told(name, motion)
            if play:
                self.player.play()
            self.moved()

    def moved(self) -> None:
        """The player was played, paused, sought or slowed down: sound and pictures go along."""
        with self._lock:
            self.conduct()
            if self.heard_in == HEARD_IN[1]:
                self.speaker.follow(self.player)
            else:
                self.speaker.stop()
        self.stage.wake()

    def conduct(self) -> None:
        """Bring every browser's sound to where the player is."""
        with self._lock:
            for sound in self._sounds.values():
                heard = self.player.playing and self.heard_in == HEARD_IN[0]
                late = self.delay * self.player.speed if heard else 0.0
                with perhaps_gone():
                    sound.conduct(self.player.position - late, heard, self.player.speed, self.player.loop)

    def welcome(self, client: viser.ClientHandle) -> Browser:
        """A browser has come: give it a picture and a sound of its own."""
        browser = self.stage.welcome(client)
        sound = BrowserSound(client)
        with self._lock:
            self._sounds[client.client_id] = sound
            with perhaps_gone():
                sound.load(self.player.motion)
            self.conduct()
        return browser

    def dismiss(self, client: viser.ClientHandle) -> None:
        """A browser has gone."""
        self.stage.dismiss(client)
        with self._lock:
            self._sounds.pop(client.client_id, None)
            self._notes.pop(client.client_id, None)

    def close(self) -> None:
        """Heed no more, and be silent."""
        self._controls.close()
        self.speaker.stop()


class Job:
    """A context in which a long job runs; what it does is said at the top of the panel."""

    def __init__(self, desk: Desk, doing: str) -> None:
        self._desk, self._doing = desk, doing

    def __enter__(self) -> Callable[[str], None]:
        if not self._desk.busy.acquire(blocking=False):
            raise UserError(f"{self._desk.doing} still; wait for it to end")
        self._desk.doing = self._doing
        self._desk.say(f"{self._doing} …", busy=True)
        return lambda more: self._desk.say(f"{self._doing} … {more}", busy=True)

    def __exit__(self, *_: object) -> None:
        # Before the next one can begin and say so.
        self._desk.say("ready")
        self._desk.busy.release()
