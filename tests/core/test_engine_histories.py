"""Whatever was done to a run before, it ends with the film that a fresh run of the same script gives."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from core_support import Stage, check_stores_agree, check_tidy, flip, published, shot, story
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from storymem.store.records import Override
from storymem.store.upkeep import is_pinned

SHOTS = ("1.1", "1.2", "2.1")
OPTIONS: dict[str, Any] = {"budget": 2, "selector": {"name": "every", "step": 2}}


class Histories(RuleBasedStateMachine):
    """Renders, edits, redoes, pins, prunes, damages and half loses one run in any order."""

    def __init__(self) -> None:
        super().__init__()
        base = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self._folder = tempfile.TemporaryDirectory(dir=base, prefix="storymem-history-")
        self.stage = Stage(Path(self._folder.name))
        self.prompts = dict.fromkeys(SHOTS, "p")
        self.step = 2
        self.workers = 1
        self.overrides: dict[str, Override] = {}
        self.rendered = False
        self.memory_is_lost = False

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            self._folder.cleanup()

    # -- what can happen ---------------------------------------------------------------------------------

    @initialize()
    def start(self) -> None:
        self.render()

    @rule()
    def render(self) -> None:
        self.stage.render(self.script(), workers=self.workers, **self.options()).check()
        self.rendered, self.memory_is_lost = True, False
        check_tidy(self.stage.folder())

    @rule(name=st.sampled_from(SHOTS), prompt=st.sampled_from("pqr"))
    def edit(self, name: str, prompt: str) -> None:
        self.prompts[name] = prompt
        self.rendered = False

    @rule(step=st.sampled_from([1, 2]))
    def choose_otherwise(self, step: int) -> None:
        self.step = step
        self.rendered = False

    @rule(workers=st.sampled_from([1, 3]))
    def hire(self, workers: int) -> None:
        self.workers = workers

    @rule(name=st.sampled_from(SHOTS), seed=st.none() | st.integers(0, 2), prompt=st.sampled_from([None, "q", "s"]))
    def redo(self, name: str, seed: int | None, prompt: str | None) -> None:
        with self.stage.opened(write=True) as run:
            if seed is None and prompt is None:
                run.reset(name)
            else:
                run.redo(name, seed, prompt)
            self.overrides = run.store.overrides()
        self.rendered = False

    @rule(name=st.sampled_from(SHOTS), which=st.none() | st.integers(0, 9))
    def pin(self, name: str, which: int | None) -> None:
        with self.stage.opened(write=True) as run:
            takes = run.takes(name)
            run.pin(name, None if which is None or not takes else takes[which % len(takes)].number)
        self.rendered = False

    @rule()
    def prune(self) -> None:
        with self.stage.opened(write=True) as run:
            run.prune()
        check_tidy(self.stage.folder())

    @rule(which=st.integers(0, 99), hidden=st.booleans())
    def damage(self, which: int, hidden: bool) -> None:
        files = sorted((self.stage.folder() / "objects").iterdir())
        if files:
            flip(files[which % len(files)], keep_time=hidden)
            if hidden:
                with self.stage.opened(write=True) as run:
                    assert run.verify()
                    # Damage of a pinned take is reported as long as it is pinned: only the user can choose another.
                    assert all(is_pinned(run.store, Path(name).stem) for name in run.verify())
            self.rendered = False

    @rule()
    def lose_the_film(self) -> None:
        (self.stage.folder() / "film.mp4").unlink(missing_ok=True)
        self.rendered = False

    @rule()
    def lose_the_memory(self) -> None:
        for path in self.stage.folder().glob("memory.sqlite*"):
            path.unlink()
        self.rendered, self.memory_is_lost = False, True

    @rule(name=st.sampled_from(SHOTS))
    def fail(self, name: str) -> None:
        """Render with a backbone that fails on one shot's prompt: whatever is made meanwhile must be right."""
        prompt = self.words(name)
        self.stage.render(self.script(), fault={prompt: "raise"}, **self.options())
        check_tidy(self.stage.folder())
        self.rendered = self.memory_is_lost = False

    # -- what must hold ----------------------------------------------------------------------------------

    @invariant()
    def a_second_render_makes_nothing(self) -> None:
        if self.rendered:
            self.stage.made()
            self.stage.render(self.script(), **self.options())
            assert self.stage.made() == []

    @invariant()
    def both_stores_hold_the_same(self) -> None:
        if not self.memory_is_lost:
            check_stores_agree(self.stage.folder())

    @invariant()
    def pinned_takes_are_in_the_film(self) -> None:
        if self.rendered:
            with self.stage.store() as store:
                pinned = {(take.shot, take.number) for take in store.takes() if take.pinned}
                assert pinned <= {(shot.shot, shot.take) for shot in store.current()}

    def finish(self) -> None:
        """Free every pin and compare with a run that has no past."""
        with self.stage.store(write=True) as store:
            for name in SHOTS:
                store.pin(name, None)
        self.render()
        fresh = self.script(self.overrides)
        self.stage.render(fresh, run="fresh", **self.options()).check()
        assert published(self.stage.folder()) == published(self.stage.folder("fresh"))

    # -- parts -------------------------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        return {**OPTIONS, "selector": {"name": "every", "step": self.step}}

    def words(self, name: str) -> str:
        override = self.overrides.get(name)
        return (override and override.prompt) or self.prompts[name]

    def script(self, overrides: dict[str, Override] | None = None) -> Any:
        changes = {
            name: {k: v for k, v in (("seed", o.seed), ("prompt", o.prompt)) if v is not None}
            for name, o in (overrides or {}).items()
        }
        one, two, three = (
            shot(**{"prompt": self.prompts[name], "cut": name != "1.2", **changes.get(name, {})}) for name in SHOTS
        )
        return story([one, two], [three])


TestHistories = pytest.mark.timeout(120)(Histories.TestCase)
TestHistories.settings = settings(
    max_examples=10,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target],
)
