from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d import posing
from avatar3d.avatar_file import load_avatar, save_avatar
from avatar3d.render.cpu import Workspace, backward_arrays, render_arrays
from recon.baseline_gaussian_avatars import penalty_gradients
from recon.baseline_splats import GRADIENT_THRESHOLD, LEAST_OPACITY, RESET_OPACITY, Splats, screen_gradient, triangle_sizes
from recon.baselines import BASELINES, elapsed_shares, fit_baseline
from recon.evaluation import evaluate
from recon.presets import PRESETS
from tests.avatar3d.tiny import tiny_head
from tests.recon.memory_capture import small_scene

PRESET = replace(PRESETS["fast"], gaussians=400, loose=20, batch=2, steps=60)


def tiny_splats() -> Splats:
    head = tiny_head()
    return Splats(head.template.numpy(), head.faces.numpy().astype(np.int32))


def logit(opacity: float) -> float:
    return float(np.log(opacity / (1 - opacity)))


@pytest.mark.parametrize("kind", BASELINES)
def test_fitting_comes_nearer_to_the_pictures(kind, tmp_path):
    capture, motion, camera, avatar = small_scene(path=tmp_path)
    short, long = (fit_baseline(kind, capture, motion, camera, avatar.head, holdout=0.25, preset=PRESET, steps=steps) for steps in (2, 160))
    held = np.arange(12, 16)
    before, after = (evaluate(fitted, capture, motion, camera, held).psnr_full for fitted in (short, long))
    assert after > before + 2


