"""The vision-language judge in the accept gate: real HTTP, a real run, and advice that reaches the next attempt."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "planning"))

from core_support import Stage, chain
from planning_support import ChatServer, says, status

from storymem.engine.accept import ADVICE_LENGTH, AcceptGate
from storymem.errors import SettingsError
from storymem.interfaces import ClipContext, FrameFilter, PluginSettings, Verdict
from storymem.values.clip import Clip
from storymem.values.events import FrameRejected

NO_SCARF = says(json.dumps({"reason": "no scarf", "advice": "It wears a white scarf.", "score": 3}))
FINE = says(json.dumps({"reason": "", "advice": "", "score": 9}))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    one = ChatServer()
    yield one
    one.close()


def gate(server: ChatServer, **settings: Any) -> dict[str, Any]:
    judge = {"name": "vision_judge", "base_url": server.url, "model": "sees", "retries": 0, "timeout": 5.0}
    return {"attempts": 3, "samples": 1, "filters": [judge], **settings}


def test_advice_goes_into_the_next_attempt_and_into_the_take(stage: Stage, server: ChatServer) -> None:
    server.behaviours = [NO_SCARF, FINE]
    stage.render(chain(1), accept=gate(server, revise=True)).check()
    assert stage.made() == ["p1", "p1 It wears a white scarf."]
    with stage.store() as store:
        (take,) = store.takes()
    assert take.request["prompt"] == "p1"
    assert take.request["advice"] == "It wears a white scarf."
    asked = [request["messages"][1]["content"][0]["text"] for request in server.requests]
    assert asked == ["<description>p1</description>"] * 2, "the clip is compared with the script, not with the advice"
    assert stage.render(chain(1), accept=gate(server, revise=True)).check().made == 0


def test_without_revise_the_prompt_stays(stage: Stage, server: ChatServer) -> None:
    server.behaviours = [NO_SCARF, NO_SCARF, FINE]
    stage.render(chain(1), accept=gate(server)).check()
    assert stage.made() == ["p1"] * 3
    with stage.store() as store:
        assert "advice" not in store.takes()[0].request


def test_a_refusal_says_what_the_model_saw(stage: Stage, server: ChatServer) -> None:
    server.behaviours = [NO_SCARF]
    stage.render(chain(1), accept=gate(server, attempts=1)).check()
    (refused,) = stage.of(FrameRejected)
    assert (refused.filter, refused.score, refused.threshold) == ("accept:vision_judge", 0.3, 0.6)
    assert refused.reason == "no scarf"


def test_a_server_that_fails_fails_the_shot_alone(stage: Stage, server: ChatServer) -> None:
    server.behaviours = [status(401, "who are you")]
    result = stage.render(chain(1), accept=gate(server))
    (error,) = result.failures.values()
    assert "vision_judge: sees at" in str(error)
    assert "refuses the API key" in str(error)


def test_a_model_must_be_named(stage: Stage) -> None:
    with pytest.raises(SettingsError, match=r"vision_judge.*model: missing"):
        stage.render(chain(1), accept={"filters": [{"name": "vision_judge"}]})


class Wordy(FrameFilter[PluginSettings]):
    """Refuses everything, with long advice that differs from frame to frame."""

    def judge(self, indices: Any, context: ClipContext) -> list[Verdict]:
        return [Verdict(False, 0.0, 1.0, "no", f"{index} {'word ' * 25}") for index in indices]


def test_advice_is_bounded_and_keeps_whole_pieces() -> None:
    clip = Clip(np.zeros((9, 4, 4, 3), np.uint8), 16)
    filters = {"wordy": Wordy(PluginSettings())}
    advice = AcceptGate(filters, 3, 0.5, 9, revise=True).judge(ClipContext(clip)).advice
    assert ADVICE_LENGTH - 130 < len(advice) <= ADVICE_LENGTH
    assert advice.startswith("0 word")
    assert advice.endswith("word")
