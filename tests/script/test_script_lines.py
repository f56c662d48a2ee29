"""Narration and dialogue of shots: checked, carried by every notation, and measured by lint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from storymem import load_script
from storymem.plugin import PluginHost
from storymem.script.lint import lint
from storymem.script.rules import Pace
from storymem.script.services import convert
from storymem.script.writing import write_script
from storymem.values.script import Line, Scene, Shot, StoryScript

HARD = 'Wind: "No!"\né 狐 {\\b1}'


def script(**fields: object) -> StoryScript:
    shot = Shot.model_validate({"prompt": "A fox.", **fields})
    return StoryScript(title="T", scenes=(Scene(shots=(shot,)),))


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".toml"])
def test_lines_survive_every_notation(tmp_path: Path, suffix: str) -> None:
    written = script(narration=HARD, dialogue=[{"speaker": "Fox", "text": HARD}, {"text": "Yes."}])
    write_script(tmp_path / f"story{suffix}", written)
    assert load_script(tmp_path / f"story{suffix}") == written
    assert written.scenes[0].shots[0].dialogue[1] == Line(text="Yes.")


@pytest.mark.parametrize("dialogue", [[{"speaker": "Fox"}], [{"text": " "}], ["Yes."], [{"text": "a", "voice": "b"}]])
def test_a_line_has_a_text_and_nothing_unknown(dialogue: list[object]) -> None:
    with pytest.raises(ValidationError):
        script(dialogue=dialogue)


def test_other_forms_say_that_lines_are_lost() -> None:
    _, losses = convert(script(narration="It was.", dialogue=[{"text": "Yes."}]), "st_bench", PluginHost())
    assert {"narration of 1.1", "dialogue of 1.1"} <= set(losses)


def test_lines_longer_than_their_shot_are_found() -> None:
    text = "a" * 45  # three seconds
    assert [f for f in lint(script(narration=text, frames=48), 8) if f.rule == "lines-too-long"] == []
    (finding,) = (f for f in lint(script(narration=text, frames=47), 8) if f.rule == "lines-too-long")
    assert (finding.shot, finding.severity) == ("1.1", "warning")
    assert finding.reason == "its lines take about 3.0 s to say, the shot lasts 2.9 s"
    assert finding.suggestion.endswith("give it 48 frames")


def test_lint_knows_how_long_shots_are_that_do_not_say() -> None:
    story = script(dialogue=[{"text": "a" * 45}, {"text": "b" * 45}])
    assert any(f.rule == "lines-too-long" for f in lint(story, 8))
    assert not any(f.rule == "lines-too-long" for f in lint(story, 8, pace=Pace(frames=97)))


def test_the_command_takes_frames_and_rate(tmp_path: Path) -> None:
    write_script(tmp_path / "story.json", script(narration="a" * 90))
    program = Path(sys.executable).with_name("storymem")
    for words, found in (((), True), (("--frames", "97"), False), (("--frames", "97", "--fps", "24"), True)):
        done = subprocess.run(
            [program, "lint", tmp_path / "story.json", *words], capture_output=True, text=True, check=False
        )
        assert ("lines-too-long" in done.stdout) is found, done.stdout
