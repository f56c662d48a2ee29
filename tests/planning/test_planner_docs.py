"""docs/planning.md and docs/formats.md say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from storymem.plugin import Kind, PluginHost
from storymem.script import rules, unfilmable
from storymem.values.script import StoryScript
from storymem_plugins.planning.errors import PlanError
from storymem_plugins.planning.settings import LlmSettings, LocalSettings

DOCS = Path(__file__).parents[2] / "docs"
PLANNING = (DOCS / "planning.md").read_text("utf-8")
FORMATS = (DOCS / "formats.md").read_text("utf-8")


def test_the_python_runs() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PLANNING, re.MULTILINE | re.DOTALL)
    exec(code, {})


def test_the_yaml_is_a_script() -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", FORMATS, re.MULTILINE | re.DOTALL)
    assert StoryScript.model_validate(yaml.safe_load(text)).entities[0].references == ("fox.png",)


def test_every_rule_is_listed() -> None:
    source = Path(rules.__file__).read_text("utf-8")
    kinds = {kind.rule for kind in unfilmable.UNFILMABLE}
    used = set(re.findall(r'Finding\(\s*(?:shot_id|""), "([a-z-]+)"', source)) | kinds
    table = PLANNING.split("| rule |")[1].split("## Python")[0]
    listed = {
        name
        for line in table.splitlines()
        for name in re.findall(r"`([a-z-]+)`", line.split("|")[1] if "|" in line else "")
    }
    assert listed == used | {"first-shot-cut", "cut-missing"}


@pytest.mark.parametrize("settings", [LlmSettings, LocalSettings])
def test_every_setting_is_listed(settings: type[LlmSettings] | type[LocalSettings]) -> None:
    for name, field in settings.model_fields.items():
        assert f"`{name}`" in PLANNING
        if isinstance(field.default, int | float) and not isinstance(field.default, bool) and field.default:
            assert str(field.default) in PLANNING


def test_every_form_is_listed() -> None:
    listed = set(re.findall(r"^\| `([a-z0-9_]+)`", FORMATS, re.MULTILINE))
    assert listed == set(PluginHost().registry.names(Kind.SCRIPT_FORMAT))


def test_the_exit_code_is_told() -> None:
    assert f"exit code {PlanError.exit_code}" in PLANNING
