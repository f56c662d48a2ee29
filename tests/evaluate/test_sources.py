"""Films of every kind: runs, folders of clips, single files; and what is said of those that are not in order."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from core_support import chain, flip
from gate_support import GateStage
from PIL import Image

from storymem.errors import MediaError, ScriptError, StoryMemError
from storymem.evaluate.run import ReadableFilm
from storymem.evaluate.sources import open_film
from storymem.interfaces import FinishedShot
from storymem.media.video import viewing_codec, write_clip
from storymem.plugin import PluginHost
from storymem.values.clip import Clip, Frames

HOST = PluginHost()


def picture(level: int, count: int = 4) -> Frames:
    return np.full((count, 32, 48, 3), level, dtype=np.uint8)


def write(path: Path, level: int, fps: int = 8, count: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_clip(path, Clip(picture(level, count), fps), viewing_codec(1))
    return path


def script(tmp_path: Path, shots: int = 3, **fields: object) -> Path:
    path = tmp_path / "story.json"
    story = {
        "title": "Tale",
        "overview": "all of it",
        "scenes": [{"shots": [{"prompt": f"p{i}"} for i in range(shots)]}],
    }
    path.write_text(json.dumps({**story, **fields}))
    return path


def read(path: Path, story: Path | None = None, cuts: tuple[int, ...] = ()) -> tuple[ReadableFilm, list[FinishedShot]]:
    with open_film(path, HOST, story, cuts) as film:
        return film, list(film.shots())


# -- folders of clips -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["shots/01_0{}.mp4", "001_00{}.mp4", "Tale/001_00{}_seed7.mp4", "1.{}.mp4"])
def test_clips_are_found_by_the_names_of_runs_and_of_entitybench(name: str, tmp_path: Path) -> None:
    for i in (1, 2, 3):
        write(tmp_path / "clips" / name.format(i), 40 * i)
    film, shots = read(tmp_path / "clips", script(tmp_path))
    assert [shot.shot.id for shot in shots] == ["1.1", "1.2", "1.3"]
    assert [round(shot.clip.frames.mean() / 40) for shot in shots] == [1, 2, 3]
    assert film.problems == []


def test_missing_strange_unreadable_and_uneven_clips_are_one_line_each(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    write(clips / "01_01.mp4", 40)
    write(clips / "01_02.mp4", 80, fps=12)
    (clips / "01_03.mp4").write_bytes(b"no video")
    write(clips / "02_01.mp4", 80)
    film, shots = read(clips, script(tmp_path, shots=4))
    assert [shot.shot.id for shot in shots] == ["1.1", "1.2"]
    assert film.problems[:2] == ["no clips of shots 1.4", "clips of shots 2.1 left out: the script has no such shots"]
    assert film.problems[2] == "shot 1.2 has 12 frames a second, those before it 8"
    assert film.problems[3].startswith("shot 1.3 left out: ")
    again = list(film.shots())
    assert len(again) == 2
    assert len(film.problems) == 4, "reading twice says nothing twice"


def test_a_folder_of_another_story_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "clips" / "07_01.mp4", 40)
    with pytest.raises(MediaError, match=r"has no clip of a shot of 'Tale', such as 1_1\.mp4; is it another story's"):
        read(tmp_path / "clips", script(tmp_path))


def test_a_folder_needs_its_script(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="name it with --script"):
        read(tmp_path)


def test_references_come_from_the_scripts_folder(tmp_path: Path) -> None:
    write(tmp_path / "clips" / "01_01.mp4", 40)
    Image.fromarray(picture(9)[0]).save(tmp_path / "fox.png")
    story = script(tmp_path, 1, entities=[{"id": "fox", "references": ["fox.png", "gone.png"]}])
    with open_film(tmp_path / "clips", HOST, story) as film:
        references = film.references()
    assert [r.shape for r in references["fox"]] == [(32, 48, 3)]
    assert len(film.problems) == 1
    assert "gone.png does not exist" in film.problems[0]


# -- single files -----------------------------------------------------------------------------------------------


def long_film(path: Path, *levels: int, count: int = 4) -> Path:
    frames = np.concatenate([picture(level, count) for level in levels])
    write_clip(path, Clip(frames, 8), viewing_codec(1))
    return path


def test_a_film_is_cut_where_it_is_told(tmp_path: Path) -> None:
    path = long_film(tmp_path / "film.mp4", 40, 80, 120)
    film, shots = read(path, script(tmp_path), cuts=(4, 8))
    assert [(shot.shot.id, len(shot.clip)) for shot in shots] == [("1.1", 4), ("1.2", 4), ("1.3", 4)]
    assert [round(shot.clip.frames.mean() / 40) for shot in shots] == [1, 2, 3]
    assert film.problems == []
    assert [shot.shot.prompt for shot in shots] == ["p0", "p1", "p2"]


def test_a_script_that_says_all_frames_cuts_the_film(tmp_path: Path) -> None:
    path = long_film(tmp_path / "film.mp4", 40, 80)
    shots = [{"prompt": "a", "frames": 3}, {"prompt": "b", "frames": 5}]
    _, found = read(path, script(tmp_path, scenes=[{"shots": shots}]))
    assert [len(shot.clip) for shot in found] == [3, 5]


def test_a_film_without_known_cuts_is_one_shot_and_says_so(tmp_path: Path) -> None:
    path = long_film(tmp_path / "film.mp4", 40, 80)
    film, shots = read(path, script(tmp_path, 2))
    assert [(len(shot.clip), shot.shot.prompt) for shot in shots] == [(8, "all of it")]
    assert "does not say where its 2 shots begin in 8 frames" in film.problems[0]
    assert film.has_script


def test_a_film_without_a_script_has_no_prompts(tmp_path: Path) -> None:
    film, shots = read(long_film(tmp_path / "film.mp4", 40, 80), cuts=(4,))
    assert [len(shot.clip) for shot in shots] == [4, 4]
    assert not film.has_script
    assert film.problems == ["no script: columns that compare with prompts or entities stay empty"]


@pytest.mark.parametrize(
    ("cuts", "message"),
    [((4, 4), "must rise"), ((8,), "end before frame 8"), ((2, 4), "2 cuts make 3 shots, but the script has 2")],
)
def test_wrong_cuts_are_refused(cuts: tuple[int, ...], message: str, tmp_path: Path) -> None:
    path = long_film(tmp_path / "film.mp4", 40, 80)
    with pytest.raises(StoryMemError, match=message):
        read(path, script(tmp_path, 2), cuts)


def test_a_rate_that_is_no_whole_number_is_rounded_and_said(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(24000, 1001))
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for frame in picture(50):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    film, shots = read(path)
    assert shots[0].clip.fps == 24
    assert "23.976 frames a second are taken as 24" in " ".join(film.problems)


def test_animated_pictures_are_films(tmp_path: Path) -> None:
    frames = [Image.fromarray(picture(level)[0]) for level in (10, 90, 170)]
    for name in ("film.webp", "film.gif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100, lossless=True)
        _, shots = read(tmp_path / name)
        assert shots[0].clip.fps == 10
        assert [int(frame.mean()) for frame in shots[0].clip.frames] == [10, 90, 170]


@pytest.mark.parametrize("name", ["film.mp4", "film.webp"])
def test_what_is_no_film_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(MediaError, match=name):
        read(tmp_path / name)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="does not exist; name a run folder"):
        read(tmp_path / "nothing")


# -- runs -------------------------------------------------------------------------------------------------------


def test_a_run_is_read_from_its_masters(stage: GateStage) -> None:
    stage.render(chain(3, cut=False))
    film, shots = read(stage.folder())
    assert [len(shot.clip) for shot in shots] == [5, 4, 4]
    assert film.problems == []
    assert film.title == "Tale"


def test_of_a_damaged_run_the_shots_before_the_damage_are_read(stage: GateStage) -> None:
    stage.render(chain(3), policy="none")
    with stage.store() as store:
        take = next(take for take in store.takes() if take.shot == "1.2")
        flip(store.objects.path(take.master, ".mkv"))
    film, shots = read(stage.folder())
    assert [shot.shot.id for shot in shots] == ["1.1"]
    assert "shots after shot 1.1 left out: " in film.problems[0]
    assert "storymem verify" in film.problems[0]


def test_a_runs_clips_alone_give_the_same_shots(stage: GateStage, tmp_path: Path) -> None:
    stage.render(chain(2), policy="none")
    shutil.copytree(stage.folder() / "shots", tmp_path / "clips")
    _, shots = read(tmp_path / "clips", script(tmp_path, 2))
    assert [(shot.shot.id, len(shot.clip)) for shot in shots] == [("1.1", 5), ("1.2", 5)]
