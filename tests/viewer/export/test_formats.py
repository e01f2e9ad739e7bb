import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from avatar3d.cli.export import all_formats, export
from avatar3d.errors import UserError
from viewer.export.formats import FORMATS, check_request, find_format
from viewer.export.options import FormatOptions
from viewer.export.selection import Selection

FORMATS_ALL = all_formats(Path("me.avatar"))


def _name(format):
    return f"out{next(iter(format.suffixes))}"


@pytest.mark.parametrize("name", FORMATS_ALL)
def test_every_format_takes_a_plain_request(name, tmp_path):
    check_request(name, FORMATS_ALL, tmp_path / _name(FORMATS_ALL[name]), Selection(), FormatOptions())


@pytest.mark.parametrize("name", FORMATS_ALL)
def test_every_format_refuses_the_options_of_others(name, tmp_path):
    format, others = FORMATS_ALL[name], {"sh_degree": 1, "normals": False, "spz_version": 4, "background": "#000000", "speech": True}
    for option, value in others.items():
        if option not in format.takes:
            with pytest.raises(UserError, match=f"--{option.replace('_', '-')}: means nothing"):
                check_request(name, FORMATS_ALL, tmp_path / _name(format), Selection(), replace(FormatOptions(), **{option: value}))


def test_what_formats_heed_are_fields():
    selection, options = {field.name for field in fields(Selection)}, {field.name for field in fields(FormatOptions)}
    for name, format in FORMATS_ALL.items():
        assert format.selects <= selection and format.takes <= options, name


def test_a_still_has_no_end():
    with pytest.raises(UserError, match=r"--end: means nothing to --format ply; .*ply-seq"):
        check_request("ply", FORMATS, Path("a.ply"), Selection(end=2.0), FormatOptions())


def test_an_unknown_format_lists_the_known():
    with pytest.raises(UserError, match=r"--format fbx.*ply, splat, spz, ply-seq"):
        find_format("fbx", FORMATS)


@pytest.mark.parametrize(("name", "path"), [("ply", "a.splat"), ("ply", "a"), ("gsd", "folder/"), ("ply-seq", "a.ply"), ("web", "a.mp4")])
def test_a_name_of_another_kind_is_refused(name, path):
    with pytest.raises(UserError, match="give"):
        check_request(name, FORMATS_ALL, Path(path), Selection(), FormatOptions())


def test_the_command_line_lists_every_format():
    assert export.__doc__ is not None
    listed = export.__doc__.split("format: ")[1].split("motion: ")[0]
    for name in FORMATS_ALL:
        assert name in listed


def test_every_writer_is_there():
    assert all(callable(format.write) for format in FORMATS.values())


def test_a_wrong_option_is_told_before_anything_heavy_is_loaded():
    script = "import sys; import viewer.export.formats; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
