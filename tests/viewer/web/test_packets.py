"""The page's reader of packets, in node."""

import json
import shutil
import subprocess

import pytest

from tests.viewer.stream.test_packets import GOLDEN
from viewer.export.web import WEB

_READ = """
import { readPacket } from "SOURCE";
const out = process.argv.slice(1).map((text) => {
  const bytes = Uint8Array.from(Buffer.from(text, "hex"));
  try {
    const packet = readPacket(bytes.buffer);
    return packet && { ...packet, values: packet.values && [...packet.values], data: packet.data && [...packet.data] };
  } catch (error) {
    return String(error.message);
  }
});
console.log(JSON.stringify(out));
"""


def _read(*packets: bytes) -> list:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node")
    code = _READ.replace("SOURCE", (WEB / "src" / "packets.js").as_uri())
    command = [node, "--no-warnings", "--input-type=module", "-e", code, "--", *(packet.hex() for packet in packets)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def test_the_page_reads_the_same_bytes():
    description, frame, sound, end = _read(*GOLDEN.values())
    assert description["facts"]["channels"] == [["expr", 2], ["jaw_pose", 3]]
    assert (frame["kind"], frame["stream"], frame["time"], frame["number"]) == ("frame", 0x12345678, 1.25, 7)
    assert frame["values"] == [1, -2, 0.125]
    assert (sound["number"], sound["codec"], sound["data"]) == (9, 2, [1, 0, 255, 127])
    assert (end["kind"], end["time"]) == ("end", 1.25)


def test_the_page_refuses_what_is_no_packet_and_passes_over_what_is_new():
    end = GOLDEN["end"]
    nothing, other, newer, cut, unknown = _read(b"", b"B" + end[1:], b"A3\x02" + end[3:], GOLDEN["frame"][:30], b"A3\x01\x63" + end[4:])
    assert all(isinstance(said, str) for said in (nothing, other, newer, cut)) and "version" in newer
    assert unknown is None
