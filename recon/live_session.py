"""Filming, tracking and fitting at once.

One thread keeps every picture as it comes, one looks at the newest of them, one fits. When the film is over the rest is
looked at and tracked as any capture is, and the Gaussians settle on that for as long as they are given.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.errors import UserError
from avatar3d.files import atomic_folder
from avatar3d.head.model import NUM_LANDMARKS, HeadModel
from avatar3d.motion import Motion
from recon.capture import check_folder, load_capture
from recon.coaching import Goal, Seen, goals, kept
from recon.filming import single_threaded_opencv
from recon.fit import Split, split_frames
from recon.landmarks import LandmarkDetector
from recon.live_capture import LiveCapture, live_crop
from recon.live_fit import LiveFit, track_pool
from recon.live_pose import Alignment, aligned, alignment
from recon.live_source import LiveSource
from recon.matte import Matter
from recon.occlusion import find_occlusions, save_occlusions
from recon.person import Person, find_person
from recon.tracking_files import TrackedCapture, first_held_out, load_tracking, track_capture

FIRST_FACES, FIRST_SECONDS, FEWEST_FACES = 30, 3.0, 12
"""A first fit begins after so many faces, or so many seconds with so few."""
LOOKS, FEWER_LOOKS = 12.0, 3.0
"""Pictures that are looked at a second at most: once there is an avatar to see moving, and while the first one is being made and nothing
else should take its time. Before, there is nothing else to do."""
GROWTH = 1.7
"""The footage is tracked anew when so many times as many frames have been looked at."""
POOL = 240
"""Frames that a tracking of the growing footage takes at most."""
FIRST_HEAD = 12.0
"""Seconds from the first picture to the first avatar on two cores; more where other work takes them."""
PATIENCE = 20.0
"""Seconds for which a face is waited for."""
LONGEST = 600.0
"""Seconds of film: each is 3 MB on disk."""
SUPPOSED = 60.0
"""Seconds for which people are supposed to talk when there is no telling: the schedule of a fit needs an end."""
SHOWN_EVERY, PLANNED_EVERY = 1.5, 20
"""Seconds between two avatars that are shown, and steps between two plans."""
REFINED_FROM = 0.35
"""Share of settling from which on the motion is corrected along."""
REEL, REEL_SIZE = 400, 256
"""Frames, and pixels of their sides, that are kept in memory to be shown again."""


class LiveSession:
    """A film that becomes an avatar. `run` does the work; everything else may be called from another thread meanwhile.

    Args:
        source: what is filmed.
        out: the capture folder to leave.
        head: a head with a landmark embedding.
        fit: what learns.
        size: pixels of the square crop.
        focal: focal length in pixels of the crop, where it is known.
        holdout: share of a video's frames, at its end, that nothing is learned from.
        settle: seconds for which the fit goes on once the film is over and tracked.
        told: called with every avatar that is shown.
    """

    def __init__(
        self,
        source: LiveSource,
        out: Path,
        head: HeadModel,
        fit: LiveFit,
        *,
        size: int = 512,
        focal: float | None = None,
        holdout: float = 0.0,
        settle: float = 60.0,
        told: Callable[[float, Avatar], None] = lambda seconds, avatar: None,
    ) -> None:
        self.source, self.out, self.head, self.fit = source, check_folder(out), head, fit
        self.size, self.focal, self.holdout, self.settle, self.told = size, focal, holdout, settle, told
        self.doing = "waiting for a face"
        """What is going on, for people."""
        self.making = "looking for a face"
        """What is being done for the first avatar, for people."""
        self.goals: tuple[Goal, ...] = goals(Seen(np.zeros((0, NUM_LANDMARKS, 3), np.float32), *(np.zeros(0),) * 3, fps=25.0))
        self.avatar: Avatar | None = None
        """The newest."""
        self.times: dict[str, float] = {}
        """Seconds from the first picture to: face, fit, avatar, film over, looked at, tracked, done."""
        self.counts = {"recorded": 0, "looked": 0}
        """Pictures kept, and of those the ones that were looked at while they were new."""
        self._began = 0.0
        self._stop, self._filmed, self._fitted, self._enough = (threading.Event() for _ in range(4))
        self._newest: tuple[int, np.ndarray] | None = None
        self._fresh = threading.Condition()
        self._reel: deque[tuple[int, np.ndarray, Motion]] = deque(maxlen=REEL)
        self._alignment: Alignment | None = None
        self._tracked: Motion | None = None
        self._errors: list[BaseException] = []

    def stop(self) -> None:
        """The film is over; the first call ends filming, a second one settling."""
        if self._filmed.is_set():
            self._enough.set()
        self._stop.set()

    @property
    def filming(self) -> bool:
        """Whether pictures still come."""
        return not self._filmed.is_set()

    @property
    def head_in(self) -> float:
        """About how many seconds it takes until the first avatar is there; 0 where it takes longer than usual."""
        return max(FIRST_HEAD - (self._seconds() if self._began else 0.0), 0.0)

    def moment(self) -> tuple[np.ndarray, Motion | None] | None:
        """A small picture [H, W, 3] and the motion that shows it, as the newest avatar is posed: the last, or later the film once more."""
        reel, by = self._reel, self._alignment
        if not reel:
            return None
        if self.filming:
            index, picture, motion = reel[-1]
        else:
            row = int((time.monotonic() - self._began) * float(self.source.fps) * len(reel) / max(reel[-1][0] - reel[0][0] + 1, 1))
            index, picture, motion = reel[row % len(reel)]
        if self._tracked is not None:
            return picture, self._tracked.frames(slice(index, index + 1))
        return picture, None if by is None else aligned(motion, by, self.head)

    def run(self) -> tuple[TrackedCapture, Split]:
        """Film, track and fit to the end; returns how the capture was tracked, and what was learned from.

        Raises:
            UserError: no face, too few frames, or a folder that cannot be written.
        """
        fitting = None
        torch.set_num_threads(1)
        try:
            with single_threaded_opencv(), atomic_folder(self.out) as folder:
                person, early = self._meet()
                crop = live_crop(person, self.source, self.size)
                with LiveCapture(folder, self.source, person, crop, self.head, self.focal) as capture:
                    fitting = self._start(lambda: self._fit(capture), "fit")
                    self._film(capture, early)
                    # Who has waited for the first picture should not wait for everything else as well.
                    self.doing = "making the first head"
                    while "fit" in self.times and self.avatar is None and not self._errors:
                        time.sleep(0.05)
                    self.doing = "looking at what was passed over"
                    whole = capture.finish(self._count)
                self._note("looked at")
                self.doing = "tracking everything"
                save_occlusions(find_occlusions(whole), folder)
                track_capture(folder, self.head, focal=self.focal, holdout=self.holdout, overlay=False)
                self._fitted.set()
                fitting.join()
            self._check()
            return self._settle()
        finally:
            self._stop.set()
            self._filmed.set()
            self._fitted.set()
            if fitting is not None:
                fitting.join()
            self.source.close()
            self.fit.close()

    def _meet(self) -> tuple[Person, list[np.ndarray]]:
        """The person, and the pictures until they were found."""
        early: list[np.ndarray] = []
        every = max(1, round(float(self.source.fps) / 8))
        for index, rgb in enumerate(self.source.frames):
            if index == 0:
                self._began = time.monotonic()
            early = [*early, rgb][-3 * every :]
            if index % (3 * every) == 3 * every - 1:
                person = find_person(early[every - 1 :: every])
                if person is not None:
                    self._note("face")
                    return person, early
            if self._stop.is_set() or time.monotonic() - self._began > PATIENCE:
                break
        raise UserError(f"{self.source.name}: no face was seen; sit in front of the camera, in good light")

    def _film(self, capture: LiveCapture, early: list[np.ndarray]) -> None:
        """Keep pictures until there are no more; they are looked at meanwhile."""
        self.doing, self.making = "filming", "taking the first pictures of the face"
        looking = self._start(lambda: self._look(capture), "look")
        try:
            for rgb in early:
                self._keep(capture, rgb)
            for rgb in self.source.frames:
                self._keep(capture, rgb)
                if self._stop.is_set() or time.monotonic() - self._began > LONGEST:
                    break
        finally:
            self._note("film over")
            self._filmed.set()
            with self._fresh:
                self._fresh.notify()
            looking.join()
            self.source.close()
        self._check()

    def _keep(self, capture: LiveCapture, rgb: np.ndarray) -> None:
        newest = capture.record(rgb)
        self.counts["recorded"] = capture.recorded
        with self._fresh:
            self._newest = newest
            self._fresh.notify()

    def _count(self, done: int, total: int) -> None:
        done_for = 100 * done // max(total, 1) // 10 * 10
        self.doing = f"looking at what was passed over, {done_for} %" if done < total else "making the outlines of all pictures agree"

    def _look(self, capture: LiveCapture) -> None:
        coached = 0.0
        while True:
            with self._fresh:
                while self._newest is None and self.filming:
                    self._fresh.wait(0.2)
                newest, self._newest = self._newest, None
            if newest is None:
                return
            began = time.monotonic()
            motion = capture.look(*newest)
            self.counts["looked"] = capture.looked
            if motion is not None:
                self._reel.append((newest[0], cv2.resize(newest[1], (REEL_SIZE, REEL_SIZE), interpolation=cv2.INTER_AREA), motion))
            if time.monotonic() - coached > 0.5:
                self.goals, coached = kept(self.goals, goals(capture.seen())), time.monotonic()
            if "fit" in self.times and self.filming:
                rate = FEWER_LOOKS if self.avatar is None else LOOKS
                self._filmed.wait(max(began + 1 / rate - time.monotonic(), 0.0))

    def _fit(self, capture: LiveCapture) -> None:
        """Learn from the growing footage until all of it has been tracked."""
        tracked, shown, renewed, taken = 0, 0.0, 0.0, 0.0
        expected = self.source.expected
        before = None if expected is None or not self.holdout else first_held_out(expected, self.holdout)
        while not self._fitted.is_set():
            if tracked == 0:
                enough = capture.faces >= FIRST_FACES or (capture.faces >= FEWEST_FACES and self._seconds() > FIRST_SECONDS)
                if not enough or not self.filming:
                    self._fitted.wait(0.05)
                    continue
                self._note("fit")
            # On a busy machine the footage may have grown enough before it has been tracked; then the fit would never come to learn from it.
            rested = time.monotonic() - renewed >= taken
            if tracked == 0 or (self.filming and rested and capture.looked > GROWTH * tracked):
                tracked, began = capture.looked, time.monotonic()
                self._renew(capture, before)
                renewed = time.monotonic()
                taken = renewed - began
            if self.fit.step % PLANNED_EVERY == 0:
                length = SUPPOSED if expected is None else expected / float(self.source.fps)
                self.fit.plan(max(self.settle + max(length - self._seconds(), 0.0), 1.0))
            began = time.monotonic()
            self.fit.advance()
            if time.monotonic() - shown > SHOWN_EVERY:
                self._show()
                shown = time.monotonic()
            if not self.filming:
                # Tracking all of the film helps more now than learning its beginning by heart.
                self._fitted.wait(time.monotonic() - began)

    def _renew(self, capture: LiveCapture, before: int | None) -> None:
        pool = capture.pool(POOL, before)
        self.making = "finding out how the head is built and moves"
        motion, camera = track_pool(pool, self.head)
        self.making = "placing the first Gaussians"
        self.fit.renew(pool, motion, camera, np.flatnonzero(pool.valid))
        self._alignment = alignment(capture.head_poses(pool.numbers), pool.numbers, motion, self.head)

    def _settle(self) -> tuple[TrackedCapture, Split]:
        capture, tracking = load_capture(self.out), load_tracking(self.out, self.head)
        assert tracking is not None
        split = split_frames(capture, tracking.motion, self.holdout)
        self._note("tracked")
        self.doing = "settling"
        self.fit.renew(capture, tracking.motion, tracking.camera, split.train)
        self._tracked = tracking.motion
        end, shown = time.monotonic() + self.settle, 0.0
        taken = 0
        while not self._enough.is_set() and time.monotonic() < end:
            if taken % PLANNED_EVERY == 0:
                left = max(end - time.monotonic(), 0.1)
                self.fit.plan(left, refine=left < (1 - REFINED_FROM) * self.settle)
            self.fit.advance()
            taken += 1
            if time.monotonic() - shown > SHOWN_EVERY:
                self._show()
                shown = time.monotonic()
        self._show()
        self._note("done")
        self.doing = "done"
        return tracking, split

    def _show(self) -> None:
        avatar = self.fit.avatar({})
        if self.avatar is None:
            self._note("avatar")
        self.avatar = avatar
        self.told(self._seconds(), avatar)

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _note(self, what: str) -> None:
        self.times[what] = round(self._seconds(), 2)

    def _start(self, work: Callable[[], None], name: str) -> threading.Thread:
        def guarded() -> None:
            # Each thread has a number of its own: three of them that share out small pieces would mostly wait for one another.
            torch.set_num_threads(1)
            try:
                work()
            except BaseException as error:
                self._errors.append(error)
                self._stop.set()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _check(self) -> None:
        if self._errors:
            raise self._errors[0]


def warm_eyes() -> None:
    """Load the networks, before anybody waits for them."""
    blank = np.full((256, 256, 3), 128, np.uint8)
    find_person([blank])
    with Matter() as matter, LandmarkDetector() as detector:
        matter.matte(blank)
        detector.detect(blank)
