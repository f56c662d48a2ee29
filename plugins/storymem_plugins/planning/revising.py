"""Revision by a language model: it names the changes, and they are applied exactly."""

from __future__ import annotations

from pydantic import JsonValue

from storymem.errors import ScriptError
from storymem.script.edits import with_ids
from storymem.script.mentions import estimate_tokens
from storymem.script.models import StoryScript
from storymem.script.revision import apply_revision
from storymem_plugins.planning.answers import RevisionAnswer, schema_of, with_enum
from storymem_plugins.planning.asking import Asker
from storymem_plugins.planning.chat import Message
from storymem_plugins.planning.prompting import system_prompt

_SHARE = 0.6


def revised(script: StoryScript, request: str, asker: Asker) -> StoryScript:
    """Return ``script`` changed as ``request`` asks, with the revision recorded in its metadata.

    Raises:
        ScriptError: The script is too long for the model's context.
        PlanError: The model gave no usable answer.
    """
    script = with_ids(script)
    listed = _listed(script)
    tokens, room = estimate_tokens(listed), int(asker.settings.context_tokens * _SHARE)
    if tokens > room:
        raise ScriptError(
            f"the script takes about {tokens} tokens and the model has room for {room}; "
            "raise context_tokens if the model allows, or revise the file by hand"
        )
    messages = [
        Message("system", system_prompt("revise").text),
        Message("user", f"<script>\n{listed}\n</script>\n\n<request>\n{request}\n</request>"),
    ]
    answer = asker.ask(
        "revision",
        messages,
        RevisionAnswer,
        with_enum(schema_of(RevisionAnswer), "shot", [shot.id for scene in script.scenes for shot in scene.shots]),
        check=lambda answer: _check(script, answer),
    )
    return _recorded(apply_revision(script, answer.changes), request, asker)


def _check(script: StoryScript, answer: RevisionAnswer) -> None:
    apply_revision(script, answer.changes)


def _recorded(script: StoryScript, request: str, asker: Asker) -> StoryScript:
    entry: dict[str, JsonValue] = {
        "request": request[:500],
        "model": asker.model.identity,
        "prompt": system_prompt("revise").label,
        "seed": asker.seed,
        **asker.usage.read_as(),
    }
    before = script.metadata.get("revisions")
    revisions: list[JsonValue] = [*(before if isinstance(before, list) else []), entry]
    return script.model_copy(update={"metadata": {**script.metadata, "revisions": revisions}})


def _listed(script: StoryScript) -> str:
    lines = [f"Title: {script.title}", f"Overview: {script.overview}", "Entities:"]
    lines += [f"- {entity.id} ({entity.kind}): {entity.look}" for entity in script.entities]
    for scene in script.scenes:
        lines.append(f"Scene: {scene.title}. {scene.setting}")
        lines += [
            f"{shot.id} [{'cut' if shot.cut else 'continues'}; {', '.join(shot.entities)}] {shot.prompt}"
            for shot in scene.shots
        ]
    return "\n".join(lines)
