"""Who may talk to a server on this machine: its own page, and programs, but no page of another site that is open in the same browser, and
from other machines nobody who does not know a token."""

import contextlib
import errno
import hmac
import os
import secrets
import socket
from typing import Protocol
from urllib.parse import urlsplit

from avatar3d.errors import UserError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EVERYWHERE = {"0.0.0.0": (socket.AF_INET, "192.0.2.1", "127.0.0.1"), "::": (socket.AF_INET6, "2001:db8::1", "::1")}
"""Addresses that stand for all of this machine's, with an address of the world outside and this machine's own one of the same kind."""

NOTHING_HERE = "there is nothing here: the page's whole address was printed where avatar3d runs"
"""What a wrong address is answered; it does not tell whether its token or something else was wrong."""


class RequestHeaders(Protocol):
    """Headers of a request."""

    def get(self, key: str, default: str, /) -> str: ...


def stranger(headers: RequestHeaders, alone: bool) -> str | None:
    """Why a request is to be refused (403), or None where it is not.

    A browser says from which page a request comes (`Origin`), and by which name it reached the server (`Host`). A page of
    another site has another origin; another site's name that was made to point here (DNS rebinding) is no name of this machine.

    Args:
        headers: of the request.
        alone: whether the server is for this machine alone, and so reached by a name of the loopback.
    """
    host, origin = headers.get("Host", ""), headers.get("Origin", "")
    if alone and _named(f"//{host}") not in LOOPBACK:
        return "this is for this machine alone"
    if origin and origin.lower().partition("://")[2] != host.lower():
        return "this is for its own page alone"
    return None


def _named(address: str) -> str | None:
    """The host in an address."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def check_token(token: str | None) -> None:
    """Refuse a token that cannot stand in an address.

    Raises:
        UserError: it is too short, too long, or has other letters.
    """
    if token is not None and not (8 <= len(token) <= 128 and token.isascii() and token.replace("-", "").replace("_", "").isalnum()):
        raise UserError("--token: takes 8 to 128 letters, digits, - and _")


def token_for(host: str, given: str | None = None) -> str | None:
    """The first part of every path: what is given; else none on a loopback address, and a new random one on every other."""
    return given or (None if host in LOOPBACK else secrets.token_urlsafe(16))


def inside(path: str, token: str | None) -> str | None:
    """What a path without its query names; None where its token is not right. "" is the page itself, whose last slash may be missing."""
    if token is None:
        return path.removeprefix("/")
    first, _, rest = path.removeprefix("/").partition("/")
    # Bytes that are no text come as lone surrogates.
    right = hmac.compare_digest(first.encode(errors="surrogateescape"), token.encode())
    return rest if right and path.startswith("/") else None


def endpoint(host: str, port: int) -> str:
    """HOST:PORT as it is written, with IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def page_address(host: str, port: int, token: str | None) -> str:
    """The address of a page that other machines can open, too, if any can.

    Args:
        host: that was listened on; 0.0.0.0 and :: become this machine's own address in its network.
        port: that was listened on.
        token: that the address holds, if any.
    """
    return f"http://{endpoint(reachable(host), port)}/" + (f"{token}/" if token else "")


def reachable(host: str) -> str:
    """An address by which a server that listens on `host` is reached from its network."""
    if host not in _EVERYWHERE:
        return host
    family, outside, own = _EVERYWHERE[host]
    # Connecting a datagram socket sends nothing: it only chooses the way, and with it the address that this machine has on it.
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as chosen:
        chosen.connect((outside, 9))
        return chosen.getsockname()[0]
    return own


def check_listening(host: str, port: int) -> int:
    """Refuse an address that cannot be listened on, before there is anything to serve at it; returns its port, any free one for 0.

    Raises:
        UserError: says why, and what to do.
    """
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
            return server.getsockname()[1]
    except (OSError, UnicodeError) as error:
        raise not_listening(host, port, error) from error


def in_use(refused: UserError) -> bool:
    """Whether an address was refused (`check_listening`) because another program listens there."""
    return isinstance(refused.__cause__, OSError) and refused.__cause__.errno == errno.EADDRINUSE


def not_listening(host: str, port: int, error: OSError | UnicodeError) -> UserError:
    """What is said of an address that could not be bound."""
    number = getattr(error, "errno", None) or 0
    if number == errno.EADDRINUSE:
        reason, advice = "in use", "another program may listen there, choose another port"
    elif number == errno.EACCES:
        reason, advice = "permission denied", "choose a port above 1023"
    else:
        reason = os.strerror(number).lower() if number in errno.errorcode else "no such host"
        advice = "give an address of this machine, or 0.0.0.0 for all of them"
    return UserError(f"{endpoint(host, port) if port else host}: cannot be listened on ({reason}); {advice}")
