"""Data sets in the layout of INSTA, from the metrical tracker.

transforms.json: as `recon.transforms_file`, intrinsics shared, a pose for every frame: the head stays where FLAME has it and the
camera moves. INSTA writes the poses with OpenCV's camera axes, others with OpenGL's: which it is shows in where the head is.

flame/exp/00000.txt   expressions, FLAME's, up to 100
flame/jaw/, flame/eyes/, flame/eyelids/, flame/neck/ likewise: rotations as rotation vectors (3 numbers a joint) or as the
                      metrical tracker's first two rows of the matrix (6 a joint), eyes left then right; lids left, right
flame/shape/00000.txt, flame/shape.txt or identity.npy: identity, up to 300
images/00000.png      perhaps with the matte as alpha; matted/00000.png: with the matte as alpha

Any of the texts may be .npy. INSTA's own export has nothing but exp: then the pictures can be used, and the tracking not.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from recon.foreign_files import named, read_numbers
from recon.recording import Coefficients, Recording
from recon.transforms_file import PosedPicture, read_pictures, recording_of

_ADVICE = "export the data set again"
_SUFFIXES = (".txt", ".npy")
_JOINTS = {"jaw": ("jaw_pose", 1), "eyes": ("eyes_pose", 2), "neck": ("neck_pose", 1)}


def read_insta(folder: Path) -> Recording:
    """Read a folder in INSTA's layout.

    Raises:
        UserError: damaged files.
    """
    pictures, tested = read_pictures(folder)
    coefficients, lacking = _coefficients(folder, pictures)
    return recording_of(folder, "INSTA", pictures, tested, coefficients, lacking)


def _coefficients(folder: Path, pictures: list[PosedPicture]) -> tuple[Coefficients | None, str]:
    flame = folder / "flame"
    missing = [name for name in ("exp", "jaw", "eyes") if not (flame / name).is_dir()]
    shape = _shape(folder, pictures[0])
    if missing or shape is None:
        names = [f"flame/{name}" for name in missing] + ([] if shape is not None else ["an identity (flame/shape or identity.npy)"])
        return None, f"lacks {', '.join(names)}, without which its tracking is not whole"
    channels: dict[str, np.ndarray] = {}
    for name in ("exp", "jaw", "eyes", "eyelids", "neck"):
        if not (flame / name).is_dir():
            continue
        rows = []
        for picture in pictures:
            path = _file(flame / name, picture)
            with named(path, _ADVICE):
                rows.append(read_numbers(path))
                if rows[-1].size != rows[0].size or not 1 <= rows[-1].size <= 1000:
                    raise ValueError("it has another number of values than the first")
                if name in _JOINTS and rows[-1].size not in (3 * _JOINTS[name][1], 6 * _JOINTS[name][1]):
                    raise ValueError(f"{rows[-1].size} numbers are no rotation; 3 or 6 a joint are")
                if name == "eyelids" and rows[-1].size != 2:
                    raise ValueError(f"{rows[-1].size} numbers, expected 2")
        values = np.stack(rows)
        if name in _JOINTS:
            channel, joints = _JOINTS[name]
            channels[channel] = values if values.shape[1] == 3 * joints else rotations_of_rows(values)
        else:
            channels["expr" if name == "exp" else name] = values
    return Coefficients(channels, shape, None), ""


def rotations_of_rows(values: np.ndarray) -> np.ndarray:
    """Rotation vectors [T, 3J] of the first two rows of matrices [T, 6J] (Zhou et al., On the Continuity of Rotation
    Representations in Neural Networks, 2019), which need not be exactly orthogonal."""
    rows = values.reshape(-1, 2, 3).astype(np.float64)
    first = rows[:, 0] / np.maximum(np.linalg.norm(rows[:, 0], axis=1, keepdims=True), 1e-12)
    second = rows[:, 1] - (first * rows[:, 1]).sum(axis=1, keepdims=True) * first
    lengths = np.linalg.norm(second, axis=1, keepdims=True)
    # Two rows along one line are no rotation: no turn is the harmless reading.
    matrices = np.stack([first, second / np.maximum(lengths, 1e-12), np.cross(first, second / np.maximum(lengths, 1e-12))], axis=1)
    matrices[(lengths[:, 0] < 1e-6) | (np.linalg.norm(rows[:, 0], axis=1) < 1e-6)] = np.eye(3)
    return Rotation.from_matrix(matrices).as_rotvec().reshape(len(values), -1)


def _file(folder: Path, picture: PosedPicture) -> Path:
    stem = Path(picture.record["file_path"]).stem
    paths = [folder / f"{stem}{suffix}" for suffix in _SUFFIXES]
    return next((path for path in paths if path.is_file()), paths[0])


def _shape(folder: Path, picture: PosedPicture) -> np.ndarray | None:
    flame = folder / "flame"
    candidates = [_file(flame / "shape", picture), flame / "shape.txt", flame / "shape.npy", folder / "identity.npy"]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        return None
    with named(path, _ADVICE):
        shape = read_numbers(path)
        if not 1 <= shape.size <= 1000:
            raise ValueError(f"{shape.size} numbers are no identity")
        return shape
