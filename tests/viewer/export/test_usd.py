import resource
import subprocess
import sys
import types
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from avatar3d.avatar import Avatar
from avatar3d.drawing import draw_gaussians
from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians
from avatar3d.head.store import load_head
from avatar3d.motion import Motion, resampled
from avatar3d.progress import silent
from recon.bench import bench_avatar, bench_camera, bench_motion
from tests.avatar3d.tiny import tiny_avatar, tiny_head, tiny_motion
from viewer.export.axes import turned
from viewer.export.checks import check_file
from viewer.export.frames import Frames, open_frames
from viewer.export.options import FormatOptions
from viewer.export.rig_mesh import REASON
from viewer.export.selection import Selection
from viewer.export.usd import write_usd

pxr = pytest.importorskip("pxr", reason="usd-core is not installed")
from pxr import Usd, UsdGeom, UsdMedia, UsdSkel, UsdValidation  # noqa: E402

PLAIN = FormatOptions(mesh=False)


def _speaking(avatar: Avatar, frames: int = 12) -> Motion:
    motion = tiny_motion(avatar.head, frames)
    return replace(motion, sound=np.sin(np.arange(int(16000 * motion.duration), dtype=np.float32)), sound_rate=16000)


def _written(path: Path, avatar: Avatar, motion: Motion | None, selection: Selection = Selection(), options: FormatOptions = PLAIN) -> Frames:  # noqa: B008
    frames = open_frames(avatar, motion, selection)
    write_usd(frames, path, options, silent)
    return frames


def _read(stage: Usd.Stage, time: float) -> Gaussians:
    """In the stage's own axes and units, by USD's reader, which interpolates between samples."""
    prim = stage.GetPrimAtPath("/avatar/gaussians")

    def values(name: str) -> np.ndarray:
        return np.array(prim.GetAttribute(name).Get(time), np.float64)

    place = UsdGeom.XformCache(time).GetLocalToWorldTransform(prim).ExtractTranslation()
    rotation = np.array([[q.GetReal(), *q.GetImaginary()] for q in prim.GetAttribute("orientationsh").Get(time)])
    opacity = values("opacities")
    bands = (prim.GetAttribute("radiance:sphericalHarmonicsDegree").Get() + 1) ** 2
    parts = (
        values("positionsh") + np.array(place), rotation, np.log(values("scalesh")), np.log(opacity / (1 - opacity)),
        values("radiance:sphericalHarmonicsCoefficientsh").reshape(len(opacity), bands, 3),
    )  # fmt: skip
    return Gaussians(*(torch.from_numpy(part).float().contiguous() for part in parts))


def _complaints(path: Path) -> list[str]:
    context = UsdValidation.ValidationContext(UsdValidation.ValidationRegistry().GetOrLoadAllValidators())
    return [f"{error.GetName()}: {error.GetMessage()}" for error in context.Validate(Usd.Stage.Open(str(path)))]


@pytest.fixture(scope="module")
def embedded() -> tuple[Avatar, Motion]:
    avatar = bench_avatar(load_head(), 1500)
    # Slow enough for a face: the random frames are a fifth of a second apart.
    return avatar, resampled(replace(bench_motion(avatar.head, 8), fps=bench_motion(avatar.head, 1).fps / 5), bench_motion(avatar.head, 1).fps)


def test_pictures_of_what_was_written_are_alike(embedded, tmp_path):
    avatar, motion = embedded
    _written(tmp_path / "head.usdc", avatar, motion)
    stage = Usd.Stage.Open(str(tmp_path / "head.usdc"))
    camera, grey = bench_camera(256), np.full(3, 0.5, np.float32)
    for index in (0, 7, 18, len(motion) - 1):
        truth = draw_gaussians(avatar.pose(motion, index / 25), camera, grey).rgb.copy()
        error = np.square(draw_gaussians(_read(stage, index), camera, grey).rgb - truth).mean()
        assert -10 * np.log10(error) > 40


def test_values_are_within_half_precision(tmp_path):
    avatar = tiny_avatar()
    motion = tiny_motion(avatar.head)
    motion.translation[:] += 2
    _written(tmp_path / "head.usdc", avatar, motion)
    stage = Usd.Stage.Open(str(tmp_path / "head.usdc"))
    truth = avatar.pose(motion, 0.0)
    found = _read(stage, 0)
    extent = truth.position.max(0).values - truth.position.min(0).values
    # Far from the origin, too: the step of half precision at the rim of the head.
    assert (found.position - truth.position).abs().max() < extent.max() / 2 * 2**-11 + 1e-6
    rotation = torch.nn.functional.normalize(truth.rotation, dim=1)
    rotation *= (found.rotation * rotation).sum(dim=1, keepdim=True).sign()
    assert (found.rotation - rotation).abs().max() < 2**-11
    assert (found.log_scale - truth.log_scale).abs().max() < 2e-3 and (found.opacity_logit - truth.opacity_logit).abs().max() < 1e-4
    assert (found.sh - truth.sh).abs().max() < 2e-3


