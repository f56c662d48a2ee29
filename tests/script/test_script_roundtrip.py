"""Whatever a script holds, it reads back equal from every notation; hypothesis writes the scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import ScriptError
from storymem.plugin import PluginHost
from storymem.script.loader import load_script
from storymem.script.parsing import read_data
from storymem.script.writing import to_data, write_data, write_script
from storymem.values.script import StoryScript

TEXT = st.text(max_size=40)
NAME = st.text(min_size=1, max_size=20).map(str.strip).filter(bool)
SEED = st.integers(0, 2**64 - 1)
JSON = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
TABLE = st.dictionaries(NAME, JSON, max_size=3)
TRANSITION = st.none() | st.fixed_dictionaries({"name": NAME, "settings": TABLE})
OVERRIDES = st.fixed_dictionaries(
    {}, optional={"budget": st.integers(0, 99), "negative_prompt": TEXT, "backbone": TABLE}
)


def entity(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"id": st.just(name)},
        optional={
            "name": TEXT,
            "kind": st.sampled_from(["character", "place", "object", "style"]),
            "look": TEXT,
            "references": st.lists(TEXT, max_size=2),
        },
    )


def shot(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"prompt": NAME},
        optional={
            "cut": st.booleans(),
            "entities": st.lists(st.sampled_from(names), max_size=3) if names else st.just([]),
            "transition": TRANSITION,
            "frames": st.integers(1, 100_000),
            "seed": SEED,
            "overrides": OVERRIDES,
        },
    )


@st.composite
def scripts(draw: st.DrawFn) -> StoryScript:
    names = draw(st.lists(NAME, max_size=3, unique=True))
    scene = st.fixed_dictionaries(
        {"shots": st.lists(shot(names), min_size=1, max_size=3)}, optional={"title": TEXT, "setting": TEXT}
    )
    data = draw(
        st.fixed_dictionaries(
            {"title": NAME, "scenes": st.lists(scene, min_size=1, max_size=3)},
            optional={
                "overview": TEXT,
                "style": TEXT,
                "negative_prompt": TEXT,
                "seed": SEED,
                "metadata": TABLE,
            },
        )
    )
    data["scenes"][0]["shots"][0]["cut"] = True
    data["entities"] = [draw(entity(name)) for name in names]
    if draw(st.booleans()):
        for i, each in enumerate(data["scenes"]):
            for j, one in enumerate(each["shots"]):
                one["id"] = f"{i + 1}.{j + 1}{draw(st.sampled_from(['', 'a', 'b']))}"
    return StoryScript.model_validate(data)


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scripts")


@pytest.mark.parametrize("suffix", [".json", ".json5", ".yaml", ".yml", ".toml"])
@given(script=scripts())
@settings(deadline=None, max_examples=40)
def test_reads_back_equal(host: PluginHost, folder: Path, suffix: str, script: StoryScript) -> None:
    path = folder / f"story{suffix}"
    write_script(path, script)
    assert load_script(path, host) == script


@given(script=scripts())
@settings(deadline=None, max_examples=40)
def test_data_is_minimal_and_whole(script: StoryScript) -> None:
    data = to_data(script)
    assert StoryScript.model_validate(data) == script
    assert to_data(StoryScript.model_validate(data)) == data


def test_toml_says_what_it_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    with pytest.raises(ScriptError, match=r"a\.toml: metadata\.deep\.1 is null, which TOML cannot hold"):
        write_data(path, {"metadata": {"deep": [1, None]}})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_data(path, {"title": "old"})
    with pytest.raises(ScriptError, match="unknown file type"):
        write_data(tmp_path / "a.xml", {"title": "new"})
    with pytest.raises(ScriptError, match="title: is not Unicode text"):
        write_data(path, {"title": "\ud800"})
    assert read_data(path) == {"title": "old"}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
