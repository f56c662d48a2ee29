"""The window commands of Wan2GP's prompts: ``[/duration=5s,/new_shot,/load_mem=man,woman]``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from storymem_plugins.formats.reading import Node

BRACKET = re.compile(r"\[\s*(/[^\[\]]*)\]")
_NEXT = re.compile(r",\s*(?=/)")
_DURATION = re.compile(r"(?P<count>\d{1,6}(?:\.\d{1,3})?)\s*(?P<unit>s|f|%|)")
_STEP = 4  #: Wan's frame counts are 4n+1
#: Commands that change how a window is made, not what a script can say of it.
_CARRIED = frozenset({"loras_mult", "no_mem"})


@dataclass(slots=True)
class Window:
    """What the commands of one prompt say.

    Attributes:
        cut: Starts without frames of the window before.
        frames: Its length in frames; None if not told, or told as a share of a film that is not known.
        store: Names under which its pictures are remembered.
        load: Names that it alone recalls; None for those of the window before.
        drop: Names that are forgotten.
        carried: Commands that are kept as they are.
    """

    cut: bool = False
    frames: int | None = None
    store: list[str] = field(default_factory=list)
    load: list[str] | None = None
    drop: list[str] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)

    def read(self, line: Node, fps: float) -> str:
        """Take in the commands of a line, and return the line without them."""
        text = line.text()
        for bracket in BRACKET.finditer(text):
            for command in _NEXT.split(bracket[1]):
                name, _, value = command.strip().lstrip("/").partition("=")
                self._take(line, name.strip().lower(), value.strip(), fps)
        return " ".join(BRACKET.sub(" ", text).split())

    def _take(self, line: Node, name: str, value: str, fps: float) -> None:
        match name:
            case "new_shot":
                self.cut = True
            case "overlap":
                self.cut = value == "0"
            case "duration":
                self._last(line, value, fps)
            case "store_mem":
                self.store += _names(value)
            case "load_mem":
                self.load = _names(value)
            case "drop_mem":
                self.drop += _names(value)
            case _ if name in _CARRIED:
                self.carried.append(f"/{name}={value}" if value else f"/{name}")
            case _:
                line.fail(f"unknown command /{name[:40]}; there are duration, new_shot, overlap, store_mem, load_mem")

    def _last(self, line: Node, value: str, fps: float) -> None:
        match = _DURATION.fullmatch(value.lower())
        if match is None:
            line.fail(f"/duration={value[:40]}: must be frames (121), seconds (5s) or a share (20%)")
        count, unit = float(match["count"]), match["unit"]
        if unit == "%":
            self.carried.append(f"/duration={value}")
        elif unit == "s":
            self.frames = max(1, _STEP * round((count * fps - 1) / _STEP) + 1)
        elif not count.is_integer() or not count:
            line.fail(f"/duration={value[:40]}: frames are counted in whole numbers from 1")
        else:
            self.frames = int(count)


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]
