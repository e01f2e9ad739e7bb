"""head: information about head models, scans and other models made into heads of our format, and motions carried from one head to another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from avatar3d.cli.common import open_head, say

if TYPE_CHECKING:
    from avatar3d.head.model import HeadModel
    from avatar3d.head.retarget import Retarget
    from avatar3d.head.scan import Unit
    from avatar3d.motion import Motion


def head(
    action: Positional[Literal["info", "convert", "retarget", "arkit"]],
    file: Positional[Path | None] = None,
    /,
    out: Annotated[Path | None, arg(aliases=["-o"])] = None,
    to: Path | None = None,
    source: Annotated[Path | None, arg(name="from")] = None,
    rate: int | None = None,
    landmarks: Path | None = None,
    units: Literal["m", "cm", "mm", "inch"] | None = None,
) -> None:
    """Describe a head model, make a scan or a model whose licence allows it into a head of our own format, or carry a motion to another head.

    Args:
        action: info, convert (a scan, or a model, to our .npz), retarget (a motion of one head to another), or arkit (a motion to the
            CSV of Live Link Face, or back; without a file how well a head --to can make ARKit's shapes).
        file: a head model: our .npz, a FLAME .pkl or .npz, ICT-FaceKit's folder; default the embedded head. For convert also a scan of a
            person (.obj, .ply, .glb, .stl). For retarget and arkit the motion or the CSV.
        out: the file to write: .npz; for arkit from a motion .csv.
        to: for retarget, and arkit from a CSV: the head that the motion shall move; default the embedded head.
        source: for retarget, and arkit to a CSV: the head that the motion is of; default the embedded head, or that in
            $AVATAR3D_HEADS which the motion names.
        rate: for arkit from a CSV of less than a second: frames a second that its time codes count in, by default 60.
        landmarks: for convert from a scan on which no face is found: JSON, {MediaPipe's index: [x, y, z], ...} in the scan's coordinates.
        units: for convert from a scan: what its numbers are in; by default guessed from the head's size.
    """
    from avatar3d.cli.common import check_range
    from avatar3d.errors import UserError
    from avatar3d.head.info import convert_head, head_info

    if action == "info":
        say(head_info(open_head(file)))
        return
    if action == "arkit" and file is None and to is not None:
        say(_shape_table(open_head(to)))
        return
    if file is None or out is None:
        what = {"convert": "the head model or the scan", "retarget": "the motion (.npz)", "arkit": "the motion (.npz) or the CSV"}[action]
        raise UserError(f"head {action}: give {what} and the output with -o")
    if action == "convert":
        if file.suffix.lower() in (".obj", ".ply", ".glb", ".stl"):
            _from_scan(file, out, landmarks, units)
            return
        convert_head(file, out)
        say(f"{out}: written")
    elif action == "retarget":
        _retarget(file, out, source, to)
    elif file.suffix.lower() == ".csv":
        check_range("--rate", rate, 1, 240)
        _from_arkit(file, out, to, rate)
    elif file.suffix.lower() != ".npz":
        raise UserError(f"{file}: head arkit takes a motion (.npz), and writes a .csv, or a .csv of Live Link Face, and writes a motion (.npz)")
    else:
        _to_arkit(file, out, source)


def _from_scan(file: Path, out: Path, landmarks: Path | None, units: "Unit | None") -> None:
    import numpy as np

    from avatar3d.cli.common import _detect
    from avatar3d.errors import UserError
    from avatar3d.files import check_output
    from avatar3d.head.likeness import fit_likeness
    from avatar3d.head.portrait import save_portrait
    from avatar3d.head.scan import UNITS, place_scan, read_landmarks, read_scan, unit_of
    from avatar3d.head.store import save_head
    from avatar3d.progress import console

    _check_suffix(out, ".npz")
    check_output(out, file, landmarks)
    picture = check_output(out.with_suffix(".png"), file, landmarks)
    embedded, scan = open_head(None), read_scan(file)
    given = None if landmarks is None else read_landmarks(landmarks)
    with console("finding the face") as progress:
        placement = place_scan(landmarks or file, scan, embedded, _detect, given, progress)
    unit = units or unit_of(placement.scale)
    per_metre = placement.scale if unit is None else UNITS[unit]
    size = placement.scale / per_metre
    if units is not None and not 0.4 < size < 2.5:
        raise UserError(f"{file}: in {units} its head would be {size:.2g} times the embedded one's size; give other --units")
    if unit is None:
        say(f"{file}: no unit makes its head a likely size; it is made as large as the embedded head")
    else:
        say(f"{file}: taken to be in {unit}{'' if units else ' by its size'}; the head is {size:.2f} times the embedded one's size")
    rights = f"of the scan {file.name}; mesh and expressions: {embedded.licence}"
    head, fit = fit_likeness(embedded, scan, placement, per_metre, file.stem[:40], rights)
    save_head(head, out)
    save_portrait(picture, head, scan, fit)
    half, most = 1e3 * np.quantile(fit.distance, (0.5, 0.95))
    places = f"{len(placement.index)} landmarks " + (f"detected on {placement.views} views" if given is None else "given")
    say(f"{out}: {places}; the face lies {half:.2f} mm from the scan (median; 95 %: {most:.2f} mm), {fit.missed:.0%} of it meets no surface")
    say(f"{picture}: the scan and the head at rest, jawOpen, smile, blink: look at it")
    say(f"next: avatar3d track VIDEO --head {out} or avatar3d head retarget MOTION.npz --to {out} -o OTHER.npz")


def _retarget(file: Path, out: Path, source: Path | None, to: Path | None) -> None:
    from avatar3d.files import check_output
    from avatar3d.head.retarget import fit_retarget, retarget
    from avatar3d.motion import save_motion

    _check_suffix(out, ".npz")
    check_output(out, file, source, to)
    motion, ours = _open_motion(file, source)
    theirs = open_head(to)
    mapping = fit_retarget(ours, theirs)
    carried = retarget(motion, mapping)
    save_motion(carried, out)
    say(_table(mapping))
    say(f"{out}: {len(carried)} frames of {ours.name} for {theirs.name}, compared at {mapping.points} points, scale {mapping.scale:.3f}")
    _say_render(out, to)


def _to_arkit(file: Path, out: Path, source: Path | None) -> None:
    from avatar3d.arkit_file import write_arkit
    from avatar3d.arkit_weights import arkit_of, eye_turns, head_turns
    from avatar3d.files import check_output

    _check_suffix(out, ".csv")
    check_output(out, file, source)
    motion, ours = _open_motion(file, source)
    write_arkit(out, arkit_of(motion, ours), motion.fps, head_turns(motion), eye_turns(motion))
    say(f"{out}: {len(motion)} frames, 52 weights and the turns of head and eyes, {float(motion.fps):g} a second")
    say(f"next: import it where Live Link Face takes go, or avatar3d head arkit {out} -o {out.with_suffix('.npz')}")


def _from_arkit(file: Path, out: Path, to: Path | None, rate: int | None) -> None:
    from avatar3d.arkit_file import read_arkit
    from avatar3d.arkit_weights import motion_of_arkit
    from avatar3d.files import check_output
    from avatar3d.motion import save_motion

    _check_suffix(out, ".npz")
    check_output(out, file, to)
    take = read_arkit(file, rate)
    theirs = open_head(to)
    motion = motion_of_arkit(take.weights, theirs, take.fps, take.head)
    save_motion(motion, out)
    say(f"{out}: {len(motion)} frames for {theirs.name}, {float(motion.fps):g} a second")
    _say_render(out, to)


def _open_motion(file: Path, source: Path | None) -> "tuple[Motion, HeadModel]":
    """The motion and its head: the one given, or the one that it names among the known heads."""
    from avatar3d.cli.common import _detect
    from avatar3d.errors import UserError
    from avatar3d.head.store import find_head
    from avatar3d.motion import load_motion
    from avatar3d.progress import console

    motion = load_motion(file)
    if source is not None:
        ours = open_head(source)
        if motion.head_fingerprint != ours.fingerprint:
            raise UserError(f"{file}: was made for another head than {source}; give that one with --from, or leave --from out for a known head")
    else:
        try:
            ours = find_head(motion.head_fingerprint, _detect, console)
        except UserError as error:
            raise UserError(f"{file}: is of head {motion.head_fingerprint}, which is not among the known heads; give its file with --from") from error
    # Read once more, so that a motion of another head or width is refused by the file's name.
    return load_motion(file, ours), ours


def _shape_table(theirs: "HeadModel") -> str:
    """ARKit's shapes as a head makes them, the furthest off on lips or lids first."""
    from avatar3d.head.shape_table import PARTS, shape_table

    lines = [f"{'mm':20}{'moves':>7}" + "".join(f"{part + ' rms':>12}{'95 %':>7}{'worst':>7}" for part in PARTS)]
    for row in shape_table(open_head(None), theirs):
        parts = "".join(f"{row.residual[part]:12.2f}{row.most[part]:7.2f}{row.worst[part]:7.2f}" for part in PARTS)
        lines.append(f"{row.name:20}{row.moved:7.2f}{parts}")
    return "\n".join(lines)


def _table(mapping: "Retarget") -> str:
    """Residual of each shape, the worst first: what of its motion the target head does not follow."""
    from avatar3d.head.retarget import JAW_CHANNELS

    named = dict(zip(JAW_CHANNELS, ("jaw, opening", "jaw, to the side", "jaw, tilting"), strict=True))
    lines = [f"{'shape':24}{'moves, mm':>10}{'residual, mm':>14}{'share':>8}"]
    for index in mapping.residual.argsort()[::-1]:
        size, left, share = 1e3 * mapping.size[index], 1e3 * mapping.residual[index], mapping.relative[index]
        name = named.get(mapping.channels[index], mapping.channels[index])
        lines.append(f"{name:24}{size:10.2f}{left:14.3f}{share:8.0%}")
    return "\n".join(lines)


def _check_suffix(out: Path, suffix: str) -> None:
    from avatar3d.errors import UserError

    if out.suffix.lower() != suffix:
        raise UserError(f"{out}: is written as {suffix}; give such a name")


def _say_render(out: Path, head: Path | None) -> None:
    option = "" if head is None else f" --head {head}"
    say(f"next: avatar3d render ME.avatar --motion {out} -o {out.with_suffix('.mp4')}{option}")
