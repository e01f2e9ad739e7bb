"""Words in the middle of a scene that is still empty."""

import viser

_PLACE = (
    "white-space:pre-line;position:fixed;z-index:1;left:0;right:22em;top:38%;padding:0 1em;text-align:center;pointer-events:none;"
    "font:1.15em/1.7 system-ui,sans-serif;color:#555"
)
_NARROW = "@media (max-width:36em){body::before{right:0 !important;top:20% !important}}"


class Placard:
    """Words before a server's scene, beside the panel.

    Args:
        server: viser's.
        text: what they say first; a line's end is one there too.
    """

    def __init__(self, server: viser.ViserServer, text: str) -> None:
        self._html = server.gui.add_html(placard_html(text), order=-5.0)

    def say(self, text: str) -> None:
        """Other words."""
        content = placard_html(text)
        if self._html.content != content:
            self._html.content = content

    def remove(self) -> None:
        """Take them away."""
        self._html.remove()


def placard_html(text: str) -> str:
    """The words as HTML. A panel holds what it is given inside itself, so that it is the page's own style that shows them."""
    # Escapes of CSS, whose strings end at a quote or a line's end, and of HTML, whose style ends at its tag.
    escaped = "".join(f"\\{ord(letter):x} " if letter in '"\\\n<' else letter for letter in text)
    return f'<style>body::before{{content:"{escaped}";{_PLACE}}}{_NARROW}</style>'
