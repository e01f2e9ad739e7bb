"""transforms*.json: the pictures and cameras of a data set, as nerfstudio, instant-ngp, VHAP and INSTA write them."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from avatar3d.errors import UserError
from recon.foreign_files import MAX_SIDE, matrix, named, number, picture_size, read_json
from recon.recording import Coefficients, Recording

MAX_FRAMES = 200_000
_PARTS = ("train", "val", "test")
_ADVICE = "export the data set again"
_LENS = ("k1", "k2", "k3", "k4", "p1", "p2")


@dataclass(frozen=True, eq=False)
class PosedPicture:
    """One frame of one camera."""

    folder: Path
    record: dict
    """The frame's own entries."""
    pose: np.ndarray
    """[4, 4] camera to world."""
    intrinsics: np.ndarray
    """[4] fx, fy, cx, cy; not numbers where the file leaves them out."""
    size: tuple[int, int] | None
    """Width and height, where the file says."""
    timestep: int
    camera: int
    tested: bool
    """The data set keeps the frame for tests."""

    def path(self, key: str, suffix: str = "") -> Path:
        """The file that an entry names."""
        path = self.folder / self.record[key]
        return path.with_suffix(suffix) if suffix and not path.suffix else path


def transforms_files(folder: Path) -> list[Path]:
    """The files that list the frames of a folder, each frame at least once; empty where there is none."""
    whole = folder / "transforms.json"
    parts = [folder / f"transforms_{part}.json" for part in _PARTS]
    return [whole] if whole.is_file() else [path for path in parts if path.is_file()]


def read_pictures(folder: Path) -> tuple[list[PosedPicture], int]:
    """All frames of a folder in order of time, each once, and how many of them are in transforms_test.json.

    Raises:
        UserError: no such files, damaged ones, or none with a frame.
    """
    files = transforms_files(folder)
    if not files:
        raise UserError(f"{folder}: has no transforms.json; give a data set of VHAP or INSTA, a capture folder or a video")
    tested = set()
    test = folder / "transforms_test.json"
    if test.is_file():
        with named(test, _ADVICE):
            tested = {str(frame["file_path"]) for frame in _frames(read_json(test))}
    pictures: dict[tuple, PosedPicture] = {}
    for file in files:
        with named(file, _ADVICE):
            record = read_json(file)
            for order, frame in enumerate(_frames(record)):
                picture = _posed(folder, record, frame, order, str(frame.get("file_path")) in tested)
                # A frame may be in several parts: INSTA's val repeats some of test.
                pictures.setdefault((picture.camera, str(frame["file_path"])), picture)
    if not pictures:
        raise UserError(f"{files[0]}: lists no frames; {_ADVICE}")
    ordered = sorted(pictures.values(), key=lambda picture: (picture.timestep, str(picture.record["file_path"])))
    return ordered, sum(picture.tested for picture in ordered)


def recording_of(folder: Path, layout: str, pictures: list[PosedPicture], tested: int, coefficients: Coefficients | None, lacking: str) -> Recording:
    """The pictures of one camera as a recording.

    Raises:
        UserError: unreadable pictures, or intrinsics that are missing, change, or are those of a distorting lens.
    """
    paths = tuple(picture.path("file_path", ".png") for picture in pictures)
    mattes = tuple(_matte(picture) for picture in pictures)
    with named(paths[0], _ADVICE):
        size = picture_size(paths[0])
    with named(folder, _ADVICE):
        if any(picture.size is not None and picture.size != size for picture in pictures):
            raise ValueError(f"its pictures are {size[0]}x{size[1]} pixels, its transforms say otherwise")
        intrinsics = np.stack([picture.intrinsics for picture in pictures])
        intrinsics = np.where(np.isfinite(intrinsics), intrinsics, [np.nan, np.nan, size[0] / 2, size[1] / 2])
        if not np.isfinite(intrinsics).all():
            raise ValueError("its transforms have neither fl_x nor camera_angle_x")
        middle = np.median(intrinsics, axis=0)
        if np.abs(intrinsics - middle).max() > 1e-3 * max(size):
            raise ValueError("the camera zooms or shifts from frame to frame")
    # Tests of several cameras or in the middle say nothing about the end of this recording.
    ends = [picture.tested for picture in pictures]
    kept = sum(ends) if tested and ends == sorted(ends) else 0
    poses = np.stack([picture.pose for picture in pictures])
    return Recording(folder, layout, paths, mattes, poses, middle, size, coefficients, lacking, kept)


def _frames(record: dict) -> list[dict]:
    frames = record["frames"]
    if not isinstance(frames, list) or len(frames) > MAX_FRAMES or not all(isinstance(frame, dict) for frame in frames):
        raise ValueError(f"frames is not a list of at most {MAX_FRAMES} objects")
    for frame in frames:
        for key in ("file_path", "fg_mask_path", "flame_param_path", "exp_path"):
            if key in frame and (not isinstance(frame[key], str) or PurePosixPath(frame[key]).is_absolute() or "\0" in frame[key]):
                raise ValueError(f"{key} is not a relative path")
        if "file_path" not in frame:
            raise ValueError("a frame has no file_path")
    return frames


def _posed(folder: Path, record: dict, frame: dict, order: int, tested: bool) -> PosedPicture:
    shared = {key: value for key, value in record.items() if key != "frames"} | frame
    if any(number(shared, key, -1e3, 1e3, 0.0) != 0 for key in _LENS):
        raise ValueError("its lens distorts; undistort the pictures")
    size = None
    if "w" in shared and "h" in shared:
        size = round(number(shared, "w", 8, MAX_SIDE)), round(number(shared, "h", 8, MAX_SIDE))
    focal = [np.nan, np.nan]
    for axis, (key, angle) in enumerate((("fl_x", "camera_angle_x"), ("fl_y", "camera_angle_y"))):
        if key in shared:
            focal[axis] = number(shared, key, 1, 1e6)
        elif angle in shared and size is not None:
            focal[axis] = size[axis] / (2 * np.tan(number(shared, angle, 1e-3, 3.0) / 2))
    focal = [value if np.isfinite(value) else other for value, other in zip(focal, reversed(focal), strict=True)]
    centre = [number(shared, key, -1e5, 1e5, np.nan) for key in ("cx", "cy")]
    stem = PurePosixPath(frame["file_path"]).stem
    return PosedPicture(
        folder=folder,
        record=frame,
        pose=matrix(frame["transform_matrix"]),
        intrinsics=np.array([*focal, *centre]),
        size=size,
        timestep=round(number(frame, "timestep_index", 0, 1e9, float(int(stem)) if stem.isdecimal() and len(stem) < 10 else float(order))),
        camera=round(number(frame, "camera_index", 0, 1e6, 0.0)),
        tested=tested,
    )


def _matte(picture: PosedPicture) -> Path | None:
    if "fg_mask_path" in picture.record:
        return picture.path("fg_mask_path", ".png")
    # INSTA keeps what Robust Video Matting found beside the pictures, as their alpha.
    path = picture.path("file_path", ".png")
    beside = picture.folder / "matted" / path.with_suffix(".png").name
    return beside if beside.is_file() else None
