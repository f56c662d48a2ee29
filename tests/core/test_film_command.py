"""``storymem film``: the shots that are finished as a film, and the names of those that are missing."""

from __future__ import annotations

import json

from core_support import Program, Stage, chain, published, shot, story

from storymem.media.video import count_frames

ALONE = {"policy": "none", "continuation": "cut"}
DISSOLVE = {"name": "dissolve", "settings": {"frames": 2}}


def test_what_exists_is_joined_and_what_is_missing_is_named(stage: Stage, program: Program) -> None:
    stage.render(chain(3), fault={"p2": "raise"}, **ALONE)
    assert not (stage.folder() / "film.mp4").exists()
    done = program("film", stage.folder(), cwd=stage.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{stage.folder() / 'film.mp4'} (10 frames; missing: 1.2)\n"
    assert count_frames(stage.folder() / "film.mp4") == 10
    plain = json.loads(program("film", stage.folder(), "--json", cwd=stage.root).stdout)
    assert plain == {"film": str(stage.folder() / "film.mp4"), "frames": 10, "missing": ["1.2"]}
    assert stage.made() == ["p1", "p3"], "joining makes no shot"


def test_the_next_render_joins_them_all(stage: Stage, program: Program) -> None:
    stage.render(chain(3), fault={"p2": "raise"}, **ALONE)
    program("film", stage.folder(), cwd=stage.root)
    stage.render(chain(3), **ALONE).check()
    stage.render(chain(3), run="undisturbed", **ALONE).check()
    assert published(stage.folder()) == published(stage.folder("undisturbed"))
    done = program("film", stage.folder(), cwd=stage.root)
    assert done.stdout == f"{stage.folder() / 'film.mp4'} (15 frames)\n"


def test_a_shot_whose_predecessor_is_missing_is_blended_with_nothing(stage: Stage, program: Program) -> None:
    """Shot 3 begins hard, because shot 2 is missing; shot 4 still dissolves from shot 3, and no frame is lost."""
    prompts = [shot("p1", frames=9), *(shot(f"p{i}", frames=9, transition=DISSOLVE) for i in (2, 3, 4))]
    stage.render(story(prompts), fault={"p2": "raise"}, policy="none")
    done = program("film", stage.folder(), cwd=stage.root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("(25 frames; missing: 1.2)\n")
    assert count_frames(stage.folder() / "film.mp4") == 25


def test_without_any_shot_it_says_what_to_do(stage: Stage, program: Program) -> None:
    stage.render(chain(1), fault={"p1": "raise"})
    done = program("film", stage.folder(), cwd=stage.root)
    assert done.returncode == 5
    assert done.stderr == f"error: {stage.folder()}: no shot is finished; storymem resume {stage.folder()}\n"