@pytest.mark.parametrize("kind", BASELINES)
def test_the_same_seed_gives_the_same_avatar_for_any_number_of_threads(kind, monkeypatch):
    monkeypatch.setattr("recon.baseline_gaussian_avatars.DENSIFY_FROM", (0.1, 4))
    monkeypatch.setattr("recon.baseline_gaussian_avatars.DENSIFY_EVERY", (0.1, 4))
    capture, motion, camera, avatar = small_scene()
    first, second = (fit_baseline(kind, capture, motion, camera, avatar.head, preset=PRESET, steps=20, seed=3, threads=n) for n in (1, 2))
    other = fit_baseline(kind, capture, motion, camera, avatar.head, preset=PRESET, steps=20, seed=4)
    for name in ("position", "rotation", "log_scale", "opacity_logit", "colour"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name
    assert np.array_equal(first.face, second.face)
    assert other.colour.shape != first.colour.shape or not torch.equal(other.colour, first.colour)


@pytest.mark.parametrize("kind", BASELINES)
def test_held_out_frames_are_never_seen(kind):
    capture, motion, camera, avatar = small_scene()
    spoiled = replace(capture, images=capture.images.copy())
    spoiled.images[12:] = 255
    first, second = (fit_baseline(kind, c, motion, camera, avatar.head, holdout=0.25, preset=PRESET, steps=10) for c in (capture, spoiled))
    assert torch.equal(first.position, second.position) and torch.equal(first.colour, second.colour)
    assert first.metadata["fit"]["trained_frames"] == [[0, 11]]


@pytest.mark.parametrize("kind", BASELINES)
def test_an_avatar_without_bases_survives_its_file(kind, tmp_path):
    capture, motion, camera, avatar = small_scene()
    fitted = fit_baseline(kind, capture, motion, camera, avatar.head, preset=PRESET, steps=3)
    save_avatar(fitted, tmp_path / "a.avatar")
    loaded = load_avatar(tmp_path / "a.avatar", lambda fingerprint, name: avatar.head)
    assert fitted.position_basis.shape == (0, len(fitted), 3)
    assert torch.equal(loaded.pose(motion, 0.1).position, fitted.pose(motion, 0.1).position)


def test_bound_gaussians_are_as_many_as_the_preset_has_and_all_on_the_mesh():
    capture, motion, camera, avatar = small_scene()
    fitted = fit_baseline("bound", capture, motion, camera, avatar.head, preset=PRESET, steps=1)
    assert len(fitted) == 420 and fitted.face.max() < len(avatar.head.faces)


def test_an_unknown_baseline_is_refused():
    capture, motion, camera, avatar = small_scene()
    with pytest.raises(ValueError, match="no baseline 'nerf'"):
        fit_baseline("nerf", capture, motion, camera, avatar.head, steps=1)


def test_gaussian_avatars_multiplies_its_gaussians_on_their_triangles(monkeypatch):
    monkeypatch.setattr("recon.baseline_gaussian_avatars.DENSIFY_FROM", (0.1, 10))
    monkeypatch.setattr("recon.baseline_gaussian_avatars.DENSIFY_EVERY", (0.1, 10))
    capture, motion, camera, avatar = small_scene()
    fitted = fit_baseline("gaussian_avatars", capture, motion, camera, avatar.head, steps=60)
    count = len(avatar.head.faces)
    assert len(fitted) > count
    assert set(fitted.face.tolist()) == set(range(count))
    assert np.allclose(fitted.bary, 1 / 3)
    assert all(torch.isfinite(getattr(fitted, name)).all() for name in ("position", "log_scale", "opacity_logit", "colour"))


def test_small_gaussians_are_cloned_and_large_ones_split():
    splats = tiny_splats()
    count = len(splats)
    splats.parameters["log_scale"][:] = torch.from_numpy(np.log(1e-3 / splats.unit))[:, None]
    splats.parameters["log_scale"][1] = float(np.log(3e-2 / splats.unit[1]))
    size = splats.parameters["log_scale"][1].clone()
    splats.descend({name: torch.ones_like(value) for name, value in splats.parameters.items()}, 0.0)
    before = {name: value.clone() for name, value in splats.parameters.items()}
    pulled = np.zeros((count, 2), np.float32)
    pulled[:2] = 2 * GRADIENT_THRESHOLD
    splats.pull(pulled, np.ones(count, bool))
    splats.densify(np.random.default_rng(0))
    assert len(splats) == count + 2
    clone, halves = splats.face == 0, splats.face == 1
    assert clone.sum() == 2 and halves.sum() == 2
    p = splats.parameters
    assert torch.equal(p["position"][clone], before["position"][[0, 0]])
    assert not torch.equal(p["position"][halves][0], p["position"][halves][1])
    assert torch.allclose(p["log_scale"][halves], (size - 0.017 - np.log(1.6)).expand(2, 3), atol=1e-4)
    moments = splats.optimizer.state[p["position"]]["exp_avg"]
    assert moments[: count - 1].abs().min() > 0 and moments[count - 1 :].abs().max() == 0


def test_the_pull_is_averaged_over_the_pictures_that_show_a_gaussian():
    splats = tiny_splats()
    count = len(splats)
    for visible in (True, False, False):
        shown = np.zeros(count, bool)
        shown[5] = visible
        splats.pull(np.where(shown[:, None], 1.1 * GRADIENT_THRESHOLD, 0.0) * [1.0, 0.0], shown)
    splats.densify(np.random.default_rng(0))
    assert (splats.face == 5).sum() == 2 and len(splats) == count + 1


def test_pruning_leaves_every_triangle_its_most_opaque_gaussian():
    splats = tiny_splats()
    count = len(splats)
    splats.pull(np.ones((count, 2), np.float32), np.ones(count, bool))
    splats.densify(np.random.default_rng(0))
    assert len(splats) == 2 * count
    opacity = splats.parameters["opacity_logit"]
    opacity[:] = logit(LEAST_OPACITY) - 1 - torch.rand(2 * count, generator=torch.Generator().manual_seed(0))
    visible = np.flatnonzero(splats.face == 3)
    opacity[visible] = logit(0.5)
    best = [float(opacity[splats.face == face].max()) for face in range(count)]
    splats.densify(np.random.default_rng(0))
    assert np.bincount(splats.face).tolist() == [1, 1, 1, 2] + [1] * (count - 4)
    for face, value in enumerate(best):
        assert float(splats.parameters["opacity_logit"][splats.face == face].max()) == value


def test_resetting_opacity_spares_what_is_fainter():
    splats = tiny_splats()
    faint = splats.parameters["opacity_logit"]
    faint[0] = logit(0.006)
    splats.reset_opacity()
    opacity = torch.sigmoid(splats.parameters["opacity_logit"])
    assert opacity[0] == pytest.approx(0.006, rel=1e-3) and opacity[1:].numpy() == pytest.approx(RESET_OPACITY, rel=1e-3)


def test_triangle_units_are_the_mean_of_edge_and_height():
    vertices = np.array([[0, 0, 0], [0.03, 0, 0], [0.02, 0.01, 0]], np.float32)
    assert triangle_sizes(vertices, np.array([[0, 1, 2]], np.int32)) == pytest.approx([0.02])


def test_metric_parameters_are_what_posing_scales_by_the_triangle():
    splats = tiny_splats()
    splats.parameters["position"][:] = torch.tensor([0.0, 0.0, 1.0])
    vertices, mesh, local = tiny_head().template.numpy(), splats.mesh(), splats.metric()
    frames = posing.triangle_frames(vertices, mesh.faces, mesh.rest_area)
    position, _, log_scale = posing.bind(vertices, mesh.faces, frames, mesh.face, mesh.bary, local["position"], local["rotation"], local["log_scale"])
    centre = vertices[mesh.faces].mean(axis=1)
    assert np.linalg.norm(position - centre, axis=1) == pytest.approx(splats.unit, rel=1e-4)
    assert np.exp(log_scale) == pytest.approx(np.repeat(splats.unit[:, None], 3, axis=1), rel=1e-4)


def test_penalties_are_the_derivative_of_what_the_paper_writes():
    generator = torch.Generator().manual_seed(0)
    position, log_scale = (torch.randn(40, 3, generator=generator).double().requires_grad_() for _ in range(2))
    weight = torch.rand(40, generator=generator).double()
    offset = torch.relu(position.norm(dim=1) - 1)
    size = torch.relu(log_scale.exp() - 0.6).square().sum(dim=1).add(1e-30).sqrt()
    (weight * (0.01 * offset + 1.0 * size)).sum().backward()
    found = penalty_gradients(position.detach(), log_scale.detach(), weight)
    for name, leaf in (("position", position), ("log_scale", log_scale)):
        assert leaf.grad is not None and leaf.grad.abs().max() > 0
        assert torch.allclose(found[name], leaf.grad, atol=1e-8), name


def test_the_screen_gradient_is_how_the_loss_changes_as_the_picture_shifts():
    _, motion, camera, avatar = small_scene(frames=1)
    posed = avatar.pose(motion, 0.0)
    # Few, so that next to nothing hides behind another: what is cut off at the least opacity has no derivative.
    arrays = [getattr(posed, name).numpy()[:12].copy() for name in ("position", "rotation", "log_scale", "opacity_logit", "sh")]
    black, workspace = np.zeros(3, np.float32), Workspace()
    columns = np.arange(camera.width, dtype=np.float32) / camera.width
    ramp = np.broadcast_to(columns[None, :, None], (camera.height, camera.width, 3)).copy()
    render_arrays(*arrays, camera, black, workspace=workspace)
    backward_arrays(workspace, ramp)
    gradient, visible = screen_gradient(workspace)
    assert visible.any() and not gradient[~visible].any()

    def loss(dx: float, dy: float) -> float:
        moved = replace(camera, cx=camera.cx + dx, cy=camera.cy + dy)
        return float((render_arrays(*arrays, moved, black).rgb.astype(np.float64) * ramp).sum())

    expected = [(loss(1, 0) - loss(-1, 0)) / 2, (loss(0, 1) - loss(0, -1)) / 2]
    assert expected[0] > 1
    assert gradient.sum(axis=0) == pytest.approx(expected, abs=0.04 * expected[0])


def test_a_run_by_the_clock_ends_with_its_time(monkeypatch):
    now = iter([0.0, 2.5, 5.0, 9.9, 10.1])
    monkeypatch.setattr("recon.baselines.time.monotonic", lambda: next(now))
    assert list(elapsed_shares(None, 10.0)) == pytest.approx([0.0, 0.25, 0.5, 0.99])
    assert list(elapsed_shares(4, None)) == [0.0, 0.25, 0.5, 0.75]
