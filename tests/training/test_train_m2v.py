"""Fine-tuning from a folder of stories: two steps on a tiny random model, resumed and uninterrupted, loaded back."""

import gc
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from storymem.media.video import SMALL, write_clip
from storymem.values.clip import Clip
from storymem_backbones.training.command import app
from storymem_backbones.training.draw import SampleSettings, StoryDraws
from storymem_backbones.training.errors import TrainingDataError, TrainingError
from storymem_backbones.training.lora_loop import LoopSettings, LoraSettings
from storymem_backbones.training.m2v import TrainM2VConfig, train_m2v
from storymem_backbones.training.story_folder import load_clip, read_stories
from storymem_backbones.training.validate import ValidationSettings
from storymem_backbones.wan.lora import extract_lora, load_m2v_lora
from storymem_backbones.wan.lora_file import read_lora
from storymem_backbones.wan.tiny_random import write_tiny_pipeline

pytestmark = pytest.mark.slow

LORA = LoraSettings(rank=2, alpha=2, learning_rate=1e-3, warmup_steps=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stories")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir()
        clips = []
        for index in range(3):
            frames = rng.integers(0, 255, (9, 48, 64, 3), dtype=np.uint8)
            write_clip(folder / name / f"{index}.mkv", Clip(frames, 8), SMALL)
            clips.append({"file": f"{index}.mkv", "caption": f"clip {index} of {name}"})
        (folder / name / "story.json").write_text(json.dumps({"clips": clips}))
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_tiny_pipeline(tmp_path_factory.mktemp("model"), experts=2, seed=1)


def config(checkpoint, data, output, steps, **changes):
    loop = LoopSettings(steps=steps, precision="no", log_every=1, gradient_checkpointing=changes.pop("saving", False))
    changes = {"experts": "low", "validation": ValidationSettings(stories=0)} | changes
    return TrainM2VConfig(
        checkpoint=checkpoint, stories=data, output=output, size=(32, 32), frames=5, lora=LORA, loop=loop, **changes
    )


def factors(path):
    return {(n, i): t for n, ab in read_lora(path).factors.items() for i, t in enumerate(ab)}


def test_a_resumed_run_ends_with_the_uninterrupted_lora(checkpoint, data, tmp_path):
    whole = train_m2v(config(checkpoint, data, tmp_path / "whole", 4)).experts["low"]
    train_m2v(config(checkpoint, data, tmp_path / "parts", 2))
    rest = train_m2v(config(checkpoint, data, tmp_path / "parts", 4, resume=True)).experts["low"]
    assert rest.steps == whole.steps == 4
    assert rest.curve == whole.curve[2:]
    ours, theirs = factors(rest.lora), factors(whole.lora)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert any(bool(t.any()) for (_, half), t in ours.items() if half == 1)  # B has moved away from zero


def transformers_in_memory():
    from diffusers import WanTransformer3DModel

    gc.collect()
    return sum(type(thing) is WanTransformer3DModel for thing in gc.get_objects())


def test_both_experts_are_trained_and_load_back_through_the_backbone(checkpoint, data, tmp_path):
    from diffusers import WanTransformer3DModel

    seen = []
    before = transformers_in_memory()
    made = train_m2v(
        config(checkpoint, data, tmp_path, 1, experts="both", saving=True, validation=ValidationSettings(stories=0)),
        lambda expert, step, loss: seen.append((expert, step, loss > 0, transformers_in_memory() - before)),
    )
    assert set(made.experts) == {"high", "low"}
    assert seen == [("high", 1, True, 1), ("low", 1, True, 1)]  # a GPU holds one expert of 14B, not both
    path = made.experts["high"].lora
    assert path.name == "backbone_high_noise.safetensors"
    assert all(key.startswith("base_model.model.blocks.") for key in _keys(path))
    transformer = WanTransformer3DModel.from_pretrained(checkpoint, subfolder="transformer")
    report = load_m2v_lora(transformer, path)
    assert (report.layers, report.rank) == (20, 2)
    assert report.scale == pytest.approx(2 / 2**0.5)
    loaded = extract_lora(transformer).factors
    saved = read_lora(path).factors
    assert all(torch.equal(loaded[name][1], saved[name][1]) for name in saved)


def _keys(path):
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def test_encoded_clips_are_kept_and_a_changed_caption_is_encoded_again(checkpoint, data, tmp_path):
    setup = config(checkpoint, data, tmp_path, 1)
    train_m2v(setup)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "encoded").glob("[ab]-*.safetensors")}
    assert len(files) == 6
    story = data / "a" / "story.json"
    before = story.read_text()
    try:
        story.write_text(before.replace("clip 0 of a", "another caption"))
        train_m2v(setup.model_copy(update={"resume": True}))
    finally:
        story.write_text(before)
    changed = [path.stem for path, written in files.items() if path.stat().st_mtime_ns != written]
    assert changed == ["a-0000"]


def test_resuming_with_another_rank_is_refused(checkpoint, data, tmp_path):
    train_m2v(config(checkpoint, data, tmp_path, 1))
    other = config(checkpoint, data, tmp_path, 2, resume=True).model_copy(
        update={"lora": LoraSettings(rank=4, alpha=4)}
    )
    with pytest.raises(TrainingError, match="another rank"):
        train_m2v(other)


