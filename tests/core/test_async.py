"""Rendering on an event loop: nothing blocks it, and cancelling stops the run and frees its folder."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import Any, cast

import pytest
from core_support import Stage, chain, published

from storymem.errors import RunStoreError, ShotError
from storymem.values.events import Event, RunFinished, ShotFinished, ShotStep


def finished(stage: Stage) -> list[str]:
    """Return the shots that are there; opening for writing shows that the folder is free."""
    with stage.store(write=True) as store:
        return [current.shot for current in store.current()]


def test_it_gives_the_same_as_without_a_loop(stage: Stage) -> None:
    events: list[Event] = []
    threads: set[int] = set()

    def keep(event: Event) -> None:
        events.append(event)
        threads.add(threading.get_ident())

    async def work() -> Any:
        with stage.teller("async") as teller:
            return await teller.render_async(chain(2), keep)

    result = asyncio.run(work())
    assert result.made == 2
    assert threads == {threading.get_ident()}, "the callback runs on the loop's thread"
    stage.render(chain(2), run="plain")
    assert [type(e) for e in events] == [type(e) for e in stage.events]
    assert published(stage.folder("async")) == published(stage.folder("plain"))


def test_the_loop_goes_on_meanwhile(stage: Stage) -> None:
    async def work() -> bool:
        with stage.teller(fault={"p1": "slow"}) as teller:
            task = asyncio.create_task(teller.render_async(chain(1)))
            ticks = 0
            while not task.done():
                ticks += 1
                await asyncio.sleep(0)
            return bool((await task).film) and ticks > 10

    assert asyncio.run(work())


def test_cancelling_the_task_stops_the_run_and_frees_the_folder(stage: Stage) -> None:
    async def work() -> None:
        holding = asyncio.Event()

        def watch(event: Event) -> None:
            if isinstance(event, ShotStep) and event.shot == "1.2":
                holding.set()

        with stage.teller(fault={"p2": "hold"}, policy="none") as teller:
            task = asyncio.create_task(teller.render_async(chain(3), watch))
            await asyncio.wait_for(holding.wait(), 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert finished(stage) == ["1.1"]

    asyncio.run(work())
    stage.made()
    stage.render(chain(3), policy="none").check()
    assert stage.made() == ["p2", "p3"]


def test_a_stream_yields_events(stage: Stage) -> None:
    async def work() -> list[Event]:
        with stage.teller() as teller:
            return [event async for event in teller.stream_async(chain(2))]

    events = asyncio.run(work())
    assert isinstance(events[-1], RunFinished)
    assert [e.shot for e in events if isinstance(e, ShotFinished)] == ["1.1", "1.2"]


def test_closing_a_stream_stops_the_run_and_frees_the_folder(stage: Stage) -> None:
    async def work() -> None:
        with stage.teller(fault={"p2": "hold"}, policy="none") as teller:
            stream = cast("Any", teller.stream_async(chain(3)))
            async with aclosing(stream) as events:
                async for event in events:
                    if isinstance(event, ShotStep) and event.shot == "1.2":
                        break
            assert finished(stage) == ["1.1"]

    asyncio.run(work())


def test_leaving_the_loop_stops_the_run(stage: Stage) -> None:
    async def work() -> None:
        with stage.teller(fault={"p2": "hold"}, policy="none") as teller:
            async for event in teller.stream_async(chain(3)):
                if isinstance(event, ShotStep) and event.shot == "1.2":
                    break
            async with asyncio.timeout(30):  # the loop closes an abandoned stream in its own time
                while True:
                    try:
                        assert finished(stage) == ["1.1"]
                        return
                    except RunStoreError:
                        await asyncio.sleep(0.01)

    asyncio.run(work())


def test_an_error_in_the_callback_stops_the_run_and_frees_the_folder(stage: Stage) -> None:
    def fail(event: Event) -> None:
        if isinstance(event, ShotStep) and event.shot == "1.2":
            raise ZeroDivisionError

    async def work() -> None:
        with stage.teller(fault={"p2": "hold"}, policy="none") as teller:
            with pytest.raises(ZeroDivisionError):
                await teller.render_async(chain(3), fail)
            assert finished(stage) == ["1.1"]

    asyncio.run(work())


def test_errors_are_raised_where_the_task_is_awaited(stage: Stage) -> None:
    async def work() -> None:
        with stage.teller(fault={"p1": "raise"}) as teller:
            with pytest.raises(ShotError, match="failed shots: 1"):
                await teller.render_async(chain(1))
            with pytest.raises(ShotError, match="failed shots: 1"):
                async for _ in teller.stream_async(chain(1)):
                    pass

    asyncio.run(work())
