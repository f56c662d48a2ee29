"""The commands plan, revise, make, lint and convert, as a user calls them."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from planning_support import ChatServer, says
from typer.testing import CliRunner, Result

from storymem.cli import convert, lint, plan
from storymem.errors import ScriptError, SettingsError, StoryMemError
from storymem.plugin import PluginHost
from storymem.script.loader import load_script

EXAMPLES = Path(__file__).parents[2] / "examples" / "stories"
app = typer.Typer(rich_markup_mode=None)
for command in (plan.plan, plan.revise, plan.make, lint.lint, convert.convert):
    app.command()(command)


def call(*arguments: object, text: str | None = None) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=text)
    if isinstance(result.exception, StoryMemError):
        raise result.exception
    return result


def prompts(path: Path) -> list[str]:
    return [shot.prompt for scene in load_script(path, PluginHost()).scenes for shot in scene.shots]


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".toml"])
def test_plan_writes_a_script_that_is_clean(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"story{suffix}"
    tale = "A fox finds a lantern in the snow. It lifts the lantern. It sniffs it. It carries the lantern away."
    result = call("plan", tale, "--shots", 4, "-o", out, "--style", "ink")
    assert result.exit_code == 0
    assert "1 scenes, 4 shots" in result.output
    assert f"next: storymem render {out}" in result.output
    assert len(prompts(out)) == 4
    assert call("lint", out, "--strict").exit_code == 0
    with pytest.raises(ScriptError, match="exists; choose another file, or add --force"):
        call("plan", "other", "-o", out)
    assert call("plan", "other", "-o", out, "--force", "--seconds", 11).exit_code == 0
    assert len(prompts(out)) == 2


def test_plan_from_a_file_and_from_standard_input(tmp_path: Path) -> None:
    tale = tmp_path / "tale.txt"
    tale.write_text("A fox runs. It stops.", "utf-8-sig")
    call("plan", "--from", tale, "-o", tmp_path / "a.json", "--shots", 2)
    call("plan", "-", "-o", tmp_path / "b.json", "--shots", 2, text="A fox runs. It stops.")
    assert prompts(tmp_path / "a.json") == prompts(tmp_path / "b.json")
    tale.write_bytes(b"\xff\xff")
    for arguments, message in (
        (["--from", tale], "is not UTF-8 text"),
        (["--from", tmp_path / "none.txt"], "cannot be read: No such file"),
        (["x", "--from", tale], "give the idea as an argument, or a file"),
        ([], "give the idea as an argument, or a file"),
        (["x", "--shots", 3, "--seconds", 9], "not both"),
        (["x", "--seconds", "inf"], "must be a number of seconds"),
        (["x\udcff"], "the brief is not Unicode text"),
        (["x", "--style", "\udcff"], "the style is not Unicode text"),
        (["x", "--shots", 2001], "ask for 1 to 2000"),
        ([" "], "the brief is empty"),
    ):
        with pytest.raises(ScriptError, match=message):
            call("plan", *arguments, "-o", tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()
    with pytest.raises(ScriptError, match=r"unknown file type '\.doc'"):
        call("plan", "x", "-o", tmp_path / "c.doc")
    for seed in (2**64, "soon", "1.5"):
        with pytest.raises(SettingsError, match=rf"--seed {seed}: "):
            call("plan", "x", "--seed", seed, "-o", tmp_path / "c.json")


def test_a_cast_brings_its_pictures(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "references", tmp_path / "pictures" / "references")
    cast = tmp_path / "pictures" / "cast.yaml"
    cast.write_text("entities:\n- id: cat\n  look: round orange cat\n  references: [references/cat.png]\n")
    call("plan", "A cat walks. It waves.", "--cast", cast, "-o", tmp_path / "story.json", "--shots", 2)
    script = load_script(tmp_path / "story.json", PluginHost())
    assert script.entities[0].references == ("pictures/references/cat.png",)
    assert call("lint", tmp_path / "story.json", "--strict").exit_code == 0
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(ScriptError, match=r"must lie below .*elsewhere"):
        call("plan", "A cat walks.", "--cast", cast, "-o", tmp_path / "elsewhere" / "story.json")
    cast.write_text("entities: []\n")
    with pytest.raises(ScriptError, match=r"cast\.yaml: has no entities"):
        call("plan", "A cat walks.", "--cast", cast, "-o", tmp_path / "x.json")


def test_lint_finds_fixes_and_reports(tmp_path: Path) -> None:
    path = tmp_path / "story.json"
    shots = [{"prompt": "The fox sits.", "cut": False}, {"prompt": "The fox stands."}]
    path.write_text(
        json.dumps(
            {"title": "T", "entities": [{"id": "fox", "look": "red fox, white scarf"}], "scenes": [{"shots": shots}]}
        )
    )
    with pytest.raises(ScriptError, match="the first shot has nothing to continue"):
        call("lint", path)
    fixed = call("lint", path, "--fix", "--json")
    assert fixed.exit_code == 0
    told = json.loads(fixed.output)
    assert told["findings"] == []
    assert {finding["rule"] for finding in told["fixed"]} == {"first-shot-cut", "look-missing", "entity-unlisted"}
    assert call("lint", path).output == "0 errors, 0 warnings\n"
    before = path.read_bytes()
    call("lint", path, "--fix")
    assert path.read_bytes() == before


def test_lint_exit_codes_and_foreign_forms(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text(json.dumps({"story_name": "T", "scenes": [{"video_prompts": ["x " * 2000], "cut": ["False"]}]}))
    assert call("lint", path, "--fix").exit_code == 1
    assert json.loads(path.read_text())["scenes"][0]["cut"] == [True], "a form that loses nothing is written back"
    path.write_text(path.read_text().replace("true", '"False"'))
    result = call("lint", path, "--fix", "--out", tmp_path / "story.json")
    assert result.exit_code == 1
    assert "shot 1.1: error [prompt-too-long]" in result.output
    assert "1 errors, 0 warnings, 1 fixed" in result.output
    sound = tmp_path / "sound.json"
    sound.write_text(json.dumps({"title": "T", "scenes": [{"shots": [{"prompt": "The sound of rain."}]}]}))
    assert call("lint", sound).exit_code == 0
    assert call("lint", sound, "--strict").exit_code == 1


def test_convert_there_and_back(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "references", tmp_path / "references")
    source = Path(shutil.copy(EXAMPLES / "fox_and_lantern.json", tmp_path))
    result = call("convert", source, tmp_path / "bench.json", "--to", "entitybench", "--json")
    told = json.loads(result.stdout)
    assert (told["from"], told["to"]) == ("storymem", "entitybench")
    assert f"the story seed {json.loads(source.read_text())['seed']}" in told["lost"]
    call("convert", tmp_path / "bench.json", tmp_path / "back.yaml")
    assert prompts(tmp_path / "back.yaml") == prompts(source)
    with pytest.raises(ScriptError, match="not written, since memflow cannot hold"):
        call("convert", source, tmp_path / "x.jsonl", "--to", "memflow", "--strict")
    assert not (tmp_path / "x.jsonl").exists()
    plain = call("convert", source, tmp_path / "x.jsonl", "--to", "memflow")
    assert "lost: the overview" in plain.stderr
    call("convert", tmp_path / "x.jsonl", tmp_path / "one.json", "--source-set", "line=2")
    assert len(prompts(tmp_path / "one.json")) == 3


def test_convert_keeps_pictures_within_reach(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "stories")
    call("convert", tmp_path / "stories" / "two_kites.json", tmp_path / "kites.yaml")
    references = load_script(tmp_path / "kites.yaml", PluginHost()).entities[0].references
    assert references == ("stories/references/cat.png",)
    (tmp_path / "far").mkdir()
    with pytest.raises(ScriptError, match="copy it there"):
        call("convert", tmp_path / "stories" / "two_kites.json", tmp_path / "far" / "kites.json")


def llm_options(server: ChatServer, tmp_path: Path) -> list[Any]:
    pairs = {"base_url": server.url, "model": "m", "cache_dir": tmp_path / "cache", "retries": 0, "repairs": 0}
    return [part for key, value in pairs.items() for part in ("--planner-set", f"{key}={value}")]


def test_plan_and_revise_with_a_server(server: ChatServer, tmp_path: Path) -> None:
    story = tmp_path / "story.json"
    call("plan", "a fox", "--shots", 3, "-o", story, "--planner", "llm", *llm_options(server, tmp_path))
    before = prompts(story)
    change = {"op": "rewrite", "shot": "1.1", "prompt": "Everything is sad.", "entities": None, "cut": None}
    server.behaviours = [says(json.dumps({"changes": [change]}))]
    dry = call("revise", story, "sadder", "--dry-run", *llm_options(server, tmp_path))
    assert "shot 1.1: prompt changed" in dry.output
    assert "  + Everything is sad." in dry.output
    assert prompts(story) == before
    told = call("revise", story, "sadder", "--json", *llm_options(server, tmp_path))
    assert json.loads(told.stdout)[0]["what"] == "shot 1.1"
    assert prompts(story) == ["Everything is sad.", *before[1:]]
    with pytest.raises(StoryMemError, match="planner 'outline' cannot revise"):
        call("revise", story, "sadder", "--planner", "outline")


def test_make_goes_from_idea_to_film_and_resumes(tmp_path: Path) -> None:
    out = tmp_path / "film"
    idea = ["make", "a fox finds a lantern in the snow", "-o", out, "--shots", 2, "--quiet", "--backbone", "animatic"]
    small = ["--size", "64x64", "--frames", 5]
    assert call(*idea, *small).exit_code == 0
    assert (out / "film.mp4").stat().st_size > 0
    assert len(prompts(out / "story.json")) == 2
    again = call(*idea, *small)
    assert "0 shots made, 2 kept" in again.output
    with pytest.raises(ScriptError, match="was made from another brief"):
        call("make", "something else", "-o", out)
    with pytest.raises(ScriptError, match="was made from another brief"):
        call(*idea, *small, "--style", "ink drawing")


def test_ctrl_c_is_a_cancellation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("storymem.script.services.plan", interrupt)
    with pytest.raises(StoryMemError, match="planning was cancelled") as raised:
        call("plan", "x", "-o", tmp_path / "x.json")
    assert raised.value.exit_code == 130


def test_standard_input_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("x"))
    with pytest.raises(ScriptError, match="at most 2000000"):
        call("plan", "-", "-o", tmp_path / "x.json", text="x" * 2_000_100)
