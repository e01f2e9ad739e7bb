"""Real spherical harmonics up to degree 3, in the order and with the signs that 3D Gaussian splatting files use.

Y_lm = sqrt(2) Re Y_l^m for m > 0, Y_l^0 for m = 0, sqrt(2) Im Y_l^|m| for m < 0, with the Condon-Shortley phase, written as polynomials of the
unit direction (x, y, z). The order is l = 0..3, m = -l..l.
"""

from numba import njit

C0 = 0.28209479177387814
C1 = 0.4886025119029199
C2 = (1.0925484305920792, 0.31539156525252005, 0.5462742152960396)
C3 = (0.5900435899266435, 2.890611442640554, 0.4570457994644658, 0.3731763325901154, 1.445305721320277)


@njit(nogil=True, cache=True, error_model="numpy")
def fill_harmonics(bands, x, y, z, out):
    """Write the first `bands` (1, 4, 9 or 16) harmonics of the unit direction (x, y, z) into out [16]."""
    out[0] = C0
    if bands > 1:
        out[1] = -C1 * y
        out[2] = C1 * z
        out[3] = -C1 * x
    if bands > 4:
        out[4] = C2[0] * x * y
        out[5] = -C2[0] * y * z
        out[6] = C2[1] * (2 * z * z - x * x - y * y)
        out[7] = -C2[0] * x * z
        out[8] = C2[2] * (x * x - y * y)
    if bands > 9:
        out[9] = -C3[0] * y * (3 * x * x - y * y)
        out[10] = C3[1] * x * y * z
        out[11] = -C3[2] * y * (4 * z * z - x * x - y * y)
        out[12] = C3[3] * z * (2 * z * z - 3 * x * x - 3 * y * y)
        out[13] = -C3[2] * x * (4 * z * z - x * x - y * y)
        out[14] = C3[4] * z * (x * x - y * y)
        out[15] = -C3[0] * x * (x * x - 3 * y * y)


@njit(nogil=True, cache=True, error_model="numpy")
def fill_harmonics_gradient(bands, x, y, z, out):
    """Write d Y_k / d (x, y, z) of the polynomials in `fill_harmonics` into out [16, 3]; only the first `bands` rows are touched."""
    out[0] = 0.0
    if bands > 1:
        _row(out, 1, 0.0, -C1, 0.0)
        _row(out, 2, 0.0, 0.0, C1)
        _row(out, 3, -C1, 0.0, 0.0)
    if bands > 4:
        _row(out, 4, C2[0] * y, C2[0] * x, 0.0)
        _row(out, 5, 0.0, -C2[0] * z, -C2[0] * y)
        _row(out, 6, -2 * C2[1] * x, -2 * C2[1] * y, 4 * C2[1] * z)
        _row(out, 7, -C2[0] * z, 0.0, -C2[0] * x)
        _row(out, 8, 2 * C2[2] * x, -2 * C2[2] * y, 0.0)
    if bands > 9:
        xx, yy, zz = x * x, y * y, z * z
        _row(out, 9, -6 * C3[0] * x * y, -3 * C3[0] * (xx - yy), 0.0)
        _row(out, 10, C3[1] * y * z, C3[1] * x * z, C3[1] * x * y)
        _row(out, 11, 2 * C3[2] * x * y, -C3[2] * (4 * zz - xx - 3 * yy), -8 * C3[2] * y * z)
        _row(out, 12, -6 * C3[3] * x * z, -6 * C3[3] * y * z, C3[3] * (6 * zz - 3 * xx - 3 * yy))
        _row(out, 13, -C3[2] * (4 * zz - 3 * xx - yy), 2 * C3[2] * x * y, -8 * C3[2] * x * z)
        _row(out, 14, 2 * C3[4] * x * z, -2 * C3[4] * y * z, C3[4] * (xx - yy))
        _row(out, 15, -3 * C3[0] * (xx - yy), 6 * C3[0] * x * y, 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _row(out, k, x, y, z):
    out[k, 0] = x
    out[k, 1] = y
    out[k, 2] = z
