"""Posing bound Gaussians: from triangle-local parameters and posed vertices to world space, and the gradients back.

docs/posing.md states the same mathematics for other runtimes. Every kernel is serial and releases the GIL, so that
frames run in parallel on threads and results do not depend on how many there are.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

MIN_STRETCH, MAX_STRETCH = 0.5, 2.0
"""Bounds of a triangle's stretch, so that a collapsed triangle cannot shrink its Gaussians to nothing."""

_AREA_FLOOR = 1e-12


@dataclass(frozen=True, eq=False)
class Frames:
    """The local frame of every triangle of a posed mesh."""

    rotation: np.ndarray
    """[F, 3, 3], columns: first edge, normal x first edge, normal."""
    quaternion: np.ndarray
    """[F, 4] wxyz of the same."""
    stretch: np.ndarray
    """[F] sqrt(area / rest area), bounded."""


@njit(cache=True, nogil=True)
def _triangle_areas(vertices, faces, out):
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        out[f] = 0.5 * np.sqrt(nx * nx + ny * ny + nz * nz)


def triangle_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Areas [F] in square metres of the triangles `faces` [F, 3] over `vertices` [V, 3]."""
    areas = np.empty(len(faces), np.float32)
    _triangle_areas(vertices, faces, areas)
    return areas


@njit(cache=True, nogil=True)
def _quaternion(r, q):
    # Shepperd's method: divide by the largest component, so that no rotation is ill-conditioned.
    trace = r[0, 0] + r[1, 1] + r[2, 2]
    if trace > r[0, 0] and trace > r[1, 1] and trace > r[2, 2]:
        s = np.sqrt(1.0 + trace) * 2.0
        q[0], q[1], q[2], q[3] = 0.25 * s, (r[2, 1] - r[1, 2]) / s, (r[0, 2] - r[2, 0]) / s, (r[1, 0] - r[0, 1]) / s
    elif r[0, 0] > r[1, 1] and r[0, 0] > r[2, 2]:
        s = np.sqrt(1.0 + r[0, 0] - r[1, 1] - r[2, 2]) * 2.0
        q[0], q[1], q[2], q[3] = (r[2, 1] - r[1, 2]) / s, 0.25 * s, (r[0, 1] + r[1, 0]) / s, (r[0, 2] + r[2, 0]) / s
    elif r[1, 1] > r[2, 2]:
        s = np.sqrt(1.0 + r[1, 1] - r[0, 0] - r[2, 2]) * 2.0
        q[0], q[1], q[2], q[3] = (r[0, 2] - r[2, 0]) / s, (r[0, 1] + r[1, 0]) / s, 0.25 * s, (r[1, 2] + r[2, 1]) / s
    else:
        s = np.sqrt(1.0 + r[2, 2] - r[0, 0] - r[1, 1]) * 2.0
        q[0], q[1], q[2], q[3] = (r[1, 0] - r[0, 1]) / s, (r[0, 2] + r[2, 0]) / s, (r[1, 2] + r[2, 1]) / s, 0.25 * s


@njit(cache=True, nogil=True)
def _triangle_frames(vertices, faces, rest_area, rotation, quaternion, stretch):
    u, v, n = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        for k in range(3):
            u[k] = vertices[b, k] - vertices[a, k]
            v[k] = vertices[c, k] - vertices[a, k]
        n[0], n[1], n[2] = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]
        length = np.sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2])
        twice = np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2])
        r = rotation[f]
        if twice < _AREA_FLOOR or length < 1e-9:
            for i in range(3):
                for j in range(3):
                    r[i, j] = 1.0 if i == j else 0.0
            stretch[f] = MIN_STRETCH
        else:
            for k in range(3):
                r[k, 0] = u[k] / length
                r[k, 2] = n[k] / twice
            r[0, 1] = r[1, 2] * r[2, 0] - r[2, 2] * r[1, 0]
            r[1, 1] = r[2, 2] * r[0, 0] - r[0, 2] * r[2, 0]
            r[2, 1] = r[0, 2] * r[1, 0] - r[1, 2] * r[0, 0]
            stretch[f] = min(max(np.sqrt(0.5 * twice / max(rest_area[f], _AREA_FLOOR)), MIN_STRETCH), MAX_STRETCH)
        _quaternion(r, quaternion[f])


def triangle_frames(vertices: np.ndarray, faces: np.ndarray, rest_area: np.ndarray) -> Frames:
    """Local frames of all triangles.

    Args:
        vertices: [V, 3] float32 posed vertices, metres.
        faces: [F, 3] int32.
        rest_area: [F] float32 areas on the neutral identity mesh, square metres.
    """
    count = len(faces)
    frames = Frames(np.empty((count, 3, 3), np.float32), np.empty((count, 4), np.float32), np.empty(count, np.float32))
    _triangle_frames(vertices, faces, rest_area, frames.rotation, frames.quaternion, frames.stretch)
    return frames


@njit(cache=True, nogil=True, fastmath=True)
def _bind(
    vertices, faces, rotation, quaternion, stretch, face, bary,
    local_position, local_rotation, local_log_scale, position, world_rotation, log_scale,
):  # fmt: skip
    for g in range(face.shape[0]):
        f = face[g]
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        s = stretch[f]
        log_s = np.log(s)
        x, y, z = local_position[g, 0], local_position[g, 1], local_position[g, 2]
        for k in range(3):
            centre = bary[g, 0] * vertices[a, k] + bary[g, 1] * vertices[b, k] + bary[g, 2] * vertices[c, k]
            position[g, k] = centre + s * (rotation[f, k, 0] * x + rotation[f, k, 1] * y + rotation[f, k, 2] * z)
            log_scale[g, k] = local_log_scale[g, k] + log_s
        w0, x0, y0, z0 = quaternion[f, 0], quaternion[f, 1], quaternion[f, 2], quaternion[f, 3]
        w1, x1, y1, z1 = local_rotation[g, 0], local_rotation[g, 1], local_rotation[g, 2], local_rotation[g, 3]
        world_rotation[g, 0] = w0 * w1 - x0 * x1 - y0 * y1 - z0 * z1
        world_rotation[g, 1] = w0 * x1 + x0 * w1 + y0 * z1 - z0 * y1
        world_rotation[g, 2] = w0 * y1 - x0 * z1 + y0 * w1 + z0 * x1
        world_rotation[g, 3] = w0 * z1 + x0 * y1 - y0 * x1 + z0 * w1


def bind(
    vertices: np.ndarray, faces: np.ndarray, frames: Frames, face: np.ndarray, bary: np.ndarray,
    local_position: np.ndarray, local_rotation: np.ndarray, local_log_scale: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """World position [N, 3], rotation [N, 4] and log-scale [N, 3] of Gaussians bound to triangles.

    position = sum_i bary_i v_i + stretch R local_position; rotation = q(R) local_rotation; log_scale = local + log(stretch).

    Args:
        vertices: [V, 3] posed.
        faces: [F, 3] int32.
        frames: of the same posed mesh.
        face: [N] int32 triangle of each Gaussian.
        bary: [N, 3] its foot on the triangle.
        local_position: [N, 3] metres at rest, in the triangle's frame.
        local_rotation: [N, 4] wxyz, need not be normalised.
        local_log_scale: [N, 3] log metres at rest.
    """
    count = len(face)
    position, rotation, log_scale = np.empty((count, 3), np.float32), np.empty((count, 4), np.float32), np.empty((count, 3), np.float32)
    _bind(
        vertices, faces, frames.rotation, frames.quaternion, frames.stretch, face, bary,
        local_position, local_rotation, local_log_scale, position, rotation, log_scale,
    )  # fmt: skip
    return position, rotation, log_scale


@njit(cache=True, nogil=True, fastmath=True)
def _bind_backward(rotation, quaternion, stretch, face, g_position, g_rotation, g_local_position, g_local_rotation):
    for g in range(face.shape[0]):
        f = face[g]
        s = stretch[f]
        for k in range(3):
            total = rotation[f, 0, k] * g_position[g, 0] + rotation[f, 1, k] * g_position[g, 1] + rotation[f, 2, k] * g_position[g, 2]
            g_local_position[g, k] = s * total
        # The product with a unit quaternion is orthogonal: its transpose is the product with the conjugate.
        w0, x0, y0, z0 = quaternion[f, 0], -quaternion[f, 1], -quaternion[f, 2], -quaternion[f, 3]
        w1, x1, y1, z1 = g_rotation[g, 0], g_rotation[g, 1], g_rotation[g, 2], g_rotation[g, 3]
        g_local_rotation[g, 0] = w0 * w1 - x0 * x1 - y0 * y1 - z0 * z1
        g_local_rotation[g, 1] = w0 * x1 + x0 * w1 + y0 * z1 - z0 * y1
        g_local_rotation[g, 2] = w0 * y1 - x0 * z1 + y0 * w1 + z0 * x1
        g_local_rotation[g, 3] = w0 * z1 + x0 * y1 - y0 * x1 + z0 * w1


def bind_backward(frames: Frames, face: np.ndarray, g_position: np.ndarray, g_rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients [N, 3], [N, 4] of the local position and rotation; that of the log-scale passes through unchanged."""
    g_local_position, g_local_rotation = np.empty((len(face), 3), np.float32), np.empty((len(face), 4), np.float32)
    _bind_backward(frames.rotation, frames.quaternion, frames.stretch, face, g_position, g_rotation, g_local_position, g_local_rotation)
    return g_local_position, g_local_rotation


