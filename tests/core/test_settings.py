"""One set of keys, several sources: who wins, who is named, and what a text on the command line means."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from core_support import PLUGIN, Stage, chain
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from storymem.api import Storyteller
from storymem.cli.options import settings_from
from storymem.errors import PluginError, SettingsError
from storymem.plugin import Kind, PluginHost
from storymem.settings import Layer, PluginChoice, Resolved, resolve
from storymem.settings.sources import assignments_layer, environment_layer, file_layer, parse_value
from storymem.testing import FakeBackbone, FakeBackboneSettings


class Known:
    """A catalogue of few plugins: their defaults, and what one backbone suggests."""

    def __init__(self, suggested: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._suggested = suggested or {}

    def defaults(self) -> Mapping[str, Any]:
        one = {key: f"default_{key}" for key in ("backbone", "policy", "selector", "store", "executor")}
        return {**one, "cut": "hard", "continuation": "soft", "filters": ["dark"], "accept.filters": ["bright"]}

    def suggestions(self, backbone: str) -> Mapping[str, Any]:
        return self._suggested.get(backbone, {})


def resolved(*layers: tuple[str, dict[str, Any]]) -> Resolved:
    return resolve([Layer(source, values) for source, values in layers], Known())


DEFAULTS = resolved().settings


def test_without_any_source_there_are_the_catalogues_defaults() -> None:
    found = resolve([], Known())
    assert dict(found.origins) == dict(found.explicit) == {}
    settings = found.settings
    assert (settings.backbone.name, settings.policy.name, settings.cut.name) == (
        "default_backbone",
        "default_policy",
        "hard",
    )
    assert [choice.name for choice in settings.filters] == ["dark"]
    assert (settings.budget, settings.encoder, settings.accept) == (8, None, None)
    assert not found.chose("policy")
    assert resolved(("x", {"policy": {"sink": 1}})).chose("policy")


def test_the_built_in_plugins_have_one_default_for_every_key() -> None:
    registry = PluginHost().registry
    settings = resolve([], registry, suggest=False).settings
    for kind, key in (("policy", "policy"), ("selector", "selector"), ("store", "store"), ("executor", "executor")):
        assert registry.get(Kind(kind), getattr(settings, key).name) is not None
    assert registry.get(Kind.MEMORY_POLICY, registry.default("policy with entities")) is not None
    assert registry.get(Kind.BACKBONE, registry.default("backbone without a model")) is not None
    assert {registry.default(key) for key in ("planner", "reviser")} <= set(registry.names(Kind.SCRIPT_PLANNER))
    with pytest.raises(PluginError, match="no installed plugin is the default director"):
        registry.default("director")


def test_an_accept_gate_without_filters_gets_the_default_ones() -> None:
    accept = resolved(("x", {"accept": {"attempts": 2}})).settings.accept
    assert accept is not None
    assert (accept.attempts, [choice.name for choice in accept.filters]) == (2, ["bright"])


def test_later_sources_win_and_every_key_remembers_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storymem.toml").write_text("budget = 2\ncrf = 20\nworkers = 2\nseed = 2\n")
    monkeypatch.setenv("STORYMEM_CRF", "30")
    monkeypatch.setenv("STORYMEM_WORKERS", "3")
    monkeypatch.setenv("STORYMEM_SEED", "3")
    monkeypatch.setenv("STORYMEM_DISABLE_PLUGINS", "all")
    stored = json.dumps({"budget": 1, "crf": 1, "workers": 1, "seed": 1, "frames": 9})
    found = settings_from(PluginHost(), None, ["seed=4"], {"seed": 5, "workers": 4, "backbone": "animatic"}, stored)
    got = found.settings
    assert (got.frames, got.budget, got.crf, got.workers, got.seed) == (9, 2, 30, 4, 4)
    assert dict(found.origins) == {
        "frames": "run folder",
        "budget": "storymem.toml",
        "crf": "environment",
        "workers": "command line",
        "seed": "command line",
        "backbone.name": "command line",
    }
    with Storyteller(tmp_path / "run", got, workers=5) as teller:
        assert (teller.settings.workers, teller.settings.frames) == (5, 9)


def test_a_settings_file_given_by_name_replaces_the_one_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storymem.toml").write_text("frames = 9\n")
    other = tmp_path / "other.toml"
    other.write_text("crf = 9\n")
    found = settings_from(PluginHost(), other, None, {})
    assert (found.settings.frames, found.settings.crf) == (DEFAULTS.frames, 9)
    assert found.origins["crf"] == str(other)


# -- plugin tables ----------------------------------------------------------------------------------------


def test_plugin_tables_merge_by_name() -> None:
    found = resolved(
        ("file", {"policy": {"name": "sink_recent", "sink": 2}, "backbone": {"captions": False}}),
        ("environment", {"policy": {"sink": 4}, "backbone": {"slate": True}}),
    )
    assert found.settings.policy == PluginChoice(name="sink_recent", settings={"sink": 4})
    assert found.settings.backbone == PluginChoice(
        name=DEFAULTS.backbone.name, settings={"captions": False, "slate": True}
    )
    assert found.origins["policy.name"] == "file"
    assert found.origins["policy.sink"] == "environment"


def test_settings_of_another_plugin_do_not_stick() -> None:
    found = resolved(("file", {"policy": {"name": "sink_recent", "sink": 2}}), ("command line", {"policy": "recent"}))
    assert found.settings.policy == PluginChoice(name="recent")
    assert dict(found.origins) == {"policy.name": "command line"}


def test_naming_the_same_plugin_again_keeps_its_settings() -> None:
    found = resolved(("file", {"policy": {"name": "sink_recent", "sink": 2}}), ("x", {"policy": "sink_recent"}))
    assert found.settings.policy.settings == {"sink": 2}


def test_an_optional_plugin_can_be_taken_away_and_given_settings() -> None:
    assert resolved(("file", {"encoder": "clip"}), ("x", {"encoder": None})).settings.encoder is None
    found = resolved(("file", {"encoder": {"name": "clip", "batch": 4}}))
    assert found.settings.encoder == PluginChoice(name="clip", settings={"batch": 4})


def test_a_choice_survives_its_own_plain_form() -> None:
    settings = resolved(("x", {"policy": {"name": "sink_recent", "sink": 1}, "size": (64, 48)})).settings
    plain = json.loads(settings.model_dump_json(include={"policy", "size"}))
    assert plain == {"policy": {"name": "sink_recent", "sink": 1}, "size": [64, 48]}
    assert resolved(("x", plain)).settings == settings


def test_what_the_backbone_suggests_is_under_everything_said() -> None:
    catalogue = Known({"wise": {"budget": 4, "encoder": "clip", "crf": 5}})
    plain = resolve([], catalogue)
    assert plain.settings.budget == DEFAULTS.budget
    found = resolve([Layer("file", {"backbone": "wise", "crf": 7})], catalogue)
    assert (found.settings.budget, found.settings.crf) == (4, 7)
    assert found.settings.encoder == PluginChoice(name="clip")
    assert found.origins["budget"] == "backbone wise"
    assert found.origins["crf"] == "file"
    assert dict(found.explicit) == {"backbone": {"name": "wise"}, "crf": 7}


# -- bad values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (("file.toml", {"budgt": 3}), r"budgt: unknown key \(from file.toml\)"),
        (("environment", {"budget": "many"}), r"budget: .*valid integer.* \(from environment\)"),
        (("command line", {"size": "big"}), r"size: 'big' must be WIDTHxHEIGHT, such as 832x480 \(from command line\)"),
        (("x", {"workers": 0}), r"workers: .*greater than or equal to 1 \(from x\)"),
        (("x", {"master": "tiny"}), r"master: .*'lossless' or 'small' \(from x\)"),
        (("x", {"policy": 3}), r"policy.* \(from x\)"),
        (("x", {"backbone": None}), r"backbone.* \(from x\)"),
        (("x", {"crf": 52}), r"crf: .*less than or equal to 51"),
        (("x", {"shot_timeout": 0}), "shot_timeout: .*greater than 0"),
    ],
)
def test_a_bad_value_names_its_key_and_its_source(layer: tuple[str, dict[str, Any]], words: str) -> None:
    with pytest.raises(SettingsError, match=f"^{words}") as caught:
        resolved(("other", {"seed": 1}), layer)
    assert "\n" not in str(caught.value)
    assert "other" not in str(caught.value)


def test_a_settings_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("budget = \n")
    with pytest.raises(SettingsError, match=r"bad\.toml: cannot be read as TOML: .*line 1"):
        file_layer(bad)
    with pytest.raises(SettingsError, match=r"gone\.toml: settings file does not exist"):
        file_layer(tmp_path / "gone.toml")
    with pytest.raises(SettingsError, match="cannot be read as TOML"):
        file_layer(tmp_path)


# -- texts ------------------------------------------------------------------------------------------------


def test_assignments_make_nested_tables() -> None:
    layer = assignments_layer(
        "command line", ["budget=4", "policy=sink_recent", "policy.sink=2", "cut.frames=5", "cut=dissolve", "seed = 7"]
    )
    assert layer.values == {
        "budget": 4,
        "policy": {"name": "sink_recent", "sink": 2},
        "cut": {"frames": 5, "name": "dissolve"},
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("budget", "--set 'budget': write it as key=value"),
        ("=4", "--set '=4': write it as key=value"),
        ("budget.deep=4", "--set budget.deep=4: budget has a value already"),
        (".=4", "--set '.=4': write it as key=value"),
        ("policy..sink=4", "--set 'policy..sink=4': write it as key=value"),
    ],
)
def test_a_malformed_assignment_is_quoted(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve([assignments_layer("command line", ["budget=3", text])], Known())
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("0.5", 0.5),
        ("true", True),
        ("none", None),
        ("None", None),
        ("832x480", "832x480"),
        ("animatic", "animatic"),
        ('["exposure"]', ["exposure"]),
        ('{name = "exposure", spread = 3}', {"name": "exposure", "spread": 3}),
        ("4\nworkers = 9", "4\nworkers = 9"),
        ("/a/path with spaces", "/a/path with spaces"),
        ("", ""),
        ("9" * 5000, "9" * 5000),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_a_text_is_a_toml_value_or_itself(text: str, value: object) -> None:
    assert parse_value(text) == value


def toml(value: object) -> str:
    """Write plain data as a TOML value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(value) if isinstance(value, str) else repr(value)


