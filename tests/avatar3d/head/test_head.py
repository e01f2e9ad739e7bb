"""The head model's forward pass and the embedded head."""

import numpy as np
import pytest
import torch

from avatar3d.arkit import EXPR_INDEX, EXPR_NAMES
from avatar3d.errors import UserError
from avatar3d.head.model import JAW, HeadModel, head_vertices, landmark_positions, landmark_vertices
from avatar3d.head.store import find_head, load_head, save_head


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


def pose(head: HeadModel, batch: int, seed: int = 0, **fixed) -> dict:
    """Random arguments of `head_vertices`; those in `fixed` replace them."""
    generator = torch.Generator().manual_seed(seed)
    random = lambda width, scale: scale * torch.randn(batch, width, generator=generator)  # noqa: E731
    arguments = {
        "shape": random(head.num_shape, 1.0), "expr": random(head.num_expr, 0.3), "jaw_pose": random(3, 0.2), "neck_pose": random(3, 0.3),
        "eyes_pose": random(6, 0.2), "rotation": random(3, 0.5), "translation": random(3, 0.1),
    }  # fmt: skip
    return arguments | fixed


def still(head: HeadModel, **moved) -> np.ndarray:
    """Vertices [V, 3] of the mean head with only the named parameters moved; expressions by their ARKit names."""
    expr = torch.zeros(1, head.num_expr)
    for name in [name for name in moved if name in EXPR_INDEX]:
        expr[0, EXPR_INDEX[name]] = moved.pop(name)
    zeros = {"jaw_pose": 3, "neck_pose": 3, "eyes_pose": 6, "rotation": 3, "translation": 3}
    values = {name: torch.zeros(1, width) for name, width in zeros.items()} | {k: torch.tensor([v], dtype=torch.float32) for k, v in moved.items()}
    return head_vertices(head, torch.zeros(head.num_shape), expr, **values)[0].numpy()


def slow_vertices(head: HeadModel, shape, expr, jaw_pose, neck_pose, eyes_pose, rotation, translation) -> np.ndarray:
    """The equations of FLAME, one frame and one vertex at a time, in float64."""
    from scipy.spatial.transform import Rotation

    to_numpy = lambda tensor: tensor.numpy().astype(np.float64)  # noqa: E731
    template, shape_basis, expr_basis, pose_basis = (to_numpy(getattr(head, n)) for n in ("template", "shape_basis", "expr_basis", "pose_basis"))
    frames = []
    for b in range(len(expr)):
        R = [Rotation.from_rotvec(to_numpy(v)).as_matrix() for v in (rotation[b], neck_pose[b], jaw_pose[b], eyes_pose[b, :3], eyes_pose[b, 3:])]
        joints = to_numpy(head.joint_template) + to_numpy(head.joint_shape_basis) @ to_numpy(shape[b])
        feature = np.concatenate([(matrix - np.eye(3)).ravel() for matrix in R[1:]])
        chains = []
        for joint, parent in enumerate(head.parents):
            local = np.eye(4)
            local[:3, :3] = R[joint]
            local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
            chains.append(local if parent < 0 else chains[parent] @ local)
        posed = np.zeros_like(template)
        for v in range(len(template)):
            rest = template[v] + shape_basis[v] @ to_numpy(shape[b]) + expr_basis[v] @ to_numpy(expr[b]) + pose_basis[v] @ feature
            for joint, chain in enumerate(chains):
                weight = float(head.skin_weights[v, joint])
                posed[v] += weight * (chain[:3, :3] @ (rest - joints[joint]) + chain[:3, 3])
        frames.append(posed + to_numpy(translation[b]))
    return np.stack(frames)


def test_forward_agrees_with_the_equations_written_out(head):
    few = head.subset(np.arange(0, head.num_vertices, 37))
    arguments = pose(few, 2)
    assert np.abs(head_vertices(few, **arguments).numpy() - slow_vertices(few, **arguments)).max() < 2e-6


def test_subset_gives_the_rows_of_the_whole(head):
    rows = np.random.default_rng(0).permutation(head.num_vertices)[:300]
    arguments = pose(head, 3)
    whole, part = head_vertices(head, **arguments), head_vertices(head.subset(rows), **arguments)
    assert torch.allclose(whole[:, rows], part, atol=1e-6)


def test_subset_keeps_the_landmarks_whose_corners_it_has(head):
    part = head.subset(landmark_vertices(head))
    arguments = pose(head, 1)
    assert part.landmarks is not None and np.array_equal(part.landmarks.index, head.landmarks.index)
    expected = landmark_positions(head_vertices(head, **arguments), head)
    assert torch.allclose(landmark_positions(head_vertices(part, **arguments), part), expected, atol=1e-6)


