"""Decoded frames made into pictures: upright, square pixels, 8-bit sRGB, the whole or a window."""

from fractions import Fraction

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from recon.crop import Crop
from recon.hdr import HLG, PQ, to_sdr

_HD_LINES, _HD_COLUMNS = 720, 1280
_MATRICES = {1: Colorspace.ITU709, 4: Colorspace.FCC, 5: Colorspace.ITU601, 6: Colorspace.ITU601, 7: Colorspace.SMPTE240M, 9: Colorspace.BT2020}
"""H.273 matrix codes to swscale's."""
_EXACT = Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
"""Without these swscale's fast paths come out one to two levels too dark and share chroma between neighbours."""


class Converter:
    """Makes pictures of the frames of one stream.

    A stream may change its size on the way, and filters drop the display matrix: all pictures get the size and orientation
    of the first frame.
    """

    def __init__(self, first: av.VideoFrame, aspect: Fraction | None) -> None:
        """
        Args:
            first: the first frame, before any filter.
            aspect: width of a pixel over its height, None where unknown.
        """
        known = aspect is not None and Fraction(1, 4) <= aspect <= 4
        self._stored = (round(first.width * aspect) if known and aspect else first.width, first.height)
        self._orientation = _orientation(first)
        self._plain = (first.width, first.height) == self._stored
        self._graph: Graph | None = None
        self._graph_key: tuple = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the upright picture with square pixels."""
        width, height = self._stored
        return (height, width) if self._orientation[0, 1] else (width, height)

    def whole(self, frame: av.VideoFrame) -> np.ndarray:
        """[height, width, 3] uint8 sRGB of the whole frame."""
        return self._picture(frame, *self._stored, Interpolation.BICUBIC)

    def window(self, frame: av.VideoFrame, crop: Crop) -> np.ndarray:
        """[size, size, 3] uint8 sRGB: what `crop.cut(self.whole(frame))` shows, but without converting the rest."""
        box = self._stored_box(frame, crop)
        if box is None:
            return crop.cut(self.whole(frame))
        # Area averaging does not alias when shrinking; Lanczos keeps edges when enlarging.
        method = Interpolation.AREA if crop.side > crop.size else Interpolation.LANCZOS
        return self._picture(self._cropped(frame, box, crop.side), crop.size, crop.size, method)

    def _picture(self, frame: av.VideoFrame, width: int, height: int, method: Interpolation) -> np.ndarray:
        matrix, colour_range = colour(frame)
        high_range = frame.color_trc in (PQ, HLG)
        rgb = frame.reformat(
            width,
            height,
            "rgb48le" if high_range else "rgb24",
            src_colorspace=matrix,
            src_color_range=colour_range,
            dst_color_range=ColorRange.JPEG,
            interpolation=method | _EXACT,
        ).to_ndarray()
        return _upright(to_sdr(rgb, frame.color_trc) if high_range else rgb, self._orientation)

    def _stored_box(self, frame: av.VideoFrame, crop: Crop) -> tuple[int, int] | None:
        """Left upper corner of the crop in the frame as it is stored; None where it cannot be cut there without moving."""
        width, height = self.size
        x, y = crop.x, crop.y
        inside = 0 <= x <= width - crop.side and 0 <= y <= height - crop.side
        if not inside or not self._plain or (frame.width, frame.height) != self._stored:
            return None
        flip_x, flip_y = _flips(self._orientation)
        x, y = width - crop.side - x if flip_x else x, height - crop.side - y if flip_y else y
        if self._orientation[0, 1]:
            x, y = y, x
        # Chroma has fewer samples: a window between two of them would be moved onto one.
        chroma = [(frame.width, frame.format.chroma_width(frame.width)), (frame.height, frame.format.chroma_height(frame.height))]
        coarse = [-(-full // max(sub, 1)) for full, sub in chroma]
        fits = x % coarse[0] == 0 and y % coarse[1] == 0 and crop.side % max(coarse) == 0
        return (x, y) if fits else None

    def _cropped(self, frame: av.VideoFrame, box: tuple[int, int], side: int) -> av.VideoFrame:
        """The window as a frame; FFmpeg's filter only moves pointers."""
        key = (frame.format.name, frame.width, frame.height, box, side)
        if self._graph is None or self._graph_key != key:
            self._graph, self._graph_key = Graph(), key
            source = self._graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
            crop = self._graph.add("crop", f"{side}:{side}:{box[0]}:{box[1]}")
            self._graph.link_nodes(source, crop, self._graph.add("buffersink")).configure()
        self._graph.vpush(frame)
        return self._graph.vpull()


def colour(frame: av.VideoFrame) -> tuple[Colorspace, ColorRange]:
    """Matrix and range in use: the frame's tags, else BT.709 for high definition and BT.601 below, limited range."""
    high_definition = frame.height >= _HD_LINES or frame.width >= _HD_COLUMNS
    matrix = _MATRICES.get(int(frame.colorspace), Colorspace.ITU709 if high_definition else Colorspace.ITU601)
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith(("yuvj", "rgb", "bgr", "gbr", "gray", "pal"))
    return matrix, ColorRange.JPEG if full else ColorRange.MPEG


def _orientation(frame: av.VideoFrame) -> np.ndarray:
    """[2, 2] rounded to -1, 0, 1: the container's display matrix, x' = m00 x + m10 y, y' = m01 x + m11 y."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return np.eye(2, dtype=int)
    matrix = np.frombuffer(data, np.int32).reshape(3, 3)[:2, :2] / 65536.0
    turned = np.sign(np.where(np.abs(matrix) > 0.5, matrix, 0)).astype(int)
    return turned if abs(np.linalg.det(turned)) == 1 else np.eye(2, dtype=int)


def _flips(orientation: np.ndarray) -> tuple[bool, bool]:
    """Whether x and y of the upright picture run against the stored axes they come from."""
    sums = orientation.sum(axis=0)
    return bool(sums[0] < 0), bool(sums[1] < 0)


def _upright(rgb: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """The picture as it is meant to be seen: transposed if the matrix exchanges the axes, then flipped where an axis is negative."""
    if orientation[0, 1]:
        rgb = rgb.transpose(1, 0, 2)
    flip_x, flip_y = _flips(orientation)
    return np.ascontiguousarray(rgb[:: -1 if flip_y else 1, :: -1 if flip_x else 1])
