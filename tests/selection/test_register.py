"""Everything is registered, and registering imports no model library."""

import subprocess
import sys

import pytest

from storymem.errors import PluginError
from storymem.plugin import Kind, PluginHost

NAMES = {
    Kind.KEYFRAME_SELECTOR: {"diverse", "scene_change", "semantic", "uniform"},
    Kind.FRAME_FILTER: {"aesthetic", "duplicate", "exposure", "hpsv3", "sharpness"},
    Kind.ENCODER: {"clip", "open_clip"},
}


@pytest.mark.parametrize("kind", NAMES)
def test_registered_with_a_summary(kind):
    registry = PluginHost().registry
    assert NAMES[kind] <= set(registry.names(kind))
    for name in NAMES[kind]:
        entry = registry.get(kind, name)
        assert entry.summary
        assert all(field.description for field in entry.settings.model_fields.values())


def test_registering_imports_no_model_library():
    code = (
        "import sys, storymem_plugins.selection.register\n"
        "sys.exit(str({'torch', 'transformers', 'open_clip', 'safetensors', 'scipy'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_encoder_without_its_library_says_what_to_install(monkeypatch):
    host = PluginHost()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(PluginError, match=r"encoder 'clip' needs torch, transformers, not installed.*storymem\[wan\]"):
        host.build(Kind.ENCODER, "clip", {})
