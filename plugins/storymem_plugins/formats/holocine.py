"""HoloCine, in both its forms: a table of captions, and one string with marks in it.

Table: ``global_caption``, ``shot_captions[]``, ``num_frames``, ``shot_cut_frames[]``. String: ``[global caption]
... [per shot caption] ... [shot cut] ...``. Characters are tags such as ``[character1]``; their looks are what
the global caption says right after a tag. HoloCine makes all shots at once and counts frames over the whole
film, so its frame numbers are carried in the metadata and shots get the run's own length.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from pydantic import JsonValue

from storymem.interfaces import ScriptFormat
from storymem.script.loader import validate_script
from storymem.values.script import StoryScript
from storymem_plugins.formats.losses import lost_by_shots, lost_by_story
from storymem_plugins.formats.reading import Node, first_of
from storymem_plugins.formats.tags import entity, looks_after_tags, shown, tags_in

METADATA = "holocine"
_GLOBAL, PER_SHOT, _CUT = "[global caption]", "[per shot caption]", "[shot cut]"
_IS = re.compile(r"\s*(?:,|:|\(|is\b|-)\s*(?:is\s+)?(?:an?\s+|the\s+)?", re.IGNORECASE)


class HoloCine(ScriptFormat):
    """HoloCine scripts, as a table or as one string."""

    def detect(self, data: JsonValue) -> bool:
        """Whether it has ``shot_captions``, or is a string with HoloCine's marks."""
        if isinstance(data, str):
            return PER_SHOT in data
        return first_of(data, "shot_captions") is not None or _marked(data)

    def parse(self, data: JsonValue, source: Path) -> StoryScript:
        """Return the script: one scene, every shot a cut; the file's name becomes the title."""
        root = Node(source, _table(Node(source, data)))
        overview = root.optional("global_caption")
        story = overview.text() if overview else ""
        prompts = [caption.prompt() for caption in root.field("shot_captions").filled()]
        _check_cuts(root, len(prompts))
        looks = {tag: "" for text in (story, *prompts) for tag in tags_in(text)} | looks_after_tags(story, _IS)
        keys = ("global_caption", "shot_captions")
        extra: dict[str, JsonValue] = {k: n.value for k, n in root.fields().items() if k not in keys}
        native: JsonValue = {
            "title": source.stem[:200] or "untitled",
            "overview": story,
            "entities": [entity(tag, look) for tag, look in looks.items()],
            "scenes": [{"shots": [{"prompt": p, "entities": shown(p, looks)} for p in prompts]}],
            "metadata": {METADATA: extra} if extra else {},
        }
        return validate_script(native, source)

    def dump(self, script: StoryScript) -> tuple[JsonValue, list[str]]:
        """Return the table form. Looks fit only as far as the overview, its global caption, tells them."""
        shots = [shot for scene in script.scenes for shot in scene.shots]
        extra = script.metadata.get(METADATA)
        kept = dict(extra) if isinstance(extra, dict) else {}
        cuts = kept.get("shot_cut_frames")
        if isinstance(cuts, list) and len(cuts) != len(shots) - 1:
            kept = {key: value for key, value in kept.items() if key != "shot_cut_frames"}
        data: dict[str, JsonValue] = {
            "global_caption": script.overview,
            "shot_captions": [shot.prompt for shot in shots],
            **kept,
        }
        losses = [f"the title {script.title!r}, unless it is the file's name"]
        losses += [f"the borders of {len(script.scenes)} scenes"] if len(script.scenes) > 1 else []
        for each in script.entities:
            if f"[{each.id}]" not in script.overview or each.look not in script.overview:
                losses.append(f"entity {each.id!r}")
        return data, [*losses, *lost_by_story(script, {METADATA}), *lost_by_shots(script, {"entities"})]


def _marked(data: JsonValue) -> bool:
    prompt = first_of(data, "prompt")
    return isinstance(prompt, str) and PER_SHOT in prompt


def _table(root: Node) -> JsonValue:
    """Return the table form of either form."""
    if isinstance(root.value, str):
        return _split(root)
    if _marked(root.value):
        rest = {key: node.value for key, node in root.fields().items() if key != "prompt"}
        return {**_split(root.field("prompt")), **rest}
    return root.value


def _split(marked: Node) -> dict[str, JsonValue]:
    """Split the string form at its marks."""
    text = marked.text(1_000_000)
    before, _, after = text.partition(PER_SHOT)
    if PER_SHOT in after:
        marked.fail(f"{PER_SHOT} is there twice")
    story = before.replace(_GLOBAL, "", 1).strip()
    captions: list[JsonValue] = [caption.strip().strip("|").strip() for caption in after.split(_CUT)]
    return {"global_caption": story, "shot_captions": captions}


def _check_cuts(root: Node, shots: int) -> None:
    """Fail unless the frames at which shots change are one fewer than the shots, and rise."""
    cuts = root.optional("shot_cut_frames")
    if cuts is None:
        return
    numbers = [frame.number() for frame in cuts]
    if len(numbers) != shots - 1:
        cuts.fail(f"has {len(numbers)} entries, but {shots} shots have {shots - 1} cuts between them")
    if any(a >= b for a, b in pairwise([0, *numbers])):
        cuts.fail("must rise from above 0")
