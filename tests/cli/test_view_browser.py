"""The workbench end to end: a real browser, a real driver, an avatar of three thousand Gaussians."""

import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import av
import numpy as np
import pytest

from avatar3d.avatar_file import save_avatar
from avatar3d.camera import Camera
from avatar3d.cli.view_performer import DriverPerformer
from avatar3d.head.store import load_head
from avatar3d.motion import Motion, load_motion, rest_motion
from recon.bench import bench_avatar
from tests.cli.microphone import Microphone
from tests.cli.page import Page, alike
from viewer.cameras import front_camera

GREYS = 25


@dataclass
class Filmed:
    """A capture of a head that turns, before a grey that tells the frame."""

    motion: Motion
    camera: Camera
    name: str = "filmed"
    caution: str = "filmed: is not what me.avatar was fitted to"

    def image(self, index: int) -> np.ndarray:
        return np.full((self.camera.height, self.camera.width, 3), 5 * index, np.uint8)

    def landmarks(self, index: int) -> np.ndarray | None:
        return None


@pytest.fixture(scope="module")
def bench(tmp_path_factory, browser):
    """An open workbench."""
    pytest.importorskip("viser")
    from viewer.live.workbench import Workbench, close_server, open_server, warm_up

    folder = tmp_path_factory.mktemp("view")
    avatar = bench_avatar(load_head(), 3000)
    warm_up(avatar)
    save_avatar(avatar, folder / "me.avatar")
    rest = avatar.admit(rest_motion(avatar.head, GREYS, shape=avatar.shape.numpy()))
    turning = replace(rest, neck_pose=rest.neck_pose + np.linspace(0, 0.4, GREYS, dtype=np.float32)[:, None] * np.float32([0, 1, 0]))
    server = open_server("127.0.0.1", 0, "avatar3d: me")
    filmed = Filmed(turning, front_camera(avatar, 96))
    made = Workbench(server, avatar, "me", ("turning.npz", turning), DriverPerformer(avatar, folder / "me.avatar"), filmed, folder)
    over = threading.Event()
    running = threading.Thread(target=made.run, args=(over.is_set,))
    running.start()
    yield made
    over.set()
    running.join()
    made.close()
    close_server(server)


def opened(bench, browser, count: int, **options) -> Page:
    """A window that has its picture, once the workbench knows of `count` and of those that were closed before no more."""
    made = Page(browser, f"http://127.0.0.1:{bench.server.get_port()}", **options)
    background = np.array(bench.stage.look.background)
    made.comes_to(lambda seen: 0.15 < (np.abs(seen - background).max(axis=2) > 30).mean() < 0.95)
    made.until(lambda: len(bench.stage.browsers) == count)
    return made


@pytest.fixture
def page(bench, browser):
    """A fresh window, everything at rest."""
    bench.capture.free()
    bench.player.pause()
    bench.player.seek(0)
    bench.play.loop.value = False
    bench.face._rest(None)
    made = opened(bench, browser, 1)
    yield made
    made.page.close()
    assert not made.errors


@pytest.fixture
def other(page, bench, browser):
    """A second window on the same workbench."""
    made = opened(bench, browser, 2)
    yield made
    made.page.close()
    assert not made.errors


def grey(level: int) -> Callable[[np.ndarray], bool]:
    """Whether a look shows a frame of that grey, through its own camera: beside it is a strip."""
    return lambda seen: (np.abs(seen - level).max(axis=2) <= 4).mean() > 0.7


def test_the_head_is_there_at_once(page, bench):
    seen = page.still()
    background = np.array(bench.stage.look.background)
    covered = (np.abs(seen - background).max(axis=2) > 30).mean()
    assert 0.15 < covered < 0.95


def test_a_slider_moves_the_face(page, bench):
    before = page.still()
    page.tab("Face")
    page.slide("jaw open", "End")
    opened = page.changed(before)
    page.until(lambda: bench.stage.adjustments.jaw[0] > 0.1)
    page.press("Everything back to rest")
    page.until(lambda: not bench.stage.adjustments.jaw[0])
    page.shows(before, opened)


def test_a_key_on_a_control_moves_no_camera(page, bench):
    page.tab("Face")
    (browser,) = bench.stage.browsers.values()
    before = browser.camera().T_cam_world
    for key in ("ArrowRight", "ArrowUp", "w"):
        page.slide("jaw open", key)
    page.until(lambda: bench.stage.adjustments.jaw[0] > 0)
    assert np.array_equal(browser.camera().T_cam_world, before)
    # With no control under the keys they do.
    page.page.evaluate("document.activeElement.blur()")
    page.page.keyboard.press("ArrowRight", delay=300)
    page.until(lambda: not np.allclose(browser.camera().T_cam_world, before, atol=1e-3))