words = st.text(st.characters(codec="ascii", exclude_characters="\x7f"), max_size=12)
plain = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@given(value=plain)
@settings(deadline=None)
def test_any_toml_value_survives_the_command_line(value: object) -> None:
    layer = assignments_layer("command line", [f"backbone.deep.key={toml(value)}"])
    got = layer.values["backbone"]["deep"]["key"]
    assert got == value
    assert type(got) is type(value)
    assert environment_layer({"STORYMEM_BACKBONE__KEY": toml(value)}).values == {"backbone": {"key": value}}


@given(text=st.text(max_size=30))
@settings(deadline=None)
def test_no_text_breaks_the_command_line(text: str) -> None:
    value = parse_value(text)
    assume(not (isinstance(value, float) and math.isnan(value)))
    assert assignments_layer("x", [f"key={text}"]).values == {"key": value}


def test_environment_names_are_lowered_and_others_ignored() -> None:
    layer = environment_layer(
        {"STORYMEM_BACKBONE": "wan", "STORYMEM_BACKBONE__PROFILE": "24gb", "STORYMEM_DISABLE_PLUGINS": "x", "HOME": "/"}
    )
    assert layer.values == {"backbone": {"name": "wan", "profile": "24gb"}}


# -- kept with the run ------------------------------------------------------------------------------------


