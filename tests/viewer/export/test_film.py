"""Films of an export: every frame, its sound, alpha, stereo, and one line where something cannot be."""

from dataclasses import replace

import av
import numpy as np
import pytest
import torch

from avatar3d.errors import UserError
from avatar3d.progress import silent
from avatar3d.sound import read_sound
from avatar3d.spherical import Stereo, read_stereo
from tests.avatar3d.tiny import tiny_avatar
from tests.viewer.export.performance import performance
from viewer.export.film import write_film
from viewer.export.options import FormatOptions


def options(**given) -> FormatOptions:
    return FormatOptions(**({"size": 64} | given))


@pytest.mark.parametrize(("name", "given"), [("a.mp4", {}), ("a.mov", {"alpha": True}), ("a.webm", {"background": "transparent"})])
def test_every_frame_is_filmed_with_its_sound(tmp_path, name, given):
    seen = []
    told = write_film(performance(), tmp_path / name, options(**given), lambda done, total, **_: seen.append((done, total)))
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert len(list(container.decode(stream))) == 6 and stream.average_rate == 25
        assert any("nobody" in value for value in container.metadata.values())
    assert len(read_sound(tmp_path / name)) == pytest.approx(6 * 640, abs=700)
    assert told.startswith(f"{tmp_path / name}: 6 frames") and seen[-1] == (6, 6)


def test_a_stretch_of_it(tmp_path):
    write_film(performance(start=0.04, end=0.16, every=2), tmp_path / "a.mp4", options(), silent)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == 12.5 and len(list(container.decode(video=0))) == 2


def test_one_frame_is_a_film(tmp_path):
    write_film(performance(1, sound=False), tmp_path / "a.mov", options(alpha=True), silent)
    with av.open(str(tmp_path / "a.mov")) as container:
        assert len(list(container.decode(video=0))) == 1


@pytest.mark.parametrize("layout", ["side-by-side", "over-under"])
@pytest.mark.parametrize("camera", ["stereo", "vr180"])
def test_two_eyes_share_a_frame_and_the_file_says_how(tmp_path, camera, layout):
    told = write_film(performance(2), tmp_path / "a.mp4", options(camera=camera, layout=layout), silent)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == ((128, 64) if layout == "side-by-side" else (64, 128))
    assert read_stereo(tmp_path / "a.mp4") == Stereo(layout == "over-under", camera == "vr180")
    assert ("_180_" in told) == (camera == "vr180")


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("a.mp4", {"alpha": True}, r"\.mov"),
        ("a.mov", {"show": "depth"}, "folder"),
        ("a.mov", {"exr": True}, "--exr"),
        ("a.mp4", {"layout": "over-under"}, "--camera stereo"),
        ("a.mp4", {"camera": "stereo", "eye_distance": -1.0}, "--eye-distance"),
        ("a.mp4", {"camera": "vr180", "distance": float("nan")}, "--distance"),
        ("a.mp4", {"size": 9000}, "--size"),
        ("a.mp4", {"camera": "vr180", "size": 5000}, "--size"),
        ("a.mp4", {"camera": "nowhere.json"}, "nowhere"),
        ("a.mp4", {"background": "blurple"}, "blurple"),
        ("a.mp4", {"background": "#ffffff", "show": "normals"}, "--background"),
    ],
)
def test_what_cannot_be_is_refused_before_a_file_is_made(tmp_path, name, given, said):
    with pytest.raises(UserError, match=said):
        write_film(performance(2), tmp_path / name, options(**given), silent)
    assert not list(tmp_path.iterdir())


def test_gaussians_that_are_no_numbers_are_refused_and_nothing_is_left(tmp_path):
    avatar = tiny_avatar()
    broken = replace(avatar, position=torch.full_like(avatar.position, float("nan")))
    with pytest.raises(UserError, match="not numbers"):
        write_film(performance(avatar=broken), tmp_path / "a.mov", options(alpha=True), silent)
    assert not list(tmp_path.iterdir())


def test_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file"):
        write_film(performance(2), tmp_path / "file" / "a.webm", options(alpha=True), silent)


def test_normals_face_the_camera():
    from avatar3d.head.store import load_head
    from recon.bench import bench_avatar
    from viewer.export.shooting import shooting
    from viewer.views import Brush

    frames = performance(1, avatar=bench_avatar(load_head(), 4000))
    shot = shooting(frames.avatar, FormatOptions(size=128, show="normals", alpha=True))
    rgba = shot.picture(shot.layer(frames, 0, Brush()))
    solid = rgba[..., 3] > 0.9
    normal = 2 * rgba[..., :3] - 1
    assert np.abs(np.linalg.norm(normal[solid], axis=1) - 1).max() < 0.02
    assert np.median(normal[solid][:, 2]) > 0.5
    # The left half of the picture looks to the left.
    columns = np.broadcast_to(np.arange(128), solid.shape)
    middle = np.median(columns[solid])
    assert normal[solid & (columns < middle - 8)][:, 0].mean() < -0.1 and normal[solid & (columns > middle + 8)][:, 0].mean() > 0.1


def test_where_nothing_is_a_normal_is_zero():
    from viewer.export.shooting import shooting
    from viewer.views import Brush

    frames = performance(1)
    shot = shooting(frames.avatar, FormatOptions(size=64, show="normals"))
    assert np.allclose(shot.picture(shot.layer(frames, 0, Brush()))[0, 0], 0.5)
