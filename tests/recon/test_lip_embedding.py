"""Landmarks of the inner lips lie on the line where the lips meet."""

from dataclasses import replace

import numpy as np
import torch

from avatar3d.head.model import landmark_positions
from avatar3d.head.store import load_head
from recon.lip_embedding import LOWER, UPPER, lips_on_edges

HEAD = load_head()


def places(head) -> dict[int, np.ndarray]:
    points = landmark_positions(head.template[None], head)[0].numpy()
    return {int(index): point for index, point in zip(head.landmarks.index, points, strict=True)}


def test_lips_of_the_neutral_face_touch():
    before, after = places(HEAD), places(lips_on_edges(HEAD))
    inner = [(upper, lower) for upper, lower in zip(UPPER, LOWER, strict=True) if upper != lower]
    assert max(np.linalg.norm(after[upper] - after[lower]) for upper, lower in inner) < 0.0025
    assert max(np.linalg.norm(before[upper] - before[lower]) for upper, lower in inner) > 0.005


def test_nothing_else_moves():
    before, after = places(HEAD), places(lips_on_edges(HEAD))
    assert all(np.array_equal(before[index], after[index]) for index in before if index not in UPPER + LOWER)
    assert max(np.linalg.norm(before[index] - after[index]) for index in UPPER + LOWER) < 0.010


def test_a_head_that_does_not_name_its_lips_stays_as_it_is():
    nameless = replace(HEAD, regions={name: ids for name, ids in HEAD.regions.items() if not name.startswith("lip_inner")})
    assert lips_on_edges(nameless) is nameless


def test_edges_whose_vertices_are_no_neighbours_are_met_at_the_nearest():
    sparse = replace(HEAD, regions=HEAD.regions | {name: HEAD.regions[name][::3] for name in ("lip_inner_upper", "lip_inner_lower")})
    moved = lips_on_edges(sparse)
    edge = HEAD.template[torch.from_numpy(sparse.regions["lip_inner_upper"])].numpy()
    assert np.linalg.norm(edge - places(moved)[13], axis=1).min() < 1e-6
