"""A comparison as text: what its figures are called, and its tables."""

from collections.abc import Mapping

import numpy as np

from driver.figures import Row

_NOTHING = 1e-9
"""What is smaller is rounding."""
LIPS, AMOUNT, MANNER = "lips against the truth", "how much it moves, ratios to the truth", "how it moves"
GROUPS: dict[str, dict[str, str]] = {
    LIPS: {
        "lve_mm": "LVE, mm", "lve_m2": "LVE, m²", "mod_mm": "MOD, mm", "mtm_s": "MTM, s", "jaw_r": "jaw r", "rounding_r": "rounding r",
        "closure_recall": "closure recall", "closure_contact": "contact", "audio_gain": "audio gain",
    },
    AMOUNT: {
        "spread": "all channels", "mouth_spread": "mouth opening", "mouth_velocity": "its speed", "brows_spread": "brows",
        "eyes_spread": "lids, gaze", "head_spread": "head", "fdd_mm2": "FDD, mm²", "mhd_mm": "MHD, mm",
    },
    MANNER: {
        "slcc": "SLCC", "beats": "beats", "beats_chance": "by chance", "beats_gain": "above it", "pause_mm": "in pauses, mm",
        "lip_jerk": "jerk, m/s³", "seam_ratio": "seam ratio", "blinks_min": "blinks/min", "blink_s": "blink, s", "blink_doubles": "doubles",
    },
}  # fmt: skip
"""Figures by what they are about, with their headings."""
EXPLAINED: dict[str, str] = {
    LIPS: (
        "LVE: distance of the farthest lip vertex, mean over frames, in mm (MeshTalk) and squared (CodeTalker). MOD: difference of the "
        "mouth's opening. MTM: seconds between matched extrema of the opening. Rounding: mouthPucker. Closure recall: share of p, b, m in "
        "which the lips come closer than in a tenth of the other speaking frames; contact: closer than 0.3 mm. Audio gain: LVE with another "
        "clip's sound over LVE with the right one."
    ),
    AMOUNT: (
        "Root of mean variance, made over true, 1 is best; channels in units of their usual spread. FDD: how much less the upper face moves, "
        "size for each clip, 0 is best. MHD: root mean square distance of the face's vertices, neck and torso at rest."
    ),
    MANNER: (
        "SLCC: r over clips of mean loudness and mean opening. Beats: how near the head's pauses are to onsets of the sound (s = 0.1 s), "
        "beside the same with the sound moved round. In pauses: lips' distance from their mean there, 0.2 s beside speech left out. Seam "
        "ratio: acceleration where windows of the driver join, against elsewhere. Blink: time for which lids are more than half closed; "
        "doubles: share within 0.6 s of the one before."
    ),
}


def shown(row: Row, figure: str) -> str:
    """A figure with half the width of its interval; a dash where there is none."""
    value, low, high = row.get(figure, (np.nan,) * 3)
    if not np.isfinite(value):
        return "-"
    width = high - low
    value, width = (0.0 if abs(number) < _NOTHING else number for number in (value, width))
    return f"{value:.3g} ±{width / 2:.1g}" if np.isfinite(width) else f"{value:.3g}"


def figures_of(table: Mapping[str, Row], group: str) -> dict[str, str]:
    """Figures of a group that some driver has, with their headings."""
    return {name: heading for name, heading in GROUPS[group].items() if any(shown(row, name) != "-" for row in table.values())}


def table_lines(table: Mapping[str, Row]) -> list[str]:
    """By group of figures, a line for every driver."""
    lines, wide = [], max(map(len, table)) + 2
    for group in GROUPS:
        figures = figures_of(table, group)
        if figures:
            lines += ["", group, " " * wide + "".join(f"{heading:>17s}" for heading in figures.values())]
            lines += [f"{name:{wide}s}" + "".join(f"{shown(row, figure):>17s}" for figure in figures) for name, row in table.items()]
    return lines
