"""info and check: what a file is, and whether it is whole."""

from pathlib import Path

from tyro.conf import Positional

from avatar3d.cli.common import open_avatar, say


def info(file: Positional[Path], /) -> None:
    """Say what an avatar, a motion, a head model, a capture folder, a recording of faces or an exported file holds.

    Args:
        file: .avatar, motion .npz, head .npz or .pkl, a capture folder, what --record kept (.pcap), or what export wrote.
    """
    for line in _describe(file):
        say(line)


def check(file: Positional[Path], /, head: Path | None = None) -> None:
    """Read a file to the end and pose it; exit status 2 where anything is wrong. Of exported files it also says what other programs make of them.

    Args:
        file: .avatar, motion .npz, head model, a capture folder, a recording (.pcap), or what export wrote.
        head: file of the avatar's head model where it is not the embedded one.
    """
    if file.suffix == ".avatar":
        import torch

        from avatar3d.avatar_file import DRIVER_REMEDY, read_driver
        from avatar3d.errors import UserError
        from avatar3d.motion import rest_motion
        from driver.weights import network_of

        avatar = open_avatar(file, head)
        posed = avatar.pose(rest_motion(avatar.head, 1, shape=avatar.shape.numpy()), 0.0)
        if not torch.isfinite(posed.position).all():
            raise UserError(f"{file}: poses to values that are not numbers; fit it again or restore a copy")
        weights = read_driver(file)
        if weights is not None:
            network_of(weights, f"{file}: its own driver", DRIVER_REMEDY)
    elif _is_exported(file):
        from avatar3d.progress import console
        from viewer.export.checks import check_file, describe
        from viewer.export.targets import targets

        with console("check") as progress:
            found = check_file(file, progress)
        for line in (*describe(file, found), *(f"  {line}" for line in targets(found))):
            say(line)
    elif file.is_dir():
        _check_capture(file)
    elif file.suffix.lower() == ".pcap":
        _describe_recording(file, whole=True)
    else:
        _describe(file)
    say(f"{file}: whole")


def _is_exported(file: Path) -> bool:
    """Whether it is a file or a folder that export wrote; other programs' files of these kinds are read as well."""
    from viewer.export.checks import is_exported

    return file.exists() and is_exported(file)


def _check_capture(folder: Path) -> None:
    """Read every picture and the tracking of a capture.

    Raises:
        UserError: something is missing or unreadable.
    """
    from avatar3d.errors import UserError
    from recon.capture import iterate, load_capture
    from recon.tracking_files import load_tracking

    for _ in iterate(load_capture(folder)):
        pass
    if load_tracking(folder) is None:
        raise UserError(f"{folder}: has not been tracked to the end; run `avatar3d track` on its video again")


def _describe(file: Path) -> list[str]:
    from avatar3d.errors import UserError

    if not file.exists():
        raise UserError(f"{file}: no such file; give an avatar, a motion, a capture, a head or what was exported")
    if _is_exported(file):
        from viewer.export.checks import check_file, describe

        return describe(file, check_file(file))
    if file.is_dir():
        from recon.capture import load_capture

        capture = load_capture(file)
        faces = int(capture.valid.sum())
        frames = f"  {len(capture)} frames of {capture.size} px at {float(capture.fps):.2f}/s, {faces} with a face"
        return [f"{file}: capture of {capture.source['name']}", frames]
    if file.suffix == ".avatar":
        return _describe_avatar(file)
    if file.suffix == ".npz":
        import zipfile

        with _npz_errors(file), zipfile.ZipFile(file) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
        if "jaw_pose" in names:
            from avatar3d.motion import load_motion

            motion = load_motion(file)
            sound = f"{len(motion.sound) / motion.sound_rate:.1f} s of sound" if motion.sound is not None and motion.sound_rate else "no sound"
            line = f"  {len(motion)} frames at {float(motion.fps):.2f}/s ({motion.duration:.1f} s), {motion.expr.shape[1]} expressions, {sound}"
            return [f"{file}: motion for head {motion.head_fingerprint}", line, *([f"  {motion.note}"] if motion.note else [])]
    if file.suffix.lower() == ".pcap":
        return _describe_recording(file)
    if file.suffix not in (".npz", ".pkl"):
        raise UserError(
            f"{file}: is nothing that is known here; give an .avatar, a motion or head (.npz), a FLAME .pkl, a capture folder, "
            "a recording (.pcap), or an exported file"
        )
    from avatar3d.head.info import head_info
    from avatar3d.head.store import load_head

    return [f"{file}: head model", head_info(load_head(file))]


def _describe_recording(file: Path, whole: bool = False) -> list[str]:
    """Whose faces datagrams that were kept show, and for how long.

    Raises:
        UserError: it holds no face; or it breaks off, and is to be whole.
    """
    from avatar3d.errors import UserError
    from viewer.bridge.protocols import PROTOCOLS, protocol_of
    from viewer.bridge.receiver import Assembly
    from viewer.bridge.recording import recorded

    spoken = protocol_of(passed.data for passed in recorded(file))
    if spoken is None:
        raise UserError(f"{file}: holds no face in any protocol that is read here ({', '.join(PROTOCOLS)}); give a recording of one of them")
    assembly, heard = Assembly(PROTOCOLS[spoken]), {}
    for passed in recorded(file, whole):
        face = assembly.add(passed.data, passed.time)
        if face is not None:
            first, _, count = heard.get(face.subject, (face.time, 0.0, 0))
            heard[face.subject] = first, face.time, count + 1
    strange = f", {assembly.refused} of them passed over ({assembly.trouble})" if assembly.refused else ""
    faces = [f"  {name or 'a face without a name'}: {count} frames, {last - first:.1f} s" for name, (first, last, count) in heard.items()]
    return [f"{file}: recording of {spoken}", f"  {assembly.datagrams} datagrams{strange}", *faces]


def _describe_avatar(file: Path) -> list[str]:
    from avatar3d.avatar_file import read_driver, read_record

    record = read_record(file)
    meta, head = record["metadata"], record["head"]
    lines = [
        f"{file}: avatar, schema {record['schema']}",
        f"  head: {head['name']} ({head['fingerprint']})",
        f"  Gaussians: {record['gaussians']}, bases: {record['bases']}",
        f"  speech: {'the default driver' if read_driver(file) is None else 'a driver of its own'}",
        f"  subject: {meta.get('subject') or 'not recorded'}; consent: {meta.get('consent') or 'not recorded'}",
        f"  source: {meta.get('source', 'not recorded')}; licence: {meta.get('licence', 'not recorded')}",
    ]
    fit = meta.get("fit", {})
    if fit:
        seen = f"frames learned from {fit.get('trained_frames')} of {fit.get('frames')}"
        lines.append(f"  fit: preset {meta.get('preset', '?')}, {fit.get('seconds', 0):.0f} s, {seen}")
    for name in ("quality_train", "quality_held_out"):
        if name in fit:
            lines.append(f"  {name.removeprefix('quality_').replace('_', ' ')}: " + ", ".join(f"{key} {value}" for key, value in fit[name].items()))
    return lines


def _npz_errors(file: Path):
    import contextlib
    import zipfile

    from avatar3d.errors import UserError

    @contextlib.contextmanager
    def named():
        try:
            yield
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{file}: is not an avatar, a motion, a head model or a capture, or is damaged; make it again") from error

    return named()
