"""Films of a performance: MP4 (H.264), MOV (ProRes 4444) and WebM (VP9), the last two with alpha; flat, in stereo or of a half sphere."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from avatar3d.codecs import codec_of
from avatar3d.errors import UserError
from avatar3d.mp4 import VideoWriter
from avatar3d.progress import Progress
from avatar3d.threads import num_cores
from viewer.export.filming import Filming
from viewer.export.frames import Frames
from viewer.export.options import FormatOptions
from viewer.export.provenance import provenance
from viewer.export.shooting import Shooting, has_alpha, shooting
from viewer.straight_alpha import as_integers
from viewer.views import Brush


def check_film_name(path: Path, filming: Filming) -> None:
    """Refuse what the film's container cannot hold, before any work.

    Raises:
        UserError: says which container can.
    """
    if filming.show == "depth":
        raise UserError(f"{path}: depth is written as pictures, which lose nothing; give the name of a folder")
    if filming.exr:
        raise UserError("--exr: is for folders of pictures; leave it out, or give the name of a folder")
    if has_alpha(filming) and codec_of(path).alpha_pixels is None:
        raise UserError(f"{path}: MP4 has no alpha; end the name in .mov (ProRes 4444) or .webm (VP9), or give the name of a folder for PNG")


def write_film(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write a film; see `formats.Writer`."""
    check_film_name(path, options)
    shot = shooting(frames.avatar, options)
    shoot(frames, path, shot, progress)
    return f"{path}: {len(frames)} frames, {frames.duration:.1f} s{players(path, shot)}\nnext: avatar3d check {path}"


def shoot(frames: Frames, path: Path, shot: Shooting, progress: Progress) -> None:
    """Draw the frames and write them with their sound.

    Raises:
        UserError: the file cannot be written.
    """
    codec, facts = codec_of(path), provenance(frames.avatar)
    brush = Brush(threads=num_cores())
    writer = VideoWriter(
        path, fps=frames.fps, size=shot.view.size, sound=frames.sound, sound_rate=frames.sound_rate,
        title=facts.title, comment=facts.sentence, codec=codec, alpha=shot.background is None, stereo=shot.stereo,
    )  # fmt: skip
    # One frame is encoded while the next is drawn.
    with writer as video, ThreadPoolExecutor(1) as pool:
        pending: Future | None = None
        for index in range(len(frames)):
            picture = as_integers(shot.picture(shot.layer(frames, index, brush)), codec.depth)
            if pending is not None:
                pending.result()
            pending = pool.submit(video.write, picture)
            progress(index + 1, len(frames))
        if pending is not None:
            pending.result()


def players(path: Path, shot: Shooting) -> str:
    """What a user should know to play a film for two eyes."""
    if shot.stereo is None:
        return ""
    under, half = shot.stereo.over_under, shot.stereo.half_sphere
    said = "" if path.suffix.lower() == ".webm" and half else "; it says so itself"
    ending = ("_180_TB" if under else "_180_LR") if half else ("_OU" if under else "_SBS")
    named = "" if path.stem.upper().endswith(ending) else f", but many players go by the name: end it in {ending}{path.suffix}"
    return f", {'180 degrees ' if half else ''}for two eyes{said}{named}"
