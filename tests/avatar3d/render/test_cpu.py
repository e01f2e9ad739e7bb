"""The numpy path of the CPU rasterizer: workspaces, worker threads, lists of tiles."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from avatar3d import bench
from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians
from avatar3d.render import cpu, rasterize
from avatar3d.render.cpu import Workspace, backward_arrays, render_arrays
from avatar3d.render.projection import CONIC_XX, CONIC_XY, CONIC_YY, DEPTH, LOG2_OPACITY, MEAN_X, MEAN_Y
from avatar3d.render.tiles import TILE, depth_order
from tests.avatar3d.render.gaussian_scenes import PARAMETERS, SCENES, camera, leaves, random_scene

BACKGROUND = np.array([0.2, 0.5, 0.9], np.float32)


def arrays_of(scene: Gaussians) -> list[np.ndarray]:
    """The parameters as contiguous float32 arrays."""
    return [getattr(scene, name).float().contiguous().numpy() for name in PARAMETERS]


def weights(width: int, height: int) -> list[np.ndarray]:
    """dL/d(rgb, alpha, depth)."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in ((height, width, 3), (height, width), (height, width))]


def test_arrays_and_tensors_give_the_same_bits() -> None:
    scene, view, grads = random_scene(bands=16), camera(), weights(40, 33)
    workspace = Workspace()
    pictures = render_arrays(*arrays_of(scene), view, BACKGROUND, workspace=workspace)
    gradients = backward_arrays(workspace, *grads)
    tensors = leaves(scene, torch.float32)
    rendered = rasterize(Gaussians(*tensors), view, torch.from_numpy(BACKGROUND))
    loss = sum((getattr(rendered, name) * torch.from_numpy(grad)).sum() for name, grad in zip(("rgb", "alpha", "depth"), grads, strict=True))
    expected = torch.autograd.grad(loss, tensors)
    for name, picture in pictures._asdict().items():
        assert np.array_equal(picture, getattr(rendered, name).detach().numpy())
    for gradient, truth in zip(gradients, expected, strict=True):
        assert np.array_equal(gradient, truth.numpy())


def test_missing_gradients_count_as_zero() -> None:
    workspace, grads = Workspace(), weights(40, 33)
    render_arrays(*arrays_of(random_scene()), camera(), BACKGROUND, workspace=workspace)
    short = backward_arrays(workspace, grads[0])
    full = backward_arrays(workspace, grads[0], np.zeros((33, 40), np.float32), np.zeros((33, 40), np.float32))
    assert all(np.array_equal(a, b) for a, b in zip(short, full, strict=True))


def test_a_used_workspace_draws_like_a_fresh_one() -> None:
    used = Workspace()
    render_arrays(*arrays_of(random_scene(count=2000, seed=3)), camera(130, 90), BACKGROUND, workspace=used)
    backward_arrays(used, weights(130, 90)[0])
    for workspace in (used, Workspace()):
        pictures = render_arrays(*arrays_of(random_scene()), camera(), BACKGROUND, workspace=workspace)
        gradients = backward_arrays(workspace, *weights(40, 33), out=None)
        if workspace is used:
            kept = [array.copy() for array in (*pictures, *gradients)]
        else:
            assert all(np.array_equal(a, b) for a, b in zip(kept, (*pictures, *gradients), strict=True))


def test_gradients_written_into_given_arrays_replace_what_was_there() -> None:
    workspace, scene = Workspace(), SCENES["behind the camera"]()
    render_arrays(*arrays_of(scene), camera(), BACKGROUND, workspace=workspace)
    expected = backward_arrays(workspace, *weights(40, 33))
    out = cpu.Gradients(*(np.full_like(array, 7) for array in expected))
    backward_arrays(workspace, *weights(40, 33), out=out)
    assert all(np.array_equal(a, b) for a, b in zip(out, expected, strict=True))


