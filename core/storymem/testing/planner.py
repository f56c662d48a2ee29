"""The contract of script planners."""

from __future__ import annotations

from typing import Any

import pytest

from storymem.errors import Cancelled
from storymem.interfaces import Brief, ScriptPlanner
from storymem.testing.contract import PluginContract, not_given
from storymem.values.script import Entity, StoryScript
from storymem.values.storyboard import Storyboard

STORY = (
    "Anna finds an old kite in the attic. She carries it down to the harbour. The wind is too strong and the line "
    "breaks. Ben sees the kite fall into the sea. Together they row out and bring it back. In the evening they mend "
    "it by the fire."
)


class PlannerContract(PluginContract):
    """Subclass it, override :meth:`planner`, and set the flags that apply.

    Attributes:
        exact_shots: The script has exactly the number of shots that the brief asks for.
        deterministic: The same brief gives the same script.
    """

    exact_shots: bool = True
    deterministic: bool = True

    @pytest.fixture
    def planner(self) -> ScriptPlanner[Any]:
        """Return the planner under test."""
        not_given(self, "planner")

    @pytest.fixture
    def brief(self) -> Brief:
        """A short story in English for six shots."""
        return Brief(text=STORY, shots=6, seed=1)

    def plan(self, planner: ScriptPlanner[Any], brief: Brief) -> StoryScript:
        """Plan without progress."""
        return planner.plan(brief, lambda line: None)

    def test_has_a_fingerprint(self, planner: ScriptPlanner[Any]) -> None:
        self.check_plugin(planner)

    def test_writes_a_valid_script(self, planner: ScriptPlanner[Any], brief: Brief) -> None:
        script = self.plan(planner, brief)
        assert isinstance(script, StoryScript)
        assert StoryScript.model_validate(script.model_dump(mode="json")) == script
        if self.exact_shots:
            assert len(Storyboard(script)) == brief.shots

    def test_same_brief_same_script(self, planner: ScriptPlanner[Any], brief: Brief) -> None:
        if not self.deterministic:
            pytest.skip("the planner asks a model that samples")
        assert self.plan(planner, brief) == self.plan(planner, brief)

    def test_uses_the_given_cast(self, planner: ScriptPlanner[Any], brief: Brief) -> None:
        anna = Entity(id="anna", name="Anna", look="a girl of ten in a yellow coat")
        script = self.plan(planner, Brief(text=brief.text, shots=brief.shots, cast=(anna,)))
        assert anna in script.entities, "an entity of the brief's cast must be in the script as it is"

    def test_reports_progress_and_can_be_cancelled(self, planner: ScriptPlanner[Any], brief: Brief) -> None:
        lines: list[str] = []
        planner.plan(brief, lines.append)
        assert lines, "progress was never called"
        assert all(isinstance(line, str) and "\n" not in line for line in lines)

        def cancel(line: str) -> None:
            raise Cancelled("enough")

        with pytest.raises(Cancelled):
            planner.plan(brief, cancel)
