"""docs/running-real-weights.md says what the code says."""

import re
import tomllib
from pathlib import Path

import pytest

from storymem_backbones.diffusion.estimate import GIB
from storymem_backbones.diffusion.profiles import PROFILES
from storymem_backbones.wan.estimate import A14B, estimate_shot, forward_work
from storymem_backbones.wan.settings import WanSettings
from storymem_backbones.wan.shot import Sampling

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "running-real-weights.md").read_text("utf-8")


def rows(header):
    table = re.search(rf"^\| {re.escape(header)}.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert table is not None, header
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def test_the_profile_table_is_what_doctor_estimates():
    table = rows("profile | card")
    assert {row[0] for row in table} == {name for name, p in PROFILES.items() if p.device == "cuda"}
    for name, _, peak, host, seconds in table:
        found = estimate_shot(PROFILES[name], Sampling(), size=(832, 480), frames=81, memory=10)
        assert int(peak) == round(found.gpu_bytes / GIB)
        assert int(host) == round(found.host_bytes / GIB)
        assert int(seconds) == round(found.seconds)


def test_the_price_of_memory():
    for memory, tokens, tflop in rows("memory frames"):
        work = forward_work(A14B, 832, 480, 81, int(memory))
        assert (work.tokens, round(work.flops / 1e12)) == (int(tokens), int(tflop))


@pytest.mark.parametrize("block", re.findall(r"^```toml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
def test_settings_are_valid(block):
    backbone = tomllib.loads(block)["backbone"]
    assert backbone.pop("name") == "wan"
    WanSettings.model_validate(backbone).resolved_profile()


@pytest.mark.parametrize("cell", [row[1] for row in rows("what | setting")])
def test_fast_settings_are_valid(cell):
    for code in cell.replace("; ", "`").split("`"):
        key, _, value = code.partition(" = ")
        if value and "..." not in value and "every_layer" not in key:
            parsed = tomllib.loads(f"{key} = {value}")
            WanSettings.model_validate(parsed).resolved_profile()


def test_scripts_and_modules_exist():
    for script in re.findall(r"`(wan_\w+\.py)`", TEXT):
        assert (ROOT / "benchmarks" / script).is_file()
    for module in re.findall(r"python -m ([\w.]+)", TEXT):
        assert (ROOT / "backbones" / Path(*module.split("."))).with_suffix(".py").is_file()


def test_quoted_messages_are_in_the_code():
    folders = (ROOT / "backbones" / "storymem_backbones" / name for name in ("diffusion", "wan"))
    code = "".join(path.read_text("utf-8") for folder in folders for path in sorted(folder.glob("*.py")))
    code = re.sub(r'"\s*\n\s*f?"', "", code)
    for message, *_ in rows("message"):
        for part in message.split("..."):
            for piece in re.split(r"\(36\)|16 |an image-to-video", part):
                assert piece.strip(" ()`") in code, piece
