"""The Python interface: events in order, streams, cancellation, plugin objects, storytellers side by side."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_support import PLUGIN, Stage, chain, published, shot, story, tiny_module

from storymem.api import CancelToken, Storyteller
from storymem.errors import Cancelled, PluginError, RunStoreError, SettingsError
from storymem.interfaces import (
    Backbone,
    Capabilities,
    ClipContext,
    EventSink,
    FrameFilter,
    Keyframe,
    MemoryPolicy,
    Mode,
    Progress,
    ShotRequest,
    Verdict,
)
from storymem.interfaces.selection import FrameGate, KeyframeSelector
from storymem.values.clip import Clip
from storymem.values.events import (
    Event,
    FilmWritten,
    FrameRejected,
    KeyframesAdmitted,
    RunFinished,
    RunStarted,
    ShotEvent,
    ShotFinished,
    ShotPlaced,
    ShotStarted,
    ShotStep,
)


def test_events_tell_the_run_in_order(stage: Stage) -> None:
    stage.render(story(["a", shot("b", cut=False)], ["c"]), workers=3, policy="none")
    kinds = [type(event) for event in stage.events]
    assert kinds[0] is RunStarted
    assert kinds[-2:] == [FilmWritten, RunFinished]
    assert kinds.count(RunStarted) == kinds.count(FilmWritten) == kinds.count(RunFinished) == 1
    for name in ("1.1", "1.2", "2.1"):
        events = [event for event in stage.of(ShotEvent) if event.shot == name]
        placed = [event.state for event in events if isinstance(event, ShotPlaced)]
        assert placed in (["queued", "running"], ["queued", "loading", "running"])
        own = [type(event) for event in events if not isinstance(event, ShotPlaced)]
        assert own == [ShotStarted, ShotStep, ShotStep, ShotStep, KeyframesAdmitted, ShotFinished]
        steps = [(event.step, event.total) for event in stage.of(ShotStep) if event.shot == name]
        assert steps == [(0, 1), (0, 2), (2, 2)]
    order = [(type(e), e.shot) for e in stage.of(ShotEvent)]
    assert order.index((ShotFinished, "1.1")) < order.index((ShotStarted, "1.2"))
    start = stage.of(RunStarted)[0]
    assert (start.title, start.shots, start.backbone, start.folder) == ("Tale", 3, "blocks", str(stage.folder()))


def test_every_event_is_plain_json(stage: Stage) -> None:
    stage.render(chain(2), fault={"p2": "raise"}, filters=[{"name": "exposure", "spread": 255}])
    assert stage.of(FrameRejected), "the filter refuses everything"
    for event in stage.events:
        plain = json.loads(json.dumps(event.to_json()))
        assert plain.pop("event") == type(event).__name__
        assert set(plain) == set(type(event).__dataclass_fields__)


def test_sinks_receive_what_the_caller_receives_and_are_closed(stage: Stage, tmp_path: Path) -> None:
    plugin = tmp_path / "noted.py"
    plugin.write_text(
        "from storymem.interfaces import EventSink\n"
        "from storymem.plugin import hookimpl\n"
        "EVENTS = []\n"
        "class Noted(EventSink):\n"
        '    """Keep events."""\n'
        "    def handle(self, event):\n"
        "        EVENTS.append(event)\n"
        "    def close(self):\n"
        "        EVENTS.append('closed')\n"
        "@hookimpl\n"
        "def storymem_event_sinks(register):\n"
        "    register('noted', Noted)\n"
    )
    events: list[Event] = []
    backbone = {"name": "blocks"}
    with Storyteller(stage.folder(), plugins=[PLUGIN, plugin], backbone=backbone, sinks=["noted"]) as teller:
        teller.render(chain(1), events.append)
        sink: type[EventSink[Any]] = teller.session.host.find(_kind("sink"), "noted").load()  # type: ignore[assignment]
    import sys

    assert [*events, "closed"] == sys.modules[sink.__module__].EVENTS


def _kind(value: str) -> Any:
    from storymem.plugin import Kind

    return Kind(value)


# -- streams and cancellation -----------------------------------------------------------------------------


def test_a_stream_yields_what_a_callback_gets(stage: Stage) -> None:
    with stage.teller("stream") as teller:
        streamed = list(teller.stream(chain(2)))
    stage.render(chain(2), run="callback")
    assert [type(e) for e in streamed] == [type(e) for e in stage.events]
    assert published(stage.folder("stream")) == published(stage.folder("callback"))


def test_leaving_a_stream_cancels_the_run(stage: Stage) -> None:
    with stage.teller(fault={"p2": "hold"}, policy="none") as teller:
        for event in teller.stream(chain(3)):
            if isinstance(event, ShotStep) and event.shot == "1.2":
                break
    check_tidy_unfinished(stage, ["1.1"])
    stage.made()
    stage.render(chain(3), policy="none").check()
    assert stage.made() == ["p2", "p3"]


def test_errors_of_a_stream_are_raised_where_the_loop_stands(stage: Stage) -> None:
    stage.render(chain(1))
    with stage.teller() as teller, pytest.raises(RunStoreError, match="holds the story"):
        list(teller.stream(chain(1, title="Other")))


@pytest.mark.parametrize("executor", ["serial", "thread", "process"])
def test_another_thread_can_cancel(stage: Stage, executor: str) -> None:
    cancel, holding = CancelToken(), threading.Event()

    def watch(event: Event) -> None:
        if isinstance(event, ShotStep) and event.shot == "1.2" and event.step == 1:
            holding.set()

    def canceller() -> None:
        assert holding.wait(30)
        cancel.cancel()

    thread = threading.Thread(target=canceller)
    thread.start()
    with pytest.raises(Cancelled, match="finished shots are kept, render again to resume") as caught:
        stage.render(chain(3), on_event=watch, cancel=cancel, fault={"p2": "hold"}, executor=executor, policy="none")
    thread.join()
    assert caught.value.exit_code == 130
    check_tidy_unfinished(stage, ["1.1"])
    stage.render(chain(3), policy="none").check()
    stage.render(chain(3), run="undisturbed", policy="none").check()
    assert published(stage.folder()) == published(stage.folder("undisturbed"))


def test_a_run_cancelled_before_it_starts_makes_nothing(stage: Stage) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        stage.render(chain(2), cancel=cancel)
    assert stage.made() == []


def test_an_error_in_a_callback_stops_running_shots(stage: Stage) -> None:
    """A bug keeps its traceback, and the shot that still runs is not waited for to its end."""

    def watch(event: Event) -> None:
        if isinstance(event, ShotFinished):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage.render(story(["a"], ["b"]), on_event=watch, workers=2, fault={"b": "hold"}, policy="none")
    stage.render(story(["a"], ["b"]), policy="none").check()


@pytest.mark.parametrize("executor", ["serial", "thread", "process"])
def test_an_error_in_a_callback_is_never_the_backbones(stage: Stage, executor: str) -> None:
    """Steps are reported from inside the backbone, on the executor's thread; what goes wrong there is a bug."""

    def watch(event: Event) -> None:
        if isinstance(event, ShotStep) and event.step == event.total:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage.render(chain(2), on_event=watch, executor=executor)
    with stage.store() as store:
        assert store.failures() == {}


