"""What frames do not show follows the neighbours; what they show is left alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from avatar3d.camera import Camera, look_at
from avatar3d.head.store import load_head
from recon.belief import LIKENESS, RIM, Known, belief, beyond, facing, first_known, inner, neighbourhood, settle, spread_colours
from recon.seeding import seed_mesh


@pytest.fixture(scope="module")
def placed():
    head = load_head()
    rest = head.template.numpy()
    seeds = seed_mesh(head, rest, 1500, seed=0)
    place = np.einsum("nc,nck->nk", seeds.bary, rest[head.faces.numpy()[seeds.face]])
    return head, rest, seeds, neighbourhood(head, seeds.face, place, seeds.log_scale)


def parameters(count: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    widths = {"position": 3, "rotation": 4, "log_scale": 3, "colour": 3}
    p = {name: torch.rand(count, width, generator=generator) for name, width in widths.items()}
    p["opacity_logit"] = torch.rand(count, generator=generator)
    return p | {f"{name}_basis": torch.rand(2, widths[name] * count, generator=generator) for name in ("position", "rotation", "colour")}


def test_believed_gaussians_stay_as_they_are(placed):
    *_, near = placed
    p = parameters(1500)
    before = {name: value.clone() for name, value in p.items()}
    settle(p, torch.ones(1500), near, rate=0.5)
    assert all(torch.equal(p[name], before[name]) for name in p)


def test_unseen_gaussians_become_alike_and_still(placed):
    *_, near = placed
    p = parameters(1500)
    for _ in range(200):
        settle(p, torch.zeros(1500), near, rate=0.2)
    assert p["position_basis"].abs().max() < 1e-4
    assert all(p[name].std(dim=0).max() < 0.2 for name in ("colour", "position", "opacity_logit"))


def test_unseen_colours_come_from_the_nearest_seen(placed):
    head, rest, seeds, near = placed
    points = np.einsum("nc,nck->nk", seeds.bary, rest[head.faces.numpy()[seeds.face]])
    front = points[:, 2] > np.median(points[:, 2])
    colour = np.where(points[:, 1:2] > points[:, 1].mean(), 1.0, 0.0) * np.ones((1, 3))
    colour[~front] = 0.5
    spread = spread_colours(colour, front, near)
    assert np.allclose(spread[front], colour[front])
    high = ~front & (points[:, 1] > np.percentile(points[:, 1], 95))
    assert spread[high].mean() > 0.6


def test_colours_do_not_run_into_the_eyes(placed):
    head, _, seeds, near = placed
    faces = head.faces.numpy()
    inside = np.zeros(head.num_vertices, bool)
    inside[head.regions["left_eye"]] = True
    eye = inside[faces[seeds.face]].all(axis=1)
    assert eye[near.index.numpy()[eye]].all()


def test_belief_is_the_share_of_what_a_gaussian_could_fill():
    log_scale = np.log(np.full((2, 3), 0.002))
    alone = 2 * np.pi * (0.002 * 1000) ** 2 / 2
    trust = belief(np.array([alone, 0.0005 * alone]), log_scale, np.zeros(2), 1000.0)
    assert trust[0] == 1 and 0 < trust[1] < 0.1


def test_what_lies_beyond_the_outline_is_told():
    camera = Camera(100, 100, 32, 32, 64, 64, np.eye(4))
    matte = np.zeros((64, 64), np.uint8)
    matte[:, :32] = 255
    left, right, far_right = [-0.1, 0, 1], [0.1, 0, 1], [9, 0, 1]
    assert beyond(np.array([left, right, far_right], np.float32), matte, camera).tolist() == [0, 1, 1]


def test_the_rim_shows_no_colour_plainly_and_the_pictures_edge_is_no_rim():
    matte = np.zeros((500, 500), np.uint8)
    matte[100:, 100:400] = 255
    shown, rim = inner(matte), round(500 * RIM)
    assert shown[300, 100 - 1] == shown[300, 100 + rim - 2] == shown[100 + rim - 2, 250] == 0
    assert shown[300, 100 + rim + 2] == shown[499, 250] == 1


def test_what_is_off_the_mesh_has_the_nearest_neighbours_outside(placed):
    head, rest, seeds, _ = placed
    place = np.einsum("nc,nck->nk", seeds.bary, rest[head.faces.numpy()[seeds.face]])
    crown = int(place[:, 1].argmax())
    face = np.append(seeds.face, len(head.faces)).astype(np.int32)
    extents = np.concatenate([seeds.log_scale, seeds.log_scale[:1]])
    near = neighbourhood(head, face, np.concatenate([place, place[[crown]] + [[0, 0.005, 0]]]).astype(np.float32), extents)
    assert near.on_mesh[-1] == 0 and crown in near.index[-1] and float(near.weight[-1].sum()) == pytest.approx(1)
    others = [int(i) for i in near.index[-1] if i < len(place)]
    assert np.linalg.norm(place[others] - place[crown], axis=1).max() < 0.06


def test_a_colour_of_the_rim_stays_near_its_neighbours(placed):
    *_, near = placed
    colour, plain, basis = torch.full((1500, 3), 0.5), torch.ones(1500), torch.ones(2, 4500)
    strange, plainly_strange = 100, 200
    plain[strange] = 0
    known = first_known(torch.ones(1500), plain, colour, near)
    for _ in range(5):
        colour[[strange, plainly_strange]] = 1.0
        known.temper(colour, basis, near)
    np.testing.assert_allclose(colour[strange], 0.5 + LIKENESS, atol=0.02)
    assert colour[plainly_strange, 0] == 1.0
    # Nor does it change much with the pose.
    basis = basis.view(2, 1500, 3)
    assert basis[:, strange].max() < 0.2 and basis[:, plainly_strange].min() == 1.0


def test_likely_colours_spread_into_what_nobody_saw(placed):
    head, rest, seeds, near = placed
    points = np.einsum("nc,nck->nk", seeds.bary, rest[head.faces.numpy()[seeds.face]])
    plain = torch.from_numpy((points[:, 2] > np.median(points[:, 2])).astype(np.float32))
    colour = torch.where(plain[:, None] > 0, 0.8, 0.1).repeat(1, 3)
    known = first_known(torch.ones(1500), plain, colour, near)
    known.temper(colour, torch.zeros(2, 4500), near)
    # Parts of which nothing at all is plainly seen, such as teeth, keep to themselves.
    assert colour[plain == 0].median() > 0.4


def test_halves_of_a_split_gaussian_are_known_alike(placed):
    known = Known(torch.arange(4.0), torch.arange(4.0), torch.arange(12.0).view(4, 3))
    known.replaced(np.array([0]), np.array([3]))
    assert known.trust.tolist() == [3, 1, 2, 3] and known.likely[0].tolist() == [9, 10, 11]


def test_facing_is_the_cosine_to_the_camera_and_one_off_the_mesh(placed):
    *_, near = placed
    off = replace(near, on_mesh=near.on_mesh * (torch.arange(1500) > 9))
    camera = look_at(np.array([0.0, 3.0, 4.0]), np.zeros(3), focal=100.0, size=(64, 64))
    cosine = facing(np.zeros((1500, 3), np.float32), np.tile(np.array([[0, 0, 1]], np.float32), (1500, 1)), camera, off)
    np.testing.assert_allclose(cosine[10:], 0.8, atol=1e-6)
    assert (cosine[:10] == 1).all()