def test_gradient_reaches_every_argument(head):
    part = head.subset(landmark_vertices(head))
    arguments = {name: value.requires_grad_() for name, value in pose(part, 2).items()}
    offset = torch.zeros(part.num_vertices, 3, requires_grad=True)
    shift = torch.zeros(2, 3, requires_grad=True)
    head_vertices(part, **arguments, vertex_offset=offset, neck_translation=shift).square().sum().backward()
    for value in (*arguments.values(), offset, shift):
        assert value.grad is not None and torch.isfinite(value.grad).all() and value.grad.abs().sum() > 0


def test_gradient_agrees_with_finite_differences_at_rest(head):
    few = head.subset(head.regions["lower_lip"][::20])
    arguments = {name: torch.zeros_like(value) for name, value in pose(few, 1).items()}
    direction = torch.randn(1, few.num_vertices, 3, generator=torch.Generator().manual_seed(1))
    jaw = torch.zeros(1, 3, requires_grad=True)
    (head_vertices(few, **{**arguments, "jaw_pose": jaw}) * direction).sum().backward()
    step = 1e-2
    for axis in range(3):
        shifted = [torch.zeros(1, 3), torch.zeros(1, 3)]
        shifted[0][0, axis], shifted[1][0, axis] = step, -step
        values = [(head_vertices(few, **{**arguments, "jaw_pose": s}).double() * direction).sum() for s in shifted]
        numeric = float(values[0] - values[1]) / (2 * step)
        assert abs(numeric - float(jaw.grad[0, axis])) < 1e-3 * max(1.0, abs(numeric))


def test_expressions_are_arkit_without_jaw_open(head):
    assert head.expr_names == EXPR_NAMES and head.num_expr == 51
    assert 4000 <= head.num_vertices <= 7000 and 40 <= head.num_shape <= 60


def test_head_is_its_own_mirror_image(head):
    flip = torch.tensor([-1.0, 1.0, 1.0])
    template = head.template.numpy()
    order = lambda points: np.lexsort(np.round(points, 7).T)  # noqa: E731
    here, there = template[order(template)], (template * flip.numpy())[order(template * flip.numpy())]
    assert np.abs(here - there).max() == 0
    from scipy.spatial import cKDTree

    features = np.concatenate([template, head.expr_basis[:, :, EXPR_INDEX["mouthSmileLeft"]].numpy()], axis=1)
    mirrored = np.concatenate([template, head.expr_basis[:, :, EXPR_INDEX["mouthSmileRight"]].numpy()], axis=1)
    distance, _ = cKDTree(features).query(mirrored * np.tile(flip.numpy(), 2))
    assert distance.max() < 1e-6


def test_identity_modes_are_orthogonal(head):
    modes = head.shape_basis.reshape(-1, head.num_shape).double()
    gram = modes.T @ modes
    norms = gram.diagonal().sqrt()
    assert ((gram / norms[:, None] / norms).fill_diagonal_(0).abs() < 1e-3).all()
    assert (norms[:-1] >= norms[1:] - 1e-6).all()


def test_lips_touch_at_rest(head):
    gap = head.template[head.regions["lip_inner_upper"]] - head.template[head.regions["lip_inner_lower"]]
    assert gap.norm(dim=1).max() < 1e-4


def test_jaw_opens_the_mouth_and_carries_lower_teeth_and_tongue(head):
    opened = still(head, jaw_pose=[head.jaw_open_angle, 0, 0])
    upper, lower = opened[head.regions["lip_inner_upper"]], opened[head.regions["lip_inner_lower"]]
    assert (upper - lower)[:, 1].max() > 0.02
    rest = head.template.numpy()
    assert np.abs(opened[head.regions["upper_teeth"]] - rest[head.regions["upper_teeth"]]).max() < 1e-6
    for name in ("lower_teeth", "tongue"):
        before, after = rest[head.regions[name]], opened[head.regions[name]]
        lengths = [np.linalg.norm(points[1:] - points[:-1], axis=1) for points in (before, after)]
        assert np.abs(lengths[0] - lengths[1]).max() < 1e-6 and (before - after)[:, 1].mean() > 0.01


