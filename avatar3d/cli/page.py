"""What every page that avatar3d writes is made of: one file with its figures, plots and pictures inside it."""

import base64
import html
import io
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avatar3d.files import atomic_path
from avatar3d.threads import num_cores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1.5rem 0; }
.figures div { background: #f4f6f8; border-radius: .5rem; padding: .8rem 1rem; }
.figures b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; } .figures span { color: #667; font-size: .85rem; }
table { border-collapse: collapse; margin: .5rem 0; } td, th { padding: .25rem 1.2rem .25rem 0; text-align: left; border-bottom: 1px solid #e3e6ea; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
img, svg, video { max-width: 100%; height: auto; border-radius: .3rem; } .row { display: flex; gap: .6rem; } .row img { flex: 1; min-width: 0; }
p.note { color: #667; font-size: .9rem; } code { background: #f4f6f8; padding: .1rem .3rem; border-radius: .2rem; }
"""


def write_page(path: Path | str, title: str, body: str) -> None:
    """Write a page that needs no other file.

    Args:
        path: of the HTML file.
        title: plain text.
        body: HTML.

    Raises:
        UserError: it cannot be written.
    """
    top = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    page = f'<!doctype html><html lang="en"><head>{top}</head><body>{body}</body></html>\n'
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def cards(figures: list[tuple[str, str]]) -> str:
    """Large figures, each with what it says."""
    cells = "".join(f"<div><b>{html.escape(value)}</b><span>{html.escape(label)}</span></div>" for value, label in figures)
    return f'<div class="figures">{cells}</div>'


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table of plain text; all but the first column are figures."""
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    cells = ("<td>" + html.escape(row[0]) + "</td>" + "".join(f'<td class="n">{html.escape(value)}</td>' for value in row[1:]) for row in rows)
    return f"<table><tr>{top}</tr>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def plot(rows: int, height: float) -> "tuple[Figure, list]":
    """A figure of `rows` axes above one another that share their seconds; height in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, height), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0].tolist()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
        axis.margins(x=0)
    axes[-1].set_xlabel("seconds")
    return figure, axes


def svg(figure: "Figure") -> str:
    """A figure as part of a page."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def picture(rgb: np.ndarray, alt: str) -> str:
    """A picture [H, W, 3] uint8 as part of a page."""
    return f'<img alt="{html.escape(alt)}" src="{data_address(jpeg(rgb), "image/jpeg")}">'


def jpeg(rgb: np.ndarray) -> bytes:
    """[H, W, 3] uint8, compressed."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=88)
    return stream.getvalue()


def data_address(content: bytes, kind: str) -> str:
    """Content as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def machine() -> str:
    """What a page was made on."""
    return f"{num_cores()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