def test_left_and_right_move_together(page, bench):
    page.tab("Face")
    page.unfold("Mouth")
    page.slide("smile left", "End")
    page.page.wait_for_function("[...document.querySelectorAll('[role=slider]')].filter(each => each.ariaValueNow === '1').length === 2")
    names = bench.desk.avatar.head.expr_names
    smile = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
    page.until(lambda: {names[index]: value for index, value in bench.stage.adjustments.expr.items()} == smile)
    assert page.value("smile right") == 1.0


def test_splats_show_the_same_head_and_move(page):
    pictures = page.still()
    page.tab("View")
    page.choose("drawn as", "splats (by the browser)")
    page.shows(pictures)
    splats = page.still()
    page.tab("Face")
    page.slide("head right, °", "End")
    page.changed(splats)


def test_typed_words_are_spoken(page, bench):
    pytest.importorskip("espeakng_loader")
    page.tab("Speak")
    before = page.still()
    # Again and again: a few words may be over before a busy machine's browser has begun to sound.
    bench.play.loop.value = True
    page.press("Speak")
    page.sounding()
    page.changed(before, least=25, share=0.0005)
    sound = page.sound()
    assert sound["of"] == pytest.approx(bench.player.end, abs=0.1)
    page.tab("Play")
    assert "Hello, nice to meet you" in page.page.inner_text("body")
    bench.player.play()
    page.press("Pause")
    page.until(lambda: not bench.player.playing)
    page.page.wait_for_function("document.querySelector('audio').paused")


def test_a_sound_file_is_spoken_and_no_sound_is_refused(page, bench, spoken, tmp_path):
    page.tab("Speak")
    bench.play.loop.value = True
    with page.page.expect_file_chooser() as chooser:
        page.press("Speak a sound file")
    chooser.value.set_files(spoken)
    page.sounding()
    assert bench.player.motion.sound is not None and np.ptp(bench.player.motion.jaw_pose[:, 0]) > 0.02
    (tmp_path / "noise.wav").write_bytes(b"no sound at all")
    with page.page.expect_file_chooser() as chooser:
        page.press("Speak a sound file")
    chooser.value.set_files(tmp_path / "noise.wav")
    page.page.get_by_text("noise.wav: is not a sound file").wait_for()
    page.ready()


def test_scrubbing_moves_picture_and_sound(page, bench):
    sound = np.zeros(16000, np.float32)
    bench.desk.load(replace(bench.capture.footage.motion, sound=sound, sound_rate=16000))
    page.tab("Play")
    bench.capture.free()
    before = page.still()
    page.slide("time, s", "End")
    ended = page.changed(before)
    page.until(lambda: bench.player.position == pytest.approx(1.0) and not bench.player.playing)
    page.page.wait_for_function("document.querySelector('audio').currentTime > 0.9")
    page.press("first")
    page.shows(before, ended)
    page.page.wait_for_function("document.querySelector('audio').currentTime < 0.1")


def test_a_motion_is_opened_from_the_browser(page, bench, tmp_path):
    from avatar3d.motion import save_motion

    save_motion(bench.capture.footage.motion, tmp_path / "mine.npz")
    page.tab("Play")
    with page.page.expect_file_chooser() as chooser:
        page.press("Open a motion (.npz)")
    chooser.value.set_files(tmp_path / "mine.npz")
    page.page.get_by_text("mine.npz").wait_for()
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"nothing")
    with page.page.expect_file_chooser() as chooser:
        page.press("Open a motion (.npz)")
    chooser.value.set_files(bad)
    page.page.get_by_text("bad.npz: is not a motion file").wait_for()


