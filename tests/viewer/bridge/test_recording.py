import shutil
import struct
import subprocess
import threading

import numpy as np
import pytest

from avatar3d.errors import UserError
from tests.viewer.bridge.faces import a_frame, random_frame
from viewer.bridge import livelink, osc, vmc
from viewer.bridge.recording import recorded, recording


def _made(path, packets=((b"hello", 11111), (b"", 1), (bytes(1400), 65535))):
    with recording(path) as recorder:
        assert recorder is not None
        for data, port in packets:
            recorder.add(data, port)
    return path


def test_what_is_recorded_is_read_again(tmp_path):
    found = list(recorded(_made(tmp_path / "a.pcap")))
    assert [(each.data, each.port) for each in found] == [(b"hello", 11111), (b"", 1), (bytes(1400), 65535)]
    assert found[0].time <= found[1].time <= found[2].time and found[2].time - found[0].time < 5


def test_the_bytes_are_those_of_the_published_format(tmp_path):
    data = _made(tmp_path / "a.pcap", [(b"hello", 11111)]).read_bytes()
    assert data[:24] == bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 00000400 65000000")
    kept, size = struct.unpack("<II", data[32:40])
    packet = data[40:]
    assert kept == size == len(packet) == 20 + 8 + 5
    words = struct.unpack(">10H", packet[:20])
    total = sum(words)
    # A header with its own checksum sums up to all ones.
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    assert packet[0] == 0x45 and packet[9] == 17 and struct.unpack(">HHH", packet[22:28]) == (11111, 13, 0) and packet[28:] == b"hello"


def test_tshark_reads_it(tmp_path):
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    path = _made(tmp_path / "a.pcap", [(livelink.encode(a_frame())[0], 11111)] * 3)
    said = subprocess.run(["tshark", "-r", path, "-T", "fields", "-e", "udp.dstport", "-e", "udp.length"], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["11111", str(8 + 309)] * 3


@pytest.mark.parametrize(("protocol", "first"), [(vmc, "/VMC/Ext/OK"), (osc, "/avatar3d/Ana/frame")], ids=["vmc", "osc"])
def test_wireshark_takes_apart_what_is_open_sound_control(protocol, first, tmp_path):
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    frame = random_frame(3)
    path = _made(tmp_path / "a.pcap", [(data, 9000) for data in protocol.encode(frame)])
    wanted = ("osc.message.header.path", "osc.message.float", "_ws.expert.message")
    command = ["tshark", "-r", path, "--enable-heuristic", "osc_udp", "-T", "fields", *(part for name in wanted for part in ("-e", name))]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip("\n").split("\n")
    paths, floats, complaints = ([value for line in said for value in line.split("\t")[column].split(",") if value] for column in range(3))
    assert paths[0] == first and not complaints
    read = np.array(floats, np.float64)
    # Whatever stands between them, the weights are all there; it prints six digits.
    assert all(np.abs(read - weight).min() < 1e-5 for weight in frame.arkit)


def test_what_capture_programs_write_is_read(tmp_path):
    udp = struct.pack(">HHHH", 5, 49983, 8 + 4, 0) + b"face"
    ip = struct.pack(">BBHHHBBH8x", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    others = [b"", b"\x60" + bytes(60), ip[:9] + b"\x06" + ip[10:] + udp, ip[:6] + b"\x20\0" + ip[8:] + udp, (ip + udp)[:-1]]
    for order, magic, link, before in ((">", 0xA1B23C4D, 1, 14), ("<", 0xA1B2C3D4, 113, 16), ("<", 0xA1B2C3D4, 0, 4)):
        data = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)
        for packet in (*others, ip + udp + bytes(6)):
            data += struct.pack(f"{order}IIII", 9, 500_000, before + len(packet), before + len(packet)) + bytes(before) + packet
        (tmp_path / "b.pcap").write_bytes(data)
        (found,) = recorded(tmp_path / "b.pcap")
        assert (found.data, found.port) == (b"face", 49983)
        assert found.time == pytest.approx(9.0005 if magic == 0xA1B23C4D else 9.5)


def test_a_recording_that_breaks_off_is_read_as_far_as_it_goes(tmp_path):
    path = _made(tmp_path / "a.pcap")
    data = path.read_bytes()
    for size in range(24, len(data)):
        path.write_bytes(data[:size])
        assert len(list(recorded(path))) <= 2


def test_a_length_beyond_the_file_is_not_believed(tmp_path):
    path = _made(tmp_path / "a.pcap")
    path.write_bytes(path.read_bytes()[:32] + b"\xff\xff\xff\xff" * 2)
    assert list(recorded(path)) == []


@pytest.mark.parametrize("data", [b"", b"PK\3\4" + bytes(40), bytes.fromhex("0a0d0d0a") + bytes(40), b"\xd4\xc3\xb2\xa1" + bytes(10)])
def test_other_files_are_refused_by_name(tmp_path, data):
    (tmp_path / "x.pcap").write_bytes(data)
    with pytest.raises(UserError, match=r"x\.pcap: is no pcap recording"):
        list(recorded(tmp_path / "x.pcap"))
    with pytest.raises(UserError, match=r"y\.pcap: no such file"):
        list(recorded(tmp_path / "y.pcap"))


def test_ctrl_c_leaves_what_was_recorded_and_trouble_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), recording(tmp_path / "a.pcap") as recorder:
        assert recorder is not None
        recorder.add(b"one", 1)
        raise KeyboardInterrupt
    assert [each.data for each in recorded(tmp_path / "a.pcap")] == [b"one"]
    with pytest.raises(UserError), recording(tmp_path / "b.pcap"):
        raise UserError("no")
    assert not (tmp_path / "b.pcap").exists()


def test_several_threads_may_record(tmp_path):
    with recording(tmp_path / "a.pcap") as recorder:
        assert recorder is not None
        threads = [threading.Thread(target=lambda: [recorder.add(b"x" * 50, 7) for _ in range(200)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [each.data for each in recorded(tmp_path / "a.pcap")] == [b"x" * 50] * 800
