"""Gaussians in space to ellipses on the picture, and gradients the way back (CPU kernels).

EWA splatting (Zwicker et al., 2001) as 3D Gaussian splatting uses it: the covariance of the picture is J W R S S R' W' J' plus `DILATION` square
pixels on its diagonal, J being the derivative of the perspective division at the centre, taken no further out than 1.3 times the half field of view.
Arithmetic but for the exponentials is float64 per Gaussian (it is a small share of the time and spares thin and very near Gaussians the
cancellation), storage float32.
"""

import math

import numpy as np
from numba import njit

from avatar3d.camera import Camera
from avatar3d.render.harmonics import fill_harmonics, fill_harmonics_gradient

NEAR = 0.01
"""Centres nearer than this (metres along the optical axis) are not drawn."""
DILATION = 0.3
"""Square pixels added to both variances of an ellipse: the pixel's own extent."""
ALPHA_MIN = 1.0 / 255.0
"""A Gaussian does not count in pixels where its opacity falls below this."""

SPLAT_WIDTH = 16
MEAN_X, MEAN_Y, CONIC_XX, CONIC_XY, CONIC_YY, LOG2_OPACITY, RED, GREEN, BLUE, DEPTH, SLOPE, SPREAD, INV_VAR_X, LIMIT, LEAN = range(15)
"""Columns of a splat record [16] float32: one cache line. The conic is scaled so that
alpha = 2^(log2_opacity - xx dx^2 - xy dx dy - yy dy^2). The last five describe the outline where alpha = ALPHA_MIN: at dx from the centre it runs
from slope dx - h to slope dx + h, h^2 = spread (limit - inv_var_x dx^2), and is highest at dx = lean, lowest at dx = -lean."""

MARGIN = 0.01
"""Pixels added around an outline against rounding; the exact test is the one on alpha in each pixel."""
HALF_LOG2_E = 0.5 / math.log(2.0)

# NaN must stay NaN so that the tests below can reject it, hence no "nnan" or "ninf".
FAST = {"contract", "nsz", "arcp"}


