"""Head and torso as root and neck of the rig."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avatar3d.head.model import HeadModel, head_vertices
from avatar3d.head.store import load_head
from recon.neck import compose, decompose

turn = arrays(np.float64, (2, 3), elements=st.floats(-1, 1))
shift = arrays(np.float64, (2, 3), elements=st.floats(-0.5, 0.5))


@settings(max_examples=40, deadline=None)
@given(turn, shift, turn, shift, arrays(np.float64, (5, 3), elements=st.floats(-0.3, 0.3)))
def test_compose_inverts_decompose(rotation, translation, neck_pose, neck_translation, joints):
    motions = decompose(rotation, translation, neck_pose, neck_translation, joints)
    for given_channel, found in zip((rotation, translation, neck_pose, neck_translation), compose(*motions, joints), strict=True):
        np.testing.assert_allclose(found, given_channel, atol=1e-5)


def test_the_rig_reproduces_both_motions():
    head: HeadModel = load_head()
    rng = np.random.default_rng(0)
    shape = torch.from_numpy(rng.normal(size=head.num_shape)).float()
    joints = head.joints(shape).double().numpy()
    a, b, c, d = (rng.normal(0, spread, (3, 3)) for spread in (0.2, 0.1, 0.3, 0.02))
    head_R, head_t, torso_R, torso_t = decompose(a, b, c, d, joints)
    rotation, translation, neck_pose, neck_translation = (torch.from_numpy(x) for x in compose(head_R, head_t, torso_R, torso_t, joints))
    zero = torch.zeros(3, 3)
    posed = head_vertices(
        head, shape, torch.zeros(3, head.num_expr), jaw_pose=zero, eyes_pose=torch.zeros(3, 6),
        rotation=rotation, translation=translation, neck_pose=neck_pose, neck_translation=neck_translation,
    ).numpy()  # fmt: skip
    rest = head.shaped(shape).numpy()
    correctives = head.pose_basis.abs().sum((1, 2)).numpy() == 0
    for joint, R, t in ((0, torso_R, torso_t), (1, head_R, head_t)):
        bound = (head.skin_weights[:, joint].numpy() > 0.9999) & correctives
        assert bound.sum() > 50
        np.testing.assert_allclose(posed[:, bound], rest[bound] @ np.swapaxes(R, 1, 2) + t[:, None], atol=2e-4)