def test_sixteen_bytes_hold_a_gaussian_of_a_frame(tmp_path):
    avatar = tiny_avatar(count=3000)
    frames = _written(tmp_path / "head.usdc", avatar, tiny_motion(avatar.head, 50))
    stage = Usd.Stage.Open(str(tmp_path / "head.usdc"))
    prims = stage.GetPrimAtPath("/avatar/gaussians")
    assert prims.GetAttribute("opacities").GetNumTimeSamples() == 0 and prims.GetAttribute("positionsh").GetNumTimeSamples() == 50
    assert (tmp_path / "head.usdc").stat().st_size / (frames.count * 3000) < 16


def test_orientations_go_the_short_way_between_frames(tmp_path):
    avatar = tiny_avatar()
    _written(tmp_path / "head.usdc", avatar, tiny_motion(avatar.head))
    stage = Usd.Stage.Open(str(tmp_path / "head.usdc"))
    attribute = stage.GetPrimAtPath("/avatar/gaussians").GetAttribute("orientationsh")
    tracks = np.array([[[q.GetReal(), *q.GetImaginary()] for q in attribute.Get(time)] for time in range(12)], np.float64)
    assert (np.sum(tracks[1:] * tracks[:-1], axis=2) >= -1e-3).all()


@pytest.mark.parametrize(("up", "unit", "factor", "axis"), [("y", "m", 1, "Y"), ("z", "cm", 100, "Z"), ("z", "m", 1, "Z")])
def test_axes_and_units_are_those_asked_for(tmp_path, up, unit, factor, axis):
    avatar = tiny_avatar()
    motion = tiny_motion(avatar.head)
    frames = _written(tmp_path / "head.usdc", avatar, motion, Selection(up=up, unit=unit), FormatOptions())
    stage = Usd.Stage.Open(str(tmp_path / "head.usdc"))
    assert UsdGeom.GetStageUpAxis(stage) == axis and UsdGeom.GetStageMetersPerUnit(stage) == pytest.approx(1 / factor)
    truth = turned(avatar.pose(motion, 0.0), up, factor)
    assert (_read(stage, 0).position - truth.position).abs().max() < 2e-4 * factor
    # The mesh stands where the Gaussians do.
    points = _skinned(stage, 3) @ _axes(up).T * factor
    assert np.abs(_world_points(stage, 3) - points).max() < 1e-5 * factor
    assert np.abs(_skinned(stage, 3) - avatar.vertices(frames.motion.frames(slice(3, 4)))[_sources(avatar)]).max() < 1e-5


def _axes(up: str) -> np.ndarray:
    return {"y": np.eye(3), "z": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])}[up]


def _sources(avatar: Avatar) -> np.ndarray:
    from viewer.export.rig_mesh import rig_mesh

    return rig_mesh(avatar, tiny_motion(avatar.head, 1))[0].source


def _skinned(stage: Usd.Stage, time: float) -> np.ndarray:
    """[V, 3] posed vertices of the rig in its own space: USD's blend shapes and skeleton, by its own library."""
    root = UsdSkel.Root(stage.GetPrimAtPath("/avatar/rig"))
    cache = UsdSkel.Cache()
    cache.Populate(root, Usd.TraverseInstanceProxies())
    skeleton = cache.GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath("/avatar/rig/skeleton")))
    mesh = stage.GetPrimAtPath("/avatar/rig/head")
    skin, shapes = cache.GetSkinningQuery(mesh), UsdSkel.BlendShapeQuery(UsdSkel.BindingAPI(mesh))
    animation = skeleton.GetAnimQuery()
    points = UsdGeom.Mesh(mesh).GetPointsAttr().Get()
    weights = animation.ComputeBlendShapeWeights(time)
    mapper = skin.GetBlendShapeMapper()
    if mapper is not None:
        weights = mapper.Remap(weights)
    sub = shapes.ComputeSubShapeWeights(weights)
    shapes.ComputeDeformedPoints(*sub, shapes.ComputeBlendShapePointIndices(), shapes.ComputeSubShapePointOffsets(), points)
    skin.ComputeSkinnedPoints(skeleton.ComputeSkinningTransforms(time), points, time)
    return np.array(points, np.float64)


