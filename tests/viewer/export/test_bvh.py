"""BVH, read back by another reader: every joint where the head model has it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from avatar3d.head.model import axis_angle_to_matrix, joint_transforms
from avatar3d.progress import silent
from tests.viewer.export.bvh_reading import read_bvh, transforms
from tests.viewer.export.performance import performance
from viewer.export.bvh import Bone, bvh_lines, write_bvh
from viewer.export.options import FormatOptions

JOINTS = ("torso", "neck", "jaw", "left_eye", "right_eye")
GOLDEN = """HIERARCHY
ROOT torso
{
  OFFSET 0.000000 0.000000 0.000000
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT jaw
  {
    OFFSET 0.000000 -0.100000 0.020000
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0.000000 0.000000 0.070000
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04000000
0.000000 1.500000 0.000000 0.000000 -12.500000 90.000000 0.000000 1.000000 0.000000
0.000000 1.500000 0.100000 0.000000 -12.500000 90.000000 0.000000 2.000000 0.000000
"""


def test_golden_bytes():
    jaw = Bone("jaw", np.array([0, -0.1, 0.02]), np.array([[0, 1.0, 0], [0, 2.0, -1e-9]]), end=np.array([0, 0, 0.07]))
    root = Bone("torso", np.zeros(3), np.array([[0, -12.5, 90.0]] * 2), (jaw,))
    assert "".join(bvh_lines(root, np.array([[0, 1.5, 0], [0, 1.5, 0.1]]), 0.04)) == GOLDEN


@pytest.mark.parametrize("selection", [{}, {"up": "z", "unit": "cm"}, {"up": "-y", "scale": 2.0}])
def test_joints_are_where_the_head_has_them(tmp_path, selection):
    frames = performance(**selection)
    write_bvh(frames, tmp_path / "m.bvh", FormatOptions(), silent)
    nodes, rows, seconds = read_bvh((tmp_path / "m.bvh").read_text())
    assert [node.name for node in nodes] == ["torso", "neck", "head", "jaw", "left_eye", "right_eye"] and seconds == pytest.approx(0.04)
    turns = {"y": np.eye(3), "z": [[1, 0, 0], [0, 0, -1], [0, 1, 0]], "-y": np.diag([1, -1, -1])}
    turn = np.array(turns[selection.get("up", "y")])
    factor = selection.get("scale", 1.0) * (100 if selection.get("unit") == "cm" else 1)
    motion, avatar = frames.motion, frames.avatar
    poses = torch.from_numpy(np.stack([motion.rotation, motion.neck_pose, motion.jaw_pose, motion.eyes_pose[:, :3], motion.eyes_pose[:, 3:]], 1))
    joints = avatar.head.joints(avatar.shape)[None].expand(len(motion), 5, 3)
    shift = torch.from_numpy(motion.neck_translation)
    world = joint_transforms(axis_angle_to_matrix(poses), joints, torch.from_numpy(motion.translation), shift, avatar.head.parents).numpy()
    for index, row in enumerate(rows):
        found = transforms(nodes, row)
        for joint, name in enumerate(JOINTS):
            wanted = world[index, joint]
            angle = Rotation.from_matrix(found[name][:3, :3] @ (turn @ wanted[:, :3] @ turn.T).T).magnitude()
            assert np.degrees(angle) < 0.01, name
            # The torso takes the neck's shift; the head and all on it is where it belongs.
            place = wanted[:, :3] @ joints[0, joint].numpy() + wanted[:, 3]
            if joint:
                assert np.abs(found[name][:3, 3] - factor * turn @ place).max() < 3e-5 * factor, name


def test_angles_do_not_jump(tmp_path):
    frames = performance(90, sound=False)
    turning = np.zeros((90, 3), np.float32)
    turning[:, 1] = np.linspace(0, 4 * np.pi, 90)
    frames = replace(frames, motion=replace(frames.motion, rotation=turning))
    write_bvh(frames, tmp_path / "m.bvh", FormatOptions(), silent)
    _, rows, _ = read_bvh((tmp_path / "m.bvh").read_text())
    assert np.abs(np.diff(rows[:, 3:6], axis=0)).max() < 20


def test_what_it_is_lies_beside_it(tmp_path):
    write_bvh(performance(), tmp_path / "m.bvh", FormatOptions(), silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.bvh", "m.bvh.json", "m.wav"]
    assert json.loads((tmp_path / "m.bvh.json").read_text())["subject"] == "nobody"