def test_one_expert_cannot_be_chosen_from_a_model_that_has_one(data, tmp_path):
    single = write_tiny_pipeline(tmp_path / "model", experts=1)
    with pytest.raises(TrainingError, match="one expert"):
        train_m2v(config(single, data, tmp_path / "out", 1, experts="high"))


def test_validation_clips_are_made_with_the_new_lora(data, tmp_path):
    from storymem.media.video import count_frames
    from storymem_backbones.wan.manifest import Manifest, write_manifest

    folder = write_tiny_pipeline(tmp_path / "model", experts=1)
    write_manifest(folder, Manifest(width=32, height=32, frames=5, fps=8, text_tokens=16, steps=2))
    made = train_m2v(
        config(folder, data, tmp_path / "out", 1, experts="both", validation=ValidationSettings(stories=1))
    )
    assert set(made.experts) == {"single"}
    assert [count_frames(path) for path in made.validation] == [5]


class TestStoryFolder:
    def test_errors_name_the_file(self, tmp_path):
        with pytest.raises(TrainingDataError, match=r"no \*/story\.json"):
            read_stories(tmp_path)
        (tmp_path / "s").mkdir()
        story = tmp_path / "s" / "story.json"
        story.write_text('{"clips": [{"file": "1.mp4", "caption": "x"}]}')
        with pytest.raises(TrainingDataError, match="clips"):
            read_stories(tmp_path)
        story.write_text('{"clips": [{"file": "1.mp4", "caption": "x"}, {"file": "2.mp4", "caption": "y"}]}')
        with pytest.raises(TrainingDataError, match=r"no such file 1\.mp4"):
            read_stories(tmp_path)

    def test_clips_are_cropped_to_the_aspect_and_keep_first_and_last_frame(self, data):
        clip = load_clip(data / "a" / "0.mkv", 5, 32, 32)
        assert clip.shape == (3, 5, 32, 32)
        every = load_clip(data / "a" / "0.mkv", 9, 32, 32)
        assert torch.equal(clip, every[:, ::2])

    def test_a_short_clip_is_refused(self, data):
        with pytest.raises(TrainingDataError, match="has 9 frames; clips need at least 13"):
            load_clip(data / "a" / "0.mkv", 13, 32, 32)


class TestDraws:
    def test_memory_comes_from_earlier_clips_of_the_same_story(self):
        draws = StoryDraws([4, 2, 7], 3, SampleSettings(max_memory=8), seed=5)
        story = torch.tensor([0] * 4 + [1] * 2 + [2] * 7)
        sizes = set()
        for step in range(40):
            draw = draws(step, 0, 16)
            sizes.add(draw.memory_clip.shape[1])
            assert bool((draw.memory_clip < draw.target[:, None]).all())
            assert bool((story[draw.memory_clip] == story[draw.target][:, None]).all())
            slots = draw.memory_clip * 3 + draw.memory_frame
            assert bool((slots.diff(dim=1) > 0).all())
        assert sizes == set(range(1, 9))

    def test_draws_depend_on_seed_step_and_rank_alone(self):
        first, again = (StoryDraws([5, 5], 2, SampleSettings(), seed=1) for _ in range(2))
        assert torch.equal(first(7, 1, 8).target, again(7, 1, 8).target)
        assert not torch.equal(first(7, 1, 32).target, first(7, 0, 32).target)
        assert first(7, 1, 4).memory_clip.shape == first(7, 0, 4).memory_clip.shape

    def test_shares_of_conditions_and_dropped_texts(self):
        draws = StoryDraws([6] * 4, 3, SampleSettings(first_frame=0.5, motion_frames=0.25, text_dropout=0.1), seed=0)
        draw = draws(0, 0, 20000)
        shares = [float((draw.known == n).float().mean()) for n in range(3)]
        assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.02)
        assert float(draw.drop_text.float().mean()) == pytest.approx(0.1, abs=0.01)

    def test_stories_of_one_clip_cannot_be_trained_on(self):
        with pytest.raises(TrainingDataError, match="two clips"):
            StoryDraws([1, 1], 3, SampleSettings(), seed=0)


def test_the_command_trains_from_a_file_and_single_keys(checkpoint, data, tmp_path):
    file = tmp_path / "train.toml"
    file.write_text(
        f'checkpoint = "{checkpoint}"\nstories = "{data}"\noutput = "{tmp_path / "out"}"\nexperts = "low"\n'
        "size = [32, 32]\nframes = 5\nlora = { rank = 2, alpha = 2 }\nvalidation = { stories = 0 }\n"
        'loop = { steps = 5, precision = "no", gradient_checkpointing = false }\n'
    )
    done = CliRunner().invoke(app, ["m2v", str(file), "--set", "loop.steps=1"])
    assert done.exit_code == 0, done.output
    name, path = done.stdout.strip().split(": ")
    assert name == "low"
    assert read_lora(Path(path)).rank == 2


def test_the_command_names_what_is_missing():
    done = CliRunner().invoke(app, ["m2v", "--set", "checkpoint=model"])
    assert isinstance(done.exception, TrainingError)
    assert str(done.exception) == "train m2v: stories: missing; output: missing"
