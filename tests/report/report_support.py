"""A reader of report pages: strict about what a page may hold, and quick to answer what is in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br"}
#: Every tag that the report uses; anything else came from a text that was not escaped.
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "h4", "p", "nav", "a", "section"),
    *("div", "span", "small", "b", "em", "i", "br", "dl", "dt", "dd", "figure", "figcaption", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class Page(HTMLParser):
    """Reads a page; raises AssertionError at an unknown tag, an open one, or an address that leads outside."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.pictures: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.html = html
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"
        assert {link.removeprefix("#") for link in self.links} <= self.ids
        addresses = re.findall(r"url\(([^)]{0,22})|(?:src|href)=\"([^\"]*)", html)
        assert all(css.startswith("data:image/jpeg;base64") for css, _ in addresses if css)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, f"<{tag}> came from a text"
        values = {name: value or "" for name, value in attrs}
        assert not [name for name in values if name.startswith("on")]
        if "id" in values:
            assert values["id"] not in self.ids
            self.ids.add(values["id"])
        if "href" in values:
            assert values["href"].startswith("#")
            self.links.add(values["href"])
        if values.get("role") == "img":
            self.pictures.append((values["class"], values["aria-label"]))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())