def _world_points(stage: Usd.Stage, time: float) -> np.ndarray:
    matrix = np.array(UsdGeom.XformCache(time).GetLocalToWorldTransform(stage.GetPrimAtPath("/avatar/rig")))
    return _skinned(stage, time) @ matrix[:3, :3] + matrix[3, :3]


def test_expressions_may_be_called_anything(tmp_path):
    head = replace(tiny_head(), expr_names=("smile wide", "smile-wide", "ä", "4th", "e", "f"))
    avatar = tiny_avatar(head)
    motion = tiny_motion(head)
    _written(tmp_path / "head.usdc", avatar, motion, options=FormatOptions())
    stage = Usd.Stage.Open(str(tmp_path / "head.usdc"))
    assert list(UsdSkel.BindingAPI(stage.GetPrimAtPath("/avatar/rig/head")).GetBlendShapesAttr().Get())[:6] == list(head.expr_names)
    assert np.abs(_skinned(stage, 2) - avatar.vertices(motion.frames(slice(2, 3)))[_sources(avatar)]).max() < 1e-5


def test_a_head_that_may_not_be_given_away_leaves_only_its_motion(tmp_path):
    avatar = tiny_avatar(replace(tiny_head(), redistributable=False))
    motion = tiny_motion(avatar.head, 20)
    _written(tmp_path / "head.usdc", avatar, motion, options=FormatOptions())
    stage = Usd.Stage.Open(str(tmp_path / "head.usdc"))
    rig = stage.GetPrimAtPath("/avatar/rig")
    assert rig.GetDocumentation() == REASON
    animation = UsdSkel.Animation(stage.GetPrimAtPath("/avatar/rig/animation"))
    assert list(animation.GetJointsAttr().Get()) == ["root"]
    assert all(name.startswith("component_") for name in animation.GetBlendShapesAttr().Get())
    truth = [avatar.vertices(motion.frames(slice(i, i + 1)))[_sources(avatar)] for i in range(20)]
    assert max(np.abs(_skinned(stage, i) - truth[i]).max() for i in range(20)) < 2e-4


def test_usd_itself_has_nothing_to_say(embedded, tmp_path):
    avatar, motion = embedded
    motion = replace(motion, sound=np.zeros(int(16000 * motion.duration), np.float32), sound_rate=16000)
    _written(tmp_path / "head.usdz", avatar, motion, options=FormatOptions())
    assert _complaints(tmp_path / "head.usdz") == []
    _written(tmp_path / "head.usdc", avatar, motion)
    assert _complaints(tmp_path / "head.usdc") == []


def test_a_package_holds_its_sound_and_texture(tmp_path):
    avatar = tiny_avatar()
    frames = _written(tmp_path / "head.usdz", avatar, _speaking(avatar), Selection(every=2), FormatOptions())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["head.usdz"]
    with zipfile.ZipFile(tmp_path / "head.usdz") as archive:
        assert archive.namelist() == ["head.usdc", "colours.jpg", "sound.wav"]
        (tmp_path / "out.wav").write_bytes(archive.read("sound.wav"))
    sound = soundfile.info(tmp_path / "out.wav")
    assert sound.duration == pytest.approx(frames.duration, abs=1e-3)
    stage = Usd.Stage.Open(str(tmp_path / "head.usdz"))
    audio = UsdMedia.SpatialAudio(stage.GetPrimAtPath("/avatar/sound"))
    assert audio.GetFilePathAttr().Get().resolvedPath.endswith("head.usdz[sound.wav]")
    assert (stage.GetTimeCodesPerSecond(), stage.GetEndTimeCode()) == (12.5, 5)


def test_a_stage_says_what_it_is(tmp_path):
    avatar = tiny_avatar()
    _written(tmp_path / "head.usdc", avatar, tiny_motion(avatar.head))
    stage = Usd.Stage.Open(str(tmp_path / "head.usdc"))
    layer = stage.GetRootLayer()
    assert "Synthetic" in layer.documentation and layer.customLayerData["subject"] == "nobody" and layer.customLayerData["consent"]
    (record,) = UsdMedia.AuthorshipAPI.GetAll(stage.GetDefaultPrim())
    assert record.GetDigitalSourceTypeAttr().Get().endswith("trainedAlgorithmicMedia")


