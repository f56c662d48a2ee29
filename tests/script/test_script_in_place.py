"""Files that are written: nothing of anybody's is lost, and lint --fix keeps what stands around its changes."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from storymem.cli.main import app
from storymem.errors import ScriptError
from storymem.script import yaml_notation
from storymem.script.keeping import edited_yaml, has_comments
from storymem.script.writing import write_text

YAML = """# the whole story
title: "The Fox"   # a title
entities:
  # who
  - id: fox
    look: small red fox with a white scarf  # fixed
scenes:
  - setting: 'a field'
    shots:
      - prompt: Wide shot. The fox walks.   # first
        cut: no  # oops
        entities: [fox]
      # the second
      - prompt: The small red fox with a white scarf stands still.
        cut: false           # continues
        entities: [fox]
"""
GOOD = {"title": "T", "scenes": [{"shots": [{"prompt": "a fox"}, {"prompt": "an owl"}]}]}


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False)  # type: ignore[return-value]


def test_comments_layout_and_mode_survive_a_fix(tmp_path: Path) -> None:
    path = tmp_path / "story.yaml"
    path.write_text(YAML)
    path.chmod(0o600)
    call("lint", path, "--fix")
    wanted = YAML.replace("cut: no  # oops", "cut: true   # oops").replace(
        "prompt: Wide shot. The fox walks.   # first",
        'prompt: "fox: small red fox with a white scarf. Wide shot. The fox walks." # first',
    )
    assert [line.split() for line in path.read_text().splitlines()] == [line.split() for line in wanted.splitlines()]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    call("lint", path, "--fix")
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '// mine\n{"title": "T", "scenes": [{"shots": [{"prompt": "a", "cut": false}]}]}'),
        ("a.json5", "{title: 'T', scenes: [{shots: [{prompt: 'a', cut: false}]}]}"),
        ("a.toml", 'title = "T" # mine\n[[scenes]]\n[[scenes.shots]]\nprompt = "a"\ncut = false\n'),
    ],
)
def test_comments_that_cannot_be_kept_are_not_dropped(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ScriptError, match=r"would be lost; add --out story\.json, or --force"):
        call("lint", path, "--fix")
    assert path.read_text() == content
    call("lint", path, "--fix", "--out", tmp_path / "new.json")
    assert json.loads((tmp_path / "new.json").read_text())["title"] == "T"
    call("lint", path, "--fix", "--force")
    assert "mine" not in path.read_text()


def test_nothing_is_written_over_without_force(tmp_path: Path) -> None:
    story, other = tmp_path / "story.json", tmp_path / "other.json"
    story.write_text(json.dumps(GOOD))
    other.write_text("precious")
    link = tmp_path / "dangling.json"
    link.symlink_to("nowhere.json")
    for arguments in (
        ["convert", story, other], ["convert", story, story], ["convert", story, link],
        ["graph", story, "-o", other], ["graph", story, "-o", story],
        ["lint", story, "--fix", "-o", other], ["plan", "A fox.", "-o", other],
    ):  # fmt: skip
        with pytest.raises(ScriptError, match="exists; choose another file, or add --force"):
            call(*arguments)
    assert other.read_text() == "precious"
    assert json.loads(story.read_text()) == GOOD
    call("convert", story, other, "--force")
    assert json.loads(other.read_text()) == GOOD


@pytest.mark.parametrize("suffix", ["svg", "json", "dot", "mmd"])
def test_a_graph_may_be_drawn_again(tmp_path: Path, suffix: str) -> None:
    story, out = tmp_path / "story.json", tmp_path / f"graph.{suffix}"
    story.write_text(json.dumps(GOOD))
    call("graph", story, "-o", out)
    call("graph", story, "-o", out)
    out.write_text("mine now")
    with pytest.raises(ScriptError, match="exists"):
        call("graph", story, "-o", out)


def test_links_long_names_and_other_folders(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    write_text(tmp_path / "link.json", "new")
    assert (tmp_path / "link.json").is_symlink()
    assert real.read_text() == "new"
    write_text(tmp_path / ("x" * 250 + ".txt"), "long")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ScriptError, match="cannot be written"):
        write_text(tmp_path / "a", "x")
    with pytest.raises(ScriptError, match="not Unicode text"):
        write_text(tmp_path / "c", "\ud800")
    assert sorted(p.name[:4] for p in tmp_path.iterdir()) == ["a", "b", "link", "real", "xxxx"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("suffix", ["json", "yaml", "toml"])
def test_numbers_that_no_file_can_hold(tmp_path: Path, number: float, suffix: str) -> None:
    from storymem.script.writing import write_script
    from storymem.values.script import StoryScript

    script = StoryScript.model_validate({**GOOD, "metadata": {"score": [number]}})
    with pytest.raises(ScriptError, match=rf"s\.{suffix}: metadata\.score\.0: .*not a number"):
        write_script(tmp_path / f"s.{suffix}", script)


_leaf = st.none() | st.booleans() | st.integers(-99, 99) | st.text(alphabet="ab: #-'\"\n,no1e", max_size=12)
_data: st.SearchStrategy[Any] = st.dictionaries(
    st.sampled_from("abcd"),
    st.recursive(
        _leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner), max_leaves=6
    ),
    min_size=1,
)


@settings(deadline=None)
@given(before=_data, after=_data)
def test_an_edited_file_reads_as_what_it_was_changed_to(before: dict[str, Any], after: dict[str, Any]) -> None:
    import yaml

    text = yaml.safe_dump(before, sort_keys=False)
    if yaml_notation.loads(text) != before:
        return  # what YAML 1.1 and 1.2 read differently is quoted by neither writer
    assert yaml_notation.loads(edited_yaml(text, before, after)) == after


def test_what_is_a_comment() -> None:
    assert has_comments("a: 1 # b", ".yaml")
    assert not has_comments("a: 'x#y'", ".yaml")
    assert not has_comments('a = "x # y"', ".toml")
    assert has_comments('a = """\n"""\n# y', ".toml")
    assert not has_comments('{"a": "//"}', ".json")
