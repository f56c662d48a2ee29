"""All four modes through ``storymem render``, and a second render that makes nothing."""

import json

import pytest
from typer.testing import CliRunner

SHOTS = [
    {"prompt": "a fox in the snow"},
    {"prompt": "a fox at the river", "cut": True},
    {"prompt": "the fox drinks", "transition": "first_frame"},
    {"prompt": "the fox runs", "transition": "motion"},
]


@pytest.mark.timeout(240)
def test_every_mode_through_the_command_line(tiny_folder, tmp_path):
    from storymem.cli.main import app

    script = tmp_path / "story.json"
    script.write_text(json.dumps({"title": "Tiny", "seed": 1, "scenes": [{"shots": SHOTS}]}))
    settings = {
        "backbone.name": "wan", "backbone.weights": tiny_folder, "backbone.profile": "cpu", "backbone.steps": 2,
        "selector": "uniform", "filters": "[]",
    }  # fmt: skip
    command = ["render", str(script), "-o", str(tmp_path / "film"), "--size", "48x32", "--frames", "9", "--json"]
    command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    lines = run(app, command)
    modes = [line["mode"] for line in lines if line.get("event") == "ShotStarted"]
    assert modes == ["t2v", "m2v", "mi2v", "mm2v"]
    assert not [line for line in run(app, command) if line.get("event") == "ShotStarted"]


def run(app, command):
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
