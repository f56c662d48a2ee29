"""Names what a target form cannot hold, so that a conversion never loses anything silently."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from storymem.values.script import Shot, ShotOverrides, StoryScript

_SHOT_PARTS: dict[str, Callable[[Shot], Any]] = {
    "cut": lambda shot: not shot.cut,
    "entities": lambda shot: shot.entities,
    "transition": lambda shot: shot.transition,
    "frames": lambda shot: shot.frames,
    "seed": lambda shot: shot.seed is not None,
    "overrides": lambda shot: shot.overrides != ShotOverrides(),
    "narration": lambda shot: shot.narration,
    "dialogue": lambda shot: shot.dialogue,
}
_SHOWN = 5


def lost_by_story(script: StoryScript, keep: Collection[str] = ()) -> list[str]:
    """Name the story's own parts that no foreign form holds.

    Args:
        script: What is converted.
        keep: Metadata keys that the target does hold.
    """
    parts = {
        f"the style {script.style[:40]!r}": script.style,
        "the negative prompt": script.negative_prompt,
        f"the story seed {script.seed}": script.seed,
        "scene titles": any(scene.title for scene in script.scenes),
        "scene settings": any(scene.setting for scene in script.scenes),
        f"reference images of {_some(e.id for e in script.entities if e.references)}": any(
            entity.references for entity in script.entities
        ),
    }
    lost = [name for name, there in parts.items() if there]
    return lost + [f"metadata {key!r}" for key in script.metadata if key not in keep]


def lost_by_shots(script: StoryScript, keeps: Collection[str] = ()) -> list[str]:
    """Name, part by part, the shots that have something beyond a prompt that the target does not keep."""
    shots = {script.shot_id(i, j): shot for i, scene in enumerate(script.scenes) for j, shot in enumerate(scene.shots)}
    lost = []
    for name, has in _SHOT_PARTS.items():
        ids = [shot_id for shot_id, shot in shots.items() if has(shot)]
        if ids and name not in keeps:
            lost.append(f"{'missing cuts' if name == 'cut' else name} of {_some(ids)}")
    if renamed := [i for i in shots if i not in _counted(script)]:
        lost.append(f"ids of inserted shots {_some(renamed)}")
    return lost


def _counted(script: StoryScript) -> set[str]:
    return {f"{i + 1}.{j + 1}" for i, scene in enumerate(script.scenes) for j in range(len(scene.shots))}


def _some(names: Any) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
