"""Gaussians move from where they show nothing to where error is left."""

import numpy as np
import torch

from recon.relocation import choose, split


def scene(count: int = 6, bases: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    p = {name: torch.randn(count, width, generator=generator) for name, width in (("position", 3), ("rotation", 4), ("colour", 3))}
    p["log_scale"] = torch.log(torch.tensor([0.001, 0.004, 0.002])).repeat(count, 1)
    p["opacity_logit"] = torch.randn(count, generator=generator)
    return p | {
        f"{name}_basis": torch.randn(bases, width * count, generator=generator) for name, width in (("position", 3), ("rotation", 4), ("colour", 3))
    }


def test_what_fills_least_gives_way_to_where_most_error_is():
    seen, error = np.array([9.0, 0.1, 5.0, 8.0, 0.2, 7.0]), np.array([1.0, 9.0, 5.0, 2.0, 9.0, 1.0])
    given_up, chosen = choose(error, seen, np.ones(6), np.zeros(6, int), share=1 / 3)
    assert sorted(given_up) == [1, 4] and sorted(chosen) == [2, 3]


def test_what_the_frames_hardly_show_stays():
    given_up, chosen = choose(np.arange(6.0), np.arange(6.0), np.array([0.0, 0.0, 1, 1, 1, 1]), np.zeros(6, int), share=0.5)
    assert not {0, 1} & {*given_up, *chosen}


def test_parts_keep_their_numbers():
    part = np.array([0, 0, 0, 1, 1, 1])
    given_up, chosen = choose(np.array([0, 0, 0, 9.0, 9, 9]), np.arange(6.0), np.ones(6), part, share=1 / 3)
    assert (part[given_up] == part[chosen]).all() and len(given_up) == 2


def test_halves_lie_apart_along_the_longest_axis():
    p = scene()
    p["rotation"][:] = torch.tensor([1.0, 0, 0, 0])
    before = {name: value.clone() for name, value in p.items()}
    moments = {"colour": {"exp_avg": torch.ones(6, 3), "step": torch.tensor(3.0)}, "colour_basis": {"exp_avg": torch.ones(2, 18)}}
    split(p, moments, np.array([0]), np.array([3]))
    middle = (p["position"][0] + p["position"][3]) / 2
    assert torch.allclose(middle, before["position"][3]) and abs(float((p["position"][0] - middle)[1]) - 0.002) < 1e-6
    assert torch.allclose(p["colour"][0], before["colour"][3])
    assert torch.equal(p["colour_basis"].view(2, 6, 3)[:, 0], before["colour_basis"].view(2, 6, 3)[:, 3])
    assert p["log_scale"][0, 1] < before["log_scale"][3, 1] and p["log_scale"][0, 0] == before["log_scale"][3, 0]
    assert torch.equal(p["position"][1], before["position"][1])
    assert moments["colour"]["exp_avg"][[0, 3]].sum() == 0 and moments["colour"]["exp_avg"][1].sum() == 3
    assert moments["colour_basis"]["exp_avg"].view(2, 6, 3)[:, [0, 3]].sum() == 0


def test_a_turned_gaussian_is_split_along_its_own_axis():
    p = scene()
    half = 0.5**0.5
    p["rotation"][3] = torch.tensor([half, 0, 0, half])
    split(p, {}, np.array([0]), np.array([3]))
    apart = p["position"][0] - p["position"][3]
    # A quarter turn about z takes the y axis to -x.
    assert abs(abs(float(apart[0])) - 0.004) < 1e-6 and abs(float(apart[1])) < 1e-6
