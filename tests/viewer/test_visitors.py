import socket

import pytest

from avatar3d.errors import UserError
from viewer.visitors import check_listening, check_token, inside, page_address, stranger, token_for


@pytest.mark.parametrize(
    ("headers", "alone", "welcome"),
    [
        ({"Host": "127.0.0.1:8080"}, True, True),
        ({"Host": "localhost:8080", "Origin": "http://localhost:8080"}, True, True),
        ({"Host": "[::1]:8080", "Origin": "http://[::1]:8080"}, True, True),
        ({"Host": "127.0.0.1:8080", "Origin": "http://evil.example"}, True, False),
        ({"Host": "127.0.0.1:8080", "Origin": "http://127.0.0.1:9090"}, True, False),
        ({"Host": "127.0.0.1:8080", "Origin": "null"}, True, False),
        ({"Host": "evil.example:8080", "Origin": "http://evil.example:8080"}, True, False),
        ({"Host": "["}, True, False),
        ({}, True, False),
        ({"Host": "192.0.2.2:8080", "Origin": "http://192.0.2.2:8080"}, False, True),
        ({"Host": "192.0.2.2:8080", "Origin": "https://evil.example"}, False, False),
    ],
)
def test_a_server_talks_to_its_own_page_and_to_programs_alone(headers, alone, welcome):
    assert (stranger(headers, alone) is None) == welcome


@pytest.mark.parametrize(
    ("path", "token", "name"),
    [
        ("/", None, ""), ("/stream", None, "stream"), ("/abcdefgh/", "abcdefgh", ""), ("/abcdefgh", "abcdefgh", ""),
        ("/abcdefgh/a/b", "abcdefgh", "a/b"), ("/", "abcdefgh", None), ("/abcdefg/", "abcdefgh", None), ("abcdefgh/", "abcdefgh", None),
        ("//abcdefgh/", "abcdefgh", None), ("/\udcff\udcfe/", "abcdefgh", None), ("", "abcdefgh", None),
    ],
)  # fmt: skip
def test_a_path_names_nothing_without_the_token(path, token, name):
    assert inside(path, token) == name


def test_only_this_machine_needs_no_token():
    assert token_for("127.0.0.1") is None and token_for("::1") is None
    first, second = token_for("0.0.0.0"), token_for("192.0.2.7")
    assert first and second and first != second and len(first) >= 20
    assert token_for("127.0.0.1", "my-own_token") == "my-own_token"
    check_token(first)


@pytest.mark.parametrize("token", ["", "short", "with space", "with/slash", "x" * 129, "wörtchen"])
def test_a_token_that_cannot_stand_in_an_address_is_refused(token):
    with pytest.raises(UserError, match="--token"):
        check_token(token)


def test_an_address_can_be_opened():
    assert page_address("127.0.0.1", 8080, None) == "http://127.0.0.1:8080/"
    assert page_address("::1", 8080, "abcdefgh") == "http://[::1]:8080/abcdefgh/"


def test_all_addresses_are_said_as_one_that_others_reach(monkeypatch):
    asked = []

    class Ways(socket.socket):
        def connect(self, address):
            asked.append(address)

        def getsockname(self):
            return ("192.168.7.5", 4711)

    monkeypatch.setattr(socket, "socket", Ways)
    assert page_address("0.0.0.0", 8080, "abcdefgh") == "http://192.168.7.5:8080/abcdefgh/"
    assert len(asked) == 1
    monkeypatch.setattr(Ways, "connect", _no_way)
    assert page_address("0.0.0.0", 8080, None) == "http://127.0.0.1:8080/"


def _no_way(*_):
    raise OSError("network is unreachable")


def test_an_address_that_cannot_be_listened_on_is_refused_with_the_reason():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"127.0.0.1:{port}: cannot be listened on \(in use\).* another port"):
            check_listening("127.0.0.1", port)
    check_listening("127.0.0.1", port)
    for elsewhere in ("192.0.2.1", "no.such.invalid", "a" * 70):
        with pytest.raises(UserError, match=rf"{elsewhere}:{port}: cannot be listened on .* an address of this machine"):
            check_listening(elsewhere, port)


def test_addresses_of_either_kind_are_listened_on():
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    port = check_listening("::1", 0)
    with socket.create_server(("::1", port), family=socket.AF_INET6), pytest.raises(UserError, match=rf"\[::1\]:{port}: .*in use"):
        check_listening("::1", port)


def test_an_address_without_a_port_is_named_alone():
    with pytest.raises(UserError, match=r"^192\.0\.2\.1: cannot be listened on"):
        check_listening("192.0.2.1", 0)