def check_tidy_unfinished(stage: Stage, finished: list[str]) -> None:
    with stage.store() as store:
        assert [c.shot for c in store.current()] == finished
        assert [t.shot for t in store.takes()] == finished
        assert store.failures() == {}
    assert not list((stage.folder() / "tmp").iterdir())


# -- plugin objects ---------------------------------------------------------------------------------------


class Grey(Backbone):
    """One grey level a shot, from its seed: needs no file, no name and no registration."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[ShotRequest] = []
        self.closed = 0

    def capabilities(self) -> Capabilities:
        return Capabilities(frozenset(Mode), (16, 16), 2, 5, 4, 8, 8)

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        self.requests.append(request)
        shape = (request.frames, request.height, request.width, 3)
        return Clip(np.full(shape, request.seed % 256, np.uint8), 8)

    def close(self) -> None:
        self.closed += 1


class Last(KeyframeSelector):
    def select(self, context: ClipContext, gate: FrameGate) -> list[Keyframe]:
        return [context.keyframe(len(context.clip) - 1, {"taste": 1.0})]


class Newest(MemoryPolicy):
    def recall(self, shot: Any, view: Any, budget: int) -> Any:
        return view[-1:]


def test_plugins_may_be_given_as_objects(stage: Stage) -> None:
    grey = Grey()
    with Storyteller(stage.folder(), backbone=grey, selector=Last(), policy=Newest(), budget=1) as teller:
        assert teller.render(chain(3)).check().frames == 15
        assert grey.closed == 0
        assert teller.render(chain(3)).made == 0
    assert grey.closed == 0, "what the caller hands in stays the caller's"
    assert [len(request.memory) for request in grey.requests] == [0, 1, 1]
    assert [request.mode for request in grey.requests] == [Mode.T2V, Mode.M2V, Mode.M2V]
    assert [k.scores for shot in stage.keyframes().values() for k in shot] == [{"taste": 1.0}] * 3


def test_an_object_of_the_wrong_kind_is_named(stage: Stage) -> None:
    teller = Storyteller(stage.folder(), backbone=Newest())
    with teller, pytest.raises(PluginError, match="backbone: Newest is not a Backbone"):
        teller.dry_run(chain(1))


def test_an_object_that_cannot_travel_to_processes_is_named(stage: Stage) -> None:
    grey = Grey()
    grey.requests.append(threading.Lock())  # type: ignore[arg-type]
    words = r"executor process: .* cannot be sent .*lock.*use executor=thread"
    teller = Storyteller(stage.folder(), backbone=grey, executor="process")
    with teller, pytest.raises(PluginError, match=words):
        teller.render(chain(1))


class Refusing(FrameFilter):
    def judge(self, indices: Any, context: ClipContext) -> list[Verdict]:
        return [Verdict(False, 0.0, 1.0, "never") for _ in indices]


def test_a_story_may_be_told_without_any_keyframe(stage: Stage) -> None:
    stage.render(chain(2), filters=[{"name": "exposure", "spread": 255}]).check()
    assert [event.frames for event in stage.of(KeyframesAdmitted)] == [(), ()]
    assert [event.mode for event in stage.of(ShotStarted)] == ["t2v", "t2v"]
    assert not list((stage.folder() / "keyframes").glob("*"))


# -- several storytellers ---------------------------------------------------------------------------------


def test_two_storytellers_in_threads_do_not_meet(stage: Stage) -> None:
    scripts = {"left": chain(4, cut=False, title="Left"), "right": chain(4, seed=9, title="Right")}
    failures: list[BaseException] = []

    def work(run: str) -> None:
        try:
            with Storyteller(stage.folder(run), plugins=[PLUGIN], backbone="blocks", workers=2) as teller:
                teller.render(scripts[run]).check()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(run,)) for run in scripts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for run, script in scripts.items():
        with Storyteller(stage.folder(f"{run}-alone"), plugins=[PLUGIN], backbone="blocks") as teller:
            teller.render(script).check()
        assert published(stage.folder(run)) == published(stage.folder(f"{run}-alone"))


def test_one_storyteller_can_render_after_an_error_and_after_closing(stage: Stage) -> None:
    with stage.teller() as teller:
        with pytest.raises(SettingsError):
            teller.render(story([shot("p", frames=4)]))
        assert teller.render(chain(1)).check().made == 1
        teller.close()
        assert teller.render(chain(1)).cached == 1


def test_a_running_folder_refuses_a_second_storyteller(stage: Stage) -> None:
    holding, errors = threading.Event(), []
    cancel = CancelToken()

    def watch(event: Event) -> None:
        if isinstance(event, ShotStep):
            holding.set()

    def work() -> None:
        with stage.teller(fault={"p1": "hold"}) as teller:
            try:
                teller.render(chain(1), watch, cancel)
            except Cancelled as error:
                errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert holding.wait(30)
    try:
        with pytest.raises(RunStoreError, match="is in use by this process: another render or an open run store of it"):
            stage.render(chain(1))
    finally:
        cancel.cancel()
        thread.join()
    assert len(errors) == 1


def test_a_script_file_is_read_with_its_own_folder_as_base(stage: Stage, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "stories"
    folder.mkdir()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(folder / "fox.png")
    entities = [{"id": "fox", "references": ["fox.png"]}]
    script = story(["p1"], entities=entities).model_dump(mode="json")
    (folder / "tale.json").write_text(json.dumps(script))
    stage.render(folder / "tale.json").check()
    assert stage.of(ShotStarted)[0].recalled == ("ref:fox:0",)
    assert tiny_module().__name__.startswith("storymem_local_tiny_plugin")