def test_what_is_seen_is_recorded(page, bench, tmp_path):
    bench.desk.load(replace(bench.capture.footage.motion, sound=np.full(16000, 0.2, np.float32), sound_rate=16000))
    bench.capture.free()
    page.still()
    page.tab("Record")
    page.choose("height of the film", "256")
    page.press("Record")
    (record,) = bench.records.values()
    page.until(lambda: record.moments)
    bench.player.play()
    bench.desk.moved()
    page.until(lambda: record.moments[-1].position == bench.player.end)
    page.press("Stop")
    assert page.save("Save as film (MP4)", tmp_path / "take.mp4").startswith("me-")
    page.ready()
    page.save("Save as motion (.npz)", tmp_path / "take.npz")
    motion = load_motion(tmp_path / "take.npz", bench.desk.avatar.head)
    assert len(motion) >= 25 and motion.sound is not None
    assert np.ptp(motion.neck_pose[:, 1]) > 0.3 and motion.sound.max() == pytest.approx(0.2, abs=1e-3)
    with av.open(str(tmp_path / "take.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
        assert len(container.streams.audio) == 1
    assert len(frames) == len(motion) and frames[0].shape[0] == 256
    assert np.abs(frames[0] - frames[-1]).max() > 60


def test_two_browsers_look_from_where_they_like(page, other):
    first, second = page.still(), other.still()
    other.tab("View")
    other.press("¾ left")
    other.changed(second)
    turned = other.still()
    assert not alike(turned, second)
    page.shows(first, turned)


def test_each_browser_records_and_draws_for_itself(page, bench, other):
    page.tab("Record")
    other.tab("Record")
    page.press("Record")
    page.page.get_by_text("recording, ").wait_for()
    assert other.page.get_by_text("nothing recorded yet").is_visible()
    other.press("Record")
    other.page.get_by_role("button", name="Stop", exact=True).wait_for()
    page.press("Stop")
    page.page.get_by_role("button", name="Record", exact=True).wait_for()
    assert other.page.get_by_role("button", name="Stop", exact=True).is_visible()
    other.press("Stop")
    other.tab("View")
    other.choose("drawn as", "splats (by the browser)")
    page.until(lambda: sorted(browser.view.splats for browser in bench.stage.browsers.values()) == [False, True])
    page.tab("View")
    assert page.page.get_by_role("combobox", name="drawn as").input_value() == "pictures (exact)"


def test_each_browser_sees_of_the_capture_what_it_chose(page, bench, other):
    before = other.still()
    page.tab("Capture")
    page.choose("show", "video")
    page.press("+10")
    page.comes_to(grey(50))
    bench.player.seek(0)
    bench.desk.moved()
    other.shows(before)


def test_a_take_outlives_its_page(page, tmp_path):
    page.tab("Record")
    page.press("Record")
    page.page.get_by_text(re.compile("recording, [1-9]")).wait_for()
    page.page.reload()
    page.ready()
    page.tab("Record")
    page.page.get_by_text("before the page was loaded").wait_for()
    page.save("Save as motion (.npz)", tmp_path / "take.npz")
    assert load_motion(tmp_path / "take.npz").duration > 0.2


def test_a_note_takes_the_place_of_the_one_before(page, bench, monkeypatch):
    monkeypatch.setattr("viewer.live.desk.NOTED", 600.0)
    notes = page.page.get_by_text("This cannot be done")
    page.tab("Speak")
    page.page.locator("textarea").first.fill(" ")
    page.press("Speak")
    page.page.get_by_text("words: there are none").wait_for()
    page.unfold("Manner")
    bench.speak._last = None
    page.press("Again, with another seed")
    page.page.get_by_text("nothing was spoken yet").wait_for()
    page.page.get_by_text("words: there are none").wait_for(state="hidden")
    assert notes.count() == 1
    bench.desk._notes.popitem()[1].remove()


def test_what_the_identity_sliders_do_is_said(page):
    page.tab("Face")
    page.unfold("Identity")
    page.page.get_by_text("Ways in which the heads of this model differ").wait_for()
    assert page.slider("mode 1").is_visible()


def test_a_telephone_shows_the_whole_face_above_the_panel(bench, browser):
    width, height = 390, 844
    phone = Page(browser, f"http://127.0.0.1:{bench.server.get_port()}", {"width": width, "height": height})
    try:
        phone.tab("Face")
        phone.until(lambda: len(bench.stage.browsers) == 1)
        (held,) = bench.stage.browsers.values()
        phone.until(lambda: not np.allclose(held.client.camera.look_at, bench.server.initial_camera.look_at, atol=1e-3))
        foot = phone.page.locator(".mantine-Paper-root:has([role=tab])").bounding_box()
        tabs = [tab.bounding_box() for tab in phone.page.get_by_role("tab").all()]
        assert len({box["y"] for box in tabs}) == 1 and all(box["height"] >= 28 for box in tabs)
        assert foot["x"] == 0 and foot["width"] == pytest.approx(width, abs=1) and foot["y"] >= 0.59 * height
        # The head's own points, as this page's camera sees them.
        avatar, camera = bench.stage.avatar, held.camera()
        skull = np.concatenate([avatar.head.regions[name] for name in ("face", "ears", "scalp")])
        x, y = (camera.project(bench.stage.scene.vertices[skull]) / camera.height * height).T
        assert x.min() > 0 and x.max() < width and y.min() > 0 and y.max() < foot["y"]
    finally:
        phone.page.close()


def test_all_tabs_are_in_one_row_and_nothing_lies_over_the_head(bench, browser):
    wide = Page(browser, f"http://127.0.0.1:{bench.server.get_port()}", {"width": 1280, "height": 400})
    try:
        # Its many sliders make a scroll bar, which takes some of the width.
        wide.tab("Face")
        tabs = [tab.bounding_box() for tab in wide.page.get_by_role("tab").all()]
        assert len(tabs) == 6 and len({box["y"] for box in tabs}) == 1
        assert wide.page.locator("#webgl-software-rendering").is_hidden()
    finally:
        wide.page.close()


def test_the_capture_that_is_seen_is_recorded(page, bench, tmp_path):
    page.tab("Capture")
    page.choose("show", "video")
    page.press("+10")
    page.until(lambda: bench.player.position == pytest.approx(10 / 25))
    page.tab("Record")
    page.choose("height of the film", "256")
    page.press("Record")
    page.page.get_by_text(re.compile("recording, [1-9]")).wait_for()
    page.press("Stop")
    page.save("Save as film (MP4)", tmp_path / "take.mp4")
    with av.open(str(tmp_path / "take.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    middle = frames[-1][100:156, frames[-1].shape[1] // 2 - 40 : frames[-1].shape[1] // 2 + 40]
    assert frames[0].shape[0] == 256 and np.abs(middle - 50).max() <= 4


def test_a_camera_swings_until_it_is_stopped(page, bench):
    page.tab("View")
    before = page.still()
    (browser,) = bench.stage.browsers.values()
    page.press("Swing around the head")
    page.until(lambda: browser.turning is not None)
    page.changed(before)
    page.press("Swing around the head")
    page.until(lambda: browser.turning is None)
    # It may have been stopped anywhere, also where it began; but there it rests, but for what was on its way, and does not go back.
    stopped = browser.camera()
    page.still()
    assert np.allclose(browser.camera().T_cam_world, stopped.T_cam_world, atol=0.02)


def test_a_page_that_comes_back_finds_everything(page, bench):
    page.tab("Face")
    before = page.still()
    page.slide("jaw open", "End")
    page.changed(before)
    page.page.reload()
    page.ready()
    page.changed(before)
    page.tab("Face")
    page.until(lambda: page.value("jaw open") == pytest.approx(1.2))


def test_nothing_is_kept_of_browsers_that_have_gone(page, bench, browser):
    def kept() -> set[int]:
        kinds = (bench.stage.browsers, bench.desk._sounds, bench.records, bench.view.own, bench.capture.own)
        return {len(kind) for kind in kinds}

    page.until(lambda: kept() == {1})
    opened(bench, browser, 2).page.close()
    page.until(lambda: kept() == {1})
    threads = threading.active_count()
    for _ in range(3):
        opened(bench, browser, 2).page.close()
        page.until(lambda: kept() == {1})
    # viser's pool grows to as many callbacks as ran at once, not with every browser.
    assert threading.active_count() <= threads + 8


def test_a_capture_is_shown_frame_by_frame(page, bench):
    page.tab("Capture")
    page.page.get_by_text("is not what me.avatar was fitted to").wait_for()
    page.choose("show", "video")
    page.press("+10")
    # The tenth frame is a grey of 50, and the strip beside it one of 40.
    page.comes_to(grey(50))
    page.until(lambda: bench.player.position == pytest.approx(10 / 25) and page.value("frame") == 10)
    page.slide("frame", "End")
    page.comes_to(grey(5 * (GREYS - 1)))
    page.choose("show", "avatar over video")
    page.changed(page.pixels() * 0 + 5 * (GREYS - 1), share=0.05)


def test_who_looks_from_elsewhere_leaves_the_capture(page, bench):
    page.tab("Capture")
    page.choose("show", "video")
    page.until(lambda: any(own.shown.value == "video" for own in bench.capture.own.values()))
    page.tab("View")
    page.press("¾ left")
    page.until(lambda: all(own.shown.value == "free camera" for own in bench.capture.own.values()))


def test_the_microphone_is_followed_live(page, bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", Microphone(True))
    frames, show_live = [], bench.stage.show_live
    monkeypatch.setattr(bench.stage, "show_live", lambda frame: (frames.append(frame), show_live(frame)))
    page.tab("Speak")
    page.press("Follow the microphone of this machine")
    page.until(lambda: len(frames) > 10)
    assert bench.stage.live is not None
    page.press("Stop listening")
    page.until(lambda: bench.stage.live is None)
    page.ready()
    page.tab("Play")
    page.page.get_by_text("what the microphone heard").wait_for()
    assert bench.player.motion.sound is not None and len(bench.player.motion) > 5


def test_no_microphone_is_said_in_one_line(page, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", Microphone(False))
    page.tab("Speak")
    page.press("Follow the microphone of this machine")
    page.page.get_by_text("microphone: cannot be opened").wait_for()
    page.ready()


def test_no_loudspeaker_is_said_and_the_browser_sounds_on(page, bench, monkeypatch):
    device = Microphone(True)
    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(PortAudioError=device.PortAudioError, query_devices=_none))
    page.tab("Play")
    page.unfold("Speed and sound")
    page.choose("sound from", "this machine")
    page.page.get_by_text("loudspeaker: this machine has none").wait_for()
    assert bench.desk.heard_in == "browser"


def _none(kind: str):
    raise ValueError(f"no {kind} device")
