"""Who may talk to a server on this machine: its own page, and programs, but no page of another site that is open in the same browser."""

from typing import Protocol
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


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