def test_worker_threads_do_not_disturb_one_another() -> None:
    def frame(seed: int) -> list[np.ndarray]:
        workspace = Workspace()
        pictures = render_arrays(*arrays_of(random_scene(count=400, seed=seed)), camera(), BACKGROUND, threads=1 + seed % 2, workspace=workspace)
        return [*pictures, *backward_arrays(workspace, *weights(40, 33))]

    alone = [frame(seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(frame, range(12)))
    for one, other in zip(alone, together, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", SCENES)
def test_lists_hold_the_rows_an_ellipse_touches_and_hardly_more(name: str) -> None:
    workspace, view = Workspace(), camera(70, 50)
    render_arrays(*arrays_of(SCENES[name]()), view, BACKGROUND, workspace=workspace)
    frame = workspace.frame
    assert frame is not None
    listed = {}
    for tile in range(len(frame.tile_stop)):
        for g, rows, _ in frame.entries[frame.tile_start[tile] : frame.tile_start[tile + 1]]:
            listed[tile, int(g)] = (int(rows) & 31, int(rows) >> 5)
    touched, nearly = {}, {}
    x, y = np.arange(view.width) + 0.5, np.arange(view.height)[:, None] + 0.5
    for g in frame.order:
        splat = frame.splats[g].astype(np.float64)
        dx, dy = x - splat[MEAN_X], y - splat[MEAN_Y]
        for found, slack in ((touched, 0.0), (nearly, 0.03)):
            # Moving the centre by the slack, towards the pixel, covers what the margin of the lists may add.
            ex, ey = dx - np.clip(dx, -slack, slack), dy - np.clip(dy, -slack, slack)
            inside = splat[LOG2_OPACITY] - splat[CONIC_XX] * ex**2 - splat[CONIC_XY] * ex * ey - splat[CONIC_YY] * ey**2 >= np.log2(1 / 255)
            for row, column in {(v // TILE, u // TILE) for v, u in zip(*np.nonzero(inside), strict=True)}:
                rows = np.nonzero(inside[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE].any(1))[0]
                found[row * frame.tiles_x + column, int(g)] = (int(rows[0]), int(rows[-1]) + 1)
    assert touched
    for key, (begin, end) in touched.items():
        assert listed[key][0] <= begin and listed[key][1] >= end
    wasted = sum(end - begin for end, begin in ((e, b) for b, e in listed.values())) - sum(e - b for b, e in nearly.values())
    assert wasted <= 0.02 * sum(e - b for b, e in nearly.values()) + 2


def test_depth_order_is_a_stable_sort() -> None:
    rng = np.random.default_rng(0)
    for count, depths in ((1, 1), (1000, 3), (5000, 4000)):
        splats = np.zeros((count, 16), np.float32)
        splats[:, DEPTH] = rng.choice(rng.uniform(0.01, 1e4, depths).astype(np.float32), count)
        boxes = np.zeros((count, 4), np.int32)
        boxes[rng.random(count) < 0.2, 1] = -1
        keys, spare = np.empty((2, count), np.uint32)
        order, order_spare = np.empty((2, count), np.int32)
        drawn = depth_order(splats, boxes, keys, order, spare, order_spare, np.empty(2048, np.int64))
        shown = np.nonzero(boxes[:, 1] >= 0)[0]
        np.testing.assert_array_equal(order[:drawn], shown[np.argsort(splats[shown, DEPTH], kind="stable")])


def test_too_many_pairs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "MAX_PAIRS", 10)
    with pytest.raises(UserError, match="smaller"):
        render_arrays(*arrays_of(random_scene()), camera(), BACKGROUND)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_can_draw() -> None:
    def draw() -> None:
        render_arrays(*arrays_of(random_scene(count=500)), camera(), BACKGROUND, threads=2)

    draw()
    child = multiprocessing.get_context("fork").Process(target=draw, daemon=True)
    child.start()
    child.join(30)
    finished = child.exitcode
    child.kill()
    assert finished == 0


def test_backward_needs_a_frame() -> None:
    with pytest.raises(ValueError, match="no frame"):
        backward_arrays(Workspace(), np.zeros((1, 1, 3), np.float32))


def test_the_benchmarks_head_covers_its_share_of_the_picture() -> None:
    pictures = render_arrays(*arrays_of(bench.head_scene(15_000)), bench.head_camera(128), BACKGROUND)
    assert 0.55 < float((pictures.alpha > 0.5).mean()) < 0.7
    assert float(pictures.alpha[54:74, 54:74].min()) > 0.9


def test_figures_of_the_benchmark_are_named() -> None:
    figures = bench._figures_of(arrays_of(bench.head_scene(500)), 64, "tiny", 1, 2)
    assert figures.keys() >= {"raster_forward_tiny_ms", "raster_forward_tiny_fps", "raster_backward_tiny_min_ms", "raster_frame_tiny_1t_ms"}
    assert all(value > 0 for value in figures.values())
