"""The line at the top of the panel: what is going on, and, where the server has gone, that it has."""

from html import escape

import viser

LOST = "connection lost"
_MORE = "The connection is lost. Does the program still run? The page tries again by itself."
# viser's page dims its controls and takes no clicks while it has no connection; nothing else in it tells. The server cannot speak then, so
# both lines are there from the beginning, and the page's own style decides which one is seen.
_CUT = "[style*='pointer-events: none']"
_STYLE = (
    "<style>.avatar3d-now{padding:0.35em 1em;font-size:0.9em;overflow-wrap:anywhere}"
    ".avatar3d-lost{display:none;padding:0.6em 1em;font-weight:700;color:#c00}"
    f"{_CUT} .avatar3d-lost{{display:block}}{_CUT} .avatar3d-now{{display:none}}"
    # More is said over the picture, where it is also seen while the panel is folded away.
    f'body:has({_CUT} .avatar3d-lost)::after{{content:"{_MORE}";pointer-events:none;position:fixed;top:0;left:0;right:0;z-index:1000;'
    "padding:0.5em 1em;background:#c00;color:#fff;font-family:sans-serif;text-align:center}</style>"
)


class StatusLine:
    """A line in a server's panel.

    Args:
        server: viser's.
        text: what it says first.
        busy: whether something is being waited for.
    """

    def __init__(self, server: viser.ViserServer, text: str = "", busy: bool = False) -> None:
        self._html = server.gui.add_html(status_html(text, busy), order=-4.0)

    def say(self, text: str, busy: bool = False) -> None:
        """Another text."""
        self._put(status_html(text, busy))

    def end(self, text: str) -> None:
        """The last text: it stays when the connection ends, which is no loss then."""
        self._put(f"<div class='avatar3d-last'>{escape(text)}</div><style>.avatar3d-last{{padding:0.35em 1em;font-weight:700}}</style>")

    def _put(self, content: str) -> None:
        if self._html.content != content:
            self._html.content = content

    def remove(self) -> None:
        """Take it away."""
        self._html.remove()


def status_html(text: str, busy: bool) -> str:
    """The line as HTML; `text` is taken literally."""
    line = f"<b>{escape(text)}</b>" if busy else escape(text)
    return f'{_STYLE}<div class="avatar3d-now">{line}</div><div class="avatar3d-lost" role="alert">{LOST}</div>'