@njit(cache=True, nogil=True)
def _vertices_backward(vertices, faces, R, stretch, rest_area, face, bary, local_position, world_rotation, g_position, g_rotation, g_log_scale, out):
    F = faces.shape[0]
    torque = np.zeros((F, 3), np.float32)
    g_stretch = np.zeros(F, np.float32)
    for g in range(face.shape[0]):
        f = face[g]
        s = stretch[f]
        px, py, pz = g_position[g, 0], g_position[g, 1], g_position[g, 2]
        x, y, z = local_position[g, 0], local_position[g, 1], local_position[g, 2]
        ox = R[f, 0, 0] * x + R[f, 0, 1] * y + R[f, 0, 2] * z
        oy = R[f, 1, 0] * x + R[f, 1, 1] * y + R[f, 1, 2] * z
        oz = R[f, 2, 0] * x + R[f, 2, 1] * y + R[f, 2, 2] * z
        for corner in range(3):
            vertex = faces[f, corner]
            out[vertex, 0] += bary[g, corner] * px
            out[vertex, 1] += bary[g, corner] * py
            out[vertex, 2] += bary[g, corner] * pz
        # A turn w of the frame moves the offset by w x offset and the quaternion by (0, w/2) q.
        qw, qx, qy, qz = world_rotation[g, 0], world_rotation[g, 1], world_rotation[g, 2], world_rotation[g, 3]
        gw, gx, gy, gz = g_rotation[g, 0], g_rotation[g, 1], g_rotation[g, 2], g_rotation[g, 3]
        torque[f, 0] += s * (oy * pz - oz * py) + 0.5 * (qw * gx - gw * qx + qy * gz - qz * gy)
        torque[f, 1] += s * (oz * px - ox * pz) + 0.5 * (qw * gy - gw * qy + qz * gx - qx * gz)
        torque[f, 2] += s * (ox * py - oy * px) + 0.5 * (qw * gz - gw * qz + qx * gy - qy * gx)
        g_stretch[f] += ox * px + oy * py + oz * pz + (g_log_scale[g, 0] + g_log_scale[g, 1] + g_log_scale[g, 2]) / s
    for f in range(F):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        u0, u1, u2 = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        v0, v1, v2 = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        length = np.sqrt(u0 * u0 + u1 * u1 + u2 * u2)
        along = v0 * R[f, 0, 0] + v1 * R[f, 1, 0] + v2 * R[f, 2, 0]
        height = v0 * R[f, 0, 1] + v1 * R[f, 1, 1] + v2 * R[f, 2, 1]
        if 0.5 * length * height < _AREA_FLOOR:
            continue
        t1 = torque[f, 0] * R[f, 0, 0] + torque[f, 1] * R[f, 1, 0] + torque[f, 2] * R[f, 2, 0]
        t2 = torque[f, 0] * R[f, 0, 1] + torque[f, 1] * R[f, 1, 1] + torque[f, 2] * R[f, 2, 1]
        t3 = torque[f, 0] * R[f, 0, 2] + torque[f, 1] * R[f, 1, 2] + torque[f, 2] * R[f, 2, 2]
        # Turns of the frame about its own axes, for displacements du, dv of the edges:
        # about e1: n.dv / height - along n.du / (length height); about e2: -n.du / length; about n: e2.du / length.
        normal_u = -t1 * along / (length * height) - t2 / length
        normal_v = t1 / height
        side_u = t3 / length
        area = 0.5 * length * height
        free = np.sqrt(area / max(rest_area[f], _AREA_FLOOR))
        g_area = 0.0
        if MIN_STRETCH < free < MAX_STRETCH:
            g_area = g_stretch[f] * free / (2.0 * area)
        n0, n1, n2 = R[f, 0, 2], R[f, 1, 2], R[f, 2, 2]
        gu0 = normal_u * n0 + side_u * R[f, 0, 1] + 0.5 * g_area * (v1 * n2 - v2 * n1)
        gu1 = normal_u * n1 + side_u * R[f, 1, 1] + 0.5 * g_area * (v2 * n0 - v0 * n2)
        gu2 = normal_u * n2 + side_u * R[f, 2, 1] + 0.5 * g_area * (v0 * n1 - v1 * n0)
        gv0 = normal_v * n0 + 0.5 * g_area * (n1 * u2 - n2 * u1)
        gv1 = normal_v * n1 + 0.5 * g_area * (n2 * u0 - n0 * u2)
        gv2 = normal_v * n2 + 0.5 * g_area * (n0 * u1 - n1 * u0)
        out[b, 0] += gu0
        out[b, 1] += gu1
        out[b, 2] += gu2
        out[c, 0] += gv0
        out[c, 1] += gv1
        out[c, 2] += gv2
        out[a, 0] -= gu0 + gv0
        out[a, 1] -= gu1 + gv1
        out[a, 2] -= gu2 + gv2


