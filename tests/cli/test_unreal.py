"""The folder for Unreal, and ue:// from the command line to the C++ client."""

import re
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion, save_motion
from recon.bench import bench_motion
from tests.viewer.runtime.programs import built

CHECKOUT = Path(__file__).parents[2]


def test_the_folder_for_unreal_is_exported(run, small_avatar, tmp_path):
    motion = replace(bench_motion(load_head(), 10), sound=np.zeros(6400, np.float32), sound_rate=16000)
    save_motion(motion, tmp_path / "m.npz")
    told = run("export", small_avatar, "--format", "unreal", "--motion", tmp_path / "m.npz", "-o", tmp_path / "ana")
    assert told.status == 0 and "10 frames" in told.out and "Plugins" in told.out, told
    assert (tmp_path / "ana" / "ana.wav").is_file() and (tmp_path / "ana" / "Avatar3D" / "Avatar3D.uplugin").is_file()
    assert run("check", tmp_path / "ana" / "ana.a3d").status == 0


def test_a_file_is_no_folder(refused, small_avatar, tmp_path):
    refused("export", small_avatar, "--format", "unreal", "-o", tmp_path / "ana.a3d", match=("ana.a3d", "name of a folder"))


def test_a_stream_reaches_the_cpp_client(run, small_avatar, tmp_path):
    motion = rest_motion(load_head(), 50)
    motion.jaw_pose[:, 0] = 0.5 * load_head().jaw_open_angle
    motion.neck_pose[:, 1] = 0.3
    save_motion(motion, tmp_path / "m.npz")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = subprocess.Popen(
        [str(built("follow", source=CHECKOUT / "viewer" / "runtime" / "examples" / "follow.cpp")), str(port), "40"], stdout=subprocess.PIPE, text=True
    )
    try:
        told = run("stream", small_avatar, "--motion", tmp_path / "m.npz", "--subject", "ana", "--to", f"ue://127.0.0.1:{port}")
        assert told.status == 0 and "ue://" in told.out, told
        lines = client.communicate(timeout=60)[0].splitlines()
    finally:
        client.kill()
    assert len(lines) == 40 and all(line.startswith("ana ") for line in lines)
    last = re.search(r"jawOpen ([\d.]+) yaw ([+-][\d.]+)", lines[-1])
    assert last is not None and [float(value) for value in last.groups()] == pytest.approx([0.5, 0.3], abs=2e-3)


def test_the_fragment_in_the_docs_compiles(tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    text = (CHECKOUT / "docs" / "stream.md").read_text(encoding="utf-8")
    found = re.search(r"```cpp\n(.*?)```", text, re.DOTALL)
    assert found is not None
    program = f"""
        #include <vector>
        #include "a3d.hpp"
        double open(const void* datagram, std::size_t size, double now, std::vector<float>& values) {{
            {found[1]}
            return 0;
        }}
    """
    (tmp_path / "a.cpp").write_text(program)
    command = ["g++", "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Wno-unused-variable", "-Werror", f"-I{CHECKOUT / 'viewer' / 'runtime'}"]
    done = subprocess.run([*command, str(tmp_path / "a.cpp")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
