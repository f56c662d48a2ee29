"""The top of the package: its names, its version, and the forms in which a program may give a script."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from core_support import PLUGIN, Program, Stage, chain, shot, story

import storymem
from storymem import Session, StoryScript, Storyteller, load_script
from storymem.errors import GraphError, RunStoreError, ScriptError, ShotError
from storymem.result import ShotState


def test_every_name_can_be_imported_from_the_top() -> None:
    for name in storymem.__all__:
        assert getattr(storymem, name) is not None
    namespace: dict[str, object] = {}
    exec("from storymem import *", namespace)
    assert set(storymem.__all__) - {"__version__"} <= namespace.keys()
    assert storymem.__version__ == version("storymem")
    with pytest.raises(AttributeError, match="module 'storymem' has no attribute 'Storytellr'"):
        _ = storymem.Storytellr


def test_importing_the_top_imports_nothing_heavy() -> None:
    code = "import sys, storymem; sys.exit(any(name in sys.modules for name in ('torch', 'av', 'numpy', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_program_says_its_version(program: Program, tmp_path: Path) -> None:
    done = program("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"storymem {storymem.__version__}\n")


# -- scripts ----------------------------------------------------------------------------------------------


def test_a_script_may_be_a_dict_a_path_or_a_script(stage: Stage) -> None:
    plain = {"title": "Tale", "scenes": [{"shots": [{"prompt": "p1"}, {"prompt": "p2"}]}]}
    path = stage.root / "tale.json"
    path.write_text(json.dumps(plain))
    with stage.teller() as teller:
        assert teller.render(plain).made == 2
        for same in (path, str(path), load_script(path), load_script(str(path)), StoryScript.model_validate(plain)):
            assert teller.render(same).cached == 2


@pytest.mark.parametrize("text", ['{"title": "Tale"}', "  [1]", "title: Tale\nscenes: []"])
def test_the_text_of_a_script_is_not_taken_for_a_path(stage: Stage, text: str) -> None:
    words = r"this is the text of a script, not the path of one; give json\.loads"
    with stage.teller() as teller, pytest.raises(ScriptError, match=words) as error:
        teller.render(text)
    assert "\n" not in str(error.value)
    assert not stage.folder().exists()


def test_anything_else_is_named(stage: Stage) -> None:
    with stage.teller() as teller, pytest.raises(ScriptError, match="expected a StoryScript, a dict or a path, got in"):
        teller.render(7)  # type: ignore[arg-type]


def test_one_prompt_is_changed_in_a_copy() -> None:
    script = chain(2)
    changed = script.with_prompt("1.2", "other")
    assert [s.prompt for s in changed.scenes[0].shots] == ["p1", "other"]
    assert [s.prompt for s in script.scenes[0].shots] == ["p1", "p2"]
    with pytest.raises(ScriptError, match=r"shot 9\.9: the script has no such shot"):
        script.with_prompt("9.9", "x")
    with pytest.raises(ScriptError, match=r"shot 1\.2: prompt: "):
        script.with_prompt("1.2", " ")


# -- results ----------------------------------------------------------------------------------------------


def test_failed_shots_raise_unless_the_caller_checks(stage: Stage) -> None:
    with stage.teller(fault={"p1": "raise"}, policy="none") as teller:
        with pytest.raises(ShotError, match="failed shots: 1"):
            teller.render(chain(2))
        result = teller.render(chain(2), check=False)
    assert {name: status.state for name, status in result.shots.items()} == {
        "1.1": ShotState.FAILED,
        "1.2": ShotState.FINISHED,
    }
    assert (result.made, result.cached, result.blocked, result.film) == (0, 1, 0, None)


def test_status_is_what_the_result_was(stage: Stage) -> None:
    with stage.teller() as teller:
        with pytest.raises(RunStoreError, match="is not a run folder"):
            teller.status()
        result = teller.render(chain(2))
        assert teller.status() == result.shots
    status = result.shots["1.2"]
    assert status.take is not None
    assert status.view is not None
    assert status.view.is_file()
    assert len(status.keyframes) == len(stage.keyframes()["1.2"]) > 0


def test_status_can_be_asked_while_another_renders(stage: Stage) -> None:
    states: list[list[str]] = []
    with stage.teller() as teller, Storyteller(stage.folder(), plugins=[PLUGIN], backbone="blocks") as other:
        for event in teller.stream(chain(2)):
            if type(event).__name__ == "ShotFinished":
                states.append([str(status.state) for status in other.status().values()])
    assert states[-1] == ["finished", "finished"]
    assert states[0][0] == "finished"


def test_updated_shots_are_counted_apart(stage: Stage) -> None:
    stage.render(chain(2), policy="none", selector={"name": "every", "step": 2})
    result = stage.render(chain(2), policy="none", selector={"name": "every", "step": 1}).check()
    assert (result.made, result.updated, result.cached) == (0, 2, 0)


def test_a_dry_run_makes_nothing(stage: Stage) -> None:
    script = story(["p1", shot("p2", cut=False)])
    with stage.teller() as teller:
        plan = teller.dry_run(script)
    assert [spec.request.prompt for spec in plan.specs] == ["p1", "p2"]
    assert [spec.tail for spec in plan.specs] == [1, 0]
    assert not stage.folder().exists()
    with Session(plugins=[PLUGIN], backbone="blocks") as session, pytest.raises(GraphError):
        session.plan(script).board.shot("7.7")
