"""HTML in pieces: every text from outside is escaped here, and nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from storymem.report.album import Album
from storymem.report.reading import Shown
from storymem.text import xml_text

#: Nothing is loaded from anywhere, and nothing runs, whatever a text may hold.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def text(value: object) -> str:
    """Return a text escaped for element content and for quoted attributes."""
    return escape(xml_text(str(value)), quote=True)


def anchor(shot: str) -> str:
    """Return the name by which links find a shot; ids are digits, a dot and a letter."""
    return f"shot-{text(shot)}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table of escaped texts."""
    top = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Return names and values as a list of definitions; empty values are left out."""
    rows = "".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in pairs if v not in ("", None))
    return f"<dl>{rows}</dl>"


class Pictures:
    """Small pictures as classes of the style sheet, so that one shown a hundred times is in the page once."""

    def __init__(self, album: Album) -> None:
        self._album = album
        self._numbers = {name: number for number, name in enumerate(album)}

    def show(self, shown: Shown | None, what: str) -> str:
        """Return a picture, or a box that says that there is none; ``what`` is read out in its place."""
        if shown is None or self._album[shown.picture] is None:
            return f'<i class="pic none" role="img" aria-label="{text(what)}: no picture">no picture</i>'
        return f'<i class="pic p{self._numbers[shown.picture]}" role="img" aria-label="{text(what)}"></i>'

    def row(self, shown: Iterable[Shown], what: str) -> str:
        """Return a row of pictures with their names and reasons below."""
        figures = "".join(
            f"<figure>{self.show(one, f'{what}: {one.name}')}<figcaption>{text(one.name)}"
            f"<small>{text(one.reason)}</small></figcaption></figure>"
            for one in shown
        )
        return f'<div class="row">{figures}</div>'

    def style(self) -> str:
        """Return the style sheet's part with all pictures."""
        return "".join(
            f".p{number}{{background-image:url(data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')})}}"
            for name, number in self._numbers.items()
            if (data := self._album[name]) is not None
        )
