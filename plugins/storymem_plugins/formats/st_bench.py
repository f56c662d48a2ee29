"""ST-Bench, the scripts of the StoryMem paper: prompts and cuts per scene, no entities.

Layout: ``story_name``, ``story_overview``, ``scenes[]`` of ``scene_num``, ``video_prompts[]``, ``cut[]`` and
``first_frame_prompt[]`` (for image-first pipelines; carried in the metadata). Other keys are carried in the
metadata too, so that writing the form again loses nothing that was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import JsonValue

from storymem.interfaces import ScriptFormat
from storymem.script.loader import validate_script
from storymem.values.script import Shot, StoryScript
from storymem_plugins.formats.losses import lost_by_shots, lost_by_story
from storymem_plugins.formats.reading import Node, first_of

METADATA = "st_bench"
FIRST_FRAMES = "first_frame_prompts"
_STORY_KEYS = frozenset({"story_name", "story_overview", "scenes"})
_SCENE_KEYS = frozenset({"scene_num", "video_prompts", "first_frame_prompt", "cut"})


class StBench(ScriptFormat):
    """ST-Bench scripts (StoryMem, section 4.1)."""

    def detect(self, data: JsonValue) -> bool:
        """Whether the first scene has ``video_prompts`` and no sign of EntityBench or Memento is there."""
        return has_video_prompts(data) and not has_any(data, "entity_schedule", "reconstruct_target")

    def parse(self, data: JsonValue, source: Path) -> StoryScript:
        """Return the script; the story's name becomes the title."""
        root = Node(source, data)
        native = story(root, lambda _scene, _shot, prompt: {"prompt": prompt})
        native["metadata"] = carried(root, METADATA, _STORY_KEYS)
        return validate_script(native, source)

    def dump(self, script: StoryScript) -> tuple[JsonValue, list[str]]:
        """Return ST-Bench data. Entities, ids, styles, frames, seeds and overrides do not fit."""
        data, losses = dump_story(script, METADATA)
        if script.entities:
            losses.insert(0, f"{len(script.entities)} entities and which shots show them")
        return data, losses


def has_video_prompts(data: JsonValue) -> bool:
    """Whether the first scene has the ``video_prompts`` that ST-Bench and its relatives share."""
    return first_of(data, "scenes", 0, "video_prompts") is not None


def has_any(data: JsonValue, *keys: str) -> bool:
    """Whether a table has any of ``keys``."""
    return isinstance(data, dict) and any(key in data for key in keys)


def story(root: Node, shot: Callable[[Node, int, str], dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """Return title, overview and scenes as data of the project's own form.

    Args:
        root: The whole file.
        shot: Given the scene, the shot's index in it and its prompt, returns the shot's data but for its cut.
    """
    overview = root.optional("story_overview")
    return {
        "title": _title(root),
        "overview": overview.text() if overview else "",
        "scenes": [
            {"shots": list(_shots(scene, shot, first=index == 0))}
            for index, scene in enumerate(root.field("scenes").filled())
        ],
    }


def _title(root: Node) -> str:
    name = root.optional("story_name")
    if name is not None:
        return name.prompt(200)
    title = root.source.stem[:200] or "untitled"
    root.warn(f"has no story_name; the file's name, {title!r}, is the title")
    return title


def _shots(
    scene: Node, shot: Callable[[Node, int, str], dict[str, JsonValue]], *, first: bool
) -> Iterator[dict[str, JsonValue]]:
    prompts = prompts_of(scene)
    for index, (prompt, cut) in enumerate(zip(prompts, _cuts(scene, len(prompts)), strict=True)):
        if first and index == 0 and not cut:
            (scene.optional("cut") or scene).fail("the first shot has nothing to continue; it must be a cut")
        yield {**shot(scene, index, prompt.prompt()), "cut": cut}


def prompts_of(scene: Node) -> list[Node]:
    """Return a scene's prompts; a single one may stand without a list."""
    prompts = scene.field("video_prompts")
    return [prompts] if isinstance(prompts.value, str) else prompts.filled()


def _cuts(scene: Node, count: int) -> list[bool]:
    """Return whether each of ``count`` shots is a cut, where the file can only mean one thing."""
    cuts = scene.optional("cut")
    if cuts is None or cuts.value == []:
        scene.warn(f"does not say which of its {count} shots are cuts; all are")
        return [True] * count
    if not isinstance(cuts.value, list):
        truth = cuts.truth()
        if not truth and count > 1:
            cuts.fail(f"one value for {count} shots; give a list with one for each")
        return [truth] * count
    told = cuts.items()
    if len(told) != count:
        advice = "; storymem lint --fix makes the rest cuts" if len(told) < count else ""
        cuts.fail(f"has {len(told)} entries, but {scene.path}.video_prompts has {count}{advice}")
    for cut in told:
        if cut.value is None:
            cut.fail("is null; say whether the shot is a cut, or let storymem lint --fix make it one")
    return [cut.truth() for cut in told]


def carried(root: Node, name: str, story_keys: frozenset[str]) -> dict[str, JsonValue]:
    """Return the metadata that holds, under ``name``, what the project's own form has no key for."""
    extra: dict[str, JsonValue] = {k: n.value for k, n in root.fields().items() if k not in story_keys}
    scenes: list[JsonValue] = []
    for scene in root.field("scenes"):
        kept = {k: n.value for k, n in scene.fields().items() if k not in _SCENE_KEYS}
        frames = scene.optional("first_frame_prompt")
        if frames:
            kept[FIRST_FRAMES] = [frame.text() for frame in frames]
            if len(frames.items()) != len(prompts_of(scene)):
                frames.warn(f"has {len(frames.items())} entries, but {scene.path}.video_prompts has another number")
        scenes.append(kept)
    if any(scenes):
        extra["scenes"] = scenes
    return {name: extra} if extra else {}


def dump_story(script: StoryScript, name: str) -> tuple[dict[str, JsonValue], list[str]]:
    """Return ST-Bench data with what was carried under ``name``, and what is lost but for entities."""
    extra = script.metadata.get(name)
    extra = dict(extra) if isinstance(extra, dict) else {}
    kept = extra.pop("scenes", [])
    scenes: list[JsonValue] = []
    dropped: list[str] = []
    for index, scene in enumerate(script.scenes):
        before = first_of(kept, index)
        scenes.append(_dump_scene(index, scene.shots, before if isinstance(before, dict) else {}, dropped))
    data: dict[str, JsonValue] = {
        "story_name": script.title,
        "story_overview": script.overview,
        "scenes": scenes,
        **extra,
    }
    return data, [*dropped, *lost_by_story(script, keep={name}), *lost_by_shots(script, keeps={"cut", "entities"})]


def _dump_scene(
    index: int, shots: tuple[Shot, ...], kept: dict[str, JsonValue], dropped: list[str]
) -> dict[str, JsonValue]:
    scene: dict[str, JsonValue] = {
        "scene_num": index + 1,
        "video_prompts": [shot.prompt for shot in shots],
        "cut": [shot.cut for shot in shots],
    }
    for key, value in kept.items():
        # Lists per shot hold only as long as no shot was added or removed.
        name = "first_frame_prompt" if key == FIRST_FRAMES else key
        if not isinstance(value, list) or len(value) == len(shots):
            scene[name] = value
        else:
            dropped.append(f"{name} of scene {index + 1}, which has {len(value)} entries for {len(shots)} shots")
    return scene