def vertices_backward(
    vertices: np.ndarray, faces: np.ndarray, frames: Frames, rest_area: np.ndarray, face: np.ndarray, bary: np.ndarray,
    local_position: np.ndarray, world_rotation: np.ndarray,
    g_position: np.ndarray, g_rotation: np.ndarray, g_log_scale: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Gradient [V, 3] of the posed vertices: how a photometric error moves the mesh. Arguments as in `bind`."""
    out = np.zeros_like(vertices)
    _vertices_backward(
        vertices, faces, frames.rotation, frames.stretch, rest_area, face, bary,
        local_position, world_rotation, g_position, g_rotation, g_log_scale, out,
    )  # fmt: skip
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _skin(points, skin_weights, transforms, out):
    for v in range(points.shape[0]):
        x, y, z = points[v, 0], points[v, 1], points[v, 2]
        ox = oy = oz = np.float32(0.0)
        for j in range(5):
            w = skin_weights[v, j]
            if w == 0.0:
                continue
            t = transforms[j]
            ox += w * (t[0, 0] * x + t[0, 1] * y + t[0, 2] * z + t[0, 3])
            oy += w * (t[1, 0] * x + t[1, 1] * y + t[1, 2] * z + t[1, 3])
            oz += w * (t[2, 0] * x + t[2, 1] * y + t[2, 2] * z + t[2, 3])
        out[v, 0], out[v, 1], out[v, 2] = ox, oy, oz


def skin(points: np.ndarray, skin_weights: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Linear blend skinning of one frame: points [V, 3] through `transforms` [5, 3, 4] by weights [V, 5], float32."""
    out = np.empty_like(points)
    _skin(points, skin_weights, transforms, out)
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _combine(coefficients, rows, out):
    block = 4096
    for start in range(0, out.shape[0], block):
        stop = min(start + block, out.shape[0])
        for m in range(coefficients.shape[0]):
            weight = coefficients[m]
            if weight == 0.0:
                continue
            row = rows[m]
            for i in range(start, stop):
                out[i] += weight * row[i]


def combine(base: np.ndarray, coefficients: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """base [L] + coefficients [M] @ rows [M, L] on one thread: a library's own threads would cost more than they save on so small a product."""
    out = base.copy()
    _combine(coefficients, rows, out)
    return out
