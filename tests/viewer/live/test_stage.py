"""The stage, with a server that nobody has opened and browsers of our own."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from avatar3d.motion import rest_motion
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.live.browser import Browser, framed
from viewer.live.player import Player
from viewer.live.tracked_frame import skin_faces


class Client:
    """What a browser's handle is to the stage."""

    def __init__(self, number: int) -> None:
        self.client_id = number
        self.pictures: list[np.ndarray] = []
        self.scene = SimpleNamespace(set_background_image=lambda image, **_: self.pictures.append(image.copy()))
        self.camera = SimpleNamespace(
            wxyz=np.array([0.0, 1.0, 0.0, 0.0]), position=np.array([0.0, 0.0, 1.0]), fov=0.5, image_width=80, image_height=60,
            on_update=lambda work: work,
        )  # fmt: skip


@pytest.fixture
def stage():
    pytest.importorskip("viser")
    from viewer.live.stage import Stage

    avatar = tiny_avatar(count=300)
    # Who was welcomed is there, unless a test says otherwise.
    server = SimpleNamespace(scene=None, gone=set(), get_clients=lambda: {number: None for number in made.browsers if number not in server.gone})
    made = Stage(server, avatar, Player(rest_motion(avatar.head, 10)), threads=1)  # type: ignore[arg-type]
    yield made
    assert "stage" not in {thread.name for thread in threading.enumerate()}


def settle(stage, ticks: int = 60) -> None:
    import time

    for _ in range(ticks):
        if not stage.tick():
            return
        time.sleep(0.02)
    raise AssertionError("the stage does not come to rest")


def test_nothing_is_drawn_for_nobody(stage):
    assert stage.tick() is False and stage.scene is None


def test_a_browser_gets_a_whole_picture_and_then_rest(stage):
    client = Client(0)
    stage.welcome(client)
    settle(stage)
    assert client.pictures[-1].shape == (60, 80, 3)
    count = len(client.pictures)
    settle(stage)
    assert len(client.pictures) == count


def test_nothing_is_sent_to_who_has_gone_before_that_is_told(stage):
    here, gone = Client(0), Client(1)
    for client in (here, gone):
        stage.welcome(client)
    settle(stage)
    counts = len(here.pictures), len(gone.pictures)
    stage.server.gone.add(1)
    stage.adjust(head=(0.0, 0.5, 0.0))
    settle(stage)
    assert len(here.pictures) > counts[0] and len(gone.pictures) == counts[1] and set(stage.browsers) == {0}
    # The news of it changes nothing more.
    stage.dismiss(gone)
    assert set(stage.browsers) == {0}


def test_a_camera_that_was_put_somewhere_is_swung_no_further(stage, monkeypatch):
    from viewer.live import stage as module

    browser = stage.welcome(Client(0))
    browser.turning = 0.0
    put: list[str] = []
    browser.look_from = put.append
    working, go_on = threading.Event(), threading.Event()

    def slow_eye(*_, **__):
        working.set()
        go_on.wait(60)
        return "swung"

    monkeypatch.setattr(module, "turned_eye", slow_eye)
    swinging = threading.Thread(target=stage._swing, args=(browser,))
    swinging.start()
    assert working.wait(60)

    def go() -> None:
        with browser.steering:
            browser.turning = None
            browser.look_from("left")

    going = threading.Thread(target=go)
    going.start()
    going.join(0.2)
    go_on.set()
    swinging.join()
    going.join()
    stage._swing(browser)
    assert put == ["swung", "left"]


def test_a_slider_changes_the_picture(stage):
    client = Client(0)
    stage.welcome(client)
    settle(stage)
    before = client.pictures[-1].astype(int)
    stage.adjust(expr={0: 3.0}, head=(0.0, 0.5, 0.0))
    settle(stage)
    assert np.abs(client.pictures[-1].astype(int) - before).max() > 30


def test_each_browser_has_its_own_camera(stage):
    first, second = Client(0), Client(1)
    second.camera.position = np.array([0.2, 0.0, 1.2])
    for client in (first, second):
        stage.welcome(client)
    settle(stage)
    assert np.abs(first.pictures[-1].astype(int) - second.pictures[-1]).max() > 30
    count = len(second.pictures)
    first.camera.position = np.array([0.0, 0.1, 1.0])
    settle(stage)
    assert len(second.pictures) == count


def test_who_has_gone_is_forgotten(stage):
    for number in range(20):
        client = Client(number)
        stage.welcome(client)
        stage.tick()
        stage.dismiss(client)
    assert not stage.browsers and stage.tick() is False