def view_vector(camera: Camera) -> np.ndarray:
    """The camera as the flat float64 vector that the kernels read.

    W [9], t [3], eye [3], fx, fy, cx, cy, width, height, limits of x/z and y/z [4].
    """
    T = np.asarray(camera.T_cam_world, np.float64)
    W, t = T[:3, :3], T[:3, 3]
    reach_x, reach_y = 0.15 * camera.width / camera.fx, 0.15 * camera.height / camera.fy
    limits = [
        -camera.cx / camera.fx - reach_x,
        (camera.width - camera.cx) / camera.fx + reach_x,
        -camera.cy / camera.fy - reach_y,
        (camera.height - camera.cy) / camera.fy + reach_y,
    ]
    lens = [camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height]
    return np.concatenate([W.ravel(), t, -W.T @ t, lens, limits])


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def _camera_point(view, px, py, pz):
    x = view[0] * px + view[1] * py + view[2] * pz + view[9]
    y = view[3] * px + view[4] * py + view[5] * pz + view[10]
    z = view[6] * px + view[7] * py + view[8] * pz + view[11]
    return x, y, z


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def _fill_factor(view, w, x, y, z, sx, sy, sz, factor):
    """factor [3, 3] = W R(q) diag(s) for the unit quaternion q = (w, x, y, z)."""
    r00, r01, r02 = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    r10, r11, r12 = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    r20, r21, r22 = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    for i in range(3):
        a, b, c = view[3 * i], view[3 * i + 1], view[3 * i + 2]
        factor[i, 0] = (a * r00 + b * r10 + c * r20) * sx
        factor[i, 1] = (a * r01 + b * r11 + c * r21) * sy
        factor[i, 2] = (a * r02 + b * r12 + c * r22) * sz


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def project(first, last, position, rotation, log_scale, opacity_logit, sh, view, splats, boxes):
    """Project Gaussians first..last-1 into splats [N, 16] and boxes [N, 4] int32 (x0, x1, y0, y1: first and last pixel touched; x1 < x0: not drawn).

    Not drawn are Gaussians nearer than NEAR, off the picture, fainter than ALPHA_MIN everywhere or not finite.
    """
    fx, fy, cx, cy, width, height = view[15], view[16], view[17], view[18], view[19], view[20]
    bands = sh.shape[1]
    factor = np.empty((3, 3), np.float64)
    basis = np.empty(16, np.float64)
    for g in range(first, last):
        boxes[g, 0] = 0
        boxes[g, 1] = -1
        px, py, pz = float(position[g, 0]), float(position[g, 1]), float(position[g, 2])
        x, y, z = _camera_point(view, px, py, pz)
        if not (z >= NEAR and z < 1e9):
            continue
        odds = math.exp(-opacity_logit[g])
        opacity = 1 / (1 + float(odds))
        if not opacity >= ALPHA_MIN:
            continue
        qw, qx, qy, qz = float(rotation[g, 0]), float(rotation[g, 1]), float(rotation[g, 2]), float(rotation[g, 3])
        norm = math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
        if not (norm > 0 and norm < 1e18):
            continue
        n = 1 / norm
        sx, sy, sz = math.exp(log_scale[g, 0]), math.exp(log_scale[g, 1]), math.exp(log_scale[g, 2])
        _fill_factor(view, qw * n, qx * n, qy * n, qz * n, sx, sy, sz, factor)
        kx, ky = fx / z, fy / z
        tx = min(max(x / z, view[21]), view[22])
        ty = min(max(y / z, view[23]), view[24])
        a, b, c = DILATION, 0.0, DILATION
        for j in range(3):
            u = kx * (factor[0, j] - tx * factor[2, j])
            v = ky * (factor[1, j] - ty * factor[2, j])
            a += u * u
            b += u * v
            c += v * v
        det = a * c - b * b
        mx, my = kx * x + cx, ky * y + cy
        if not (abs(mx) < 1e9 and abs(my) < 1e9 and a < 1e18 and c < 1e18 and det > 0):
            continue
        limit = 2 * math.log(255 * opacity)
        rx, ry = math.sqrt(limit * a) + MARGIN, math.sqrt(limit * c) + MARGIN
        x0, x1 = math.ceil(max(mx - rx - 0.5, 0.0)), math.floor(min(mx + rx - 0.5, width - 1))
        y0, y1 = math.ceil(max(my - ry - 0.5, 0.0)), math.floor(min(my + ry - 0.5, height - 1))
        if x1 < x0 or y1 < y0:
            continue

        dx, dy, dz = px - view[12], py - view[13], pz - view[14]
        r = 1 / math.sqrt(dx * dx + dy * dy + dz * dz)
        fill_harmonics(bands, dx * r, dy * r, dz * r, basis)
        red, green, blue = 0.5, 0.5, 0.5
        for k in range(bands):
            red += basis[k] * sh[g, k, 0]
            green += basis[k] * sh[g, k, 1]
            blue += basis[k] * sh[g, k, 2]
        if not abs(red) + abs(green) + abs(blue) < 1e18:
            continue

        boxes[g, 0], boxes[g, 1], boxes[g, 2], boxes[g, 3] = x0, x1, y0, y1
        splats[g, MEAN_X] = mx
        splats[g, MEAN_Y] = my
        splats[g, CONIC_XX] = HALF_LOG2_E * c / det
        splats[g, CONIC_XY] = -2 * HALF_LOG2_E * b / det
        splats[g, CONIC_YY] = HALF_LOG2_E * a / det
        splats[g, LOG2_OPACITY] = -2 * HALF_LOG2_E * math.log1p(odds)
        splats[g, RED] = max(red, 0.0)
        splats[g, GREEN] = max(green, 0.0)
        splats[g, BLUE] = max(blue, 0.0)
        splats[g, DEPTH] = z
        splats[g, SLOPE] = b / a
        splats[g, SPREAD] = det / a
        splats[g, INV_VAR_X] = 1 / a
        splats[g, LIMIT] = limit
        splats[g, LEAN] = b * math.sqrt(limit / c)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def project_backward(
    first, last, first_slot, slot_count, slots, position, rotation, log_scale, opacity_logit, sh, view,
    grad_position, grad_rotation, grad_log_scale, grad_opacity_logit, grad_sh,
):  # fmt: skip
    """Sum the slots of each of the Gaussians first..last-1 in their order and carry the sum back to its parameters.

    slots [P, 10] float32, one per (Gaussian, tile), hold sums over pixels, d = pixel - centre and h = alpha dL/dalpha: of h, h dx, h dy, h dx^2,
    h dx dy, h dy^2, and dL/d(red, green, blue, depth). Gradients of Gaussians without slots are left as they are.
    """
    fx, fy = view[15], view[16]
    bands = sh.shape[1]
    factor = np.empty((3, 3), np.float64)
    grad_factor = np.empty((3, 3), np.float64)
    grad_turn = np.empty((3, 3), np.float64)
    basis = np.empty(16, np.float64)
    basis_gradient = np.empty((16, 3), np.float64)
    total = np.empty(10, np.float64)
    for g in range(first, last):
        if slot_count[g] == 0:
            continue
        total[:] = 0.0
        for slot in range(first_slot[g], first_slot[g] + slot_count[g]):
            for k in range(10):
                total[k] += slots[slot, k]
        m0, m_x, m_y, m_xx, m_xy, m_yy = total[0], total[1], total[2], total[3], total[4], total[5]

        px, py, pz = float(position[g, 0]), float(position[g, 1]), float(position[g, 2])
        x, y, z = _camera_point(view, px, py, pz)
        qw, qx, qy, qz = float(rotation[g, 0]), float(rotation[g, 1]), float(rotation[g, 2]), float(rotation[g, 3])
        n = 1 / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
        qw, qx, qy, qz = qw * n, qx * n, qy * n, qz * n
        sx, sy, sz = math.exp(log_scale[g, 0]), math.exp(log_scale[g, 1]), math.exp(log_scale[g, 2])
        _fill_factor(view, qw, qx, qy, qz, sx, sy, sz, factor)
        kx, ky = fx / z, fy / z
        tx = min(max(x / z, view[21]), view[22])
        ty = min(max(y / z, view[23]), view[24])
        a, b, c = DILATION, 0.0, DILATION
        for j in range(3):
            u = kx * (factor[0, j] - tx * factor[2, j])
            v = ky * (factor[1, j] - ty * factor[2, j])
            a += u * u
            b += u * v
            c += v * v
        det = a * c - b * b
        q_xx, q_xy, q_yy = c / det, -b / det, a / det

        grad_opacity_logit[g] = m0 / (1 + float(math.exp(opacity_logit[g])))
        # The exponent is -d'Qd/2: its derivative by the centre is Qd, and by the covariance Q dd' Q / 2.
        g_mx = q_xx * m_x + q_xy * m_y
        g_my = q_xy * m_x + q_yy * m_y
        t_xx, t_xy = q_xx * m_xx + q_xy * m_xy, q_xx * m_xy + q_xy * m_yy
        t_yx, t_yy = q_xy * m_xx + q_yy * m_xy, q_xy * m_xy + q_yy * m_yy
        g_a = 0.5 * (t_xx * q_xx + t_xy * q_xy)
        g_b = 0.5 * (t_xx * q_xy + t_xy * q_yy + t_yx * q_xx + t_yy * q_xy)
        g_c = 0.5 * (t_yx * q_xy + t_yy * q_yy)

        g_x, g_y, g_z = g_mx * kx, g_my * ky, total[9] - (g_mx * kx * x + g_my * ky * y) / z
        g_tx, g_ty = 0.0, 0.0
        for j in range(3):
            u = kx * (factor[0, j] - tx * factor[2, j])
            v = ky * (factor[1, j] - ty * factor[2, j])
            g_u = 2 * g_a * u + g_b * v
            g_v = 2 * g_c * v + g_b * u
            grad_factor[0, j] = kx * g_u
            grad_factor[1, j] = ky * g_v
            grad_factor[2, j] = -(kx * tx * g_u + ky * ty * g_v)
            g_tx -= kx * g_u * factor[2, j]
            g_ty -= ky * g_v * factor[2, j]
            g_z -= (g_u * u + g_v * v) / z
        if view[21] < tx and tx < view[22]:
            g_x += g_tx / z
            g_z -= g_tx * tx / z
        if view[23] < ty and ty < view[24]:
            g_y += g_ty / z
            g_z -= g_ty * ty / z

        grad_log_scale[g, 0] = grad_factor[0, 0] * factor[0, 0] + grad_factor[1, 0] * factor[1, 0] + grad_factor[2, 0] * factor[2, 0]
        grad_log_scale[g, 1] = grad_factor[0, 1] * factor[0, 1] + grad_factor[1, 1] * factor[1, 1] + grad_factor[2, 1] * factor[2, 1]
        grad_log_scale[g, 2] = grad_factor[0, 2] * factor[0, 2] + grad_factor[1, 2] * factor[1, 2] + grad_factor[2, 2] * factor[2, 2]
        for k in range(3):
            a0, a1, a2 = view[k], view[3 + k], view[6 + k]
            grad_turn[k, 0] = (a0 * grad_factor[0, 0] + a1 * grad_factor[1, 0] + a2 * grad_factor[2, 0]) * sx
            grad_turn[k, 1] = (a0 * grad_factor[0, 1] + a1 * grad_factor[1, 1] + a2 * grad_factor[2, 1]) * sy
            grad_turn[k, 2] = (a0 * grad_factor[0, 2] + a1 * grad_factor[1, 2] + a2 * grad_factor[2, 2]) * sz
        _rotation_backward(g, qw, qx, qy, qz, n, grad_turn, grad_rotation)

        dx, dy, dz = px - view[12], py - view[13], pz - view[14]
        r = 1 / math.sqrt(dx * dx + dy * dy + dz * dz)
        dx, dy, dz = dx * r, dy * r, dz * r
        fill_harmonics(bands, dx, dy, dz, basis)
        red, green, blue = 0.5, 0.5, 0.5
        for k in range(bands):
            red += basis[k] * sh[g, k, 0]
            green += basis[k] * sh[g, k, 1]
            blue += basis[k] * sh[g, k, 2]
        g_red = total[6] if red > 0 else 0.0
        g_green = total[7] if green > 0 else 0.0
        g_blue = total[8] if blue > 0 else 0.0
        for k in range(bands):
            grad_sh[g, k, 0] = basis[k] * g_red
            grad_sh[g, k, 1] = basis[k] * g_green
            grad_sh[g, k, 2] = basis[k] * g_blue
        w_x, w_y, w_z = 0.0, 0.0, 0.0
        if bands > 1:
            fill_harmonics_gradient(bands, dx, dy, dz, basis_gradient)
            for k in range(1, bands):
                pull = sh[g, k, 0] * g_red + sh[g, k, 1] * g_green + sh[g, k, 2] * g_blue
                w_x += basis_gradient[k, 0] * pull
                w_y += basis_gradient[k, 1] * pull
                w_z += basis_gradient[k, 2] * pull
            along = w_x * dx + w_y * dy + w_z * dz
            w_x, w_y, w_z = (w_x - along * dx) * r, (w_y - along * dy) * r, (w_z - along * dz) * r
        grad_position[g, 0] = view[0] * g_x + view[3] * g_y + view[6] * g_z + w_x
        grad_position[g, 1] = view[1] * g_x + view[4] * g_y + view[7] * g_z + w_y
        grad_position[g, 2] = view[2] * g_x + view[5] * g_y + view[8] * g_z + w_z


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def _rotation_backward(g, w, x, y, z, inverse_norm, grad_turn, grad_rotation):
    """From dL/dR [3, 3] at the unit quaternion (w, x, y, z) to dL/dq of the quaternion before it was normalised."""
    g00, g01, g02 = grad_turn[0, 0], grad_turn[0, 1], grad_turn[0, 2]
    g10, g11, g12 = grad_turn[1, 0], grad_turn[1, 1], grad_turn[1, 2]
    g20, g21, g22 = grad_turn[2, 0], grad_turn[2, 1], grad_turn[2, 2]
    g_w = 2 * (x * (g21 - g12) + y * (g02 - g20) + z * (g10 - g01))
    g_x = 2 * (y * (g01 + g10) + z * (g02 + g20) + w * (g21 - g12) - 2 * x * (g11 + g22))
    g_y = 2 * (x * (g01 + g10) + z * (g12 + g21) + w * (g02 - g20) - 2 * y * (g00 + g22))
    g_z = 2 * (x * (g02 + g20) + y * (g12 + g21) + w * (g10 - g01) - 2 * z * (g00 + g11))
    along = g_w * w + g_x * x + g_y * y + g_z * z
    grad_rotation[g, 0] = (g_w - along * w) * inverse_norm
    grad_rotation[g, 1] = (g_x - along * x) * inverse_norm
    grad_rotation[g, 2] = (g_y - along * y) * inverse_norm
    grad_rotation[g, 3] = (g_z - along * z) * inverse_norm
