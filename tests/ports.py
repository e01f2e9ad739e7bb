"""Ports of this machine that nobody has taken, for servers of tests."""

import socket


def tcp_port() -> int:
    """For connections."""
    return _free(socket.SOCK_STREAM)


def udp_port() -> int:
    """For datagrams."""
    return _free(socket.SOCK_DGRAM)


def _free(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
