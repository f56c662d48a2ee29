"""The installed ``storymem`` command: what it prints, its exit codes, Ctrl-C, and every bad input in one line."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from core_support import (
    PLUGIN,
    PROGRAM,
    Program,
    Stage,
    chain,
    check_tidy,
    clean_environ,
    flip,
    json_lines,
    published,
    shot,
    story,
    storymem,
)

from storymem.store.runstore import RunStore

TINY = ("--plugin", str(PLUGIN), "--backbone", "blocks", "--policy", "none")


def write(path: Path, script: Any) -> Path:
    path.write_text(json.dumps(script if isinstance(script, dict | list) else script.model_dump(mode="json")))
    return path


@pytest.fixture
def tale(tmp_path: Path) -> Path:
    return write(tmp_path / "tale.json", chain(3, cut=False))


Run = Callable[..., str]


def installed(*args: str | Path, cwd: Path, **env: str) -> str:
    """Run the installed program, which must succeed, and return what it printed."""
    done = storymem(*args, cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


@pytest.fixture
def run(program: Program) -> Run:
    """Return the same for the program inside this process."""

    def inside(*args: str | Path, cwd: Path, **env: str) -> str:
        done = program(*args, cwd=cwd, env=env)
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout

    return inside


def test_a_run_from_render_to_prune(run: Run, tmp_path: Path, tale: Path) -> None:
    lines = json_lines(installed("render", tale, "-o", "run", *TINY, "--policy", "recent", "--json", cwd=tmp_path))
    assert [line["event"] for line in lines][:1] + [line["event"] for line in lines][-2:] == [
        "RunStarted",
        "FilmWritten",
        "RunFinished",
    ]
    folder = tmp_path / "run"
    film = published(folder)["film.mp4"]
    (status,) = json_lines(run("status", "run", "--json", cwd=tmp_path))
    assert (status["title"], status["film"]) == ("Tale", True)
    assert [(s["shot"], s["state"], s["take"], s["mode"]) for s in status["shots"]] == [
        ("1.1", "finished", 1, "t2v"),
        ("1.2", "finished", 1, "mi2v"),
        ("1.3", "finished", 1, "mi2v"),
    ]
    assert status["shots"][0]["keyframes"]

    assert "3 shots made, 0 kept" not in run("resume", "run", "-q", cwd=tmp_path)
    redone = run("redo", "run", "1.2", "-q", cwd=tmp_path)
    assert redone.endswith("run/film.mp4 (13 frames; 2 shots made, 1 kept)\n")
    assert published(folder)["film.mp4"] != film
    (takes,) = json_lines(run("takes", "run", "1.2", "--json", cwd=tmp_path))
    assert [(t["number"], t["current"], t["pinned"]) for t in takes] == [(1, False, False), (2, True, False)]
    assert takes[0]["request"]["seed"] != takes[1]["request"]["seed"]

    run("pin", "run", "1.2", "1", "-q", cwd=tmp_path)
    assert published(folder)["film.mp4"] == film, "the first take is back, and so is what followed it"
    (pruned,) = json_lines(run("prune", "run", "--json", cwd=tmp_path))
    assert sorted(map(tuple, pruned["takes"])) == [("1.2", 2), ("1.3", 2)]
    assert len(pruned["files"]) >= 4
    check_tidy(folder)
    assert "all files are as recorded" in run("verify", "run", cwd=tmp_path)
    plain = run("status", "run", cwd=tmp_path)
    assert plain.startswith("Tale: 3 of 3 shots finished\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seed", "-1"], "greater than or equal to 0"),
        (["--seed", str(2**64)], "less than or equal to"),
        (["--prompt", " "], "--prompt: String should have at least 1 character"),
        (["--reset", "--seed", "1"], "--reset goes back to the script"),
    ],
)
def test_an_impossible_redo_changes_nothing(
    run: Run, program: Program, tmp_path: Path, tale: Path, options: list[str], words: str
) -> None:
    run("render", tale, "-o", "run", *TINY, "-q", cwd=tmp_path)
    done = program("redo", "run", "1.1", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    with RunStore(tmp_path / "run", write=False) as store:
        assert store.overrides() == {}


def test_a_graph_that_cannot_be_written_is_named(program: Program, tmp_path: Path, tale: Path) -> None:
    (tmp_path / "file").write_text("")
    done = program("graph", tale, "-o", "file/graph.svg", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: file/graph.svg: cannot be written: ")


def test_redo_after_a_prune_still_makes_another_take(run: Run, tmp_path: Path, tale: Path) -> None:
    run("render", tale, "-o", "run", *TINY, "-q", cwd=tmp_path)
    run("redo", "run", "1.3", "-q", cwd=tmp_path)
    run("prune", "run", cwd=tmp_path)
    assert "1 shots made, 2 kept" in run("redo", "run", "1.3", "-q", cwd=tmp_path)
    assert "1 shots made, 2 kept" in run("redo", "run", "1.3", "--prompt", "other", "-q", cwd=tmp_path)
    assert "(13 frames" in run("redo", "run", "1.3", "--reset", "-q", cwd=tmp_path)
    (takes,) = json_lines(run("takes", "run", "1.3", "--json", cwd=tmp_path))
    assert len({t["request"]["seed"] for t in takes}) == 3
    assert takes[-1]["request"]["prompt"] == "p3"


def test_prune_keeps_a_clip_whose_keyframes_could_not_be_chosen(run: Run, program: Program, tmp_path: Path) -> None:
    tale = write(tmp_path / "tale.json", chain(1))
    options = ("render", tale, "-o", "run", *TINY, "-q", "--set", "selector=every")
    assert program(*options, "--set", "selector.fault=raise", cwd=tmp_path).returncode == 4
    assert "0 takes" in run("prune", "run", cwd=tmp_path)
    with RunStore(tmp_path / "run", write=False) as store:
        (before,) = store.takes()
    run(*options, cwd=tmp_path)
    with RunStore(tmp_path / "run", write=False) as store:
        assert store.takes() == [before], "the clip was not made again"


def test_damage_is_reported_shown_and_repaired(run: Run, program: Program, tmp_path: Path, tale: Path) -> None:
    run("render", tale, "-o", "run", *TINY, "-q", cwd=tmp_path)
    folder = tmp_path / "run"
    before = published(folder)
    for path in sorted((folder / "objects").iterdir())[::2]:
        flip(path, keep_time=True)
    done = program("verify", "run", cwd=tmp_path)
    assert done.returncode == 5
    assert re.fullmatch(
        r"error: run: \d+ files are damaged \(objects/.*\); storymem resume run makes them again\n", done.stderr
    )
    (status,) = json_lines(run("status", "run", "--json", cwd=tmp_path))
    assert "waiting" in {row["state"] for row in status["shots"]}
    run("status", "run", cwd=tmp_path)
    run("resume", "run", "-q", cwd=tmp_path)
    assert published(folder) == before


def test_a_failed_shot_ends_with_4_and_says_how_to_resume(run: Run, program: Program, tmp_path: Path) -> None:
    tale = write(tmp_path / "tale.json", story(["a"], ["b"]))
    done = program("render", tale, "-o", "run", *TINY, "--set", "backbone.fault.a=raise", cwd=tmp_path)
    assert done.returncode == 4
    lines = done.stderr.splitlines()
    assert "failed: shot 1.1: backbone Tiny failed: ValueError: tensor on the wrong device" in lines
    assert lines[-1].startswith("error: failed shots: 1, waiting for them: 0; the first: shot 1.1: ")
    assert lines[-1].endswith("everything finished is kept in run, render again to resume")
    (status,) = json_lines(run("status", "run", "--json", cwd=tmp_path))
    assert [(s["shot"], s["state"]) for s in status["shots"]] == [("1.1", "failed"), ("2.1", "finished")]
    assert not status["film"]
    assert "1 shots made, 1 kept" in run("render", tale, "-o", "run", *TINY, "-q", cwd=tmp_path)


@pytest.mark.parametrize(("number", "executor"), [(signal.SIGINT, "thread"), (signal.SIGTERM, "process")])
def test_ctrl_c_is_clean_and_resuming_gives_the_same_film(
    run: Run, tmp_path: Path, tale: Path, number: signal.Signals, executor: str
) -> None:
    hold = ("--set", "backbone.fault.p2=hold", "--set", f"executor={executor}")
    with subprocess.Popen(
        [PROGRAM, "render", tale, "-o", "run", *TINY, *hold, "--json"],
        cwd=tmp_path,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "ShotStep" and event["shot"] == "1.2" and event["step"] == 1:
                os.killpg(process.pid, number)  # as a terminal does: to the whole group
                break
        _, errors = process.communicate(timeout=50)
    assert process.returncode == 130
    assert errors.splitlines() == [
        "stopping after the current step; press Ctrl-C again to end at once",
        "error: cancelled; finished shots are kept, render again to resume",
    ]
    assert not list((tmp_path / "run" / "tmp").iterdir())
    fixed = ("--set", "backbone.fault={}")
    assert "2 shots made, 1 kept" in run("resume", "run", *fixed, "-q", cwd=tmp_path)
    run("render", tale, "-o", "undisturbed", *TINY, "-q", cwd=tmp_path)
    assert published(tmp_path / "run") == published(tmp_path / "undisturbed")
    check_tidy(tmp_path / "run")


# -- bad input --------------------------------------------------------------------------------------------


def rendered(folder: Path) -> None:
    stage = Stage(folder)
    stage.render(chain(1), backbone="blocks", policy="none")


def no_cut(folder: Path) -> None:
    write(folder / "bad.json", {"title": "T", "scenes": [{"shots": [{"prompt": "p", "cut": False}]}]})


def st_bench(folder: Path) -> None:
    scene = {"scene_num": 1, "video_prompts": ["a", "b"], "cut": ["True"]}
    write(folder / "bad.json", {"story_name": "T", "story_overview": "o", "scenes": [scene]})


def referring(reference: str) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        (folder / "text.png").write_text("no picture")
        write(folder / "bad.json", story(["p"], entities=[{"id": "fox", "references": [reference]}]))

    return prepare


def written(script: Any) -> Callable[[Path], None]:
    return lambda folder: write(folder / "bad.json", script) and None


def text(content: str, name: str = "bad.json") -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content) and None


def newer(folder: Path) -> None:
    rendered(folder)
    database = sqlite3.connect(folder / "run" / "run.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()


#: The default loads torch, which takes a program seconds.
ANIMATIC = ("--backbone", "animatic")
GOOD = written(story(["p", shot("q", cut=False)]))
BAD_INPUT: dict[str, tuple[Callable[[Path], Any], list[str], int, str]] = {
    "missing file": (lambda f: None, ["render", "bad.json"], 2, r"bad\.json: no such file"),
    "not JSON": (text("{nope"), ["render", "bad.json"], 2, r"bad\.json: line 1 column \d+: not JSON: .+"),
    "unknown type": (text("x", "bad.doc"), ["render", "bad.doc"], 2, r"bad\.doc: unknown file type '\.doc'; use .+"),
    "no script": (text("[1]"), ["render", "bad.json"], 2, r"bad\.json: is not a story script of any known form .+"),
    "wrong type": (
        written({"title": "T", "scenes": [{"shots": [{"prompt": 7}]}]}),
        ["render", "bad.json"],
        2,
        r"bad\.json: scenes\.0\.shots\.0\.prompt: .*string.*",
    ),
    "unknown key": (
        written({"title": "T", "scenes": [{"shots": [{"prompt": "p", "camera": "x"}]}]}),
        ["render", "bad.json"],
        2,
        r"bad\.json: scenes\.0\.shots\.0\.camera: unknown key.*",
    ),
    "empty scenes": (written({"title": "T", "scenes": []}), ["render", "bad.json"], 2, r"bad\.json: scenes: .+"),
    "first shot no cut": (no_cut, ["render", "bad.json"], 2, r"bad\.json: .*the first shot has nothing to continue.*"),
    "lengths differ": (st_bench, ["render", "bad.json"], 2, r"bad\.json: scenes\.0.*"),
    "unknown backbone": (
        GOOD,
        ["render", "bad.json", "--backbone", "animtic"],
        3,
        r"unknown backbone 'animtic': did you mean 'animatic'\?.+",
    ),
    "unknown policy": (
        GOOD,
        ["render", "bad.json", *ANIMATIC, "--policy", "recnt"],
        3,
        r"unknown policy 'recnt': did you mean 'recent'\?.+",
    ),
    "missing plugin file": (GOOD, ["render", "bad.json", "--plugin", "gone.py"], 3, r"plugin gone\.py: no such file"),
    "unknown setting": (
        GOOD,
        ["render", "bad.json", "--set", "budgt=3"],
        2,
        r"budgt: unknown key \(from command line\)",
    ),
    "unknown plugin setting": (
        GOOD,
        ["render", "bad.json", "--set", "policy.snk=3"],
        2,
        r"policy 'sink_recent': snk: unknown key",
    ),
    "malformed setting": (
        GOOD,
        ["render", "bad.json", "--set", "budget"],
        2,
        r"--set 'budget': write it as key=value.+",
    ),
    "missing settings file": (
        GOOD,
        ["render", "bad.json", "--config", "gone.toml"],
        2,
        r"gone\.toml: settings file does not exist",
    ),
    "zero frames": (
        GOOD,
        ["render", "bad.json", "--frames", "0"],
        2,
        r"frames: .*greater than or equal to 1 \(from command line\)",
    ),
    "frames not allowed": (
        GOOD,
        ["render", "bad.json", "--frames", "6"],
        2,
        r"shot 1\.1: 6 frames is not allowed: must be 4n\+1, from 1; nearest is 5",
    ),
    "size not allowed": (
        GOOD,
        ["render", "bad.json", "--backbone", "animatic", "--size", "100x99"],
        2,
        r"size 100x99 is not allowed: .+ multiples of 16; nearest is 96x96",
    ),
    "size the model was not made for": (
        GOOD,
        ["render", "bad.json", "--size", "320x192"],
        2,
        r"size 320x192: the embedded model was made for 160x96 and makes nothing else; .+",
    ),
    "size no size": (
        GOOD,
        ["render", "bad.json", "--size", "big"],
        2,
        r"size: 'big' must be WIDTHxHEIGHT, such as 832x480.+",
    ),
    "other story": (
        lambda f: (rendered(f), write(f / "bad.json", chain(1, title="Other"))),
        ["render", "bad.json", *ANIMATIC, "-o", "run"],
        5,
        r"run: holds the story 'Tale', not 'Other'; choose another folder with --out",
    ),
    "reference missing": (
        referring("gone.png"),
        ["render", "bad.json"],
        2,
        r"entity 'fox': reference image .*gone\.png does not exist",
    ),
    "reference unreadable": (
        referring("text.png"),
        ["render", "bad.json", *ANIMATIC],
        6,
        r".*text\.png: cannot be read as a picture.+",
    ),
    "reference outside": (
        referring("../secret.png"),
        ["render", "bad.json"],
        2,
        r"entity 'fox': reference '../secret\.png' must stay inside.+",
    ),
    "folder is a file": (
        lambda f: (GOOD(f), (f / "run").write_text("x")),
        ["render", "bad.json", "-o", "run"],
        5,
        r"run: cannot be written: .+",
    ),
    "newer folder": (
        newer,
        ["status", "run"],
        5,
        r"run/run\.sqlite: has schema 99, this version reads \d+; upgrade storymem",
    ),
    "no run": (
        lambda f: None,
        ["status", "run"],
        5,
        r"run: is not a run folder \(no run\.sqlite\); render into it first",
    ),
    "unknown shot": (rendered, ["redo", "run", "9.9"], 5, r"run: shot 9\.9: no such shot; the story has 1\.1 to 1\.1"),
    "unknown take": (rendered, ["pin", "run", "1.1", "7"], 5, r"shot 1\.1: has no take 7; its takes are: 1"),
    "bad graph suffix": (GOOD, ["graph", "bad.json", "-o", "a.gif"], 2, r"--out a\.gif: unknown suffix; use .+"),
}


#: One case of every exit code goes through the installed program.
INSTALLED = {"missing file", "unknown backbone", "other story", "reference unreadable"}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_an_exit_code(program: Program, tmp_path: Path, case: str) -> None:
    prepare, args, code, words = BAD_INPUT[case]
    prepare(tmp_path)
    done = (storymem if case in INSTALLED else program)(*args, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert re.fullmatch(rf"error: {words}\n", done.stderr), done.stderr
    assert done.stdout == ""


def test_a_folder_in_use_names_the_process(tmp_path: Path, tale: Path) -> None:
    rendered(tmp_path)
    with RunStore(tmp_path / "run", write=True):
        done = storymem("render", tale, "-o", "run", *ANIMATIC, cwd=tmp_path)
    assert done.returncode == 5
    assert done.stderr == f"error: run: is in use by another process (pid {os.getpid()})\n"


# -- the other commands -----------------------------------------------------------------------------------


def test_a_terminal_gets_a_progress_display(tmp_path: Path) -> None:
    tale = write(tmp_path / "tale.json", story(["a"], ["b [not markup]"]))
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [PROGRAM, "render", tale, "-o", "run", *TINY, "--set", "backbone.fault.a=raise"],
        cwd=tmp_path,
        env=clean_environ(TERM="xterm"),
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how a terminal says that nobody writes to it any more
            while chunk := os.read(ours, 4096):
                shown += chunk
    os.close(ours)
    assert process.returncode == 4
    text = shown.decode()
    assert "Tale: 2 shots with blocks, into run" in text
    assert "failed: shot 1.1: backbone Tiny failed: ValueError: tensor on the wrong device" in text
    assert re.search(r"shot 2\.1: take 1 in \d", text)
    assert "\x1b[" in text, "bars are drawn with escape sequences"


def test_plugins_lists_what_is_there_and_what_is_broken(tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = site / "bad-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[storymem]\nbad = bad_module\n")
    (site / "bad_module.py").write_text("import not_there_at_all\n")
    done = storymem("plugins", "--json", cwd=tmp_path, env={"PYTHONPATH": str(site)})
    assert done.returncode == 0, done.stderr
    (listing,) = json_lines(done.stdout)
    sink = next(p for p in listing["plugins"] if p["name"] == "sink_recent")
    assert (sink["kind"], sink["distribution"], sink["state"]) == ("policy", "storymem", "ready")
    assert "sink" in sink["settings"]["properties"]
    assert [b["plugin"] for b in listing["broken"]] == ["bad (bad 1.0)"]
    assert "No module named 'not_there_at_all'" in listing["broken"][0]["error"]
    plain = storymem("plugins", cwd=tmp_path, env={"PYTHONPATH": str(site), "STORYMEM_DISABLE_PLUGINS": "all"})
    assert "disabled: bad (bad 1.0)" in plain.stderr
    assert "sink_recent" in plain.stdout


@pytest.mark.parametrize("failure", ["import not_there_at_all", "raise SystemExit('no licence')"])
def test_other_distributions_add_commands_and_broken_ones_stop_nothing(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    site = tmp_path / "site"
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    points = "greet = acme_good:app\nbad = acme_bad\nstatus = acme_bad\n"
    (info / "entry_points.txt").write_text(f"[storymem.commands]\n{points}")
    (site / "acme_good.py").write_text(
        "import typer\napp = typer.Typer(rich_markup_mode=None)\n@app.command(help='Say hello.')\n"
        "def greet(name: str) -> None:\n    typer.echo(f'hello {name}')\n"
    )
    (site / "acme_bad.py").write_text(failure + "\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "acme_good", raising=False)
    assert program("greet", "fox", cwd=tmp_path).stdout == "hello fox\n"
    listed = program("--help", cwd=tmp_path)
    assert listed.returncode == 0
    assert re.search(r"greet +Say hello\.", listed.stdout)
    assert re.search(r"bad +Broken: ", listed.stdout)
    done = program("bad", "--any", "thing", cwd=tmp_path)
    assert done.returncode == 3
    assert re.fullmatch(r"error: command bad of acme cannot be imported: .+\n", done.stderr)
    assert "is not a run folder" in program("status", "run", cwd=tmp_path).stderr, "own commands cannot be replaced"


def test_config_says_where_every_value_comes_from(run: Run, tmp_path: Path) -> None:
    (tmp_path / "storymem.toml").write_text("budget = 3\npolicy = {name = 'sink_recent', sink = 1}\n")
    args = ("config", "--json", "--set", "crf=20", "--set", "policy.sink=2")
    (found,) = json_lines(run(*args, cwd=tmp_path, STORYMEM_WORKERS="2"))
    assert found["budget"] == {"value": 3, "from": "storymem.toml"}
    assert found["workers"] == {"value": 2, "from": "environment"}
    assert found["crf"] == {"value": 20, "from": "command line"}
    assert found["policy.name"] == {"value": "sink_recent", "from": "storymem.toml"}
    assert found["policy.sink"] == {"value": 2, "from": "command line"}
    assert found["size"] == {"value": None, "from": "default"}
    plain = run("config", "--set", "crf=20", cwd=tmp_path)
    assert re.search(r"^crf = 20 +# command line$", plain, re.MULTILINE)


def test_graph_writes_every_form(run: Run, tmp_path: Path, tale: Path) -> None:
    assert run("graph", tale, cwd=tmp_path).startswith("flowchart LR\n")
    out = run("graph", tale, "-o", "g.svg", cwd=tmp_path)
    assert out == "g.svg (3 shots; at least 3 must be made one after the other)\n"
    assert (tmp_path / "g.svg").read_text().startswith("<svg")
    assert json.loads(run("graph", tale, "--format", "json", "--policy", "none", cwd=tmp_path))["critical_path"]


def test_a_graph_needs_no_model(tmp_path: Path, tale: Path) -> None:
    code = "import sys; from storymem.cli.main import app; app(sys.argv[1:], standalone_mode=False); "
    code += "sys.exit('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "graph", str(tale), "-o", "graph.svg"], cwd=tmp_path, check=False
    )
    assert done.returncode == 0
    assert (tmp_path / "graph.svg").is_file()


def test_doctor_looks_at_this_machine(program: Program, tmp_path: Path) -> None:
    done = program("doctor", "--json", cwd=tmp_path)
    (checks,) = json_lines(done.stdout)
    names = {check["name"]: check["ok"] for check in checks}
    assert names["encoder libx264rgb"]
    assert names["python"]
    assert names["backbone tiny"]
    assert done.returncode == (0 if all(names.values()) else 1)


def test_a_real_preview_of_a_real_script(run: Run, tmp_path: Path) -> None:
    script = Path(__file__).parents[3] / "shared" / "data" / "st-bench" / "dog.json"
    if not script.is_file():
        pytest.skip("needs the ST-Bench scripts beside the repository")
    args = ("render", script, "-o", "run", "--backbone", "animatic", "--size", "64x48", "--frames", "9", "--json")
    lines = json_lines(run(*args, cwd=tmp_path))
    film = next(line for line in lines if line["event"] == "FilmWritten")
    shots = [line for line in lines if line["event"] == "ShotFinished"]
    dropped = sum(line["handover"] for line in lines if line["event"] == "ShotStarted")
    assert film["frames"] == 9 * len(shots) - dropped
