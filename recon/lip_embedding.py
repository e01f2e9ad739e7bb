"""Where the landmarks of the inner lips lie on the mesh: on the edges that meet when the mouth shuts.

An embedding that was made by shooting rays at the landmarks of rendered faces finds the lips' front and not the line
between them: a mouth whose landmarks coincide would be tracked with lips millimetres deep in one another.
"""

from dataclasses import replace

import numpy as np

from avatar3d.head.model import HeadModel, Landmarks

UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
"""MediaPipe's inner lips from the subject's right corner to the left one."""


def lips_on_edges(head: HeadModel) -> HeadModel:
    """The head with its inner-lip landmarks moved onto the regions `lip_inner_upper` and `lip_inner_lower`; without those, the same head."""
    if head.landmarks is None or not {"lip_inner_upper", "lip_inner_lower"} <= head.regions.keys():
        return head
    template, faces = head.template.numpy(), head.faces.numpy()
    face, bary = head.landmarks.face.copy(), head.landmarks.bary.copy()
    rows = {int(index): row for row, index in enumerate(head.landmarks.index)}
    for line, region in ((UPPER, "lip_inner_upper"), (LOWER, "lip_inner_lower")):
        edge = head.regions[region]
        edge = edge[np.argsort(template[edge, 0])]
        x = template[edge, 0]
        for index in line:
            if index not in rows:
                continue
            row = rows[index]
            here = float(bary[row] @ template[faces[face[row]], 0])
            place = float(np.interp(here, x, np.arange(len(edge))))
            # The corners of the mouth lie beyond the last points of either edge: those stay.
            if 0 < place < len(edge) - 1:
                face[row], bary[row] = _on_edge(faces, int(edge[int(place)]), int(edge[int(place) + 1]), place % 1)
    return replace(head, landmarks=Landmarks(head.landmarks.index, face, bary))


def _on_edge(faces: np.ndarray, first: int, second: int, share: float) -> tuple[int, np.ndarray]:
    """A face and the barycentric coordinates in it of the point `share` of the way between two vertices."""
    both = np.flatnonzero((faces == first).any(1) & (faces == second).any(1))
    if not len(both):
        # The named vertices are no neighbours on this mesh: the nearer one will do.
        first = second = second if share > 0.5 else first
        both = np.flatnonzero((faces == first).any(1))
    found = int(both[0])
    return found, np.where(faces[found] == first, 1 - share, 0.0) + np.where(faces[found] == second, share, 0.0)