def test_who_is_just_leaving_stops_nobody(stage):
    leaving, staying = Client(0), Client(1)

    def gone(*_, **__):
        raise RuntimeError("Cannot assign to 'visible' on a removed GaussianSplatHandle.")

    for client in (leaving, staying):
        stage.welcome(client)
    leaving.scene.set_background_image = gone
    settle(stage)
    assert staying.pictures


def test_what_plays_goes_on_without_a_touch(stage):
    client = Client(0)
    stage.welcome(client)
    stage.player.load(tiny_motion(stage.avatar.head, 100))
    stage.player.play()
    assert stage.tick() is True


def test_a_live_frame_goes_before_what_plays(stage):
    client = Client(0)
    stage.welcome(client)
    stage.show_live(tiny_motion(stage.avatar.head, 1, seed=5))
    stage.tick()
    shown = stage.frame.expr.copy()
    stage.show_live(None)
    stage.tick()
    assert np.abs(shown).max() > 0.1 and np.abs(stage.frame.expr).max() == 0


class Splats(SimpleNamespace):
    """A handle of splats that notes how many pictures its browser had been sent when they were hidden."""

    def __setattr__(self, name, value) -> None:
        if name == "visible" and value is False:
            super().__setattr__("pictures_before", len(self.pictures))
        super().__setattr__(name, value)


def test_splats_stay_until_the_picture_is_there(stage):
    client = Client(0)
    splats = Splats(visible=True, pictures=client.pictures, set_gaussians=lambda *_: None)
    client.scene.add_gaussian_splats = lambda *_, **__: splats
    browser = stage.welcome(client)
    stage.choose(browser, splats=True)
    settle(stage)
    behind = len(client.pictures)
    stage.choose(browser, splats=False)
    settle(stage)
    assert not splats.visible and splats.pictures_before == behind + 1
    stage.choose(browser, splats=True)
    settle(stage)
    assert splats.visible


def test_the_wireframe_is_of_the_skin(stage):
    client, meshes = Client(0), []
    client.scene.add_mesh_simple = lambda _, vertices, faces, **__: meshes.append((vertices, faces)) or SimpleNamespace(visible=True)
    stage.choose(stage.welcome(client), wireframe=True)
    settle(stage)
    ((vertices, faces),) = meshes
    assert vertices.shape == stage.scene.vertices.shape
    assert np.array_equal(faces, skin_faces(stage.avatar.head))


@dataclass(frozen=True)
class Grey:
    """A painter that counts how often it is asked."""

    level: int
    asked: list[float] = field(default_factory=list, compare=False)

    def __call__(self, scene, workspace, threads) -> np.ndarray:
        self.asked.append(scene.position)
        return np.full((30, 30, 3), self.level, np.uint8)


def test_a_painter_is_asked_once_for_all(stage):
    painter = Grey(77)
    clients = [Client(0), Client(1)]
    for client in clients:
        stage.welcome(client)
    stage.choose(None, painter=painter)
    stage.player.seek(0.13)
    stage.tick()
    assert painter.asked == [pytest.approx(3 / 25)]
    for client in clients:
        assert client.pictures[-1].shape == (30, 40, 3)
        assert (client.pictures[-1][:, 5:35] == 77).all() and (client.pictures[-1][:, :5] == 40).all()


def test_each_browser_sees_in_its_own_way(stage):
    clients = [Client(number) for number in range(4)]
    first, second, third, _ = browsers = [stage.welcome(client) for client in clients]
    # Two that want the same, each in words of its own, are painted for once.
    painters = [Grey(77), Grey(99), Grey(99)]
    for browser, painter in zip((first, second, third), painters, strict=True):
        stage.choose(browser, painter=painter)
    stage.choose(first, highest=360)
    settle(stage)
    assert [client.pictures[-1][15, 20, 0] for client in clients[:3]] == [77, 99, 99]
    assert clients[3].pictures[-1].shape == (60, 80, 3)
    assert len(painters[1].asked + painters[2].asked) == len(painters[0].asked)
    assert [browser.view.highest for browser in browsers] == [360, 1080, 1080, 1080]
    assert stage.welcome(Client(4)).view.painter is None


def test_a_picture_of_the_same_shape_has_no_frame():
    picture = np.zeros((30, 40, 3), np.uint8)
    assert framed(picture, 4 / 3) is picture
    assert framed(picture, 1.0).shape == (40, 40, 3)


def test_a_browser_without_a_camera_waits(stage):
    client = Client(0)
    client.camera.wxyz = np.zeros(4)
    assert Browser(client, 30.0).camera() is None  # type: ignore[arg-type]
