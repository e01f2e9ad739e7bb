from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from avatar3d.errors import UserError
from avatar3d.head.flame import NUM_FACES
from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion
from tests.avatar3d.head.flame_fixture import flame_arrays, write_npz
from tests.viewer.export.scenes import random_gaussians
from viewer.export.bound_splats import bound_avatar
from viewer.export.splats import Splats


@pytest.fixture(scope="module")
def flame(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flame")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    yield load_head(write_npz(folder / "flame2023.npz", flame_arrays()))
    patch.undo()


def _splats(binding):
    gaussians = random_gaussians(len(binding), degree=1)
    return Splats(
        replace(gaussians, position=10 * gaussians.position, log_scale=gaussians.log_scale + 3), "ply", binding=np.asarray(binding, np.int64)
    )


def _motion(head):
    motion = rest_motion(head, 4, shape=np.random.default_rng(0).normal(size=head.num_shape).astype(np.float32) * 0.3)
    motion.neck_pose[:, 1] = [0, 0.2, 0.4, 0.6]
    motion.translation[:] = [0.1, 0.2, 0.3]
    return motion


def test_gaussians_lie_where_their_definition_puts_them(flame):
    """Place, turn and size by GaussianAvatars' definition, one Gaussian at a time, where the mesh is moved but not stretched."""
    binding = np.random.default_rng(1).integers(0, NUM_FACES, 60)
    splats, motion = _splats(binding), _motion(flame)
    offset = np.random.default_rng(2).normal(size=(5143, 3), scale=0.0005)
    bound = bound_avatar(splats, flame, motion, offset, {"subject": "nobody"})
    assert (bound.dropped, bound.degree) == (0, 1)
    still = replace(motion, neck_pose=0 * motion.neck_pose, rotation=motion.rotation + np.float32(0.3))
    posed, vertices = bound.avatar.pose(still, 0.0), bound.avatar.vertices(still.frames(slice(0, 1)))
    g = splats.gaussians
    for index, triangle in enumerate(binding):
        v0, v1, v2 = vertices[flame.faces[triangle]].astype(np.float64)
        a0 = (v1 - v0) / np.linalg.norm(v1 - v0)
        a1 = np.cross(a0, v2 - v0) / np.linalg.norm(np.cross(a0, v2 - v0))
        a2 = -np.cross(a1, a0)
        unit = (np.linalg.norm(v1 - v0) + abs(a2 @ (v2 - v0))) / 2
        frame = np.stack([a0, a1, a2], axis=1)
        np.testing.assert_allclose(posed.position[index], (v0 + v1 + v2) / 3 + frame @ g.position[index].numpy() * unit, atol=2e-6)
        np.testing.assert_allclose(posed.log_scale[index], g.log_scale[index] + np.log(unit), atol=2e-3)
        expected = frame @ Rotation.from_quat(g.rotation[index].numpy()[[1, 2, 3, 0]]).as_matrix()
        seen = Rotation.from_quat(posed.rotation[index].numpy()[[1, 2, 3, 0]]).as_matrix()
        np.testing.assert_allclose(seen, expected, atol=2e-4)
    assert torch.equal(posed.opacity_logit, g.opacity_logit) and torch.allclose(posed.sh[:, 0], g.sh[:, 0], atol=1e-5)


def test_it_moves_with_the_mesh(flame):
    bound = bound_avatar(_splats([10, 20, 9975]), flame, _motion(flame), None, {})
    poses = [bound.avatar.pose(_motion(flame), time).position for time in (0.0, 0.12)]
    assert torch.isfinite(poses[1]).all() and (poses[0] - poses[1]).abs().max() > 0.005


def test_added_teeth_are_left_out(flame):
    bound = bound_avatar(_splats([10, NUM_FACES, NUM_FACES + 100]), flame, _motion(flame), None, {})
    assert (len(bound.avatar), bound.dropped) == (1, 2)


@pytest.mark.parametrize(("binding", "match"), [([-1, 2], "below 0"), ([NUM_FACES], "no Gaussian")])
def test_bindings_that_make_no_sense_are_refused(flame, binding, match):
    with pytest.raises(UserError, match=match):
        bound_avatar(_splats(binding), flame, _motion(flame), None, {})


def test_another_head_is_refused(flame):
    head = load_head()
    with pytest.raises(UserError, match="FLAME"):
        bound_avatar(_splats([1]), head, rest_motion(head, 2), None, {})


def test_a_file_without_binding_is_refused(flame):
    with pytest.raises(UserError, match="binding_0"):
        bound_avatar(Splats(random_gaussians(3), "ply"), flame, _motion(flame), None, {})
