"""The loop end to end, and what a second render makes: nothing that is there, and only what an edit reaches."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from core_support import Stage, chain, check_stores_agree, check_tidy, digest, objects, published, rows, shot, story
from PIL import Image

from storymem.errors import MediaError, PluginError, RunStoreError, ScriptError, SettingsError
from storymem.film.review import FinishedFilm
from storymem.keys import derived_seed
from storymem.media.video import count_frames, iter_frames, read_clip
from storymem.values.events import FilmWritten, KeyframesAdmitted, RunFinished, ShotFinished, ShotStarted
from storymem.values.picture import read_png

NO_MEMORY = {"policy": "none", "continuation": "cut"}


def test_a_script_becomes_a_film_with_keyframes_of_every_shot(stage: Stage) -> None:
    result = stage.render(chain(3), budget=4)
    folder = stage.folder()
    assert result.check().frames == count_frames(folder / "film.mp4") == 15
    assert result.film == folder / "film.mp4"
    assert (result.made, result.cached, len(result.failures)) == (3, 0, 0)
    assert stage.made() == ["p1", "p2", "p3"]
    assert sorted(p.name for p in (folder / "shots").iterdir()) == ["01_01.mp4", "01_02.mp4", "01_03.mp4"]
    check_tidy(folder)
    modes = {event.shot: (event.mode, len(event.recalled)) for event in stage.of(ShotStarted)}
    assert modes == {"1.1": ("t2v", 0), "1.2": ("m2v", 3), "1.3": ("m2v", 4)}
    first = stage.of(KeyframesAdmitted)[0].frames
    recalled = stage.of(ShotStarted)[1].recalled
    assert recalled == tuple(f"1.1:{frame}" for frame in first)


def test_published_keyframes_are_exactly_the_masters_frames(stage: Stage) -> None:
    stage.render(chain(2, cut=False))
    with stage.store() as store:
        for take in store.takes():
            master = read_clip(store.objects.path(take.master, ".mkv"), take.fps)
            assert master.content_hash() == take.clip
            pictures = sorted((stage.folder() / "keyframes").glob(f"01_{int(take.shot[2:]):02d}_f*.png"))
            assert pictures
            for picture in pictures:
                frame = int(re.findall(r"f(\d+)", picture.name)[0])
                assert np.array_equal(read_png(picture), master.frames[frame])


def test_rendering_again_makes_and_writes_nothing(stage: Stage) -> None:
    stage.render(chain(3, cut=False))
    before = {p: p.stat().st_mtime_ns for p in stage.folder().rglob("*") if p.suffix in {".mp4", ".png", ".mkv"}}
    rows_before = rows(stage.folder())
    stage.made()
    result = stage.render(chain(3, cut=False))
    assert (result.made, result.cached) == (0, 3)
    assert stage.made() == []
    assert stage.of(FilmWritten)[0].cached
    assert all(event.cached for event in stage.of(ShotFinished))
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert rows(stage.folder()) == rows_before


def test_editing_a_prompt_remakes_only_that_shot_where_nothing_of_it_is_seen(stage: Stage) -> None:
    stage.render(chain(4), **NO_MEMORY)
    before = published(stage.folder())
    stage.made()
    stage.render(story(["p1", "other", "p3", "p4"]), **NO_MEMORY)
    assert stage.made() == ["other"]
    after = published(stage.folder())
    assert {name for name in after if "01_02" not in name and after[name] != before.get(name)} == {"film.mp4"}


def test_editing_a_prompt_remakes_the_shots_that_recall_it_or_go_on_from_it(stage: Stage) -> None:
    script = story(["p1", "p2", shot("p3", cut=False), "p4"], title="Tale")
    stage.render(script, policy="none")
    stage.made()
    stage.render(story(["p1", "new", shot("p3", cut=False), "p4"]), policy="none")
    assert stage.made() == ["new", "p3"]
    stage.render(story(["p1", "new", shot("p3", cut=False), "p4"]), budget=1, policy={"name": "sink_recent", "sink": 1})
    # The first keyframe of shot 1 is now recalled by all others.
    assert stage.made() == ["new", "p3", "p4"]
    changed = story(["p1", "newest", shot("p3", cut=False), "p4"])
    stage.render(changed, budget=1, policy={"name": "sink_recent", "sink": 1})
    assert stage.made() == ["newest", "p3"], "shot 4 recalls only shot 1, so it stays"


def test_an_edit_undone_finds_the_old_take(stage: Stage) -> None:
    stage.render(chain(2))
    first = published(stage.folder())
    stage.render(story(["p1", "other"]))
    stage.made()
    result = stage.render(chain(2))
    assert stage.made() == []
    assert result.made == 0
    assert published(stage.folder()) == first


def test_one_seed_or_setting_reaches_only_what_it_concerns(stage: Stage) -> None:
    stage.render(chain(3), **NO_MEMORY)
    stage.made()
    stage.render(story(["p1", shot("p2", seed=7), "p3"]), **NO_MEMORY)
    assert stage.made() == ["p2"]
    stage.render(story(["p1", shot("p2", seed=7), shot("p3", overrides={"backbone": {"look": 3}})]), **NO_MEMORY)
    assert stage.made() == ["p3"]
    stage.render(story(["p1", shot("p2", seed=7), shot("p3", frames=9)]), **NO_MEMORY)
    assert stage.made() == ["p3"]
    stage.render(chain(3), look=1, **NO_MEMORY)
    assert stage.made() == ["p1", "p2", "p3"]


def test_view_quality_and_layout_make_no_clip_again(stage: Stage) -> None:
    stage.render(chain(2))
    stage.made()
    stage.render(chain(2), crf=30, layout="entitybench")
    assert stage.made() == []
    assert [event.mode for event in stage.of(ShotStarted)] == ["select", "select"]
    assert sorted(p.name for p in (stage.folder() / "Tale").iterdir()) == ["001_001.mp4", "001_002.mp4"]
    stage.render(chain(2), crf=30)
    assert not list((stage.folder() / "Tale").iterdir())


def test_inserting_a_shot_leaves_the_seeds_of_the_others(stage: Stage) -> None:
    before = story([shot("a", id="1.1"), shot("b", id="1.2"), shot("c", id="1.3")])
    after = story([shot("a", id="1.1"), shot("x", id="1.1a"), shot("b", id="1.2"), shot("c", id="1.3")])
    with stage.teller() as teller:
        seeds = {spec.shot.id: spec.request.seed for spec in teller.dry_run(before).specs}
        new_seeds = {spec.shot.id: spec.request.seed for spec in teller.dry_run(after).specs}
    assert seeds == {i: new_seeds[i] for i in seeds}
    assert len(set(new_seeds.values())) == 4
    stage.render(before, **NO_MEMORY)
    stage.made()
    stage.render(after, **NO_MEMORY)
    assert stage.made() == ["x"]
    assert count_frames(stage.folder() / "film.mp4") == 20


def test_story_seed_of_settings_replaces_the_scripts(stage: Stage) -> None:
    with stage.teller(seed=5) as teller:
        spec = teller.dry_run(chain(1, seed=1)).specs[0]
    assert spec.request.seed == derived_seed(5, "1.1") != derived_seed(1, "1.1")


@pytest.mark.parametrize(
    ("transition", "settings", "frames"),
    [
        ("cut", {}, 39),
        ("first_frame", {}, 37),
        ("motion", {"frames": 5}, 29),
        ("dissolve", {"frames": 3}, 33),
    ],
)
def test_film_has_exactly_the_frames_its_transitions_leave(
    stage: Stage, transition: str, settings: dict[str, int], frames: int
) -> None:
    script = chain(3, cut=False)
    result = stage.render(script, frames=13, policy="none", continuation={"name": transition, **settings})
    assert result.check().frames == frames
    assert count_frames(stage.folder() / "film.mp4") == frames
    assert sum(1 for _ in iter_frames(stage.folder() / "film.mp4")) == frames


def test_handed_over_frames_begin_the_master_and_stay_out_of_the_film(stage: Stage) -> None:
    stage.render(chain(2, cut=False), frames=9, continuation={"name": "motion", "frames": 5})
    with stage.store() as store:
        one, two = (read_clip(store.objects.path(t.master, ".mkv"), t.fps).frames for t in store.takes())
    assert np.array_equal(one[-5:], two[:5])
    assert count_frames(stage.folder() / "shots" / "01_02.mp4") == 4
    assert min(keyframe.frame for keyframe in stage.keyframes()["1.2"]) >= 5


def test_a_dissolve_blends_both_ends(stage: Stage) -> None:
    script = story(["p1", shot("p2", transition={"name": "dissolve", "settings": {"frames": 3}})])
    stage.render(script, frames=5, policy="none", crf=0, size=(64, 48))
    with stage.store() as store:
        one, two = (read_clip(store.objects.path(t.master, ".mkv"), t.fps).frames for t in store.takes())
    film = list(iter_frames(stage.folder() / "film.mp4"))
    weights = np.array([0.25, 0.5, 0.75])[:, None, None, None]
    expected = np.concatenate([one[:2], one[2:] * (1 - weights) + two[:3] * weights, two[3:]])
    # Chroma is halved in both directions, so blocks are compared by their mean.
    for got, want in zip(film, expected, strict=True):
        difference = got.reshape(12, 4, 16, 4, 3).mean((1, 3)) - want.reshape(12, 4, 16, 4, 3).mean((1, 3))
        assert np.abs(difference).mean() < 12


# -- references -------------------------------------------------------------------------------------------


def references(folder: Path, *names: str) -> None:
    for index, name in enumerate(names):
        Image.new("RGB", (8, 8), (40 * index, 90, 200)).save(folder / name)


def test_reference_images_enter_memory_before_the_first_shot(stage: Stage) -> None:
    references(stage.root, "fox.png", "fox2.png", "den.png")
    script = story(
        ["p1", "p2"],
        entities=[
            {"id": "fox", "references": ["fox.png", "fox2.png"]},
            {"id": "den", "kind": "place", "references": ["den.png"]},
        ],
    )
    stage.render(script, base=stage.root)
    started = stage.of(ShotStarted)
    assert started[0].recalled == ("ref:fox:0", "ref:fox:1", "ref:den:2")
    assert started[0].mode == "m2v"
    assert started[1].recalled[:3] == started[0].recalled
    check_tidy(stage.folder())
    stage.made()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(stage.root / "den.png")
    stage.render(script, base=stage.root)
    assert stage.made() == ["p1", "p2"], "another reference picture is another memory"


@pytest.mark.parametrize(
    ("reference", "error", "words"),
    [
        ("gone.png", ScriptError, "entity 'fox': reference image .*gone.png does not exist"),
        ("../fox.png", ScriptError, "entity 'fox': .* must stay inside"),
        ("/etc/hostname", ScriptError, "entity 'fox': .* must stay inside"),
        ("text.png", MediaError, "text.png: cannot be read as a picture"),
    ],
)
def test_bad_references_are_named(stage: Stage, reference: str, error: type[Exception], words: str) -> None:
    base = stage.root / "stories"
    base.mkdir()
    references(stage.root, "fox.png")
    (base / "text.png").write_text("no picture")
    script = story(["p1"], entities=[{"id": "fox", "references": [reference]}])
    with pytest.raises(error, match=words):
        stage.render(script, base=base)


# -- redo, pin, prune -------------------------------------------------------------------------------------


def test_an_override_remakes_its_shot_and_what_depends_on_it_and_can_be_taken_back(stage: Stage) -> None:
    script = story(["p1", shot("p2", cut=False), "p3"])
    stage.render(script, policy="none")
    before = published(stage.folder())
    stage.made()
    with stage.opened(write=True) as run:
        run.redo("1.1", seed=99)
    stage.render(script, policy="none")
    assert stage.made() == ["p1", "p2"]
    assert [t.request["seed"] for t in _takes(stage, "1.1")] == [derived_seed(0, "1.1"), 99]
    with stage.opened(write=True) as run:
        run.reset("1.1")
    stage.render(script, policy="none")
    assert stage.made() == []
    assert published(stage.folder()) == before


@pytest.mark.parametrize("seed", [2**63 - 1, 2**63, 2**64 - 1])
def test_seeds_of_64_bits_are_kept(stage: Stage, seed: int) -> None:
    script = story(["p1"])
    stage.render(script)
    with stage.opened(write=True) as run:
        run.redo("1.1", seed=seed)
        assert run.store.overrides()["1.1"].seed == seed
        with pytest.raises(SettingsError, match=r"shot 1\.1: seed .* must be 0 to 18446744073709551615"):
            run.redo("1.1", seed=2**64)
    stage.render(script)
    assert _takes(stage, "1.1")[-1].request["seed"] == seed


def test_a_pinned_take_is_used_whatever_the_script_says(stage: Stage) -> None:
    stage.render(story(["a", "b"]), **NO_MEMORY)
    before = published(stage.folder())
    with stage.store(write=True) as store:
        store.pin("1.1", 1)
    stage.made()
    stage.render(story(["other", "b"]), **NO_MEMORY)
    assert stage.made() == []
    assert published(stage.folder()) == before
    with stage.store(write=True) as store:
        store.pin("1.1", None)
    stage.render(story(["other", "b"]), **NO_MEMORY)
    assert stage.made() == ["other"]


def test_pinning_names_the_takes_there_are(stage: Stage) -> None:
    stage.render(chain(1))
    with stage.store(write=True) as store, pytest.raises(RunStoreError, match=r"1\.1: has no take 7; its takes are: 1"):
        store.pin("1.1", 7)


def test_a_pinned_take_of_another_size_is_refused(stage: Stage) -> None:
    stage.render(chain(1))
    with stage.store(write=True) as store:
        store.pin("1.1", 1)
    result = stage.render(chain(1), size=(16, 16))
    assert "pinned take 1 is 32x16" in result.failures["1.1"]
    assert result.film is None


def test_pruning_deletes_old_takes_and_only_their_files(stage: Stage) -> None:
    stage.render(story(["a", "b"]), **NO_MEMORY)
    stage.render(story(["a2", "b"]), **NO_MEMORY)
    before = published(stage.folder())
    with stage.opened(write=True) as run:
        old, removed = run.prune()
    assert old == [("1.1", 1)]
    assert len(removed.files) >= 2
    assert not any(path.exists() for path in removed.files)
    check_tidy(stage.folder())
    check_stores_agree(stage.folder())
    stage.made()
    stage.render(story(["a2", "b"]), **NO_MEMORY)
    assert stage.made() == []
    assert published(stage.folder()) == before
    stage.render(story(["a", "b"]), **NO_MEMORY)
    assert stage.made() == ["a"]
    assert [t.number for t in _takes(stage, "1.1")] == [2, 3]


def test_shots_that_left_the_script_leave_the_film_but_their_takes_stay(stage: Stage) -> None:
    stage.render(chain(3), **NO_MEMORY)
    stage.made()
    result = stage.render(chain(2), **NO_MEMORY)
    assert result.frames == 10
    assert [c.shot for c in _current(stage)] == ["1.1", "1.2"]
    assert not (stage.folder() / "shots" / "01_03.mp4").exists()
    stage.render(chain(3), **NO_MEMORY)
    assert stage.made() == []


# -- selecting again --------------------------------------------------------------------------------------


def test_selecting_again_gives_what_selecting_at_once_gives(stage: Stage) -> None:
    first, second = {"name": "every", "step": 2}, {"name": "every", "step": 1}
    script = chain(3, cut=False)
    stage.render(script, run="later", selector=first, policy="none", frames=9)
    stage.made()
    stage.render(script, run="later", selector=second, policy="none", frames=9)
    assert stage.made() == []
    assert {event.mode for event in stage.of(ShotStarted)} == {"select"}
    stage.render(script, run="at_once", selector=second, policy="none", frames=9)
    assert published(stage.folder("later")) == published(stage.folder("at_once"))
    with stage.store("later") as store:
        chosen = [store.selection(c.selection) for c in store.current()]
    with stage.store("at_once") as store:
        assert chosen == [store.selection(c.selection) for c in store.current()]
        assert len(store.selections()) == len(chosen)
    kept, expected = ([*shots.values()] for shots in (stage.keyframes("later"), stage.keyframes("at_once")))
    assert [[(k.id, k.scores) for k in shot] for shot in kept] == [[(k.id, k.scores) for k in s] for s in expected]


def test_small_masters_are_consistent_with_themselves(stage: Stage) -> None:
    script = chain(3, cut=False)
    options = {"master": "small", "policy": {"name": "recent"}, "budget": 2, "size": (64, 48)}
    stage.render(script, run="later", selector={"name": "every", "step": 4}, **options)
    stage.render(script, run="later", selector="every", **options)
    stage.render(script, run="at_once", selector="every", **options)
    assert published(stage.folder("later")) == published(stage.folder("at_once"))
    with stage.store("at_once") as store:
        for take in store.takes():
            assert read_clip(store.objects.path(take.master, ".mkv"), take.fps).content_hash() == take.clip


# -- folders ----------------------------------------------------------------------------------------------


def test_a_folder_of_another_story_is_kept(stage: Stage) -> None:
    stage.render(chain(1))
    before = published(stage.folder())
    with pytest.raises(RunStoreError, match="holds the story 'Tale', not 'Other'; choose another folder"):
        stage.render(chain(1, title="Other"))
    assert published(stage.folder()) == before


def test_what_does_not_fit_is_said_before_the_folder_is_made(stage: Stage) -> None:
    wrong = {
        "frames": (6, "shot 1.1: 6 frames is not allowed: must be 4n.1, from 1; nearest is 5"),
        "size": ((31, 16), "size 31x16 is not allowed: .* multiples of 2; nearest is 3[02]x16"),
        "budget": (9, "budget: 9 keyframes; backbone 'blocks' takes at most 8"),
        "continuation": ({"name": "motion", "frames": 13}, r"shot 1\.2: transition Motion hands over 13 frames"),
    }
    for key, (value, words) in wrong.items():
        with pytest.raises(SettingsError, match=words):
            stage.render(chain(2, cut=False), **{key: value})
    with pytest.raises(SettingsError, match=r"shot 1\.2: overrides\.backbone: size cannot be changed for one shot"):
        stage.render(story(["p1", shot("p2", overrides={"backbone": {"size": 3}})]))
    with pytest.raises(SettingsError, match=r"shot 1\.2: overrides\.backbone: look: .*valid integer"):
        stage.render(story(["p1", shot("p2", overrides={"backbone": {"look": "much"}})]))
    with pytest.raises(SettingsError, match=r"shot 1\.2: 5 frames leave nothing after transition Motion drops 5"):
        stage.render(chain(2, cut=False), continuation="motion")
    with pytest.raises(SettingsError, match=r"shot 1\.2: its transition takes 8 frames of shot 1\.1, which has 5"):
        stage.render(story(["p1", shot("p2", frames=13, transition={"name": "dissolve"})]))
    with pytest.raises(PluginError, match="unknown executor 'proces': did you mean 'process'"):
        stage.render(chain(1), executor="proces")
    with pytest.raises(SettingsError, match="store 'sqlite': file: unknown key"):
        stage.render(chain(1), store={"name": "sqlite", "file": "x"})
    assert not stage.folder().exists()


def test_results_of_another_run_never_get_in(stage: Stage) -> None:
    """Files people put into the folder stay, and are no part of the film."""
    stage.render(chain(1))
    foreign = stage.folder() / "shots" / "99_99.mp4"
    foreign.write_bytes((stage.folder() / "film.mp4").read_bytes())
    film = digest(stage.folder() / "film.mp4")
    stage.render(chain(1))
    assert digest(stage.folder() / "film.mp4") == film
    assert foreign.exists()
    assert len(objects(stage.folder())) == 2 + len(list((stage.folder() / "keyframes").iterdir()))


def test_run_finished_counts_every_shot_once(stage: Stage) -> None:
    stage.render(chain(2))
    stage.render(story(["p1", "p2", "p3"]))
    (end,) = stage.of(RunFinished)
    assert (end.made, end.cached, end.failed) == (1, 2, 0)


def _takes(stage: Stage, name: str) -> list[object]:
    with stage.store() as store:
        return list(store.takes(name))


def _current(stage: Stage) -> list[object]:
    with stage.store() as store:
        return list(store.current())


def test_references_that_left_the_script_are_forgotten(stage: Stage) -> None:
    references(stage.root, "fox.png", "owl.png")
    both = [{"id": "fox", "references": ["fox.png"]}, {"id": "owl", "references": ["owl.png"]}]
    stage.render(story(["p1"], entities=both), base=stage.root)
    stage.render(story(["p1"], entities=both[:1]), base=stage.root)
    with stage.store() as store:
        (shown,) = FinishedFilm(store).shots()
        assert [k.shot for k in shown.recalled] == ["ref:fox"]
    stage.render(story(["p1"]), base=stage.root)
    with stage.opened(write=True) as run:
        assert run.store.references() is None
        assert run.prune()[0] == [("1.1", 1), ("1.1", 2)]
    assert len(list((stage.folder() / "objects").glob("*.png"))) == len(list((stage.folder() / "keyframes").iterdir()))
