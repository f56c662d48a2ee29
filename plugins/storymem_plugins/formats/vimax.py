"""ViMax: scenes of shots, each with a first frame and what then happens.

The first frame tells who is there and how they look, the video prompt only what they do. A text-to-video model
needs both, so they become one prompt; the first frames are carried in the metadata, by which writing the form
again splits them. The form has no title (the file's name is taken), no cuts (every shot is one) and no
registry of entities (none are made up).
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

from pydantic import JsonValue

from storymem.interfaces import ScriptFormat
from storymem.script.loader import validate_script
from storymem.values.script import StoryScript
from storymem_plugins.formats.losses import lost_by_shots, lost_by_story
from storymem_plugins.formats.reading import Node, first_of

METADATA = "vimax"
_FIRST = "first_frames"


class ViMax(ScriptFormat):
    """ViMax scripts; first frame and action of a shot become one prompt."""

    def detect(self, data: JsonValue) -> bool:
        """Whether the first scene's first shot has a ``video_prompt``."""
        return first_of(data, "scenes", 0, "shots", 0, "video_prompt") is not None

    def parse(self, data: JsonValue, source: Path) -> StoryScript:
        """Return the script."""
        root = Node(source, data)
        overview = root.optional("story_overview")
        firsts: dict[str, JsonValue] = {}
        scenes: list[JsonValue] = []
        for i, scene in enumerate(root.field("scenes").filled()):
            shots: list[JsonValue] = []
            for j, shot in enumerate(scene.field("shots").filled()):
                first, action = shot.optional("first_frame"), shot.field("video_prompt").prompt()
                if first and first.text().strip():
                    firsts[f"{i + 1}.{j + 1}"] = first.prompt()
                    action = f"{first.prompt()} {action}"
                shots.append({"prompt": action})
            scenes.append({"shots": shots})
        _check_numbers(root)
        extra = {key: node.value for key, node in root.fields().items() if key not in ("scenes", "story_overview")}
        native: JsonValue = {
            "title": source.stem[:200] or "untitled",
            "overview": overview.text() if overview else "",
            "scenes": scenes,
            "metadata": {METADATA: {**extra, _FIRST: firsts}},
        }
        return validate_script(native, source)

    def dump(self, script: StoryScript) -> tuple[JsonValue, list[str]]:
        """Return ViMax data. The title, entities, and whatever makes a shot continue another do not fit."""
        extra = script.metadata.get(METADATA)
        kept = dict(extra) if isinstance(extra, dict) else {}
        firsts = kept.pop(_FIRST, {})
        data: dict[str, JsonValue] = {
            "story_overview": script.overview,
            "scenes": _dump_scenes(script, firsts),
            **kept,
        }
        losses = [f"the title {script.title!r}, unless it is the file's name"]
        if script.entities:
            losses.append(f"{len(script.entities)} entities")
        return data, [*losses, *lost_by_story(script, {METADATA}), *lost_by_shots(script, {"entities"})]


def _dump_scenes(script: StoryScript, firsts: JsonValue) -> list[JsonValue]:
    """Return scenes whose shots are numbered through the whole story, as the form does."""
    scenes: list[JsonValue] = []
    number = count(1)
    for i, scene in enumerate(script.scenes):
        shots: list[JsonValue] = [
            {"shot_id": next(number), **_split(shot.prompt, first_of(firsts, script.shot_id(i, j)))}
            for j, shot in enumerate(scene.shots)
        ]
        scenes.append({"scene_num": i + 1, "shots": shots})
    return scenes


def _split(prompt: str, first: JsonValue) -> dict[str, JsonValue]:
    if isinstance(first, str) and prompt.startswith(f"{first} "):
        return {"first_frame": first, "video_prompt": prompt[len(first) + 1 :]}
    return {"first_frame": "", "video_prompt": prompt}


def _check_numbers(root: Node) -> None:
    """Fail on shot ids that come twice in a scene: such a file was merged by mistake."""
    for scene in root.field("scenes"):
        seen: set[int] = set()
        for shot in scene.field("shots"):
            number = shot.optional("shot_id")
            if number and number.number() in seen:
                number.fail(f"shot {number.number()} is there twice")
            seen |= {number.number()} if number else set()