def test_the_camera_sees_what_the_avatar_was_filmed_with(embedded, tmp_path):
    avatar, motion = embedded
    shown = bench_camera(640)
    avatar = replace(avatar, metadata={"camera": shown.to_json()})
    _written(tmp_path / "head.usdc", avatar, motion, Selection(up="z", unit="cm", end=0.04))
    stage = Usd.Stage.Open(str(tmp_path / "head.usdc"))
    camera = UsdGeom.Camera(stage.GetPrimAtPath("/avatar/camera")).GetCamera(0)
    frustum = camera.frustum
    seen = np.array(frustum.ComputeViewMatrix()) @ np.array(frustum.ComputeProjectionMatrix())
    points = np.random.default_rng(0).normal(size=(20, 3), scale=0.1)
    clip = np.concatenate([points @ _axes("z").T * 100, np.ones((20, 1))], axis=1) @ seen
    pixel = (clip[:, :2] / clip[:, 3:] * [1, -1] + 1) / 2 * 640
    assert np.abs(pixel - shown.project(points)).max() < 0.01
    assert camera.clippingRange.min < 10


def test_one_frame_and_no_motion(tmp_path):
    avatar = tiny_avatar()
    frames = _written(tmp_path / "head.usdz", avatar, None, options=FormatOptions())
    assert frames.count == 1 and _complaints(tmp_path / "head.usdz") == []


def test_axes_that_usd_does_not_know_are_refused(tmp_path):
    avatar = tiny_avatar()
    with pytest.raises(UserError, match="--up -y"):
        _written(tmp_path / "head.usdc", avatar, tiny_motion(avatar.head), Selection(up="-y"))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    avatar = tiny_avatar()
    with pytest.raises(UserError, match="/dev/full"):
        _written(Path("/dev/full"), avatar, _speaking(avatar), options=FormatOptions())
    assert not list(Path("/dev").glob("full?*"))
    script = f"""
import resource, signal, sys
from pathlib import Path
from avatar3d.errors import UserError
from avatar3d.progress import silent
from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.export.frames import open_frames
from viewer.export.options import FormatOptions
from viewer.export.selection import Selection
from viewer.export.usd import write_usd
avatar = tiny_avatar(count=2000)
frames = open_frames(avatar, tiny_motion(avatar.head, 60), Selection())
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    write_usd(frames, Path({str(tmp_path / "head.usdc")!r}), FormatOptions(mesh=False), silent)
except UserError as error:
    print("REFUSED", str(error).count(chr(10)), error)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=120)
    assert "REFUSED 0" in done.stdout and "head.usdc: cannot be written (file too large)" in done.stdout, done.stdout + done.stderr
    assert not list(tmp_path.iterdir())
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 300_000


def test_check_reads_a_stage_to_its_end(tmp_path):
    avatar = tiny_avatar()
    _written(tmp_path / "head.usdz", avatar, _speaking(avatar), options=FormatOptions())
    found = check_file(tmp_path / "head.usdz")
    assert (found.kind, found.count, found.frames, found.fps, found.remarks) == ("usd", 50, 12, 25, ())
    assert found.facts["subject"] == "nobody"


def test_check_misses_what_lies_beside_a_stage(tmp_path, capfd):
    avatar = tiny_avatar()
    _written(tmp_path / "head.usdc", avatar, _speaking(avatar), options=FormatOptions())
    (tmp_path / "head.usdc.jpg").unlink()
    with pytest.raises(UserError, match=r"head\.usdc\.jpg belongs to it"):
        check_file(tmp_path / "head.usdc")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("data", [b"", b"no stage at all", b"PXR-USDC" + bytes(80)])
def test_check_refuses_what_is_no_stage(tmp_path, data):
    (tmp_path / "head.usdc").write_bytes(data)
    with pytest.raises(UserError, match=r"head\.usdc"):
        check_file(tmp_path / "head.usdc")


def test_check_finds_damage_that_usd_reads_over(tmp_path):
    avatar = tiny_avatar()
    _written(tmp_path / "head.usdz", avatar, _speaking(avatar), options=FormatOptions())
    whole = (tmp_path / "head.usdz").read_bytes()
    # Somewhere in the sound, of which USD knows the name only.
    at = whole.index(b"WAVE") + 200
    (tmp_path / "head.usdz").write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
    with pytest.raises(UserError, match=r"head\.usdz: sound\.wav in it is damaged"):
        check_file(tmp_path / "head.usdz")


@pytest.mark.parametrize("broken", [None, types.SimpleNamespace()])
def test_without_usd_core_one_line_says_what_to_install(tmp_path, monkeypatch, broken):
    avatar = tiny_avatar()
    monkeypatch.setitem(sys.modules, "pxr", broken)
    with pytest.raises(UserError, match="usd-core"):
        _written(tmp_path / "head.usdc", avatar, tiny_motion(avatar.head))
    assert not list(tmp_path.iterdir())
