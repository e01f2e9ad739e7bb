"""Folders of pictures: PNG and EXR as other readers see them, resumed where they were left."""

import json
import resource
import signal
import zlib

import av
import numpy as np
import pytest
from PIL import Image

from avatar3d.errors import UserError
from avatar3d.progress import silent
from avatar3d.sound import read_sound
from tests.viewer.export.performance import performance
from viewer.export.options import FormatOptions
from viewer.export.pictures import exr_bytes, write_pictures
from viewer.export.shooting import shooting
from viewer.views import Brush


def options(**given) -> FormatOptions:
    return FormatOptions(**({"size": 48} | given))


def layer_of(frames, given: FormatOptions, index: int = 0):
    shot = shooting(frames.avatar, given)
    return shot, shot.layer(frames, index, Brush())


def test_png_with_straight_alpha(tmp_path):
    frames, given = performance(), options(alpha=True)
    write_pictures(frames, tmp_path / "out", given, silent)
    _, layer = layer_of(frames, given, 3)
    image = Image.open(tmp_path / "out" / "out_00004.png")
    stored = np.asarray(image).astype(np.float64) / 255
    assert image.mode == "RGBA" and np.abs(stored[..., :3] * stored[..., 3:] - layer.rgb).max() * 255 <= 1.01
    assert "nobody" in image.text["Description"] and "Synthetic picture" in image.text["Description"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["count"] == 6 and "straight" in manifest["parameters"]["alpha"]
    assert len(read_sound(tmp_path / "out" / "out.wav")) == pytest.approx(6 * 640, abs=1)


def test_png_over_a_colour(tmp_path):
    frames = performance(2)
    write_pictures(frames, tmp_path / "out", options(background="#ff0000"), silent)
    image = Image.open(tmp_path / "out" / "out_00001.png")
    assert image.mode == "RGB" and image.getpixel((0, 0)) == (255, 0, 0)


def test_depth_in_millimetres(tmp_path):
    frames, given = performance(2), options(show="depth")
    write_pictures(frames, tmp_path / "out", given, silent)
    _, layer = layer_of(frames, given)
    image = Image.open(tmp_path / "out" / "out_00001.png")
    depth, solid = np.asarray(image).astype(np.int64), layer.alpha >= 0.5
    assert image.mode.startswith("I;16") and (depth[~solid] == 0).all() and solid.any()
    assert np.abs(depth[solid] - 1000 * layer.depth[solid]).max() <= 0.51


def read_exr(data: bytes) -> tuple[dict[str, bytes], dict[str, np.ndarray]]:
    """Attributes and channels of an OpenEXR file of scan lines, without the library that wrote it."""
    assert data[:8] == b"v/1\x01\x02\0\0\0"
    attributes, at = {}, 8
    while data[at]:
        name, kind = data[at:].split(b"\0", 2)[:2]
        at += len(name) + len(kind) + 2
        size = int.from_bytes(data[at : at + 4], "little")
        attributes[name.decode()] = data[at + 4 : at + 4 + size]
        at += 4 + size
    _, _, right, bottom = np.frombuffer(attributes["dataWindow"], "<i4")
    width, height, rest, names = right + 1, bottom + 1, attributes["channels"], []
    while rest[0]:
        name, rest = rest.split(b"\0", 1)
        assert int.from_bytes(rest[:4], "little") == 2, "32-bit numbers"
        names.append(name.decode())
        rest = rest[16:]
    lines = {0: 1, 1: 1, 2: 1, 3: 16}[attributes["compression"][0]]
    blocks = -(-height // lines)
    planes = {name: np.empty((height, width), np.float32) for name in names}
    for place in np.frombuffer(data, "<u8", blocks, at + 1):
        first, size = np.frombuffer(data, "<i4", 2, int(place))
        count = min(lines, height - first)
        body, whole = data[int(place) + 8 : int(place) + 8 + size], count * len(names) * width * 4
        if attributes["compression"][0] and size < whole:
            spread = np.frombuffer(zlib.decompress(body), np.uint8).astype(np.int64)
            spread = (np.cumsum(spread) - 128 * np.arange(len(spread))).astype(np.uint8)
            half = (len(spread) + 1) // 2
            joined = np.empty(len(spread), np.uint8)
            joined[::2], joined[1::2] = spread[:half], spread[half:]
            body = joined.tobytes()
        values = np.frombuffer(body, "<f4").reshape(count, len(names), width)
        for index, name in enumerate(names):
            planes[name][first : first + count] = values[:, index]
    return attributes, planes


@pytest.mark.parametrize(("shape", "names"), [((21, 13), "Y"), ((21, 13, 3), "BGR"), ((40, 64, 4), "ABGR")])
def test_exr_as_another_reader_sees_it(shape, names):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    values[:5] = 0.25
    attributes, planes = read_exr(exr_bytes(values, "Wer das ist: ü."))
    assert attributes["comments"].decode() == "Wer das ist: ü." and "".join(planes) == names
    stack = values if values.ndim == 3 else values[..., None]
    for name, index in zip("RGBA" if values.ndim == 3 else "Y", range(stack.shape[2]), strict=False):
        assert np.array_equal(planes[name], stack[..., index])


def test_exr_of_colour_is_linear_and_multiplied(tmp_path):
    frames, given = performance(1, sound=False), options(alpha=True, exr=True)
    write_pictures(frames, tmp_path / "out", given, silent)
    shot, layer = layer_of(frames, given)
    straight = shot.picture(layer)
    with av.open(str(tmp_path / "out" / "out_00001.exr")) as container:
        assert next(container.decode(video=0)).format.name == "gbrapf32le"
    _, planes = read_exr((tmp_path / "out" / "out_00001.exr").read_bytes())
    linear = np.where(straight <= 0.04045, straight / 12.92, ((straight + 0.055) / 1.055) ** 2.4)[..., 0]
    assert np.abs(planes["R"] - linear * straight[..., 3]).max() < 1e-5 and np.array_equal(planes["A"], straight[..., 3])


def test_an_interrupted_folder_is_gone_on_with(tmp_path):
    frames, given = performance(), options(alpha=True)
    write_pictures(frames, tmp_path / "out", given, silent)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    (tmp_path / "out" / "out_00003.png").unlink()
    seen = []
    write_pictures(frames, tmp_path / "out", given, lambda done, total, **_: seen.append(done))
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    assert [name for name in before if before[name] != after[name]] == ["out_00003.png"] and seen[-1] == 6


def test_another_camera_is_another_export(tmp_path):
    frames = performance()
    write_pictures(frames, tmp_path / "out", options(), silent)
    before = (tmp_path / "out" / "out_00006.png").read_bytes()
    with pytest.raises(UserError, match="another finished export"):
        write_pictures(frames, tmp_path / "out", options(camera="orbit"), silent)
    assert (tmp_path / "out" / "out_00006.png").read_bytes() == before
    write_pictures(frames, tmp_path / "orbit", options(camera="orbit"), silent)
    assert (tmp_path / "orbit" / "orbit_00006.png").read_bytes() != before


def test_somebody_elses_folder_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="other files"):
        write_pictures(performance(2), tmp_path / "out", options(), silent)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_full_disk_is_named_and_leaves_no_half_picture(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, before[0][1]))
        with pytest.raises(UserError, match="cannot be written"):
            write_pictures(performance(2), tmp_path / "out", options(alpha=True, size=256), silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before[0])
        signal.signal(signal.SIGXFSZ, before[1])
    assert not list((tmp_path / "out").glob("*.png")) and not list((tmp_path / "out").glob(".*"))
