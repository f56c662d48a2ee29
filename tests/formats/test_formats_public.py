"""Public scripts load as they are, and are written back as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from storymem.interfaces import ScriptFormat
from storymem.plugin import Kind, PluginHost
from storymem.script.loader import load_script
from storymem.script.parsing import read_data
from storymem.values.script import EntityKind
from storymem_plugins.formats.entitybench import EntityBench
from storymem_plugins.formats.memento import Memento
from storymem_plugins.formats.st_bench import StBench
from storymem_plugins.formats.vimax import ViMax

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public scripts are not beside the repository")


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost()


PARAMS = pytest.mark.parametrize(
    ("folder", "plugin", "count", "lost"),
    [
        ("st-bench", StBench, 20, 0),
        ("entitybench", EntityBench, 26, 0),
        ("memento", Memento, 3, 0),
        ("vimax", ViMax, 3, 1),
    ],
)


def files(folder: str) -> list[Path]:
    found = sorted((DATA / folder).rglob("*.json"))
    assert found
    return found


@PARAMS
def test_written_back_as_it_was(
    host: PluginHost, folder: str, plugin: type[ScriptFormat], count: int, lost: int
) -> None:
    paths = files(folder)
    assert len(paths) == count
    for path in paths:
        data, losses = plugin().dump(load_script(path, host))
        assert data == read_data(path)
        assert len(losses) == lost  # ViMax has no title


def test_every_st_bench_shot_is_there(host: PluginHost) -> None:
    for path in files("st-bench"):
        data, script = read_data(path), load_script(path, host)
        assert isinstance(data, dict)
        assert script.title == data["story_name"]
        prompts = [p for scene in data["scenes"] for p in scene["video_prompts"]]
        assert [shot.prompt for scene in script.scenes for shot in scene.shots] == [p.strip() for p in prompts]


def test_entitybench_entities_follow_the_schedule(host: PluginHost) -> None:
    for path in files("entitybench"):
        data, script = read_data(path), load_script(path, host)
        kinds = {entity.id: entity.kind for entity in script.entities}
        for key, row in data["entity_schedule"].items():
            scene, shot = map(int, key.split(":"))
            shown = script.scenes[scene - 1].shots[shot - 1].entities
            assert set(shown) == {name for names in row.values() for name in names}
            assert all(kinds[name] is EntityKind.CHARACTER for name in row["characters"])
            assert all(kinds[name] is EntityKind.PLACE for name in row["places"])
        described = {e["name"]: e["description"] for e in data["entity_descriptions"].values()}
        assert all(entity.look == described.get(entity.id, "") for entity in script.entities)


def test_memento_tags_are_entities(host: PluginHost) -> None:
    for path in files("memento"):
        data, script = read_data(path), load_script(path, host)
        looks = {entity.name: entity.look for entity in script.entities}
        for line in data["reconstruct_target"].splitlines():
            tag, _, look = line.partition("] ")
            assert looks[f"{tag}]"] == look.strip()
        for shot in (shot for scene in script.scenes for shot in scene.shots):
            assert {f"[{name}]" for name in shot.entities} == {name for name in looks if name in shot.prompt}
        assert all(looks.values())


def test_vimax_prompts_hold_first_frame_and_action(host: PluginHost) -> None:
    for path in files("vimax"):
        data, script = read_data(path), load_script(path, host)
        assert script.title == path.stem
        told = [shot for scene in data["scenes"] for shot in scene["shots"]]
        for shot, source in zip((s for scene in script.scenes for s in scene.shots), told, strict=True):
            assert shot.prompt == f"{source['first_frame'].strip()} {source['video_prompt'].strip()}"
            assert shot.cut


def test_names_registered(host: PluginHost) -> None:
    names = "storymem st_bench entitybench memento vimax vistorybench holocine memflow"
    assert set(names.split()) <= set(host.registry.names(Kind.SCRIPT_FORMAT))
