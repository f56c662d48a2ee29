"""Finished copies: what the viewer sees changes, and nothing that memory, later shots or takes are made of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import av
import numpy as np
import pytest
from core_support import (
    Program,
    Stage,
    chain,
    check_stores_agree,
    check_tidy,
    digest,
    flip,
    published,
    quarantined,
    rows,
    shot,
    story,
)
from pydantic import Field

from storymem.engine.cancel import CancelToken
from storymem.errors import Cancelled, SettingsError, ShotError
from storymem.interfaces import Finisher, PluginSettings, Progress
from storymem.media.video import iter_frames
from storymem.runs import open_run
from storymem.store.finished import finished_copies
from storymem.store.runstore import RunStore
from storymem.values.clip import Clip, Frames, VideoFormat
from storymem.values.events import CopyFinished, DamageFound, Event, FinishingStarted, FinishingStep
from storymem_plugins.finishing.interpolate import Interpolate, InterpolateSettings
from storymem_plugins.transitions.builtin import Cut

LARGER = {"name": "resize", "scale": 2}
FASTER = {"name": "interpolate", "fps": 12}
DISSOLVE = {"name": "dissolve", "settings": {"frames": 2}}
#: Tables that hold the finished side of a run.
FINISHED_SIDE = ("state", "meta", "derived", "objects", "published")


class ShadeSettings(PluginSettings):
    amount: Annotated[int, Field(ge=0, le=255)] = 10


class Shade(Finisher[ShadeSettings]):
    """Darken; remembers what it was asked."""

    def __init__(self, settings: ShadeSettings | None = None) -> None:
        super().__init__(settings)
        self.asked: list[int] = []

    def finish(self, clip: Clip, previous: Clip | None, progress: Progress) -> Clip:
        progress(0, 1)
        self.asked.append(len(clip))
        return Clip(np.maximum(clip.frames, self.settings.amount) - np.uint8(self.settings.amount), clip.fps)


class Carry(Finisher):
    """Put the shot before's corner pixel into this one's corner, plus one: shows how far a chain was followed."""

    needs_previous = True

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def finish(self, clip: Clip, previous: Clip | None, progress: Progress) -> Clip:
        progress(0, 1)
        self.calls += 1
        frames = clip.frames.copy()
        frames[:, 0, 0] = 1 if previous is None else previous.frames[0, 0, 0] + 1
        return Clip(frames, clip.fps)


class Broken(Finisher):
    """Does what ``way`` says to clips whose number in order of arrival is ``at``."""

    way = "raise"
    at = 1

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def finish(self, clip: Clip, previous: Clip | None, progress: Progress) -> Any:
        self.seen += 1
        if self.seen != self.at:
            return clip
        match self.way:
            case "raise":
                raise ZeroDivisionError("no luck")
            case "refuse":
                raise ShotError("not this one")
            case "size":
                return Clip(clip.frames[:, :, :-2], clip.fps)
            case "count":
                return Clip(clip.frames[:-1], clip.fps)
            case _:
                return clip.frames


def film_of(path: Path) -> tuple[VideoFormat, list[Frames]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate is not None
        size = VideoFormat(stream.width, stream.height, int(stream.average_rate))
    return size, list(iter_frames(path))


def test_film_and_viewing_copies_have_the_finished_size_and_rate(stage: Stage) -> None:
    result = stage.render(chain(3), finish=[LARGER, FASTER]).check()
    assert result.film is not None
    size, frames = film_of(result.film)
    assert size == VideoFormat(64, 32, 12)
    assert result.frames == len(frames) == 3 * 8  # five frames at 8 a second are seven and a half at 12
    for status in result.shots.values():
        assert status.view is not None
        assert film_of(status.view)[0] == size
        assert status.take is not None
        assert (status.take.width, status.take.height, status.take.fps) == (32, 16, 8)
    assert {digest(s.view) for s in result.shots.values() if s.view} == {
        digest(path) for path in (stage.folder() / "shots").iterdir()
    }
    check_tidy(stage.folder())
    check_stores_agree(stage.folder())


def test_takes_and_keyframes_know_nothing_of_it(stage: Stage) -> None:
    """The same run with and without finishers differs in finished files and in the records of those alone."""
    script = chain(4, cut=False)
    stage.render(script, run="plain").check()
    stage.render(script, run="finished", finish=[LARGER, FASTER]).check()
    plain, finished = (rows(stage.folder(run), skip=FINISHED_SIDE) for run in ("plain", "finished"))
    assert plain == finished
    keys = rows(stage.folder("plain"), skip=())["run.sqlite:derived"]
    assert [row for row in rows(stage.folder("finished"), skip=())["run.sqlite:derived"] if row in keys] == keys


def test_another_finisher_remakes_copies_and_film_and_nothing_else(stage: Stage) -> None:
    stage.render(chain(3), finish=[LARGER]).check()
    before, seen, records = stage.made(), published(stage.folder()), rows(stage.folder(), skip=FINISHED_SIDE)
    assert before == ["p1", "p2", "p3"]
    result = stage.render(chain(3), finish=[{**LARGER, "scale": 3}]).check()
    assert stage.made() == []
    assert (result.made, result.updated, result.cached) == (0, 0, 3)
    assert Counter(e.shot for e in stage.of(CopyFinished)) == {"1.1": 1, "1.2": 1, "1.3": 1}
    now = published(stage.folder())
    assert {name for name in now if now[name] != seen[name]} == {
        *("shots/01_01.mp4", "shots/01_02.mp4", "shots/01_03.mp4", "film.mp4")
    }
    assert rows(stage.folder(), skip=FINISHED_SIDE) == records


def test_finished_copies_are_found_again(stage: Stage) -> None:
    stage.render(chain(3), finish=[LARGER]).check()
    first = published(stage.folder())
    stage.render(chain(3), finish=[]).check()
    assert film_of(stage.folder() / "film.mp4")[0] == VideoFormat(32, 16, 8)
    stage.render(chain(3), finish=[LARGER]).check()
    assert stage.of(CopyFinished) == stage.of(FinishingStarted) == []
    assert published(stage.folder()) == first
    stage.render(chain(3), finish=[LARGER]).check()
    assert published(stage.folder()) == first


def test_only_what_changed_is_finished_again(stage: Stage) -> None:
    settings = {"finish": [LARGER], "policy": "none"}
    stage.render(chain(3), **settings).check()
    stage.render(chain(3).with_shot("1.2", prompt="another"), **settings).check()
    assert [event.shot for event in stage.of(CopyFinished)] == ["1.2"]


def test_the_quality_of_copies_is_no_reason_to_select_again(stage: Stage) -> None:
    stage.render(chain(2), finish=[LARGER]).check()
    stage.made()
    stage.render(chain(2), finish=[LARGER], crf=30).check()
    assert stage.made() == []
    assert len(stage.of(CopyFinished)) == 2


def test_a_shot_made_again_is_not_shown_as_it_was(stage: Stage) -> None:
    """Cancelled after a shot was made and before it was finished: its viewing copy is the new, plain one."""
    stage.render(chain(1), finish=[LARGER]).check()
    cancel = CancelToken()

    def stop(event: Event) -> None:
        if isinstance(event, FinishingStarted):
            cancel.cancel()

    with pytest.raises(Cancelled):
        stage.render(chain(1).with_shot("1.1", prompt="another"), on_event=stop, cancel=cancel, finish=[LARGER])
    with stage.opened() as run:
        view = run.status()["1.1"].view
    assert view is not None
    assert film_of(view)[0] == VideoFormat(32, 16, 8)
    assert digest(view) == digest(stage.folder() / "shots" / "01_01.mp4")


def test_progress_is_told(stage: Stage) -> None:
    stage.render(chain(2), finish=[LARGER]).check()
    assert stage.of(FinishingStarted) == [FinishingStarted(shots=2, width=64, height=32, fps=8)]
    steps = [(e.shot, e.finisher, e.step, e.total) for e in stage.of(FinishingStep)]
    assert steps == [(shot_id, "Resize", n, 5) for shot_id in ("1.1", "1.2") for n in range(5)]


class TestChains:
    """A finisher that is shown the shot before."""

    def test_previous_is_the_finished_shot_of_the_same_chain(self, stage: Stage) -> None:
        seen: list[tuple[int, int | None]] = []

        class Spy(Carry):
            def finish(self, clip: Clip, previous: Clip | None, progress: Progress) -> Clip:
                made = super().finish(clip, previous, progress)
                seen.append((int(made.frames[0, 0, 0, 0]), previous and len(previous)))
                return made

        cuts = [True, False, False, True, False]
        script = story([shot(f"p{i}", cut=cut) for i, cut in enumerate(cuts)])
        stage.render(script, finish=[Spy()]).check()
        assert [corner for corner, _ in seen] == [1, 2, 3, 1, 2]
        assert [length for _, length in seen] == [None, 5, 4, None, 5]  # a continuing shot drops its first frame

    def test_a_changed_shot_takes_the_rest_of_its_chain_along(self, stage: Stage) -> None:
        script = story([shot(f"p{i}", cut=i in {0, 3}, seed=i) for i in range(6)])
        settings = {"policy": "none", "finish": [Carry()]}
        stage.render(script, **settings).check()
        stage.render(script.with_shot("1.5", prompt="other"), **settings).check()
        assert [event.shot for event in stage.of(CopyFinished)] == ["1.5", "1.6"]
        first = published(stage.folder())
        stage.render(script.with_shot("1.5", prompt="other"), run="at once", **settings).check()
        assert published(stage.folder("at once")) == first

    def test_each_shot_of_a_chain_is_run_once(self, stage: Stage) -> None:
        carry = Carry()
        stage.render(chain(5, cut=False), finish=[carry]).check()
        assert carry.calls == 5

    def test_later_finishers_do_not_run_again_for_shots_that_are_there(self, stage: Stage) -> None:
        script, shade = chain(3, cut=False), Shade()
        settings = {"policy": "none", "finish": [Carry(), shade]}
        stage.render(script, **settings).check()
        shade.asked.clear()
        stage.render(script.with_shot("1.3", prompt="other"), **settings).check()
        assert len(shade.asked) == 1


class TestTransitions:
    def test_a_dissolve_lasts_as_long_as_before(self, stage: Stage) -> None:
        script = story([shot("p1", frames=9), shot("p2", frames=9, transition=DISSOLVE), shot("p3", frames=9)])
        finish = [{**LARGER, "scale": 4}, {"name": "interpolate", "fps": 16}]
        result = stage.render(script, finish=finish, policy="none").check()
        assert result.film is not None
        size, frames = film_of(result.film)
        assert size == VideoFormat(128, 64, 16)
        assert len(frames) == 3 * 18 - 4
        with stage.store() as store:
            copies = finished_copies(store).values()
            masters = [store.file_ref(store.derived(copy.keys[1]) or "").path for copy in copies]
        one, two = (list(iter_frames(path)) for path in masters[:2])
        for n in range(4):
            weight = (n + 1) / 5
            blended = one[14 + n] * (1 - weight) + two[n] * weight
            assert np.abs(frames[14 + n] - blended).mean() < 8
        assert np.abs(frames[13].astype(float) - one[13]).mean() < 8
        check_tidy(stage.folder())

    def test_no_frame_mixes_two_shots(self, stage: Stage) -> None:
        """Black, white, black: whatever the rate, a frame is black or white."""

        class Flat(Finisher):
            """Paint every other clip white, the others black."""

            def __init__(self) -> None:
                super().__init__()
                self.count = 0

            def finish(self, clip: Clip, previous: Clip | None, progress: Progress) -> Clip:
                self.count += 1
                return Clip(np.full_like(clip.frames, 255 * (self.count % 2)), clip.fps)

        result = stage.render(
            chain(3), size="64x32", finish=[Flat(), Interpolate(InterpolateSettings(fps=30, mode="blend"))]
        ).check()
        assert result.film is not None
        levels = [int(frame.mean()) for frame in film_of(result.film)[1]]
        assert all(level < 5 or level > 250 for level in levels)
        assert [level > 128 for level in levels] == [True] * 19 + [False] * 19 + [True] * 19


class TestFailures:
    @pytest.mark.parametrize(
        ("way", "message"),
        [
            ("raise", "shot 1.2: finisher Broken failed: ZeroDivisionError: no luck"),
            ("refuse", "not this one"),
            ("size", "shot 1.2: finisher Broken returned 30x16 at 8 frames per second, not 32x16 at 8 frames"),
            ("count", "shot 1.2: finisher Broken returned 4 frames; 5 at the new rate are 5"),
            ("type", "shot 1.2: finisher Broken returned ndarray, not a Clip"),
        ],
    )
    def test_a_broken_finisher_is_named_and_costs_nothing(self, stage: Stage, way: str, message: str) -> None:
        broken = Broken()
        broken.way, broken.at = way, 2
        with pytest.raises(ShotError, match=message):
            stage.render(chain(3), finish=[broken])
        assert [event.shot for event in stage.of(CopyFinished)] == ["1.1"]
        check_tidy(stage.folder())
        stage.made()
        stage.render(chain(3), finish=[LARGER]).check()
        assert stage.made() == []

    def test_sizes_that_no_film_can_have_are_refused_before_anything_is_made(self, stage: Stage) -> None:
        with pytest.raises(SettingsError, match="makes a film of 63x32; both sides must be even"):
            stage.render(chain(1), finish=[{"name": "resize", "size": "63x32"}])
        with pytest.raises(SettingsError, match="interpolate needs 32 pixels on each side, not 32x16"):
            stage.render(chain(1), finish=[FASTER])
        assert not stage.folder().exists()

    def test_objects_that_are_no_finishers_are_refused(self, stage: Stage) -> None:
        with pytest.raises(SettingsError, match="finish: must be finishers, not Cut"):
            stage.teller(finish=[Cut()])

    def test_failed_shots_keep_the_film_back_and_others_are_finished(self, stage: Stage) -> None:
        result = stage.render(chain(3), fault={"p2": "raise"}, finish=[LARGER], policy="none")
        assert result.film is None
        assert [event.shot for event in stage.of(CopyFinished)] == ["1.1", "1.3"]
        stage.render(chain(3), finish=[LARGER], policy="none").check()
        assert [event.shot for event in stage.of(CopyFinished)] == ["1.2"]


class TestSafety:
    def test_a_damaged_finished_copy_is_made_again(self, stage: Stage) -> None:
        result = stage.render(chain(2), finish=[LARGER]).check()
        good = published(stage.folder())
        view = result.shots["1.2"].view
        assert view is not None
        flip(view)
        stage.made()
        stage.render(chain(2), finish=[LARGER]).check()
        assert stage.made() == []
        assert [event.shots for event in stage.of(DamageFound)] == [("1.2",)]
        assert [event.shot for event in stage.of(CopyFinished)] == ["1.2"]
        assert published(stage.folder()) == good
        check_tidy(stage.folder())

    def test_killed_between_file_and_record(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file is in place and its record is not: it is set aside, and made again."""

        def die(self: RunStore, files: Any) -> None:
            self.objects.adopt(list(files.values()))
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(RunStore, "add_derived", die)
            with pytest.raises(KeyboardInterrupt):
                stage.render(chain(2), finish=[LARGER])
        stage.made()
        stage.render(chain(2), finish=[LARGER]).check()
        assert stage.made() == []
        assert len(quarantined(stage.folder())) == 1
        check_tidy(stage.folder())
        stage.render(chain(2), run="undisturbed", finish=[LARGER]).check()
        assert published(stage.folder()) == published(stage.folder("undisturbed"))

    def test_cancelled_while_finishing(self, stage: Stage) -> None:
        cancel = CancelToken()

        def stop(event: Event) -> None:
            if isinstance(event, CopyFinished):
                cancel.cancel()

        with pytest.raises(Cancelled):
            stage.render(chain(3), on_event=stop, cancel=cancel, finish=[LARGER])
        check_tidy(stage.folder())
        stage.render(chain(3), finish=[LARGER]).check()
        assert [event.shot for event in stage.of(CopyFinished)] == ["1.2", "1.3"]

    def test_prune_keeps_what_the_film_is_made_of(self, stage: Stage) -> None:
        script = story([shot("p1"), shot("p2", transition=DISSOLVE)])
        stage.render(script, finish=[{**LARGER, "scale": 3}]).check()
        stage.render(script, finish=[LARGER]).check()
        with stage.store() as store:
            before = set(store.files())
        with open_run(stage.folder(), write=True) as run:
            removed = run.prune()[1]
        assert len(removed.files) == 4, "two viewing copies and two masters of the finisher before"
        check_tidy(stage.folder())
        stage.render(script, finish=[LARGER]).check()
        assert stage.of(CopyFinished) == []
        with stage.store() as store:
            assert set(store.files()) < before


def test_the_film_command_joins_finished_copies(stage: Stage, program: Program) -> None:
    """Without the copies it makes them: they may have been lost since."""
    result = stage.render(chain(3), fault={"p2": "raise"}, policy="none", finish=[LARGER])
    view = result.shots["1.1"].view
    assert view is not None
    with open_run(stage.folder(), write=True) as run:
        flip(view)
        assert run.verify() == [f"objects/{view.name}"]
    done = program("film", stage.folder(), cwd=stage.root)
    assert done.stdout == f"{stage.folder() / 'film.mp4'} (10 frames; missing: 1.2)\n", done.stderr
    assert film_of(stage.folder() / "film.mp4")[0] == VideoFormat(64, 32, 8)


def test_a_run_says_which_objects_finished_it(stage: Stage, program: Program) -> None:
    stage.render(chain(1), finish=[Shade()]).check()
    done = program("resume", stage.folder(), cwd=stage.root)
    assert done.returncode != 0
    assert "finish.0 = " in done.stderr
