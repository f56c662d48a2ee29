"""What the pages on stores and the accept gate say is read, computed and run."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storymem.api import Storyteller
from storymem.plugin import Kind, PluginHost
from storymem.settings import Layer, resolve
from storymem.settings.model import AcceptSettings
from storymem.testing import FakeBackbone, FakeEncoder
from storymem.values.script import StoryScript

ROOT = Path(__file__).parents[2]
GATE, STORES = ((ROOT / "docs" / name).read_text("utf-8") for name in ("accept-gate.md", "stores.md"))
needs_lance = pytest.mark.skipif(
    bool(PluginHost().find(Kind.MEMORY_STORE, "lancedb").missing()), reason="lancedb or pyarrow is not installed"
)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", [GATE, STORES], ids=["gate", "stores"])
def test_the_settings_shown_are_settings(text: str) -> None:
    catalogue = PluginHost().registry
    for block in blocks(text, "toml"):
        assert resolve([Layer("page", tomllib.loads(block))], catalogue).settings != resolve([], catalogue).settings


def test_the_gates_settings_are_all_there_with_their_defaults() -> None:
    shown = dict(re.findall(r"^\| `accept\.(\w+)` \| `([^`]+)` \|", GATE, re.MULTILINE))
    actual = {key: json.dumps(value) for key, value in AcceptSettings() if key != "filters"}
    assert shown == {**actual, "filters": "exposure"}


def test_the_costs_of_the_gate_are_as_computed() -> None:
    found = re.findall(r"^\| (\d+) % \| (\d+) \| ([\d.]+) \| ([\d.]+) % \|", GATE, re.MULTILINE)
    assert len(found) == 5
    for passing, attempts, generations, accepted in found:
        p, n = int(passing) / 100, int(attempts)
        # Attempt k + 1 is made if the k before it failed.
        assert float(generations) == pytest.approx(sum((1 - p) ** k for k in range(n)), abs=0.005)
        assert float(accepted) == pytest.approx(100 * (1 - (1 - p) ** n), abs=0.05)


def test_the_speeds_shown_are_the_recorded_ones() -> None:
    recorded = (ROOT / "benchmarks" / "results" / "memory_store.md").read_text("utf-8")
    rows = re.findall(r"^\| ([^|]+) \| (sqlite|lancedb) \| ([\d.]+) \| ([\d.]+) \|$", STORES, re.MULTILINE)
    assert len(rows) == 10
    for what, store, small, large in rows:
        for count, shown in (("1,000", small), ("100,000", large)):
            found = re.search(rf"^\| {store} \| {count} \| {what} \| [\d.]+ \| ([\d.]+) \|$", recorded, re.MULTILINE)
            assert found, (what, store, count)
            assert found[1] == shown, (what, store, count)


@needs_lance
def test_both_stores_tell_the_same_story(tmp_path: Path) -> None:
    shots: list[dict[str, Any]] = [{"prompt": f"Anna walks {i}."} for i in range(4)]
    script = StoryScript.model_validate({"title": "Tale", "scenes": [{"shots": shots}]})
    made: dict[str, list[str]] = {}
    for store in ("sqlite", "lancedb"):
        backbone = FakeBackbone()
        options: dict[str, Any] = {"policy": "prompt_topk", "budget": 2, "store": store, "filters": []}
        with Storyteller(tmp_path / store, backbone=backbone, encoder=FakeEncoder(), **options) as teller:
            assert teller.render(script).made == 4
            assert teller.render(script).cached == 4
        made[store] = [repr([picture.tobytes() for picture in r.pictures]) for r in backbone.requests]
    assert made["sqlite"] == made["lancedb"]
    assert len(set(made["sqlite"])) == 4, "every shot recalled something else"


@needs_lance
def test_the_index_example_runs_and_changes_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store: Any = PluginHost().build(Kind.MEMORY_STORE, "lancedb", {})
    (tmp_path / "run").mkdir()
    store.open(tmp_path / "run")
    store.put_embeddings("e", {f"id{i}": vector for i, vector in enumerate(vectors)})
    before = store.nearest("e", vectors[7], 300)
    store.close()
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(STORES, "python")
    exec(compile(code, "docs/stores.md", "exec"), {})
    store.open(tmp_path / "run")
    store.put_embeddings("e", {"twin": vectors[7]})
    assert [name for name, _ in store.nearest("e", vectors[7], 2)] == ["id7", "twin"]
    assert [pair for pair in store.nearest("e", vectors[7], 301) if pair[0] != "twin"] == before
    store.close()
