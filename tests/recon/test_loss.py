import numpy as np
import torch
import torch.nn.functional as F

from recon.loss import C1, C2, TAPS, LossWeights, photometric_loss, ssim_and_gradient


def _slow_ssim(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    window = torch.from_numpy(np.outer(TAPS, TAPS)).double().expand(3, 1, -1, -1)

    def blur(z: torch.Tensor) -> torch.Tensor:
        return F.conv2d(z.permute(2, 0, 1)[None], window, padding=5, groups=3)

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    return (((2 * mx * my + C1) * (2 * cov + C2)) / ((mx**2 + my**2 + C1) * (vx + vy + C2))).mean()


def _pictures(height=37, width=29, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.uniform(size=(height, width, 3)).astype(np.float32)
    x = np.clip(y + rng.normal(size=y.shape, scale=0.1), 0, 1).astype(np.float32)
    return x, y


def test_ssim_and_its_gradient_equal_a_convolution():
    x, y = _pictures()
    value, gradient = ssim_and_gradient(x, y, (0, 0, *x.shape[:2]))
    leaf = torch.from_numpy(x).double().requires_grad_()
    slow = _slow_ssim(leaf, torch.from_numpy(y).double())
    slow.backward()
    assert abs(value - slow.item()) < 1e-5
    expected = leaf.grad.numpy()
    np.testing.assert_allclose(np.moveaxis(gradient, 0, -1), expected, atol=2e-4 * np.abs(expected).max())


def test_ssim_of_equal_pictures_is_one():
    x, _ = _pictures()
    assert abs(ssim_and_gradient(x, x, (0, 0, *x.shape[:2]))[0] - 1) < 1e-5


def test_loss_gradient_equals_finite_differences():
    x, y = _pictures()
    rng = np.random.default_rng(1)
    alpha, matte = rng.uniform(size=(2, *x.shape[:2])).astype(np.float32)
    importance = rng.uniform(0.5, 2, size=x.shape[:2]).astype(np.float32)
    box, weights = (4, 3, 33, 25), LossWeights()
    _, g_rgb, g_alpha = photometric_loss(x, alpha, y, matte, importance, box, weights)
    direction = rng.normal(size=x.shape).astype(np.float32)
    step = np.float32(1e-3)

    def at(sign: float) -> float:
        return photometric_loss(x + sign * step * direction, alpha, y, matte, importance, box, weights)[0]

    # Pixels whose error changes sign within the step bend the curve; they are few.
    numeric = (at(1) - at(-1)) / (2 * step)
    assert abs(numeric - float((g_rgb * direction).sum())) < 0.02 * float(np.abs(g_rgb * direction).sum())
    assert np.array_equal(np.sign(g_alpha), np.sign(alpha - matte))