def test_mouth_close_seals_the_open_jaw(head):
    sealed = still(head, jaw_pose=[head.jaw_open_angle, 0, 0], mouthClose=1.0)
    gap = sealed[head.regions["lip_inner_upper"]] - sealed[head.regions["lip_inner_lower"]]
    assert np.abs(gap[:, 1]).max() < 1e-3


@pytest.mark.parametrize("side", ["left", "right"])
def test_blink_closes_the_lid_and_hides_the_eye(head, side):
    from avatar3d.camera import look_at
    from avatar3d.render.mesh import rasterize_mesh, to_camera

    def visible(vertices: np.ndarray) -> int:
        eye = head.joint_template[3 if side == "left" else 4].numpy()
        camera = look_at(eye + np.array([0, 0, 0.4]), eye, focal=1500, size=(256, 256))
        image = rasterize_mesh(to_camera(vertices, camera), head.faces.numpy(), camera)
        return int(np.isin(head.faces.numpy()[image.face[image.mask]], head.regions[f"{side}_eye"]).all(1).sum())

    closed = still(head, **{f"eyeBlink{side.capitalize()}": 1.0})
    upper, lower = closed[head.regions[f"{side}_lid_upper"]], closed[head.regions[f"{side}_lid_lower"]]
    gap = upper[:, 1] - np.interp(upper[:, 0], lower[:, 0], lower[:, 1])
    assert gap.max() < 1e-4
    assert visible(head.template.numpy()) > 1000 and visible(closed) == 0


def test_eyes_turn_about_their_joints_and_look_expressions_leave_them(head):
    turned = still(head, eyes_pose=[0, 0.4, 0, 0, 0.4, 0])
    pupil = head.landmarks.face[head.landmarks.index == 473]
    moved = turned[head.faces[pupil[0]].numpy()].mean(0) - head.template[head.faces[pupil[0]]].mean(0).numpy()
    assert moved[0] > 0.003
    looks = [EXPR_INDEX[name] for name in EXPR_NAMES if name.startswith("eyeLook")]
    eyes = np.r_[head.regions["left_eye"], head.regions["right_eye"]]
    assert head.expr_basis[eyes][:, :, looks].abs().max() == 0


def test_all_landmarks_are_embedded_and_symmetric(head):
    assert np.array_equal(head.landmarks.index, np.arange(478))
    assert np.abs(head.landmarks.bary.sum(1) - 1).max() < 1e-5 and head.landmarks.bary.min() >= 0
    points = landmark_positions(head.template[None], head)[0].numpy()
    assert points[468, 0] < 0 < points[473, 0], "468 is the subject's right iris"
    pairs = [(33, 263), (133, 362), (61, 291), (234, 454), (468, 473)]
    for right, left in pairs:
        assert np.linalg.norm(points[right] * [-1, 1, 1] - points[left]) < 1.5e-3


def test_fingerprint_follows_the_geometry_alone(head):
    from dataclasses import replace

    moved = head.template.clone()
    moved[0, 0] += 1e-4
    assert replace(head, template=moved, fingerprint="").fingerprint != head.fingerprint
    assert replace(head, name="other", landmarks=None, fingerprint="").fingerprint == head.fingerprint


def test_weights_sum_to_one_and_regions_exist(head):
    assert (head.skin_weights.sum(1) - 1).abs().max() < 1e-5 and head.skin_weights.min() >= 0
    assert float(head.skin_weights[head.regions["lower_teeth"], JAW].min()) == 1.0
    assert all(len(ids) and ids.max() < head.num_vertices for ids in head.regions.values())
    assert head.uv.min() >= 0 and head.uv.max() <= 1


def test_saved_head_is_the_same_head(head, tmp_path, monkeypatch):
    path = tmp_path / "mine.npz"
    save_head(head, path)
    again = load_head(path)
    assert again.fingerprint == head.fingerprint and again.licence == head.licence
    assert np.array_equal(again.regions["lips"], head.regions["lips"]) and np.array_equal(again.landmarks.bary, head.landmarks.bary)
    assert find_head(head.fingerprint) is head


def test_unknown_fingerprint_is_an_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("AVATAR3D_HEADS", str(tmp_path))
    with pytest.raises(UserError, match="0123456789abcdef"):
        find_head("0123456789abcdef")


@pytest.mark.parametrize("content", [b"", b"not a head", b"PK\x03\x04broken"])
def test_file_that_is_no_head_is_refused_by_name(tmp_path, content):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.npz"):
        load_head(path)


def test_truncated_head_is_refused(head, tmp_path):
    path = tmp_path / "cut.npz"
    save_head(head, path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"cut\.npz"):
        load_head(path)
