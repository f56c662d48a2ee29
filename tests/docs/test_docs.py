"""What the documentation says is run, or compared with the code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from storymem import errors

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def short_stories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder like the repository's, whose stories have two shots of five frames."""
    folder = tmp_path / "examples" / "stories"
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "examples" / "stories" / "references", folder / "references")
    for source in (ROOT / "examples" / "stories").glob("*.json"):
        story = json.loads(source.read_text("utf-8"))
        story["scenes"] = story["scenes"][:1]
        story["scenes"][0]["shots"] = [{**shot, "frames": 5} for shot in story["scenes"][0]["shots"][:2]]
        (folder / source.name).write_text(json.dumps(story), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readmes_python_runs(short_stories: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORYMEM_BACKBONE", "animatic")  # where the README leaves the model to the default
    namespace: dict[str, object] = {}  # later blocks build on earlier ones, as a reader does
    for number, code in enumerate(blocks(ROOT / "README.md", "python")):
        exec(compile(code, f"README.md python block {number}", "exec"), namespace)
    assert (short_stories / "films" / "fox" / "film.mp4").is_file()
    assert (short_stories / "films" / "first_only" / "film.mp4").is_file()


def test_the_quickstarts_script_renders(tmp_path: Path) -> None:
    script = json.loads(blocks(ROOT / "docs" / "quickstart.md", "json")[0])
    (tmp_path / "story.json").write_text(json.dumps(script), "utf-8")
    command = [Path(sys.executable).with_name("storymem"), "render", tmp_path / "story.json", "-o", tmp_path / "run"]
    options = ["--backbone", "animatic", "--frames", "5", "--quiet"]
    subprocess.run([*command, *options], check=True, capture_output=True)


def test_exit_codes_are_documented() -> None:
    table = (ROOT / "docs" / "errors.md").read_text("utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    used = {c.exit_code for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.StoryMemError)}
    assert used <= documented


def test_every_command_that_is_mentioned_exists() -> None:
    listing = subprocess.run(
        [Path(sys.executable).with_name("storymem"), "--help"], check=True, capture_output=True, text=True
    ).stdout
    commands = set(re.findall(r"^  ([a-z]+)  ", listing, re.MULTILINE))
    mentioned = {name for path in DOCS for name in re.findall(r"`storymem ([a-z]+)[ `]", path.read_text("utf-8"))}
    assert mentioned, "the documentation names no command at all"
    assert mentioned <= commands


def test_links_between_pages_lead_somewhere() -> None:
    for path in DOCS:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}, which does not exist"
