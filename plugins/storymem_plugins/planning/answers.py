"""The shapes of a model's answers, as pydantic models made to measure: lengths and names are part of the schema."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints, create_model

from storymem.script.revision import RevisionStep
from storymem.values.script import EntityKind
from storymem_plugins.planning.chat import JsonSchema
from storymem_plugins.planning.settings import ModelPlannerSettings

_KIND: Any = Literal["character", "place", "object"]
_LENGTH_KEYS = frozenset({"minLength", "maxLength"})


class _Answer(BaseModel):
    # Servers without structured output add keys; what was asked for is what counts.
    model_config = ConfigDict(extra="ignore", frozen=True)


class SceneAnswer(_Answer):
    """One scene of an outline."""

    title: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)]
    setting: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=120)]
    summary: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=400)]


class EntityAnswer(_Answer):
    """One entity of an outline."""

    name: str
    kind: EntityKind
    look: str


class OutlineAnswer(_Answer):
    """The first stage: cast and scenes."""

    title: str
    overview: str
    entities: Sequence[EntityAnswer]
    scenes: Sequence[SceneAnswer]


class ShotAnswer(_Answer):
    """One shot."""

    entities: Sequence[str]
    prompt: str
    cut: bool


class ShotsAnswer(_Answer):
    """The second stage: the shots of a scene."""

    shots: Sequence[ShotAnswer]


class SummaryAnswer(_Answer):
    """One part of a long text, condensed."""

    summary: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=1200)]


class RevisionAnswer(_Answer):
    """What to change in a script."""

    changes: Annotated[list[RevisionStep], Field(min_length=1, max_length=200)]


def outline_answer(settings: ModelPlannerSettings, shots: int) -> type[OutlineAnswer]:
    """Return the outline's shape: at most as many scenes as shots, looks and names bounded."""
    entity = create_model(
        "Entity",
        __base__=EntityAnswer,
        name=(_text(1, 60), ...),
        kind=(_KIND, ...),
        look=(_text(3, settings.look_chars), ...),
    )
    return create_model(
        "Outline",
        __base__=OutlineAnswer,
        title=(_text(1, 80), ...),
        overview=(_text(10, 500), ...),
        entities=(_list(entity, 0, settings.max_entities), ...),
        scenes=(_list(SceneAnswer, 1, min(settings.max_scenes, shots)), ...),
    )


def shots_answer(settings: ModelPlannerSettings, count: int, names: Sequence[str]) -> type[ShotsAnswer]:
    """Return the shape of exactly ``count`` shots that show nobody but ``names``."""
    by_lower = {name.lower(): name for name in names}

    def canonical(value: Any) -> Any:
        return by_lower.get(value.strip().lower(), value) if isinstance(value, str) else value

    name = Annotated[Literal[tuple(names)], BeforeValidator(canonical)] if names else str
    shot = create_model(
        "Shot",
        __base__=ShotAnswer,
        entities=(_list(name, 0, min(len(names), 5)), ...),
        prompt=(_text(10, settings.prompt_chars), ...),
        cut=(bool, ...),
    )
    return create_model("Shots", __base__=ShotsAnswer, shots=(_list(shot, count, count), ...))


def schema_of(answer: type[BaseModel]) -> JsonSchema:
    """Return the JSON schema of an answer: no references, every key required, none allowed beside them."""
    schema = answer.model_json_schema()
    definitions = schema.pop("$defs", {})
    return cast("JsonSchema", _inlined(schema, definitions))


def with_enum(schema: JsonSchema, key: str, values: Iterable[str]) -> JsonSchema:
    """Return ``schema`` with every property called ``key`` limited to ``values``."""
    allowed: list[JsonValue] = list(values)

    def limited(node: JsonValue) -> JsonValue:
        if isinstance(node, list):
            return [limited(item) for item in node]
        if not isinstance(node, dict):
            return node
        copy = {name: limited(value) for name, value in node.items()}
        properties = copy.get("properties")
        if isinstance(properties, dict) and key in properties:
            properties[key] = {"type": "string", "enum": allowed}
        return copy

    return cast("JsonSchema", limited(schema))


def without_text_lengths(schema: JsonSchema) -> JsonSchema:
    """Return ``schema`` without bounds on the lengths of texts, which OpenAI's strict mode refuses."""

    def freed(node: JsonValue) -> JsonValue:
        if isinstance(node, list):
            return [freed(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {key: freed(value) for key, value in node.items() if key not in _LENGTH_KEYS}

    return cast("JsonSchema", freed(schema))


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rsplit("/", 1)[1]], definitions)
    dropped = {"title", "description", "default", "discriminator"}
    # A property may itself be called "title"; only the schema's own annotations are dropped.
    copy = {
        "anyOf" if key == "oneOf" else key: (
            {name: _inlined(value, definitions) for name, value in item.items()}
            if key == "properties"
            else _inlined(item, definitions)
        )
        for key, item in node.items()
        if key not in dropped
    }
    if "properties" in copy:
        copy["required"] = list(copy["properties"])
        copy["additionalProperties"] = False
    return copy


def _text(least: int, most: int) -> Any:
    return Annotated[str, StringConstraints(strip_whitespace=True, min_length=least, max_length=most)]


def _list(item: Any, least: int, most: int) -> Any:
    return Annotated[list[item], Field(min_length=least, max_length=most)]