def test_a_run_keeps_what_was_said_and_not_the_defaults(stage: Stage) -> None:
    stage.render(chain(1), budget=2, size="64x48")
    with stage.store() as store:
        kept = json.loads(store.meta("settings") or "")
        plugins = json.loads(store.meta("plugins") or "")
    assert kept.pop("backbone")["name"] == "blocks"
    assert kept in ({"budget": 2, "size": "64x48"}, {"budget": 2, "size": [64, 48]})
    assert plugins == [str(PLUGIN)]


def test_a_backbone_given_as_an_object_gets_no_suggestions_of_the_default_one(tmp_path: Path) -> None:
    with Storyteller(tmp_path / "run", backbone=FakeBackbone(FakeBackboneSettings())) as teller:
        plain = resolve([], PluginHost().registry, suggest=False).settings
        assert (teller.settings.selector, teller.settings.encoder) == (plain.selector, None)
    with Storyteller(tmp_path / "other") as teller:
        assert teller.settings.encoder is not None


@pytest.mark.parametrize(
    "size",
    ["832x480", "832*480", "832X480", "832 x 480", " 832\u00d7480 ", "832 by 480",
     "832,480", "832x480px", [832, 480], (832.0, "480"),
     {"width": "832", "height": 480}],
)  # fmt: skip
def test_sizes_as_people_write_them(size: object) -> None:
    assert resolve([Layer("test", {"size": size})], PluginHost().registry).settings.size == (832, 480)


