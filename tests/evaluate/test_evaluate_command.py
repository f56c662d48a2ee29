"""``storymem evaluate``: output forms, settings of models, exports, and errors in one line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from core_support import Done, Program, chain
from gate_support import GATE, GateStage
from PIL import Image

from storymem.errors import SettingsError
from storymem.evaluate.evaluator import Evaluator
from storymem.media.video import read_clip


def ran(program: Program, stage: GateStage, *more: object) -> Done:
    return program("evaluate", stage.folder(), "--quiet", *map(str, more), cwd=stage.root)


def test_the_table_names_numbers_sources_and_what_is_empty(stage: GateStage, program: Program) -> None:
    stage.render(chain(3, cut=False))
    done = ran(program, stage, "--suite", "colour", "--suite", "vbench")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["Tale"]
    assert next(line for line in lines if line.startswith("colour.seam ")).split()[1].replace(".", "").isdigit()
    assert next(line for line in lines if line.startswith("vbench.imaging_quality ")).split()[1] == "-"
    assert (
        "vbench.temporal_flickering: reimplementation of VBench; every frame; VBench means it for still scenes" in lines
    )
    assert any("empty: musiq: no musiq_spaq" in line and "0.1 GB" in line for line in lines)


def test_csv_has_a_line_a_value_and_json_has_all(stage: GateStage, program: Program) -> None:
    stage.render(chain(2, cut=False))
    rows = list(csv.DictReader(io.StringIO(ran(program, stage, "--csv").stdout)))
    seam = [row for row in rows if row["column"] == "seam"]
    assert [(row["scope"], row["subject"]) for row in seam] == [("film", ""), ("pair", "1.1 1.2")]
    assert seam[0]["value"] == seam[1]["value"]
    assert {row["reimplementation"] for row in rows} == {"no"}
    (film,) = json.loads(ran(program, stage, "--json").stdout)
    found = {column["column"]: column for column in film["columns"]}
    assert found["seam"]["film"] == float(seam[0]["value"])
    assert found["seam"]["values"][1] == {
        "scope": "pair",
        "subject": ["1.1", "1.2"],
        "value": float(seam[1]["value"]),
        "samples": 1,
    }
    assert film["frames"] == {"1.1": 5, "1.2": 4}


def test_output_goes_to_a_file(stage: GateStage, program: Program) -> None:
    stage.render(chain(2, cut=False))
    done = ran(program, stage, "--json", "-o", stage.root / "out" / "numbers.json")
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads((stage.root / "out" / "numbers.json").read_text())[0]["title"] == "Tale"


def test_features_are_kept_where_told(stage: GateStage, program: Program) -> None:
    stage.render(chain(2))
    done = ran(program, stage, "--suite", "vbench", "--cache", stage.root / "kept.sqlite")
    assert done.returncode == 0, done.stderr
    assert (stage.root / "kept.sqlite").is_file()
    (stage.root / "kept.sqlite").write_bytes(b"no database at all" * 100)
    done = ran(program, stage, "--suite", "vbench", "--cache", stage.root / "kept.sqlite")
    assert done.returncode == 6
    assert "cannot be used as a cache of features" in done.stderr


def test_a_models_plugin_and_settings_can_be_chosen(stage: GateStage, program: Program) -> None:
    """``colours`` is an encoder of a local plugin file; frames of one colour are alike to it."""
    stage.render(chain(2))
    chosen = ("--set", "dino=colours", "--plugin", str(GATE))
    (film,) = json.loads(ran(program, stage, "--suite", "vbench", "--json", "--no-cache", *chosen).stdout)
    found = {column["column"]: column for column in film["columns"]}
    assert 0.5 < found["subject_consistency"]["film"] <= 1
    assert film["models"][0] == {"role": "dino", "plugin": "colours", "sha256": {}, "missing": ""}


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("--suite", "vbanch"), 3, "unknown metric 'vbanch': did you mean 'vbench'?"),
        (
            ("--suite", "vbench", "--set", "dyno.model=x"),
            2,
            "dyno: no suite asked for has such a model; there are dino",
        ),
        (("--suite", "vbench", "--set", "dino"), 2, "write it as key=value"),
        (("--cuts", "4,x"), 2, "write frame numbers with commas between"),
    ],
)
def test_wrong_options_are_one_line(
    more: tuple[str, ...], code: int, message: str, stage: GateStage, program: Program
) -> None:
    stage.render(chain(1))
    done = ran(program, stage, *more)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_a_model_does_not_have_empties_its_columns(stage: GateStage, program: Program) -> None:
    stage.render(chain(1))
    chosen = ("--set", "dino.model=here", "--set", "dino.colour=red")
    (film,) = json.loads(ran(program, stage, "--suite", "vbench", "--json", "--no-cache", *chosen).stdout)
    found = {column["column"]: column for column in film["columns"]}
    assert "encoder 'dino'" in found["subject_consistency"]["empty"]
    assert "colour" in found["subject_consistency"]["empty"]
    assert found["temporal_flickering"]["film"] is not None


def test_shots_are_exported_for_vbench_with_their_prompts(stage: GateStage, program: Program) -> None:
    stage.render(chain(2))
    done = ran(program, stage, "--export-vbench", stage.root / "vb")
    assert done.returncode == 0, done.stderr
    assert "--mode=custom_input --videos_path" in done.stdout
    prompts = json.loads((stage.root / "vb" / "Tale_prompts.json").read_text())
    assert list(prompts.values()) == ["p1", "p2"]
    assert all(Path(path).is_absolute() for path in prompts)
    assert [len(read_clip(Path(path), 8)) for path in prompts] == [5, 5]


def test_first_frames_are_exported_for_vistorybench(stage: GateStage, program: Program) -> None:
    stage.render(chain(2))
    done = ran(program, stage, "--export-vistorybench", stage.root / "vi")
    assert done.returncode == 0, done.stderr
    stills = sorted((stage.root / "vi" / "shots" / "Tale").iterdir())
    assert [still.name for still in stills] == ["00.png", "01.png"]
    with stage.store() as store:
        take = next(take for take in store.takes() if take.shot == "1.2")
        first = read_clip(store.objects.path(take.master, ".mkv"), take.fps).frames[0]
    assert np.array_equal(np.asarray(Image.open(stills[1])), first)


def test_the_same_from_python(stage: GateStage) -> None:
    stage.render(chain(2, cut=False))
    seen: list[str] = []
    with Evaluator(["colour", "vbench"]) as evaluate:
        result = evaluate(stage.folder(), progress=seen.append)
    assert seen == ["1.1", "1.2"]
    assert result.column("colour.seam").film is not None
    with pytest.raises(KeyError):
        result.column("colour.smell")
    with pytest.raises(SettingsError, match="name at least one"):
        Evaluator([])
