"""The llm planner against a server that behaves: stages, counts, cast, cache, provenance, revision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from planning_support import ChatServer, Handler, Json, filled, says, schema_of, well

from storymem.errors import Cancelled, ScriptError
from storymem.interfaces import Brief, ScriptPlanner
from storymem.script.changes import diff_scripts
from storymem.script.lint import has_errors, lint
from storymem.script.revision import ScriptReviser
from storymem.testing.planner import PlannerContract
from storymem.values.script import Entity, StoryScript
from storymem_plugins.planning.settings import LlmSettings


def quiet(line: str) -> None:
    del line


def all_shots(script: StoryScript) -> list[str]:
    return [shot.prompt for scene in script.scenes for shot in scene.shots]


@pytest.mark.parametrize("shots", [1, 2, 5, 13, 40])
def test_exactly_the_wanted_shots(server: ChatServer, tmp_path: Path, shots: int) -> None:
    script = server.planner(tmp_path).plan(Brief("a fox", shots=shots), quiet)
    assert len(all_shots(script)) == shots
    assert not has_errors(lint(script, 8))
    assert all(scene.shots[0].cut for scene in script.scenes)


def test_stages_and_requests(server: ChatServer, tmp_path: Path) -> None:
    lines: list[str] = []
    brief = Brief("a fox finds a lantern", shots=14, style="ink drawing", language="German", seed=5)
    script = server.planner(tmp_path, shots_per_call=4).plan(brief, lines.append)
    stages = [line for line in lines if not line.endswith("characters")]
    assert stages[:3] == ["outline", "scene 1 of 2, shots 1 to 4", "scene 1 of 2, shots 5 to 7"]
    assert stages[-1] == "5 calls, 0 cached, 0 repairs, 50 tokens in, 25 tokens out"
    first, *rest = server.requests
    assert "a fox finds a lantern" in first["messages"][1]["content"]
    assert all("German" in request["messages"][1]["content"] for request in server.requests)
    assert all(request["seed"] == 5 and request["stream"] for request in server.requests)
    assert [schema_of(request)["properties"]["shots"]["minItems"] for request in rest] == [4, 3, 4, 3]
    assert "3 of its 7 shots" not in rest[1]["messages"][1]["content"]
    assert "4 of its 7 shots are written" in rest[1]["messages"][1]["content"]
    assert script.style == "ink drawing"


def test_looks_are_repeated_and_listed_names_only(server: ChatServer, tmp_path: Path) -> None:
    script = server.planner(tmp_path).plan(Brief("a fox", shots=6), quiet)
    by_id = {entity.id: entity for entity in script.entities}
    for scene in script.scenes:
        for shot in scene.shots:
            assert shot.entities
            assert all(by_id[name].look in shot.prompt for name in shot.entities)


def test_provenance(server: ChatServer, tmp_path: Path) -> None:
    script = server.planner(tmp_path, price_in=1.0, price_out=10.0).plan(Brief("a fox", shots=2, seed=9), quiet)
    plan = script.metadata["plan"]
    assert isinstance(plan, dict)
    assert plan["model"] == f"test at {server.url}"
    assert (plan["planner"], plan["seed"], plan["brief"], plan["shots"]) == ("llm", 9, "a fox", 2)
    assert set(plan["prompts"]) == {"outline", "shots", "condense"}
    assert all(label.startswith("1 ") for label in plan["prompts"].values())
    assert plan["usage"]["cost"] == pytest.approx((30 * 1.0 + 15 * 10.0) / 1e6)


def test_the_given_cast_is_used_as_it_is(server: ChatServer, tmp_path: Path) -> None:
    cast = (
        Entity(id="hero", name="Red thing 1 on a hill", look="tall woman in a blue coat", references=("hero.png",)),
        Entity(id="dog", look="small dog"),
    )

    def outline_with_the_hero(handler: Handler, body: Json) -> None:
        answer = filled(schema_of(body))
        answer["entities"][0]["name"] = "red THING 1 on a hill"
        handler.stream(json.dumps(answer))

    server.behaviours = [outline_with_the_hero, well]
    script = server.planner(tmp_path).plan(Brief("a walk", shots=3, cast=cast), quiet)
    assert script.entities[0] == cast[0]
    assert cast[1] in script.entities
    assert [e.label.lower() for e in script.entities].count("red thing 1 on a hill") == 1
    assert "tall woman in a blue coat" in server.requests[0]["messages"][1]["content"]
    assert "hero" in script.scenes[0].shots[0].entities


def test_the_same_brief_is_not_paid_twice(server: ChatServer, tmp_path: Path) -> None:
    first = server.planner(tmp_path).plan(Brief("a fox", shots=3), quiet)
    asked = len(server.requests)
    again = server.planner(tmp_path).plan(Brief("a fox", shots=3), quiet)
    assert len(server.requests) == asked
    assert again.scenes == first.scenes
    assert again.metadata["plan"]["usage"] == {
        "calls": 0, "cached": asked, "repairs": 0, "tokens_in": 0, "tokens_out": 0,
    }  # fmt: skip
    server.planner(tmp_path).plan(Brief("a fox", shots=3, seed=1), quiet)
    assert len(server.requests) == 2 * asked
    server.planner(tmp_path, cache=False).plan(Brief("a fox", shots=3), quiet)
    assert len(server.requests) == 3 * asked


def test_a_damaged_cache_is_asked_again(server: ChatServer, tmp_path: Path) -> None:
    first = server.planner(tmp_path).plan(Brief("a fox", shots=2), quiet)
    kept = sorted((tmp_path / "cache").iterdir())
    for path, text in zip(kept, ("", "[]", '{"text": "{}"}'), strict=False):
        path.write_text(text)
    assert server.planner(tmp_path).plan(Brief("a fox", shots=2), quiet).scenes == first.scenes


def test_a_long_text_is_summarised_within_the_context(server: ChatServer, tmp_path: Path) -> None:
    text = "\n\n".join(f"Chapter {n}. The fox walks on and on through the deep wood." * 8 for n in range(60))
    lines: list[str] = []
    server.planner(tmp_path, context_tokens=4096).plan(Brief(text, shots=2), lines.append)
    summaries = [line for line in lines if line.startswith("summary of part")]
    assert len(summaries) >= 4
    for request in server.requests:
        assert sum(len(message["content"]) for message in request["messages"]) < 4 * 4096


def test_cancelling_between_and_within_answers(server: ChatServer, tmp_path: Path) -> None:
    def stop(at: str) -> None:
        def progress(line: str) -> None:
            if line.startswith(at):
                raise Cancelled("stop")

        with pytest.raises(Cancelled):
            server.planner(tmp_path, cache=False).plan(Brief("a fox", shots=2), progress)

    stop("outline")
    assert server.requests == []
    stop("scene 1")
    assert len(server.requests) == 1


@pytest.mark.parametrize("structured", ["json_object", "none"])
def test_servers_without_schemas(server: ChatServer, tmp_path: Path, structured: str) -> None:
    outline = {
        "title": "T", "overview": "A fox walks home.", "extra": 1,
        "entities": [{"name": "Fox", "kind": "character", "look": "small red fox", "mood": "sad"}],
        "scenes": [{"title": "One", "setting": "a wood", "summary": "The fox walks."}],
    }  # fmt: skip
    shots = {"shots": [{"entities": ["FOX"], "prompt": "Wide shot. The small red fox walks.", "cut": True}]}
    server.behaviours = [says(f"```json\n{json.dumps(outline)}\n```"), says(f"<think>Hm.</think>{json.dumps(shots)}")]
    script = server.planner(tmp_path, structured=structured).plan(Brief("a fox", shots=1), quiet)
    assert script.scenes[0].shots[0].entities == ("Fox",)
    formats = [request.get("response_format") for request in server.requests]
    assert formats == [{"type": "json_object"} if structured == "json_object" else None] * 2


def test_a_server_that_does_not_stream(server: ChatServer, tmp_path: Path) -> None:
    def whole(handler: Handler, body: Json) -> None:
        assert not body.get("stream")
        message = {"role": "assistant", "content": json.dumps(filled(schema_of(body)))}
        answer = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": None}
        handler.reply(200, json.dumps({"id": "c", "object": "chat.completion", **answer}).encode())

    server.behaviours = [whole]
    script = server.planner(tmp_path, stream=False, send_seed=False).plan(Brief("a fox", shots=2), quiet)
    assert len(all_shots(script)) == 2
    assert "seed" not in server.requests[0]


def test_models_with_other_parameters(server: ChatServer, tmp_path: Path) -> None:
    server.planner(tmp_path, limit_key="max_completion_tokens", temperature=None).plan(Brief("a fox", shots=1), quiet)
    assert server.requests[0]["max_completion_tokens"] == 2048
    assert not {"max_tokens", "temperature"} & server.requests[0].keys()


def test_strict_schemas_have_no_lengths_and_close_every_table(server: ChatServer, tmp_path: Path) -> None:
    server.planner(tmp_path, strict=True).plan(Brief("a fox", shots=2), quiet)
    for request in server.requests:
        assert request["response_format"]["json_schema"]["strict"] is True
        text = json.dumps(schema_of(request))
        assert "Length" not in text
        assert "$ref" not in text
        for table in tables(schema_of(request)):
            assert table["additionalProperties"] is False
            assert table["required"] == list(table["properties"])


def tables(schema: object) -> list[Json]:
    if isinstance(schema, list):
        return [table for item in schema for table in tables(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if schema.get("type") == "object" else []
    return own + [table for value in schema.values() for table in tables(value)]


def story() -> StoryScript:
    shots = [{"prompt": f"A red fox, part {n}.", "entities": ["fox"]} for n in range(3)]
    return StoryScript.model_validate(
        {"title": "T", "seed": 3, "entities": [{"id": "fox", "look": "red fox"}], "scenes": [{"shots": shots}]}
    )


def test_revision_changes_only_what_the_model_names(server: ChatServer, tmp_path: Path) -> None:
    planner = server.planner(tmp_path)
    assert isinstance(planner, ScriptReviser)
    change = {"op": "rewrite", "shot": "1.3", "prompt": "The red fox weeps.", "entities": None, "cut": None}
    server.behaviours = [says(json.dumps({"changes": [change]}))]
    before = story()
    after = planner.revise(before, "a sadder ending", quiet)
    assert [(c.what, c.field, c.after) for c in diff_scripts(before, after)] == [
        ("shot 1.3", "prompt", "The red fox weeps.")
    ]
    assert "a sadder ending" in server.requests[0]["messages"][1]["content"]
    assert json.dumps(["1.1", "1.2", "1.3"]) in json.dumps(schema_of(server.requests[0]))
    entry = after.metadata["revisions"][0]
    assert (entry["request"], entry["seed"]) == ("a sadder ending", 3)


def test_an_impossible_revision_goes_back_to_the_model(server: ChatServer, tmp_path: Path) -> None:
    bad = {"changes": [{"op": "remove", "shot": "7.7"}]}
    good = {"changes": [{"op": "remove", "shot": "1.2"}]}
    server.behaviours = [says(json.dumps(bad)), says(json.dumps(good))]
    after = server.planner(tmp_path).revise(story(), "shorter", quiet)
    assert [shot.id for shot in after.scenes[0].shots] == ["1.1", "1.3"]
    assert "shot 7.7: the script has no such shot" in server.requests[1]["messages"][-1]["content"]


def test_a_script_that_does_not_fit_is_not_sent(server: ChatServer, tmp_path: Path) -> None:
    shots = [{"prompt": f"{n} " + "word " * 300} for n in range(20)]
    long = StoryScript.model_validate({"title": "T", "scenes": [{"shots": shots}]})
    with pytest.raises(ScriptError, match="raise context_tokens"):
        server.planner(tmp_path).revise(long, "shorter", quiet)
    assert server.requests == []


class TestContract(PlannerContract):
    """The llm planner obeys the contract of planners; no cache, so that every plan is really asked for."""

    @pytest.fixture
    def planner(self, server: ChatServer, tmp_path: Path) -> ScriptPlanner[LlmSettings]:
        return server.planner(tmp_path, cache=False)
