"""The contract of memory policies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView
from storymem.testing.contract import PluginContract, examples, not_given
from storymem.testing.strategies import keyframes, storyboards, view_of
from storymem.values.storyboard import BoardShot, Storyboard

Situation = tuple[BoardShot, Storyboard, list[Keyframe]]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """A shot, its story, and keyframes of earlier shots in any order."""
    board = draw(storyboards())
    shot = draw(st.sampled_from(board.shots))
    return shot, board, draw(keyframes(board, shot.position))


class PolicyContract(PluginContract):
    """Subclass it, override :meth:`policy`, and set the flags that apply.

    Attributes:
        keeps_entities: The policy promises that a larger budget never loses an entity that the shot needs.
    """

    keeps_entities: bool = False

    @pytest.fixture
    def policy(self) -> MemoryPolicy[Any]:
        """Return the policy under test."""
        not_given(self, "policy")

    def visible(self, policy: MemoryPolicy[Any], situation: Situation) -> MemoryView:
        """Return what the engine would show the policy: references and keyframes of shots it sees."""
        shot, board, found = situation
        seen = {-1, *policy.sees(board, shot)}
        return view_of(board, [keyframe for keyframe in found if keyframe.position in seen])

    def test_has_a_fingerprint(self, policy: MemoryPolicy[Any]) -> None:
        self.check_plugin(policy)

    @examples
    @given(board=storyboards())
    def test_sees_earlier_shots_in_ascending_order(self, policy: MemoryPolicy[Any], board: Storyboard) -> None:
        for shot in board:
            seen = list(policy.sees(board, shot))
            assert seen == sorted(set(seen)), f"shot {shot.id}: sees must be ascending, without repeats"
            assert all(0 <= position < shot.position for position in seen), f"shot {shot.id}: sees {seen}"

    @examples
    @given(board=storyboards())
    def test_sees_the_same_every_time(self, policy: MemoryPolicy[Any], board: Storyboard) -> None:
        twin = Storyboard(board.script)
        for shot, again in zip(reversed(board.shots), reversed(twin.shots), strict=True):
            assert list(policy.sees(board, shot)) == list(policy.sees(twin, again))

    @examples
    @given(situation=situations(), budget=st.integers(0, 12))
    def test_recalls_at_most_budget_visible_keyframes_once(
        self, policy: MemoryPolicy[Any], situation: Situation, budget: int
    ) -> None:
        view = self.visible(policy, situation)
        recalled = policy.recall(situation[0], view, budget)
        ids = [keyframe.id for keyframe in recalled]
        assert len(ids) <= budget, f"{len(ids)} keyframes for a budget of {budget}"
        assert len(set(ids)) == len(ids), "a keyframe is recalled twice"
        assert all(keyframe in list(view) for keyframe in recalled), "recalled what is not visible"

    @examples
    @given(situation=situations(), budget=st.integers(0, 12), data=st.data())
    def test_recalls_the_same_whatever_the_storage_order(
        self, policy: MemoryPolicy[Any], situation: Situation, budget: int, data: st.DataObject
    ) -> None:
        shot, board, found = situation
        first = policy.recall(shot, self.visible(policy, situation), budget)
        shuffled = data.draw(st.permutations(found))
        again = policy.recall(shot, self.visible(policy, (shot, board, shuffled)), budget)
        assert [k.id for k in first] == [k.id for k in again]

    @examples
    @given(situation=situations(), budget=st.integers(0, 8))
    def test_more_budget_keeps_needed_entities(
        self, policy: MemoryPolicy[Any], situation: Situation, budget: int
    ) -> None:
        if not self.keeps_entities:
            pytest.skip("the policy does not promise it")
        shot, view = situation[0], self.visible(policy, situation)
        needed = set(shot.entities)
        less = {e for k in policy.recall(shot, view, budget) for e in k.entities} & needed
        more = {e for k in policy.recall(shot, view, budget + 1) for e in k.entities} & needed
        assert less <= more, f"a budget of {budget + 1} loses {less - more}"

    @examples
    @given(situation=situations())
    def test_admits_candidates_and_no_others_and_stays_with_it(
        self, policy: MemoryPolicy[Any], situation: Situation
    ) -> None:
        shot, board, found = situation
        # A shot that has keyframes: any fixed one mostly has none, and then nothing is asked of the policy.
        owner = board.shots[max(k.position for k in found)] if found else shot
        candidates = [k for k in _distinct(found) if k.position == owner.position]
        view = view_of(board, [k for k in found if k.position < owner.position])
        admitted = list(policy.admit(owner, candidates, view))
        assert len({k.id for k in admitted}) == len(admitted), "a keyframe is admitted twice"
        assert all(keyframe in candidates for keyframe in admitted), "admitted what was no candidate"
        assert list(policy.admit(owner, admitted, view)) == admitted, "admitting again changes the answer"


def _distinct(found: list[Keyframe]) -> list[Keyframe]:
    return list({keyframe.id: keyframe for keyframe in found}.values())
