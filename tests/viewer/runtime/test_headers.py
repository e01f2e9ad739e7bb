"""The runtime's headers in other people's programs: each alone, in several files of one program, and behind macros of the system's."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.viewer.runtime.programs import RUNTIME, built

HEADERS = sorted(path.relative_to(RUNTIME).as_posix() for path in RUNTIME.rglob("*.hpp"))
WINDOWS = """
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
"""
"""What windows.h defines unless it is told not to."""


def _standard() -> str:
    """The standard headers that the runtime includes, which come before macros are defined: they have means of their own against them."""
    names = {name for header in HEADERS for name in re.findall(r"#include (<\w+>)", (RUNTIME / header).read_text())}
    return "".join(f"#include {name}\n" for name in sorted(names))


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_stands_alone_and_behind_the_systems_macros(header, tmp_path):
    for name, before in (("alone", ""), ("behind", _standard() + WINDOWS)):
        source = tmp_path / f"{name}.cpp"
        source.write_text(f'{before}#include "{header}"\nint main() {{ return 0; }}\n')
        built(f"{Path(header).stem}-{name}", ("-fsyntax-only",), source)


def test_several_files_of_one_program_may_use_it(tmp_path):
    for name in ("first", "second"):
        (tmp_path / f"{name}.cpp").write_text(
            '#include "a3d.hpp"\n#include "a3d/stream_receiver.hpp"\n'
            f"int {name}(const void* data) {{ return int(a3d::Avatar().load(data, 9).status) + int(a3d::StreamReceiver().accept(data, 9, 0)); }}\n"
        )
    main = tmp_path / "main.cpp"
    main.write_text('#include "first.cpp"\nint second(const void*);\nint main() { return first("not ours") == second("not ours") ? 0 : 1; }\n')
    program = built("several", ("-O1", str(tmp_path / "second.cpp")), main)
    assert subprocess.run([str(program)], check=False, timeout=60).returncode == 0