@pytest.mark.parametrize("size", ["16:9", "832", "x480", "0x480", "832x", "8 32x480", [832], "-832x480", "832.5x480"])
def test_what_is_no_size(size: object) -> None:
    with pytest.raises(SettingsError, match="size"):
        resolve([Layer("test", {"size": size})], PluginHost().registry)


@pytest.mark.parametrize(
    ("seed", "meant"),
    [
        ("42", 42),
        (42.0, 42),
        ("42.0", 42),
        ("4.2e1", 42),
        (" 7 ", 7),
        (2**64 - 1, 2**64 - 1),
        (str(2**64 - 1), 2**64 - 1),
    ],
)
def test_seeds_in_any_form(seed: object, meant: int) -> None:
    assert resolve([Layer("test", {"seed": seed})], PluginHost().registry).settings.seed == meant


@pytest.mark.parametrize("seed", [2**64, -2, "abc", 1.5, True, 1e19, "1e30", "nan", float("nan"), "1" * 5000, None, []])
def test_what_is_no_seed(seed: object) -> None:
    if seed is None:
        assert resolve([Layer("test", {"seed": seed})], PluginHost().registry).settings.seed is None
        return
    with pytest.raises(SettingsError, match=r"seed: .* \(from test\)") as raised:
        resolve([Layer("test", {"seed": seed})], PluginHost().registry)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("seed", [-1, "-1", -1.0])
def test_minus_one_draws_a_seed_and_records_it(seed: object) -> None:
    resolved = resolve([Layer("test", {"seed": seed})], PluginHost().registry)
    assert resolved.explicit["seed"] == resolved.settings.seed
    assert resolved.settings.seed is not None
    assert 0 <= resolved.settings.seed < 2**53
    assert resolve([Layer("again", resolved.explicit)], PluginHost().registry).settings.seed == resolved.settings.seed
    drawn = {resolve([Layer("test", {"seed": seed})], PluginHost().registry).settings.seed for _ in range(5)}
    assert len(drawn) == 5


def test_a_resumed_run_keeps_the_seed_that_was_drawn() -> None:
    layers = [Layer("run folder", {"seed": 5}), Layer("storymem.toml", {"seed": -1})]
    assert resolve(layers, PluginHost().registry).settings.seed == 5
    assert resolve([*layers, Layer("command line", {"seed": 6})], PluginHost().registry).settings.seed == 6
