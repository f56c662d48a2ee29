"""The parts of the model planners: long texts, schemas, system prompts, weights, registration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from storymem.errors import PluginError, SettingsError
from storymem.plugin import Kind, PluginHost
from storymem.script.mentions import estimate_tokens
from storymem_plugins.planning.answers import outline_answer, schema_of, shots_answer
from storymem_plugins.planning.condensing import parts_of
from storymem_plugins.planning.errors import PlanError
from storymem_plugins.planning.llama_chat import weights_digest
from storymem_plugins.planning.prompting import system_prompt
from storymem_plugins.planning.settings import ModelPlannerSettings

LIMITS = ModelPlannerSettings(prompt_chars=100, look_chars=30, max_entities=3)


@given(text=st.text(alphabet="ab c.\n。狐", max_size=800), room=st.integers(5, 60))
@settings(deadline=None, max_examples=80)
def test_parts_hold_everything_and_fit(text: str, room: int) -> None:
    parts = parts_of(text, room)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(estimate_tokens(part) <= room for part in parts)


def test_parts_break_between_paragraphs() -> None:
    text = "One two three.\n\nFour five six.\n\nSeven."
    assert parts_of(text, 8) == ["One two three.\n\nFour five six.", "Seven."]


def test_shots_shape() -> None:
    shape = shots_answer(LIMITS, 2, ["Fox", "Old Owl"])
    schema = schema_of(shape)
    shots = schema["properties"]["shots"]  # type: ignore[index,call-overload]
    assert (shots["minItems"], shots["maxItems"]) == (2, 2)
    item = shots["items"]["properties"]
    assert item["entities"]["items"] == {"enum": ["Fox", "Old Owl"], "type": "string"}
    assert item["prompt"] == {"maxLength": 100, "minLength": 10, "type": "string"}
    good = {"shots": [{"entities": [" old owl "], "prompt": "  A long owl.  ", "cut": True}] * 2}
    answer = shape.model_validate(good)
    assert answer.shots[0].entities == ["Old Owl"]
    assert answer.shots[0].prompt == "A long owl."
    for bad in ({"shots": good["shots"][:1]}, {"shots": [{**good["shots"][0], "entities": ["x"]}] * 2}):
        with pytest.raises(ValidationError):
            shape.model_validate(bad)


def test_shots_without_entities() -> None:
    shape = shots_answer(LIMITS, 1, [])
    assert shape.model_validate({"shots": [{"entities": [], "prompt": "A long road.", "cut": True}]})
    with pytest.raises(ValidationError):
        shape.model_validate({"shots": [{"entities": ["x"], "prompt": "A long road.", "cut": True}]})


def test_outline_shape_keeps_properties_called_title() -> None:
    schema = schema_of(outline_answer(LIMITS, 2))
    assert list(schema["properties"]) == ["title", "overview", "entities", "scenes"]  # type: ignore[arg-type]
    assert schema["properties"]["scenes"]["maxItems"] == 2  # type: ignore[index,call-overload]


@pytest.mark.parametrize("name", ["outline", "shots", "condense", "revise"])
def test_system_prompts_are_versioned(name: str) -> None:
    prompt = system_prompt(name)
    version, digest = prompt.label.split()
    assert int(version) >= 1
    assert len(digest) == 12
    assert "JSON only" in prompt.text
    assert not prompt.text.startswith("version")


def test_weights_must_be_a_gguf_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    with pytest.raises(PlanError, match=r"model\.gguf: No such file .*--planner outline"):
        weights_digest(path)
    path.write_bytes(b"PK\x03\x04 zip")
    with pytest.raises(PlanError, match="is no GGUF file"):
        weights_digest(path)
    path.write_bytes(b"GGUF" + b"a" * 10)
    first = weights_digest(path)
    path.write_bytes(b"GGUF" + b"b" * 10)
    assert weights_digest(path) != first


def test_registered_with_settings_and_without_imports() -> None:
    host = PluginHost()
    assert {"outline", "llm", "local"} <= set(host.registry.names(Kind.SCRIPT_PLANNER))
    with pytest.raises(SettingsError, match="planner 'llm': base_url: must be an http"):
        host.find(Kind.SCRIPT_PLANNER, "llm").check({"base_url": "x"})
    with pytest.raises(SettingsError, match="planner 'local': weights: missing"):
        host.find(Kind.SCRIPT_PLANNER, "local").check({})
    with pytest.raises(PluginError, match="did you mean 'outline'"):
        host.find(Kind.SCRIPT_PLANNER, "outlin")


def test_no_client_library_is_imported_before_it_is_used() -> None:
    code = (
        "import sys; from storymem.plugin import PluginHost, Kind; h = PluginHost(); "
        "h.find(Kind.SCRIPT_PLANNER, 'llm').check({}); h.build(Kind.SCRIPT_PLANNER, 'outline', {}); "
        "assert not {'openai', 'httpx2', 'xllamacpp', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)
