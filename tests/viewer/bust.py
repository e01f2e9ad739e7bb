"""An avatar without holes."""

from dataclasses import replace

import numpy as np
import torch

from avatar3d.avatar import Avatar
from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion
from avatar3d.statistics import motion_statistics
from tests.avatar3d.tiny import tiny_avatar


def solid_bust(count: int = 6000) -> Avatar:
    """Dark, solid Gaussians all over the embedded head with its shoulders, of somebody who keeps still."""
    head = load_head()
    avatar = tiny_avatar(head, count=count, bases=0)
    # As dense everywhere: triangles by their area, without the carriers.
    area = avatar.rest_area[: len(head.faces)]
    face = np.random.default_rng(0).choice(len(area), count, p=area / area.sum()).astype(np.int32)
    return replace(
        avatar,
        face=face,
        opacity_logit=torch.full((count,), 3.0),
        log_scale=torch.full((count, 3), -5.0),
        position=torch.zeros(count, 3),
        colour=torch.full((count, 3), 0.15),
        statistics=motion_statistics(rest_motion(head, 2), head),
    )
