"""libFuzzer looks for files and datagrams that lead the C++ runtime astray; skipped where there is no clang."""

import re
import shutil
import struct
import subprocess

import pytest

from tests.viewer.runtime.programs import HERE, RUNTIME
from tests.viewer.runtime.test_mutations import small_bundle
from tests.viewer.runtime.test_streams import INTRODUCTION, frame
from viewer.bridge.ue import introduce
from viewer.export.a3d import write_bundle

CLANG = next((name for name in ("clang++", "clang++-19", "clang++-16", "clang++-14") if shutil.which(name)), None)
SANITIZERS = "-fsanitize=fuzzer,address,undefined,float-cast-overflow"


def fuzzed(program: str, seeds: dict[str, bytes], runs: int, longest: int, folder) -> int:
    """How many inputs were tried; the test fails where one of them made the program fail."""
    if CLANG is None:
        pytest.skip("clang is not installed")
    corpus = folder / "corpus"
    corpus.mkdir()
    for name, data in seeds.items():
        (corpus / name).write_bytes(data)
    command = [CLANG, "-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Wconversion", "-Werror", SANITIZERS, "-fno-sanitize-recover=all"]
    subprocess.run([*command, f"-I{RUNTIME}", str(HERE / f"{program}.cpp"), "-o", str(folder / program)], check=True, timeout=300)
    # Linux counts the largest size of the process that started it as its own, so each allocation is limited instead of their sum.
    limits = {"rss_limit_mb": 0, "malloc_limit_mb": 100}
    options = {"runs": runs, "max_len": longest, "seed": 1, "print_final_stats": 1, "artifact_prefix": f"{folder}/"} | limits
    command = [str(folder / program), *(f"-{name}={value}" for name, value in options.items()), str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    tried = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    assert tried is not None
    return int(tried[1])


def test_files(tmp_path):
    seeds = {"rig": write_bundle(small_bundle(False)), "tracks": write_bundle(small_bundle(True))}
    assert fuzzed("fuzz", seeds, 20_000, 40_000, tmp_path) >= 20_000


def test_streams(tmp_path):
    datagrams = [introduce(INTRODUCTION), *(frame(number) for number in (0, 1, 3, 2, 4))]
    script = b"".join(struct.pack("<HB", len(data), 1) + data for data in datagrams)
    assert fuzzed("fuzz_stream", {"stream": script}, 20_000, 4000, tmp_path) >= 20_000
