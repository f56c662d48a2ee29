"""A film by the embedded model, which is the default backbone, through the command line."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from storymem.cli.main import app
from storymem.media.video import count_frames
from storymem.store.runstore import RunStore
from storymem.values.clip import Clip
from storymem.values.request import ShotRequest
from storymem_backbones.diffusion.errors import GeometryError
from storymem_storyworld.draw.render import as_bytes, render
from storymem_storyworld.measure.autoencoding import reconstruction_numbers
from storymem_storyworld.stories.episodes import sample_chain
from storymem_storyworld.tiny.backbone import TinyBackbone
from storymem_storyworld.tiny.settings import TinySettings

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


@pytest.mark.timeout(180)  # two clips on a busy machine
def test_a_story_becomes_a_film_whose_second_shot_remembers_the_first(tmp_path: Path) -> None:
    (tmp_path / "story.json").write_text(json.dumps(STORY), "utf-8")
    command = ["render", str(tmp_path / "story.json"), "-o", str(tmp_path / "run"), "--set", "backbone.steps=2"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "medium shot fox stands in forest by day" in done.output  # what it understood
    assert count_frames(tmp_path / "run" / "film.mp4") == 3 * 34  # two shots of 17 frames, at 24 a second instead of 8
    with RunStore(tmp_path / "run", write=False) as store:
        recalled = {take.shot: take.recalled for take in store.takes()}
    assert recalled["1.1"] == ()
    assert len(recalled["1.2"]) >= 1


def test_true_clips_come_back_through_the_autoencoder() -> None:
    backbone = TinyBackbone(TinySettings())
    specs = [shot.spec for shot in sample_chain(1).shots[:2]]
    true = [Clip(clip.numpy(), 8) for clip in as_bytes(render(specs)).permute(0, 1, 3, 4, 2).contiguous()]
    shown = [backbone.reconstruct(clip) for clip in true]
    numbers = reconstruction_numbers(true, shown)
    assert numbers["psnr"] > 27
    assert numbers["colour_shift"] < 0.005
    with pytest.raises(GeometryError, match="the nearest is 17"):
        backbone.reconstruct(Clip(true[0].frames[:16], 8))
    backbone.close()


@pytest.mark.timeout(180)  # two clips on a busy machine
def test_a_clip_does_not_depend_on_the_number_of_cores() -> None:
    """How a sum is split among threads decides how it is rounded."""
    backbone = TinyBackbone(TinySettings(steps=1))
    request = ShotRequest("1.1", "a fox stands in the forest", None, 160, 96, 17, 1)
    before, made = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            made.append(backbone.generate(request, lambda step, total: None))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
        backbone.close()
    assert made[0].content_hash() == made[1].content_hash()
