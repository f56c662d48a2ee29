"""Almost-JSON: repairs where its meaning is certain, and nowhere else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymem_plugins.planning.answers import schema_of, shots_answer
from storymem_plugins.planning.echoing import echoed
from storymem_plugins.planning.prompting import system_prompt
from storymem_plugins.planning.repairing import Unclear, read_answer
from storymem_plugins.planning.settings import ModelPlannerSettings

SHAPE = shots_answer(ModelPlannerSettings(), 1, ["Mira", "the fox"])
SCHEMA = schema_of(SHAPE)
SHOT = {"entities": ["Mira"], "prompt": "Wide shot. Mira walks, slowly.", "cut": True}
WANTED: Any = {"shots": [SHOT]}
PLAIN = json.dumps(WANTED)

CERTAIN = {
    "plain": PLAIN,
    "trailing comma": PLAIN.replace("]}", "],}").replace("true}", "true,}"),
    "prose before": "Sure! Here is the JSON:\n" + PLAIN,
    "prose after": PLAIN + "\nI hope this helps.",
    "prose around": "Here it is: " + PLAIN + " Enjoy!",
    "fence": f"```json\n{PLAIN}\n```",
    "unclosed fence": f"```json\n{PLAIN}",
    "fence in prose": f"Here:\n```JSON\n{PLAIN}\n```\nDone.",
    "byte order mark": "\ufeff" + PLAIN,
    "thinking": f"<think>maybe {{a}} or [b]</think>{PLAIN}",
    "bare closing think tag": f"Let me think about {{this}}.\n</think>\n{PLAIN}",
    "python literals": str(WANTED),
    "single quotes": PLAIN.replace('"', "'"),
    "line comments": PLAIN.replace('"cut"', '// starts the scene\n"cut"'),
    "block comments": PLAIN.replace('"cut"', '/* starts, the scene */ "cut"'),
    "hash comments": PLAIN.replace('"cut"', '# starts the scene\n"cut"'),
    "raw newline in a string": PLAIN.replace("Wide shot. ", "Wide shot.\n"),
    "one text for a list": PLAIN.replace('["Mira"]', '"Mira"'),
    "result": json.dumps({"result": WANTED}),
    "answer in result": json.dumps({"response": {"answer": WANTED}}),
    "top-level array": json.dumps([SHOT]),
    "list around the answer": json.dumps([WANTED]),
    "encoded twice": json.dumps(PLAIN),
    "encoded in result": json.dumps({"json": PLAIN}),
    "unquoted keys": PLAIN.replace('"shots"', "shots").replace('"cut"', "cut"),
    "missing comma": PLAIN.replace('"], "prompt"', '"] "prompt"'),
    "missing last brace": PLAIN[:-1],
    "cut as text": PLAIN.replace("true", '"True"'),
    "cut as number": PLAIN.replace("true", "1"),
    "cut as yes": PLAIN.replace("true", '"yes"'),
    "keys with capitals": PLAIN.replace('"shots"', '"Shots"').replace('"prompt"', '"Prompt"'),
    "one table for a list": json.dumps({"shots": SHOT}),
    "name in another case": PLAIN.replace('"Mira"]', '"mira"]'),
    "smart quotes": PLAIN.replace('"shots"', "\u201cshots\u201d"),
}


@pytest.mark.parametrize("name", CERTAIN)
def test_what_is_certain_is_mended(name: str) -> None:
    data, repairs = read_answer(CERTAIN[name], SCHEMA)
    shots = SHAPE.model_validate_json(json.dumps(data)).shots
    assert [(list(s.entities), " ".join(s.prompt.split()), s.cut) for s in shots] == [
        (["Mira"], SHOT["prompt"], True),
    ]
    assert bool(repairs) is (name not in ("plain", "name in another case"))


UNCERTAIN = {
    "empty": "",
    "prose": "I cannot do that.",
    "cut off in a string": PLAIN[:60],
    "cut off in a list": PLAIN[:-2],
    "two answers": PLAIN + PLAIN,
    "a key given twice": PLAIN.replace('"cut"', '"prompt": "Another.", "cut"'),
    "nul": PLAIN.replace("slowly", "\\u0000slowly"),
    "words lost": '{"shots": [{"entities": ["Mira"], "prompt": "Wide shot." Mira walks, "cut": true}]}',
    "deep": "[" * 5000,
    "loop": PLAIN[:-1] + ',"a' * 2000 + "}",
}


@pytest.mark.parametrize("name", UNCERTAIN)
def test_what_is_not_certain_goes_back(name: str) -> None:
    with pytest.raises(Unclear):
        read_answer(UNCERTAIN[name], SCHEMA)


def test_a_text_of_several_names_is_a_list_only_if_all_are_known() -> None:
    data: Any = read_answer(PLAIN.replace('["Mira"]', '"Mira, the fox"'), SCHEMA)[0]
    assert data["shots"][0]["entities"] == ["Mira", "the fox"]
    data = read_answer(PLAIN.replace('["Mira"]', '"Mira, a wolf"'), SCHEMA)[0]
    assert data["shots"][0]["entities"] == ["Mira, a wolf"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8), _json, min_size=2, max_size=4))
def test_valid_json_is_never_changed(data: dict[str, Any]) -> None:
    if "\\u0000" in json.dumps(data):
        return
    assert read_answer(json.dumps(data), {"type": "object"}) == (data, [])


@given(st.text(max_size=300) | st.text(alphabet='{}[]",:\\ \nab1', max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Unclear):
        read_answer(text, SCHEMA)


ECHOES = {
    "look": "its fixed appearance in 8 to 20 words that a painter could work from",
    "part": "Mira: species or age, build, hair or fur, clothes, and boots",
    "whole": "a few words.",
}


@pytest.mark.parametrize("name", ECHOES)
def test_instructions_are_no_answer(name: str) -> None:
    answer = SHAPE.model_construct(shots=[])
    assert not echoed(answer, system_prompt("outline").text)
    prompt = ECHOES[name] + " " * 10
    shot = SHAPE.model_validate({"shots": [{**SHOT, "prompt": prompt.ljust(12)}]})
    assert echoed(shot, system_prompt("outline").text)
    assert not echoed(SHAPE.model_validate(WANTED), system_prompt("shots").text)
