"""The rasterizer in plain torch: every pixel against every Gaussian, differentiable by autograd. Slow; the yardstick of the fast backends."""

import math

import roma
import torch
from torch import Tensor

from avatar3d.camera import Camera
from avatar3d.gaussians import Gaussians

NEAR, DILATION, ALPHA_MIN, ALPHA_MAX, T_MIN, DEPTH_EPS = 0.01, 0.3, 1.0 / 255.0, 0.999, 1e-4, 1e-10


def render_reference(gaussians: Gaussians, camera: Camera, background: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """rgb [H, W, 3], alpha [H, W] and expected depth [H, W] in the precision of `gaussians`; semantics as in `rasterize`.

    Memory and time grow with pixels times Gaussians.
    """
    points = _camera_points(gaussians.position, camera)
    near = (points[:, 2].detach() >= NEAR).nonzero()[:, 0]
    near = near[torch.sort(points[near, 2].detach().float(), stable=True).indices]
    points = points[near]
    mean, covariance = _project(points, gaussians.rotation[near], gaussians.log_scale[near], camera)
    color = _color(gaussians.position[near], gaussians.sh[near], camera)
    opacity = torch.sigmoid(gaussians.opacity_logit[near])
    alpha = _alphas(mean, covariance, opacity, camera)
    weight = composite_weights(alpha)

    cover = weight.sum(-1)
    rgb = weight @ color + (1 - cover)[:, None] * background.to(weight).expand(camera.height, camera.width, 3).reshape(-1, 3)
    depth = weight @ points[:, 2] / cover.clamp(min=DEPTH_EPS)
    shape = (camera.height, camera.width)
    return rgb.reshape(*shape, 3), cover.reshape(shape), depth.reshape(shape)


def composite_weights(alpha: Tensor) -> Tensor:
    """w_i = alpha_i T_i for alpha [..., N], nearest first, T_i = prod over j < i of (1 - alpha_j); nothing is added once T < T_MIN."""
    ones = torch.ones_like(alpha[..., :1])
    transmittance = torch.cat([ones, torch.cumprod(1 - alpha, -1)[..., :-1]], -1)
    return torch.where(transmittance >= T_MIN, alpha * transmittance, 0.0)


def _camera_points(position: Tensor, camera: Camera) -> Tensor:
    T_cam_world = torch.as_tensor(camera.T_cam_world).to(position)
    return position @ T_cam_world[:3, :3].T + T_cam_world[:3, 3]


def _project(points: Tensor, rotation: Tensor, log_scale: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Centres [N, 2] and covariances [N, 2, 2] on the picture, pixels: EWA splatting (Zwicker et al., 2001)."""
    x, y, z = points.unbind(-1)
    mean = torch.stack([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy], -1)
    reach_x, reach_y = 0.15 * camera.width / camera.fx, 0.15 * camera.height / camera.fy
    tan_x = (x / z).clamp(-camera.cx / camera.fx - reach_x, (camera.width - camera.cx) / camera.fx + reach_x)
    tan_y = (y / z).clamp(-camera.cy / camera.fy - reach_y, (camera.height - camera.cy) / camera.fy + reach_y)
    zero = torch.zeros_like(z)
    rows = [torch.stack([camera.fx / z, zero, -camera.fx * tan_x / z], -1), torch.stack([zero, camera.fy / z, -camera.fy * tan_y / z], -1)]
    jacobian = torch.stack(rows, -2)
    turn = roma.unitquat_to_rotmat(torch.nn.functional.normalize(rotation, dim=-1)[:, [1, 2, 3, 0]])
    W = torch.as_tensor(camera.T_cam_world).to(points)[:3, :3]
    factor = jacobian @ W @ turn * torch.exp(log_scale)[:, None, :]
    return mean, factor @ factor.mT + DILATION * torch.eye(2).to(points)


def _alphas(mean: Tensor, covariance: Tensor, opacity: Tensor, camera: Camera) -> Tensor:
    """alpha [H W, N] at the pixel centres."""
    v, u = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    offset = torch.stack([u, v], -1).to(mean).reshape(-1, 1, 2) - mean
    distance = torch.einsum("pni,nij,pnj->pn", offset, torch.linalg.inv(covariance), offset)
    alpha = (opacity * torch.exp(-0.5 * distance)).clamp(max=ALPHA_MAX)
    return torch.where(alpha >= ALPHA_MIN, alpha, 0.0)


def _color(position: Tensor, sh: Tensor, camera: Camera) -> Tensor:
    """[N, 3] colours seen from the camera."""
    T_cam_world = torch.as_tensor(camera.T_cam_world).to(position)
    eye = -T_cam_world[:3, :3].T @ T_cam_world[:3, 3]
    basis = harmonics(torch.nn.functional.normalize(position - eye, dim=-1))[:, : sh.shape[1]]
    return (0.5 + torch.einsum("nk,nkc->nc", basis, sh)).clamp(min=0)


def harmonics(direction: Tensor) -> Tensor:
    """The 16 real spherical harmonics of degrees 0 to 3 at unit directions [N, 3], as [N, 16]; conventions in harmonics.py."""
    x, y, z = direction.unbind(-1)
    one = torch.ones_like(x)
    pi = math.pi
    c2, c3 = math.sqrt(15 / pi) / 2, math.sqrt(35 / (2 * pi)) / 4
    g = math.sqrt(21 / (2 * pi)) / 4
    return torch.stack(
        [
            one / (2 * math.sqrt(pi)),
            *(math.sqrt(3 / (4 * pi)) * axis for axis in (-y, z, -x)),
            c2 * x * y,
            -c2 * y * z,
            math.sqrt(5 / pi) / 4 * (3 * z * z - 1),
            -c2 * x * z,
            c2 / 2 * (x * x - y * y),
            -c3 * y * (3 * x * x - y * y),
            math.sqrt(105 / pi) / 2 * x * y * z,
            -g * y * (5 * z * z - 1),
            math.sqrt(7 / pi) / 4 * z * (5 * z * z - 3),
            -g * x * (5 * z * z - 1),
            math.sqrt(105 / pi) / 4 * z * (x * x - y * y),
            -c3 * x * (x * x - 3 * y * y),
        ],
        -1,
    )
