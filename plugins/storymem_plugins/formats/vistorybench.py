"""ViStoryBench: a cast with pictures, and shots told in parts and two languages.

``Characters`` {key: {name_en, name_ch, prompt_en, prompt_ch, tag}}, ``Shots[]`` of {index, "Setting
Description", "Plot Correspondence", "Characters Appearing", "Static Shot Description", "Shot Perspective
Design"}, each {en, ch}. Reference pictures lie in ``image/<key>/`` beside the file. Shots in a row with the
same setting make a scene. Names that the cast does not know (crowds, passers-by) become no entities; they are
listed in the metadata.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from storymem.interfaces import PluginSettings, ScriptFormat
from storymem.script.loader import validate_script
from storymem.script.references import find_file
from storymem.values.script import MAX_ENTITIES, StoryScript
from storymem_plugins.formats.reading import Node, first_of

METADATA = "vistorybench"
_PARTS = ("Shot Perspective Design", "Setting Description", "Static Shot Description", "Plot Correspondence")
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_BETWEEN = re.compile(r"[,;、，；]|\band\b")  # noqa: RUF001 - full-width separators


class ViStoryBenchSettings(PluginSettings):
    """How stories are read.

    Attributes:
        language: Which of the two languages prompts are in.
        pictures: Most reference pictures of a character; memory holds few.
    """

    language: Literal["en", "ch"] = "en"
    pictures: Annotated[int, Field(ge=0, le=100)] = 1


class ViStoryBench(ScriptFormat[ViStoryBenchSettings]):
    """ViStoryBench stories, with the cast's pictures as references."""

    def detect(self, data: JsonValue) -> bool:
        """Whether it has ``Shots`` and ``Characters``."""
        return first_of(data, "Shots") is not None and first_of(data, "Characters") is not None

    def parse(self, data: JsonValue, source: Path) -> StoryScript:
        """Return the script; the folder's name becomes the title where the file is called story.

        Raises:
            ScriptError: Names file, key and reason, also where a picture folder leaves the script's folder.
        """
        root = Node(source, data)
        cast = root.field("Characters").fields()
        if len(cast) > MAX_ENTITIES:  # each costs a look at the disk
            root.field("Characters").fail(f"has {len(cast)} characters; at most {MAX_ENTITIES}")
        names = self._names(cast)
        extras: dict[str, JsonValue] = {}
        scenes: list[JsonValue] = []
        setting: str | None = None
        for shot in root.field("Shots").filled():
            here = self._told(shot, "Setting Description")
            if here != setting or not scenes:
                scenes.append({"setting": here, "shots": []})
                setting = here
            scene = scenes[-1]
            shots = scene["shots"] if isinstance(scene, dict) else None
            assert isinstance(shots, list)  # made above
            seen, unknown = self._cast_in(shot, names)
            if unknown:
                extras[f"{len(scenes)}.{len(shots) + 1}"] = unknown
            shots.append({"prompt": self._prompt(shot), "entities": seen})
        _check_indices(root)
        kind = root.optional("Story_type")
        native: JsonValue = {
            "title": (source.parent.name if source.stem == "story" and source.parent.name else source.stem)[:200],
            "entities": [self._entity(key, node, source) for key, node in cast.items()],
            "scenes": scenes,
            "metadata": {METADATA: {"Story_type": kind.value if kind else None, "unregistered": extras}},
        }
        return validate_script(native, source)

    def _names(self, cast: dict[str, Node]) -> dict[str, str]:
        """Return keys by key and name; all in lower case."""
        names = {key.lower(): key for key in cast}
        for key, node in cast.items():
            for field in ("name_en", "name_ch"):
                if name := node.optional(field):
                    names.setdefault(name.text().strip().lower(), key)
        return names

    def _entity(self, key: str, node: Node, source: Path) -> JsonValue:
        language = self.settings.language
        name, look = node.optional(f"name_{language}"), node.optional(f"prompt_{language}")
        return {
            "id": key,
            "name": name.text().strip() if name else key,
            "look": look.text().strip() if look else "",
            "references": _pictures(node, key, source, self.settings.pictures),
        }

    def _cast_in(self, shot: Node, names: dict[str, str]) -> tuple[list[JsonValue], list[JsonValue]]:
        """Return the keys of the cast in a shot, and names the cast does not have."""
        listed = shot.optional("Characters Appearing")
        node = listed.optional(self.settings.language) if listed and isinstance(listed.value, dict) else listed
        if node is None:
            return [], []
        told = [n.text() for n in node] if isinstance(node.value, list) else _BETWEEN.split(node.text())
        wanted = [name.strip() for name in told if name.strip()]
        seen: list[JsonValue] = list(dict.fromkeys(names[n.lower()] for n in wanted if n.lower() in names))
        unknown: list[JsonValue] = [name for name in wanted if name.lower() not in names]
        return seen, unknown

    def _prompt(self, shot: Node) -> str:
        parts = [self._told(shot, part) for part in _PARTS[:3]]
        told = [part if part.endswith((".", "!", "?", "。")) else f"{part}." for part in parts if part]
        if told:
            return " ".join(told)
        return self._told(shot, _PARTS[3]) or shot.field("Static Shot Description").fail("must not be empty")

    def _told(self, shot: Node, part: str) -> str:
        node = shot.optional(part)
        if node is None:
            return ""
        text = node.optional(self.settings.language) if isinstance(node.value, dict) else node
        return text.text().strip() if text else ""


def _pictures(node: Node, key: str, source: Path, most: int) -> list[JsonValue]:
    """Return a character's pictures, by name, relative to the script."""
    try:
        root = (source.parent / "image").resolve()
        folder = find_file(root, key)
        inside = folder.is_relative_to(root) and folder != root
        names = sorted(path.name for path in folder.iterdir()) if inside and folder.is_dir() else []
    except (OSError, ValueError, RuntimeError):
        node.fail("this key is no folder name, or the folder cannot be read")
    if not inside:
        node.fail("this key leads out of the folder of reference pictures")
    pictures = [name for name in names if Path(name).suffix.lower() in _PICTURES]
    return [f"image/{key}/{name}" for name in pictures[:most]]


def _check_indices(root: Node) -> None:
    seen: set[int] = set()
    for shot in root.field("Shots"):
        index = shot.optional("index")
        if index and index.number() in seen:
            index.fail(f"shot {index.number()} is there twice")
        seen |= {index.number()} if index else set()
