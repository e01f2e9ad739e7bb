"""Prints how heads that `avatar3d stream --to ue://127.0.0.1:11120` sends move: python follow.py [PORT] [FRAMES]. Needs nothing but Python.

docs/stream.md describes the packets. What was lost stays lost here; follow.cpp draws what lies between.
"""

import socket
import struct
import sys


def introduction(data):
    """Subject, head and (name, width) of each channel; None where the packet breaks off."""
    try:
        numerator, denominator, head, subject, count, _ = struct.unpack_from("<IIHHHH", data, 16)
        at = 32 + head + subject
        who, whose = data[32 + head : at].decode(), data[32 : 32 + head].decode()
        channels = []
        for _ in range(count):
            width, size = struct.unpack_from("<HB", data, at)
            channels.append((data[at + 3 : at + 3 + size].decode(), width))
            at += 3 + size
        return (who, whose, numerator / denominator, channels) if at <= len(data) else None
    except (struct.error, UnicodeDecodeError, ZeroDivisionError):
        return None


def frame(data, channels):
    """Number and {name: values}; None where the packet is not as wide as its channels."""
    if len(data) < 24:
        return None
    number, count = struct.unpack_from("<IH", data, 16)
    if count != sum(width for _, width in channels) or len(data) < 24 + 4 * count:
        return None
    values, found = iter(struct.unpack_from(f"<{count}f", data, 24)), {}
    for name, width in channels:
        found[name] = [next(values) for _ in range(width)]
    return number, found


port = int(sys.argv[1]) if len(sys.argv) > 1 else 11120
left = int(sys.argv[2]) if len(sys.argv) > 2 else -1
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind(("127.0.0.1", port))
streams = {}
while left:
    data = line.recv(2048)
    if len(data) < 16 or data[:3] != b"A3\x01":
        continue
    stream, time = struct.unpack_from("<Id", data, 4)
    if data[3] == 5 and (known := introduction(data)):
        streams[stream] = known
    if data[3] == 2 and stream in streams and (found := frame(data, streams[stream][3])):
        number, channels = found
        if len(channels.get("arkit", ())) == 52 and "head" in channels:
            jaw, yaw = channels["arkit"][24], channels["head"][0]
            print(f"{streams[stream][0]} {number} {time:.3f} s jawOpen {jaw:.3f} yaw {yaw:+.3f}", flush=True)
            left -= 1
