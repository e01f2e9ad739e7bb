"""Training on a torch device against the trainer on the CPU, on the CPU."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.carriers import with_carriers
from avatar3d.errors import UserError
from recon.device_frames import DeviceFrames
from recon.fit import split_frames
from recon.loss import LossWeights, photometric_loss
from recon.presets import PRESETS
from recon.seeding import seed_mesh
from recon.torch_loss import photometric_losses
from recon.torch_trainer import TorchTrainer, on_device
from recon.trainer import Trainer
from recon.training_frames import FrameStore, draw_weights
from tests.recon.memory_capture import small_scene

PRESET = replace(PRESETS["fast"], gaussians=150, loose=0, bases=2, steps=20, batch=2, half_share=0.0, free_share=0.0)


class Scene:
    """A tiny fit before its first step."""

    def __init__(self, preset=PRESET, size=48):
        self.capture, motion, camera, avatar = small_scene(frames=8, size=size)
        rig = with_carriers(avatar.head)
        rest = np.ascontiguousarray(rig.shaped(torch.from_numpy(motion.shape)).numpy())[: avatar.head.num_vertices]
        seeds = seed_mesh(avatar.head, rest, preset.gaussians, 0)
        colour = np.random.default_rng(0).uniform(0.2, 0.8, (len(seeds.face), 3)).astype(np.float32)
        self.trainer = Trainer(avatar.head, rig, motion, camera, seeds, colour, preset, 0)
        generator = torch.Generator().manual_seed(1)
        for name, size in (("position_basis", 2e-3), ("rotation_basis", 0.1), ("colour_basis", 0.05)):
            self.trainer.parameters[name].normal_(0, size, generator=generator)
        self.frames = split_frames(self.capture, motion, 0.0).train
        self.probabilities = draw_weights(motion, self.frames)
        self.store = FrameStore(self.capture)

    def advance(self, trainer: Trainer, steps: int = 1) -> list[tuple[float, float]]:
        with ThreadPoolExecutor(1) as pool:
            return [trainer.advance(self.store, self.frames, self.probabilities, pool) for _ in range(steps)]

    def gradients(self, trainer: Trainer) -> dict[str, torch.Tensor]:
        self.advance(trainer)
        grads = {group["name"]: group["params"][0].grad for group in trainer.optimizer.param_groups}
        return {name: grad.clone() for name, grad in grads.items() if grad is not None}


@pytest.mark.parametrize("shares", [(0.0, 0.0), (1.0, 1.0)], ids=["whole", "half size without bases"])
def test_a_step_has_the_gradients_of_the_trainer_on_the_cpu(shares):
    scene = Scene(replace(PRESET, half_share=shares[0], free_share=shares[1]))
    ours = scene.gradients(TorchTrainer(scene.trainer, "cpu", rasterizer="reference"))
    truth = scene.gradients(scene.trainer)
    assert ours.keys() == truth.keys() and len(truth) == (14 if shares[1] == 0 else 5)
    for name, gradient in truth.items():
        assert float(gradient.norm()) > 0, name
        assert float((ours[name] - gradient).norm()) < 1e-3 * float(gradient.norm()), name


def test_several_steps_stay_beside_the_trainer_on_the_cpu_and_reduce_the_loss():
    # Which Gaussians are moved is decided by a hair's breadth: two ways of summing need not agree on it.
    scene = Scene(replace(PRESET, relocations=(), refined_from=1.0, surface=0.0, steps=60))
    moved = TorchTrainer(scene.trainer, "cpu", rasterizer="cpu")
    ours, truth = scene.advance(moved, 50), scene.advance(scene.trainer, 12)
    np.testing.assert_allclose(np.array(ours)[:5], np.array(truth)[:5], rtol=2e-3)
    np.testing.assert_allclose(np.array(ours)[11], np.array(truth)[11], rtol=0.03)
    assert np.mean([loss for loss, _ in ours[-8:]]) < 0.95 * np.mean([loss for loss, _ in ours[:8]])


def test_the_motion_is_corrected_as_by_the_trainer_on_the_cpu():
    scene = Scene(replace(PRESET, refined_from=0.0))
    ours, truth = TorchTrainer(scene.trainer, "cpu", rasterizer="reference"), scene.trainer
    scene.advance(ours, 3)
    scene.advance(truth, 3)
    assert ours.refiner is not None and truth.refiner is not None
    found, expected, tracked = (np.asarray(motion.jaw_pose) for motion in (ours.refiner.motion(), truth.refiner.motion(), truth.motion))
    moved = np.abs(expected - tracked).max()
    assert moved > 1e-4
    np.testing.assert_allclose(found, expected, atol=0.02 * moved)


class HiddenStore(FrameStore):
    """Frames whose lower half something hides."""

    def get(self, index, shrink):
        frame = super().get(index, shrink)
        shown = np.ones_like(frame.importance)
        shown[len(shown) // 2 :] = 0
        return replace(frame, importance=frame.importance * shown, shown=shown)


def test_nothing_is_learned_where_something_is_in_front():
    scene = Scene(replace(PRESET, half_share=0.0, free_share=1.0))
    plain = scene.gradients(TorchTrainer(scene.trainer, "cpu", rasterizer="reference"))
    scene.store = HiddenStore(scene.capture)
    moved = TorchTrainer(scene.trainer, "cpu", rasterizer="reference")
    seen = moved._look(scene.store, scene.frames)[1], scene.trainer._look(scene.store, scene.frames)[1]
    np.testing.assert_allclose(*seen, atol=1e-3 * seen[1].max())
    ours, truth = scene.gradients(moved), scene.gradients(scene.trainer)
    assert float((truth["colour"] - plain["colour"]).norm()) > 0.2 * float(plain["colour"].norm())
    for name, gradient in truth.items():
        assert float((ours[name] - gradient).norm()) < 1e-3 * float(gradient.norm()), name


def test_what_the_frames_show_is_what_the_trainer_on_the_cpu_sees(monkeypatch):
    monkeypatch.setattr("recon.belief.FULLY_SEEN", 1.0)
    scene = Scene()
    trainers = (TorchTrainer(scene.trainer, "cpu", rasterizer="reference"), scene.trainer)
    ours, truth = (trainer._look(scene.store, scene.frames) for trainer in trainers)
    assert 0.05 < float(truth[2].mean()) < 0.8 and float(truth[2].std()) > 0.1
    for mine, theirs in zip(ours, truth, strict=True):
        np.testing.assert_allclose(np.asarray(mine), np.asarray(theirs), atol=1e-3 * float(np.abs(np.asarray(theirs)).max()))


def test_a_fit_may_change_trainers_half_way():
    scene = Scene()
    first = TorchTrainer(scene.trainer, "cpu", rasterizer="cpu")
    whole = scene.advance(first, 8)
    begun = Scene()
    scene.advance(begun.trainer, 4)
    state = TorchTrainer(begun.trainer, "cpu").state()
    assert state.keys() == begun.trainer.state().keys()
    resumed = TorchTrainer(Scene().trainer, "cpu", rasterizer="cpu")
    resumed.restore(state)
    np.testing.assert_allclose(scene.advance(resumed, 4), whole[4:], rtol=5e-3)
    back = Scene().trainer
    back.restore(resumed.state())
    assert back.step == 8 and torch.equal(back.parameters["position"], resumed.parameters["position"])


def test_a_fit_that_moved_gaussians_goes_on_with_them_where_they_are():
    scene = Scene()
    moved = TorchTrainer(scene.trainer, "cpu", rasterizer="cpu")
    scene.advance(moved)
    moved._split(np.array([3, 7, 9]), np.array([20, 30, 40]))
    assert not np.array_equal(moved.mesh.bary, scene.trainer.mesh.bary)
    resumed = TorchTrainer(scene.trainer, "cpu", rasterizer="cpu")
    resumed.restore(moved.state())
    assert np.array_equal(resumed.mesh.face, moved.mesh.face)
    np.testing.assert_allclose(scene.advance(resumed), scene.advance(moved), rtol=1e-5)


def test_the_trainer_that_was_taken_over_is_left_as_it_is():
    scene = Scene()
    before = {name: value.clone() for name, value in scene.trainer.parameters.items()}
    scene.advance(TorchTrainer(scene.trainer, "cpu", rasterizer="cpu"), 2)
    assert scene.trainer.step == 0
    for name, value in before.items():
        assert torch.equal(scene.trainer.parameters[name], value), name


def test_the_avatar_is_the_trainers():
    scene = Scene()
    moved = TorchTrainer(scene.trainer, "cpu")
    ours, truth = (trainer.avatar({"subject": "nobody"}, scene.frames) for trainer in (moved, scene.trainer))
    for name in ("position", "rotation", "log_scale", "opacity_logit", "colour", "position_basis", "colour_basis", "input_mean"):
        assert torch.equal(getattr(ours, name), getattr(truth, name)), name
    assert torch.equal(ours.layers[0][0], truth.layers[0][0]) and ours.metadata == truth.metadata


def test_losses_and_their_gradients_are_those_of_single_frames():
    rng = np.random.default_rng(0)
    shape, boxes = (3, 37, 29), [(4, 3, 33, 25), (0, 0, 37, 29), (10, 6, 30, 22)]
    target = rng.uniform(size=(*shape, 3)).astype(np.float32)
    rgb = np.clip(target + rng.normal(size=target.shape, scale=0.1), 0, 1).astype(np.float32)
    alpha, matte = rng.uniform(size=(2, *shape)).astype(np.float32)
    importance = rng.uniform(0.5, 2, size=shape).astype(np.float32)
    for weights in (LossWeights(), LossWeights(dssim=0.0, coverage=0.3)):
        leaves = [torch.from_numpy(x).requires_grad_() for x in (rgb, alpha)]
        losses = photometric_losses(*leaves, *map(torch.from_numpy, (target, matte, importance)), boxes, weights)
        g_rgb, g_alpha = torch.autograd.grad(losses.sum(), leaves)
        for index, box in enumerate(boxes):
            truth = photometric_loss(rgb[index], alpha[index], target[index], matte[index], importance[index], box, weights)
            assert abs(losses[index].item() - truth[0]) < 1e-5
            for ours, theirs in ((g_rgb[index], truth[1]), (g_alpha[index], truth[2])):
                np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-3 * np.abs(theirs).max())


class CountingStore(FrameStore):
    """Counts how often a frame is asked for."""

    def __init__(self, capture):
        super().__init__(capture)
        self.asked: list[tuple[int, int]] = []

    def get(self, index, shrink):
        self.asked.append((index, shrink))
        return super().get(index, shrink)


def test_frames_are_kept_while_memory_allows():
    capture, *_ = small_scene(frames=4, size=48)
    size = 48 * 48 * 6
    with ThreadPoolExecutor(1) as pool:
        for limit, again in ((2 * size, [2, 3]), (10 * size, []), (0, [0, 1, 2, 3])):
            store, frames = CountingStore(capture), DeviceFrames(torch.device("cpu"), limit)
            first = frames.batch(store, np.arange(4), 1, pool)
            assert first.rgb.shape == (4, 48, 48, 3) and first.rgb.dtype == torch.uint8
            store.asked.clear()
            second = frames.batch(store, np.arange(4), 1, pool)
            assert sorted(index for index, _ in store.asked) == again
            assert torch.equal(first.rgb, second.rgb) and torch.equal(first.importance, second.importance) and first.boxes == second.boxes


def test_frames_asked_for_beforehand_are_decoded_once():
    capture, *_ = small_scene(frames=4, size=48)
    store, frames = CountingStore(capture), DeviceFrames(torch.device("cpu"), 0)
    with ThreadPoolExecutor(1) as pool:
        frames.request(store, np.array([1, 1, 2]), 2, pool)
        batch = frames.batch(store, np.array([1, 1, 2]), 2, pool)
    assert sorted(store.asked) == [(1, 2), (2, 2)]
    assert batch.rgb.shape == (3, 24, 24, 3) and torch.equal(batch.rgb[0], batch.rgb[1])


def test_frames_lie_over_the_same_backgrounds_as_on_the_cpu():
    capture, *_ = small_scene(frames=2, size=48)
    store, backgrounds = FrameStore(capture), np.array([[0.1, 0.9, 0.4], [0.7, 0.2, 0.3]], np.float32)
    with ThreadPoolExecutor(1) as pool:
        target, matte = DeviceFrames(torch.device("cpu")).batch(store, np.arange(2), 1, pool).over(torch.from_numpy(backgrounds))
    for index in range(2):
        expected = store.get(index, 1).over(backgrounds[index])
        np.testing.assert_allclose(target[index].numpy(), expected[0], atol=1e-6)
        np.testing.assert_allclose(matte[index].numpy(), expected[1], atol=1e-6)


def test_the_cpu_needs_no_other_trainer():
    scene = Scene()
    assert on_device(scene.trainer, "cpu") is scene.trainer


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="CUDA"):
        on_device(Scene().trainer, "cuda")
