"""The kit itself: contracts catch plugins that break them, fakes do as told, strategies give valid values."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings

from storymem.errors import Cancelled, ShotError
from storymem.graph import ShotGraph
from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView, ShotRequest
from storymem.testing import (
    EventRecorder,
    FakeBackbone,
    FakeBackboneSettings,
    clips,
    graphs,
    memory_views,
    shot_request,
)
from storymem.values.clip import Clip
from storymem.values.events import FilmWritten, ShotFinished, ShotStarted
from storymem.values.storyboard import BoardShot, Storyboard

BAD_PLUGINS = """
import dataclasses
import pytest
from hypothesis import Phase, settings
settings.register_profile("unshrunk", phases=(Phase.generate,), database=None)
settings.load_profile("unshrunk")
from storymem.interfaces import *
from storymem.testing import *

class TooMany(MemoryPolicy):
    def recall(self, shot, view, budget): return list(view)[: budget + 1]

class Twice(MemoryPolicy):
    def recall(self, shot, view, budget): return [k for k in view[:1] for _ in range(min(budget, 2))]

class Itself(MemoryPolicy):
    def sees(self, board, shot): return [0]
    def recall(self, shot, view, budget): return ()

class Admit(MemoryPolicy):
    def recall(self, shot, view, budget): return ()
    def admit(self, shot, candidates, view): return candidates[1:]

class Random(MemoryPolicy):
    calls = 0
    def recall(self, shot, view, budget):
        Random.calls += 1
        return view[:budget] if Random.calls % 2 else ()

class Careless(FakeBackbone):
    def generate(self, request, progress):
        return super().generate(dataclasses.replace(request, seed=1, frames=request.frames + 4), progress)

class Good(MemoryPolicy):
    def recall(self, shot, view, budget): return view[:budget]

class TestPolicy(PolicyContract):
    @pytest.fixture(params=[TooMany, Twice, Itself, Admit, Random, Good], ids=lambda cls: cls.__name__)
    def policy(self, request): return request.param()

class TestBackbone(BackboneContract):
    @pytest.fixture
    def backbone(self): return Careless()

class TestForgotten(TransitionContract):
    pass
"""


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of plugins that break their contracts, run in another process."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "test_bad.py").write_text(BAD_PLUGINS)
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    plain = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}  # which may ask for more
    run = subprocess.run([*command, str(folder)], capture_output=True, text=True, cwd=folder, env=plain, check=False)
    return run.stdout


@pytest.mark.parametrize(
    ("failed", "because"),
    [
        ("test_recalls_at_most_budget_visible_keyframes_once[TooMany]", "keyframes for a budget of"),
        ("test_recalls_at_most_budget_visible_keyframes_once[Twice]", "a keyframe is recalled twice"),
        ("test_sees_earlier_shots_in_ascending_order[Itself]", "sees [0]"),
        ("test_admits_candidates_and_no_others_and_stays_with_it[Admit]", "admitting again changes the answer"),
        ("test_recalls_the_same_whatever_the_storage_order[Random]", "assert"),
        ("TestBackbone::test_makes_what_was_asked_in_every_mode", "expected (5, 32, 32, 3), got (9, 32, 32, 3)"),
        ("TestBackbone::test_seed_and_memory_matter", "seed is ignored"),
        ("TestForgotten::test_has_a_fingerprint", "TestForgotten: override the fixture 'transition'"),
    ],
)
def test_contracts_catch_what_breaks_them(verdict: str, failed: str, because: str) -> None:
    lines = [line for line in verdict.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert [line for line in lines if failed in line], verdict[-3000:]
    assert because in verdict


def test_a_policy_of_a_few_lines_passes(verdict: str) -> None:
    assert "TestPolicy" in verdict
    assert "[Good]" not in verdict


def test_without_hypothesis_the_import_says_what_to_install() -> None:
    code = (
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'hypothesis' else real(name, *a)\n"
        "import storymem.testing"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.strip().endswith(
        "ImportError: storymem.testing needs hypothesis; install with: pip install hypothesis"
    )


def test_nothing_else_imports_the_kit() -> None:
    code = (
        "import sys, storymem.api, storymem.cli.main; print([m for m in ('hypothesis', 'pytest') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def request(prompt: str) -> ShotRequest:
    return shot_request(prompt, (32, 32), 5, seed=1)


def test_the_fake_backbone_does_as_told() -> None:
    told = FakeBackboneSettings(fail=("bad",), crash=("bug",), wrong_count=("few",), wrong_size=("wide",), steps=3)
    backbone = FakeBackbone(told)
    steps: list[int] = []
    with pytest.raises(ShotError, match="told to fail"):
        backbone.generate(request("a bad shot"), lambda s, t: None)
    with pytest.raises(RuntimeError):
        backbone.generate(request("a bug"), lambda s, t: None)
    assert len(backbone.generate(request("few"), lambda s, t: None)) == 4
    assert backbone.generate(request("wide"), lambda s, t: None).width == 64
    assert len(backbone.generate(request("good"), lambda s, t: steps.append(s))) == 5
    assert steps == [1, 2, 3]
    assert [r.prompt for r in backbone.requests] == ["a bad shot", "a bug", "few", "wide", "good"]


def test_a_hanging_fake_backbone_answers_nothing_until_it_is_over() -> None:
    backbone = FakeBackbone(FakeBackboneSettings(hang=("stuck",), hang_seconds=0.05))

    def cancel(step: int, total: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        backbone.generate(request("stuck"), cancel)


def test_the_recorder_sorts_events_by_type() -> None:
    recorder = EventRecorder()
    for shot in ("1.1", "1.2"):
        recorder(ShotStarted(shot=shot, mode="t2v", recalled=(), handover=0, seed=1))
        recorder.handle(ShotFinished(shot=shot, take=1, cached=shot == "1.2", recalled=(), seconds=0.1))
    assert recorder.shots(ShotStarted) == ["1.1", "1.2"]
    assert [event.cached for event in recorder.of(ShotFinished)] == [False, True]
    assert recorder.of(FilmWritten) == []
    assert len(recorder.events) == 4


@settings(deadline=None, max_examples=25)
@given(graph=graphs())
def test_graphs_are_valid(graph: ShotGraph) -> None:
    done: set[str] = set()
    for shot in graph.board:
        assert done.issuperset(graph.parents(shot.id)), "a shot waits for a later one"
        done.add(shot.id)
    assert 1 <= len(graph.critical_path()) <= len(graph.board)


@settings(deadline=None, max_examples=25)
@given(seen=memory_views(), clip=clips())
def test_views_hold_embeddings_of_earlier_shots(seen: tuple[BoardShot, MemoryView], clip: Clip) -> None:
    shot, view = seen
    assert all(keyframe.position < shot.position for keyframe in view)
    assert view.embeddings().shape == (len(view), view.encoder.dimension)
    assert view.encoder.encode_images(clip.frames).shape == (len(clip), view.encoder.dimension)


class _Newest(MemoryPolicy):
    def recall(self, shot: BoardShot, view: MemoryView, budget: int) -> Sequence[Keyframe]:
        return view[len(view) - min(budget, len(view)) :]


@settings(deadline=None, max_examples=10)
@given(seen=memory_views())
def test_the_default_policy_sees_everything(seen: tuple[BoardShot, MemoryView]) -> None:
    shot, view = seen
    board: Storyboard = view.board
    assert list(_Newest().sees(board, shot)) == list(range(shot.position))
