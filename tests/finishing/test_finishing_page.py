"""The page on finishing: its plugin works, its settings are real, its table is complete."""

from __future__ import annotations

import os
import re
import stat
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from storymem.interfaces import Finisher
from storymem.plugin import Kind, PluginHost
from storymem.settings import PluginChoice
from storymem.values.clip import Clip, VideoFormat

PAGE = (Path(__file__).parents[2] / "docs" / "finishing.md").read_text("utf-8")
#: Takes the arguments -i FOLDER -o FOLDER -s FACTOR and repeats pixels.
PROGRAM = """#!{python}
import sys
from pathlib import Path
from PIL import Image
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
for path in Path(given["-i"]).iterdir():
    picture, factor = Image.open(path), int(given["-s"])
    size = (picture.width * factor, picture.height * factor)
    picture.resize(size, Image.Resampling.NEAREST).save(Path(given["-o"], path.name))
"""


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the name and the arguments that the page has, found as a shell finds it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "realesrgan-ncnn-vulkan"
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.mark.usefixtures("program")
def test_the_upscaler_of_the_page_works(tmp_path: Path) -> None:
    path = tmp_path / "esrgan.py"
    path.write_text(block("python"))
    finisher = PluginHost(files=[path]).build(Kind.FINISHER, "esrgan", {})
    assert isinstance(finisher, Finisher)
    frames = np.random.default_rng(0).integers(0, 256, size=(12, 8, 12, 3), dtype=np.uint8)
    steps: list[tuple[int, int]] = []
    made = finisher.finish(Clip(frames, 16), None, lambda step, total: steps.append((step, total)))
    assert made.format == finisher.output(VideoFormat(12, 8, 16)) == VideoFormat(48, 32, 16)
    assert np.array_equal(made.frames[:, ::4, ::4], frames)
    assert steps == [(n, 12) for n in range(12)]


def test_it_has_twenty_lines_of_code() -> None:
    code = [line for line in block("python").splitlines() if line and not line.startswith(("import", "from"))]
    assert len(code) <= 20


def test_the_settings_of_the_page_are_real() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    chosen = [plain for text in blocks for plain in tomllib.loads(text)["finish"]]
    assert len(chosen) == 5
    for choice in map(PluginChoice.model_validate, chosen):
        PluginHost().find(Kind.FINISHER, choice.name).check(choice.settings)


def test_the_table_lists_every_built_in_with_its_settings() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
    own = [e for e in PluginHost().registry if e.kind is Kind.FINISHER and e.owner.distribution == "storymem"]
    assert {name: re.findall(r"`(\w+)`", keys) for name, keys in rows.items()} == {
        entry.name: list(entry.settings.model_fields) for entry in own
    }
