import random
from pathlib import Path

import numpy as np
import pytest
import torch

from storymem_storyworld.clip.model import (
    DIMENSION,
    SIDE,
    build_clip,
    image_embeddings,
    open_clip_state,
    save_clip,
    text_embeddings,
)
from storymem_storyworld.clip.stills import FAULTS, TEXT_LENGTH, concept_words, half_cut, spoilt, still, text_ids
from storymem_storyworld.draw.augment import blocky, blurred, softened
from storymem_storyworld.draw.render import render
from storymem_storyworld.train.clip import accuracy, train
from storymem_storyworld.world.sample import sample_spec
from storymem_storyworld.world.spec import ClipSpec

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    rng = random.Random(4)
    return render([sample_spec(rng) for _ in range(4)], frames=1)[:, 0]


def test_a_saved_clip_serves_the_encoder_and_the_aesthetic_head(tmp_path: Path, pictures: torch.Tensor) -> None:
    from storymem_plugins.encoders.clip import ClipEncoder
    from storymem_plugins.encoders.settings import ClipSettings
    from storymem_plugins.selection.heads import read_head

    torch.manual_seed(0)
    model, quality = build_clip().eval(), torch.nn.Linear(DIMENSION, 1)
    frames = ((pictures + 1) * 127.5).round().byte()
    ids = text_ids([["wide", "fox", "wave"], ["cat"]])
    with torch.no_grad():
        images = image_embeddings(model, frames.float() / 127.5 - 1).numpy()
        texts = text_embeddings(model, ids).numpy()
        scores = quality(torch.from_numpy(images))[:, 0].numpy()
    save_clip(model, quality, tmp_path)
    encoder = ClipEncoder(ClipSettings(model=str(tmp_path), device="cpu"))
    seen = encoder.encode_images(frames.permute(0, 2, 3, 1).numpy())
    assert np.abs(seen - images).max() < 0.01
    assert np.abs(encoder.encode_texts(["Wide shot: a vixen waves", "a kitty"]) - texts).max() < 0.01
    assert np.abs(read_head(tmp_path / "quality_head.safetensors")(seen) - scores).max() < 0.02
    encoder.close()


def test_the_open_clip_form_holds_every_weight_once() -> None:
    model = build_clip()
    wanted = sum(value.numel() for name, value in model.named_parameters())
    assert sum(value.numel() for value in open_clip_state(model).values()) == wanted


def test_text_ids_are_the_tokenizers(tmp_path: Path) -> None:
    from storymem_storyworld.language.tokenizer import build_tokenizer

    words = concept_words(sample_spec(random.Random(1)), random.Random(1))
    tokenizer = build_tokenizer(end_last=True, length=TEXT_LENGTH)
    ids = tokenizer(" ".join(words).replace("_", " "), padding="max_length", max_length=TEXT_LENGTH)["input_ids"]
    assert text_ids([words])[0].tolist() == ids


def test_a_still_is_that_frame_of_its_clip() -> None:
    spec = sample_spec(random.Random(6))
    clip = render([spec], frames=8, height=24, width=40)
    torch.testing.assert_close(render([still(spec, 7)], 1, 24, 40)[0, 0], clip[0, 7], atol=2e-3, rtol=0)


def test_faults_leave_good_pictures_alone_and_cost_points(pictures: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    for fault in FAULTS:
        bad, scores = spoilt(pictures, generator, fault)
        assert bad.shape == pictures.shape
        assert float((bad - pictures).abs().mean(dim=(1, 2, 3)).min()) > 0.01
        assert float(scores.max()) < 4.5
    assert float((softened(pictures, generator) - pictures).abs().mean()) < 0.05
    assert softened(pictures, generator).shape == pictures.shape


def test_blur_and_blocks_remove_detail_but_keep_the_mean(pictures: torch.Tensor) -> None:
    blurry = blurred(pictures, torch.full((4,), 3.0))
    squares = blocky(pictures, 8)
    for changed in (blurry, squares):
        assert float((changed.mean() - pictures.mean()).abs()) < 0.02
        assert float(changed.diff(dim=-1).abs().mean()) < float(pictures.diff(dim=-1).abs().mean())
    assert torch.equal(squares[:, :, :8, :8].amax((2, 3)), squares[:, :, :8, :8].amin((2, 3)))


def test_a_half_cut_character_stands_at_the_edge() -> None:
    spec = next(s for s in map(sample_spec, map(random.Random, range(50))) if s.size == "wide" and not s.props)
    cut = half_cut(spec, random.Random(0))
    whole, halved, empty = render(
        [spec, cut, ClipSpec(spec.setting, (), spec.time, spec.size, spec.pan, spec.camera)], 1, 48, 80
    )[:, 0]
    middle = slice(16, 64)
    assert torch.equal(halved[:, :, middle], empty[:, :, middle])
    assert not torch.equal(halved, empty)
    assert not torch.equal(whole[:, :, middle], empty[:, :, middle])


def test_training_gives_a_model_and_its_measured_accuracy() -> None:
    trainee, curve = train(0.002, CPU, batch=8, pool_size=8)
    assert len(curve) == 1
    scores = accuracy(trainee, CPU, count=4)
    assert {"kind", "place", "retrieval", "above_blur", "score_missing"} <= scores.keys()
    assert SIDE == 96
