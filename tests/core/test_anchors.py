"""Anchors: pictures that a shot shows at chosen frames, and the order that they give to shots."""

import json

import networkx as nx
import numpy as np
import pytest
from core_support import shot, story
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from storymem.errors import GraphError, ScriptError, SettingsError
from storymem.graph import Edge, build_graph
from storymem.graph.export import to_json, to_svg
from storymem.media.video import read_clip
from storymem.script.lint import lint
from storymem.script.services import rebased
from storymem.script.writing import to_data, to_text
from storymem.values.script import StoryScript
from storymem.values.storyboard import Storyboard
from storymem_memory_policies.recent import Recent

COLOURS = {"red": (200, 40, 40), "blue": (40, 40, 200)}


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "script"
    (folder / "pictures").mkdir(parents=True)
    for name, colour in COLOURS.items():
        Image.new("RGB", (90, 60), colour).save(folder / "pictures" / f"{name}.png")
    return folder


def anchored(*shots, **fields):
    return story([shot(f"p{i + 1}", anchors=list(anchors)) for i, anchors in enumerate(shots)], **fields)


def clip_of(stage, shot_id):
    with stage.opened() as opened:
        (current,) = opened.store.current(shot_id)
        take = opened.store.take(shot_id, current.take)
        return read_clip(opened.store.file_ref(take.master).path, take.fps).frames


def red(frame=-1):
    return {"frame": frame, "image": "pictures/red.png"}


def test_a_picture_is_held_where_it_is_anchored(stage, base):
    assert not stage.render(anchored([], [red()]), base=base).failures
    assert (clip_of(stage, "1.2")[-1] == COLOURS["red"]).all()
    assert not (clip_of(stage, "1.1")[-1] == COLOURS["red"]).all()


def test_only_shots_with_anchors_have_other_keys(stage, base):
    stage.render(anchored([], []), base=base)
    assert stage.made() == ["p1", "p2"]
    stage.render(anchored([], [red()]), base=base)
    assert stage.made() == ["p2"]
    stage.render(anchored([], [red()]), base=base)
    assert stage.made() == []
    Image.new("RGB", (90, 60), COLOURS["blue"]).save(base / "pictures" / "red.png")
    stage.render(anchored([], [red()]), base=base)
    assert stage.made() == ["p2"], "another picture under the same name"
    assert (clip_of(stage, "1.2")[-1] == COLOURS["blue"]).all()


def test_a_run_is_continued_without_the_folder_of_the_pictures(stage, base):
    script = anchored([red()], [])
    failing = stage.render(script, base=base, fault={"p2": "raise"})
    assert set(failing.failures) == {"1.2"}
    stage.made()
    (base / "pictures" / "red.png").unlink()
    with stage.teller() as teller:
        teller.session.render(script, stage.folder(), base=base, resumes=True)
    assert stage.made() == ["p2"]


def test_a_shot_ends_on_the_first_frame_of_a_later_one(stage):
    script = anchored([], [{"shot": "1.4"}], [], [])
    result = stage.render(script, policy={"name": "recent"})
    assert not result.failures
    assert np.array_equal(clip_of(stage, "1.2")[-1], clip_of(stage, "1.4")[0])
    started = [event.shot for event in stage.events if type(event).__name__ == "ShotStarted"]
    assert started.index("1.4") < started.index("1.2")
    assert any("made before" in event.text for event in stage.events if type(event).__name__ == "Notice")


def test_frames_of_a_shot_are_counted_as_the_film_shows_them(stage):
    """Shot 1.2 continues from 1.1, so that its clip begins with a frame that the film drops."""
    shots = [shot("p1"), shot("p2", cut=False), shot("p3", anchors=[{"frame": 0, "shot": "1.2", "shot_frame": 0}])]
    assert not stage.render(story(shots)).failures
    assert np.array_equal(clip_of(stage, "1.3")[0], clip_of(stage, "1.2")[1])


def test_workers_in_other_processes_get_the_same_pictures(stage, base):
    script = anchored([red()], [{"shot": "1.1", "shot_frame": -1}])
    stage.render(script, run="one", base=base)
    stage.render(script, run="two", base=base, executor={"name": "process"}, workers=2)
    clips = []
    for run in ("one", "two"):
        with stage.opened(run) as opened:
            clips.append([opened.store.take(c.shot, c.take).clip for c in opened.store.current()])
    assert clips[0] == clips[1]


