"""Whole runs with an encoder: keyframes by meaning, refusals recorded, choosing again without making clips again."""

import pytest

from storymem.api import Storyteller
from storymem.values.events import FrameRejected, ShotStarted
from storymem.values.script import StoryScript

STORY = {
    "title": "Two places",
    "scenes": [
        {"shots": [{"prompt": "a red fox in the snow"}]},
        {"shots": [{"prompt": "a blue house by the sea at night"}]},
    ],
}


@pytest.fixture
def render(tmp_path, clip_folder):
    def run(**settings):
        encoder = {"name": "clip", "model": str(clip_folder), "device": "cpu"}
        with Storyteller(tmp_path / "film", backbone="animatic", frames=9, encoder=encoder, **settings) as teller:
            events = []
            result = teller.render(StoryScript.model_validate(STORY), on_event=events.append)
            result.check()
            return result, events

    return run


def test_semantic_selection_and_choosing_again(render):
    first, events = render(selector={"name": "semantic", "memory_threshold": 1.0}, filters=["exposure"])
    assert first.film.is_file()
    assert [e for e in events if isinstance(e, FrameRejected)] == []
    again, events = render(selector={"name": "semantic", "memory_threshold": -1.0}, filters=["exposure"])
    assert again.film.is_file()
    assert [e.mode for e in events if isinstance(e, ShotStarted)] == ["select", "select"]
    refused = [e for e in events if isinstance(e, FrameRejected)]
    assert refused  # with this limit, everything is already in memory once there is a memory
    assert {(e.shot, e.filter, e.reason) for e in refused} == {("2.1", "semantic", "already in memory")}


def test_all_frames_refused_still_gives_a_film(render):
    result, events = render(selector="diverse", filters=[{"name": "sharpness", "threshold": 1e9}])
    assert result.film.is_file()
    refused = [e for e in events if isinstance(e, FrameRejected)]
    assert len(refused) == 18
    assert {(e.filter, e.reason) for e in refused} == {("sharpness", "blurred")}
