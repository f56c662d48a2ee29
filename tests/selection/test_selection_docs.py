"""docs/selection.md says what the code does: every name, setting and default, and the measured speed."""

import json
import re
from pathlib import Path

import pytest

from storymem.plugin import Kind, PluginHost
from storymem_plugins.encoders.settings import EncoderSettings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "selection.md").read_text("utf-8")
KINDS = (Kind.KEYFRAME_SELECTOR, Kind.FRAME_FILTER, Kind.ENCODER)


def ours():
    for entry in PluginHost().registry:
        if entry.kind in KINDS and entry.owner.name == "selection":
            yield pytest.param(entry, id=entry.name)


def documented(setting):
    """Return what the table gives as the default of a setting, or None if it has no row."""
    row = re.search(rf"^\|[^|\n]*`{re.escape(setting)}`[^|\n]*\|([^|\n]*)\|", TEXT, re.MULTILINE)
    return None if row is None else row[1].strip().strip("`")


@pytest.mark.parametrize("entry", list(ours()))
def test_every_setting_is_documented_with_its_default(entry):
    assert f"| `{entry.name}` |" in TEXT
    for name, field in entry.settings.model_fields.items():
        shared = issubclass(entry.settings, EncoderSettings) and name in EncoderSettings.model_fields
        shown = documented(name if shared else f"{entry.name}.{name}")
        default = "" if field.is_required() or field.default in (None, "", ()) else str(field.default)
        assert shown == default, f"{entry.name}.{name}"


def test_the_measured_speed_is_the_recorded_one():
    recorded = json.loads((ROOT / "benchmarks" / "results" / "selection_speed.json").read_text("utf-8"))
    shown = re.search(r"<!-- speed -->([\d.]+) times faster \(processor time", TEXT)
    assert shown
    assert float(shown[1]) == recorded["times_faster"]["processor_s"] >= 20
    assert recorded["one_pass"]["encodes"] == recorded["frames"] < recorded["pair_by_pair"]["encodes"]
