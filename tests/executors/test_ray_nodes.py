"""Films made on a Ray cluster whose nodes die, freeze and lose their driver: always the film that serial makes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from core_support import check_tidy, clean_environ, film_pixels, shot, story
from ray_support import TestCluster, parent, two_nodes

from storymem.api import Storyteller
from storymem.errors import SettingsError
from storymem.interfaces import Requirements
from storymem.store.runstore import RunStore
from storymem.values.events import Event, ShotFinished, ShotPlaced
from storymem_plugins.executors.ray.executor import RayExecutor
from storymem_plugins.executors.ray.settings import RaySettings

pytestmark = pytest.mark.slow

PLUGIN = Path(__file__).with_name("waiting_plugin.py")
STORY = story([shot("a"), shot("b", cut=False)], ["c"])


@pytest.fixture(scope="module")
def cluster() -> Iterator[TestCluster]:
    with two_nodes() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The pixels of the film as one thread makes it."""
    folder = tmp_path_factory.mktemp("serial")
    with Storyteller(folder, plugins=[PLUGIN], backbone="waiting", executor="serial") as teller:
        teller.render(STORY)
    return film_pixels(folder)


def render(
    folder: Path, cluster: TestCluster, on_event: Callable[[Event], None] | None = None, **ray: Any
) -> list[Event]:
    """Render on the cluster; shot b waits until ``folder``'s gate is there."""
    events: list[Event] = []

    def keep(event: Event) -> None:
        events.append(event)
        if on_event is not None:
            on_event(event)

    backbone = {"name": "waiting", "prompt": "b", "gate": str(gate(folder))}
    executor = {"name": "ray", "address": cluster.address, **ray}
    with Storyteller(folder, plugins=[PLUGIN], backbone=backbone, executor=executor, workers=2) as teller:
        teller.render(STORY, keep)
    return events


def gate(folder: Path) -> Path:
    return folder.with_suffix(".gate")


def running(event: Event, attempt: int = 1) -> int | None:
    """Return the process that runs shot b, if the event says that one does."""
    if isinstance(event, ShotPlaced) and (event.shot, event.state, event.attempt) == ("1.2", "running", attempt):
        found = re.search(r"process (\d+)", event.place)
        assert found is not None
        return int(found[1])
    return None


def check(folder: Path, events: list[Event], serial: str) -> None:
    """Assert that the film is the serial one and that every shot was committed once."""
    assert film_pixels(folder) == serial
    assert sorted(event.shot for event in events if isinstance(event, ShotFinished)) == ["1.1", "1.2", "2.1"]
    with RunStore(folder, write=False) as store:
        assert all(len(store.takes(name)) == 1 for name in ("1.1", "1.2", "2.1"))
    check_tidy(folder)


@pytest.mark.parametrize("files", ["ship", "shared"])
def test_the_film_is_the_serial_one(tmp_path: Path, cluster: TestCluster, serial: str, files: str) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    gate(tmp_path / "run").touch()
    check(tmp_path / "run", render(tmp_path / "run", cluster, files=files), serial)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_what_no_node_has_is_refused_at_start(cluster: TestCluster) -> None:
    executor = RayExecutor(RaySettings(address=cluster.address, resources={"printer": 1}))
    with pytest.raises(SettingsError, match="needs 1 CPU, 1 printer, and no node has it"):
        executor.open(1, Requirements())
    assert not executor.is_open


def test_a_frozen_node_is_given_up_and_what_it_does_later_is_ignored(
    tmp_path: Path, cluster: TestCluster, serial: str
) -> None:
    folder, frozen = tmp_path / "run", []

    def freeze(event: Event) -> None:
        if (pid := running(event)) is not None:
            os.kill(pid, signal.SIGSTOP)
            frozen.append(pid)
        if running(event, attempt=2) is not None:
            os.kill(frozen[0], signal.SIGCONT)  # it wakes up, and continues the shot that was taken from it
            gate(folder).touch()

    events = render(folder, cluster, freeze, silence=1.5)
    check(folder, events, serial)
    assert "attempt 1 was lost" in (folder / "run.log").read_text()
    assert "no sign of life" in (folder / "run.log").read_text()


def test_a_driver_that_was_killed_is_resumed(tmp_path: Path, cluster: TestCluster, serial: str) -> None:
    folder = tmp_path / "run"
    program = [Path(sys.executable).with_name("storymem"), "render", tmp_path / "story.json", "--out", folder]
    program += ["--plugin", PLUGIN, "--json", "--workers", "2"]
    for value in ("backbone=waiting", "backbone.prompt=b", f"backbone.gate={gate(folder)}", "executor=ray"):
        program += ["--set", value]
    program += ["--set", f"executor.address={cluster.address}"]
    (tmp_path / "story.json").write_text(STORY.model_dump_json())
    driver = subprocess.Popen(
        list(map(str, program)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environ()
    )
    assert driver.stdout is not None
    with driver:
        for line in driver.stdout:
            assert line.startswith("{"), "Ray printed into --json"
            if '"shot": "1.2"' in line and '"running"' in line:
                driver.kill()
    gate(folder).touch()
    time.sleep(0.5)  # its workers end by themselves
    events = render(folder, cluster)
    check(folder, events, serial)
    assert any(event.cached for event in events if isinstance(event, ShotFinished)), "nothing had been kept"


def test_a_node_that_dies_in_the_middle_of_a_shot(tmp_path: Path, cluster: TestCluster, serial: str) -> None:
    folder = tmp_path / "run"

    def cut_power(event: Event) -> None:
        if (pid := running(event)) is not None:
            cluster.kill(parent(pid), pid)
        if running(event, attempt=2) is not None:
            gate(folder).touch()

    check(folder, render(folder, cluster, cut_power), serial)
    assert "attempt 1 was lost" in (folder / "run.log").read_text()