WRONG = {
    "two sources": ({"image": "a.png", "shot": "1.1"}, "needs either image or shot"),
    "no source": ({"frame": 2}, "needs either image or shot"),
    "no id": ({"shot": "first"}, "must be scene.shot"),
    "unknown key": ({"picture": "a.png"}, "unknown key"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_a_wrong_anchor_is_named(stage, case, tmp_path):
    anchor, message = WRONG[case]
    path = tmp_path / "story.json"
    path.write_text(json.dumps({"title": "T", "scenes": [{"shots": [{"prompt": "p", "anchors": [anchor]}]}]}))
    with pytest.raises(ScriptError, match=message) as caught:
        stage.render(path)
    assert "\n" not in str(caught.value)


REFUSED = {
    "outside": ([{"image": "../x.png"}], ScriptError, r"shot 1.1: anchor '../x.png' must stay inside"),
    "absent": ([{"image": "none.png"}], ScriptError, r"shot 1.1: anchor image .* does not exist"),
    "middle": ([{**red(2)}], SettingsError, r"shot 1.1: anchors.0: the backbone cannot hold a picture at frame 2"),
    "too late": ([{**red(5)}], SettingsError, r"frame 5; the clip has 5 frames"),
    "twice": ([red(-1), red(4)], SettingsError, r"anchors.1: frame 4 is anchored twice"),
    "itself": ([{"shot": "1.1"}], GraphError, r"a cycle: shot 1.1 needs 1.1"),
    "unknown": ([{"shot": "9.9"}], GraphError, r"shot 9.9: no such shot"),
    "beyond": ([{"shot": "1.2", "shot_frame": 7}], SettingsError, r"the film shows 5 frames of shot 1.2"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_cannot_be_held_is_refused_before_anything_is_made(stage, base, case):
    anchors, error, message = REFUSED[case]
    with pytest.raises(error, match=message) as caught:
        stage.render(anchored(anchors, []), base=base)
    assert "\n" not in str(caught.value)
    assert stage.made() == []


def test_a_handed_over_frame_cannot_be_anchored(stage, base):
    shots = [shot("p1"), shot("p2", cut=False, anchors=[red(0)])]
    with pytest.raises(SettingsError, match="frame 0 is handed over by the shot before; make it a cut"):
        stage.render(story(shots), base=base)


def test_a_backbone_that_holds_nothing_says_so(stage, base):
    with pytest.raises(SettingsError, match="cannot hold a picture at frame 0; it holds none; drop the anchor"):
        stage.render(anchored([red(0)]), base=base, backbone={"name": "animatic"})


def test_lint_names_pictures_and_shots_that_are_not_there(base):
    script = anchored([red(), {"frame": 0, "image": "gone.png"}], [{"shot": "3.1"}], [{"shot": "1.3"}])
    rules = [
        (finding.shot, finding.rule) for finding in lint(script, 8, base=base) if finding.rule.startswith("anchor")
    ]
    assert rules == [("1.1", "anchor-missing"), ("1.2", "anchor-unknown"), ("1.3", "anchor-unknown")]


def test_a_script_that_moves_takes_its_pictures_along(base):
    moved = rebased(anchored([red()]), base, base.parent)
    assert moved.scenes[0].shots[0].anchors[0].image == "script/pictures/red.png"


@st.composite
def anchored_boards(draw):
    count = draw(st.integers(1, 9))
    numbers = st.integers(1, count)
    shots = []
    for index in range(count):
        anchors = [{"shot": f"1.{draw(numbers)}"}] if draw(st.integers(0, 2)) == 0 else []
        shots.append(shot(f"p{index}", anchors=anchors))
    handovers = [0, *draw(st.lists(st.sampled_from([0, 0, 1]), min_size=count - 1, max_size=count - 1))]
    return Storyboard(story(shots)), handovers


@given(anchored_boards())
@settings(deadline=None, max_examples=150)
def test_any_anchors_give_an_order_or_one_line(case):
    board, handovers = case
    needs = nx.DiGraph()
    needs.add_nodes_from(one.id for one in board)
    needs.add_edges_from((anchor.shot, one.id) for one in board for anchor in one.shot.anchors)
    needs.add_edges_from((board.shots[one.position - 1].id, one.id) for one in board if handovers[one.position])
    if not nx.is_directed_acyclic_graph(needs):
        with pytest.raises(GraphError, match="a cycle"):
            build_graph(board, Recent(), handovers)
        return
    graph = build_graph(board, Recent(), handovers)
    assert nx.is_directed_acyclic_graph(graph.digraph)
    place = {board.shots[position].id: rank for rank, position in enumerate(graph.order)}
    assert all(place[a] < place[b] for a, b in graph.digraph.edges)
    for one in board:
        waits = nx.ancestors(graph.digraph, one.id)
        assert {board.shots[p].id for p in graph.visible[one.position]} <= waits
        assert {anchor.shot for anchor in one.shot.anchors} <= waits
        for anchor in one.shot.anchors:
            assert Edge.ANCHORS in graph.kinds(anchor.shot, one.id)
    assert len(graph.critical_path()) == max(graph.remaining())
    assert json.loads(to_json(graph))["edges"] is not None
    assert to_svg(graph).endswith("</svg>\n")


def test_without_anchors_to_later_shots_nothing_changes():
    plain, forward = anchored([], [], []), anchored([], [], [{"shot": "1.1"}])
    graphs = [build_graph(Storyboard(script), Recent(), [0, 0, 0]) for script in (plain, forward)]
    assert [graph.visible for graph in graphs] == [graphs[0].visible] * 2
    assert all(isinstance(graph.order, range) and not graph.notice() for graph in graphs)


def test_anchors_survive_writing_and_reading():
    script = anchored([red()], [{"frame": 0, "shot": "1.1", "shot_frame": -1}])
    assert StoryScript.model_validate_json(script.model_dump_json()) == script
    assert "anchors" in to_text(to_data(script), ".toml")
