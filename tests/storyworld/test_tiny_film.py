"""A film by the embedded model, which is the default backbone, through the installed command."""

import json
import subprocess
import sys
from pathlib import Path

from storymem.media.video import count_frames
from storymem.store.runstore import RunStore

STORY = {
    "title": "Two shots of a fox",
    "entities": [{"id": "fox", "look": "a fox with a scarf"}],
    "scenes": [
        {
            "shots": [
                {"prompt": "Medium shot. The fox stands in the forest by day.", "entities": ["fox"]},
                {"prompt": "Close-up. The fox waves on the beach.", "entities": ["fox"]},
            ]
        }
    ],
}


def test_a_story_becomes_a_film_whose_second_shot_remembers_the_first(tmp_path: Path) -> None:
    (tmp_path / "story.json").write_text(json.dumps(STORY), "utf-8")
    command = [str(Path(sys.executable).with_name("storymem")), "render", "story.json", "-o", "run"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "medium shot fox stands in forest by day" in done.stdout + done.stderr  # what it understood
    assert count_frames(tmp_path / "run" / "film.mp4") == 34
    with RunStore(tmp_path / "run", write=False) as store:
        recalled = {take.shot: take.request["recalled"] for take in store.takes()}
    assert recalled["1.1"] == []
    assert len(recalled["1.2"]) >= 1
