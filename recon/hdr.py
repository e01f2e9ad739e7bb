"""High dynamic range video (HLG, PQ) brought to the standard range that everything else works in."""

import functools

import numba
import numpy as np

PQ, HLG = 16, 18
"""H.273 codes of the transfer functions."""
_CODES = 1024
"""Entries of the decoding table: both standards are used with 10 bits."""
_WHITE_NITS = 203.0
"""Diffuse white (ITU-R BT.2408); becomes the brightest tone that is not a highlight."""
_PEAK_NITS = 1000.0
"""HLG's nominal display."""
_KNEE = np.float32(0.75)
"""Linear light, diffuse white = 1, above which tones are compressed."""
_ENCODED = 4096
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)  # fmt: skip


def to_sdr(rgb: np.ndarray, transfer: int) -> np.ndarray:
    """BT.709 picture of an HDR one: linear light, BT.2020 to BT.709 primaries, highlights compressed, gamma 2.4.

    Args:
        rgb: [H, W, 3] uint16 BT.2020, full range.
        transfer: `PQ` or `HLG`.

    Returns:
        [H, W, 3] uint8.
    """
    result = np.empty(rgb.shape, np.uint8)
    _convert(rgb.reshape(-1, 3), linear_table(transfer), _encoding_table(), _gain_table(), _BT2020_TO_BT709, transfer == HLG, result.reshape(-1, 3))
    return result


@functools.cache
def linear_table(transfer: int) -> np.ndarray:
    """[1024] float32 linear light of a code value: for PQ (SMPTE ST 2084) of the display, diffuse white = 1; for HLG (ARIB STD-B67) of the
    scene, peak = 1."""
    signal = np.linspace(0, 1, _CODES)
    if transfer == PQ:
        power = signal ** (32 / 2523)
        nits = 10000 * (np.maximum(power - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * power)) ** (16384 / 2610)
        return (nits / _WHITE_NITS).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)


@functools.cache
def _encoding_table() -> np.ndarray:
    """[4096] uint8 code of linear light 0..1 (square-rooted index, so that shadows keep their steps)."""
    linear = np.linspace(0, 1, _ENCODED) ** 2
    return np.round(255 * linear ** (1 / 2.4)).astype(np.uint8)


@functools.cache
def _gain_table() -> np.ndarray:
    """[4096] float32 factor from light of the scene to light of the display by the square root of the scene's luminance: HLG's system
    gamma of 1.2 (ITU-R BT.2100)."""
    luminance = np.linspace(0, 1, _ENCODED) ** 2
    return (_PEAK_NITS / _WHITE_NITS * luminance**0.2).astype(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _convert(rgb, table, encoding, gains, matrix, hlg, result):  # pragma: no cover
    for i in range(rgb.shape[0]):
        r, g, b = table[rgb[i, 0] >> 6], table[rgb[i, 1] >> 6], table[rgb[i, 2] >> 6]
        if hlg:
            luminance = np.float32(0.2627) * r + np.float32(0.678) * g + np.float32(0.0593) * b
            gain = gains[int(np.sqrt(luminance) * (_ENCODED - 1) + np.float32(0.5))]
            r, g, b = r * gain, g * gain, b * gain
        red = max(matrix[0, 0] * r + matrix[0, 1] * g + matrix[0, 2] * b, np.float32(0))
        green = max(matrix[1, 0] * r + matrix[1, 1] * g + matrix[1, 2] * b, np.float32(0))
        blue = max(matrix[2, 0] * r + matrix[2, 1] * g + matrix[2, 2] * b, np.float32(0))
        brightest = max(red, green, blue)
        if brightest > _KNEE:
            # All channels by the factor of the brightest one: highlights keep their hue.
            excess = (brightest - _KNEE) / (1 - _KNEE)
            scale = (_KNEE + (1 - _KNEE) * excess / (1 + excess)) / brightest
            red, green, blue = red * scale, green * scale, blue * scale
        result[i, 0] = encoding[int(np.sqrt(red) * (_ENCODED - 1) + np.float32(0.5))]
        result[i, 1] = encoding[int(np.sqrt(green) * (_ENCODED - 1) + np.float32(0.5))]
        result[i, 2] = encoding[int(np.sqrt(blue) * (_ENCODED - 1) + np.float32(0.5))]
