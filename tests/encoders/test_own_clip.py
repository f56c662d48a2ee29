"""The project's own tiny CLIP goes through the same loaders as any other: encoder and quality head."""

import random

import numpy as np
import pytest
import torch

from storymem.interfaces.selection import ClipContext
from storymem.values.clip import Clip
from storymem_plugins.encoders.clip import ClipEncoder
from storymem_plugins.encoders.settings import ClipSettings
from storymem_plugins.selection.aesthetic import AestheticFilter, AestheticSettings
from storymem_storyworld.clip.model import build_clip, image_embeddings, save_clip
from storymem_storyworld.draw.render import render
from storymem_storyworld.world.sample import sample_spec


@pytest.fixture(scope="module")
def pictures():
    return render([sample_spec(random.Random(seed)) for seed in range(3)], frames=1)[:, 0]


@pytest.fixture(scope="module")
def saved(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("storyworld_clip")
    torch.manual_seed(0)
    model, quality = build_clip().half().float().eval(), torch.nn.Linear(128, 1).half().float()
    with torch.no_grad():
        rows = image_embeddings(model, pictures)
        scores = quality(rows)[:, 0]
    save_clip(model, quality, folder)
    return folder, rows.numpy(), scores.numpy()


@pytest.fixture
def encoder(saved):
    one = ClipEncoder(ClipSettings(model=str(saved[0]), device="cpu"))
    yield one
    one.close()


def test_embeddings_are_those_of_the_training_code(encoder, saved, pictures):
    frames = ((pictures.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
    frames.setflags(write=False)  # as pictures read from files are
    cosines = (encoder.encode_images(frames) * saved[1]).sum(axis=1)
    assert cosines.min() > 0.9999  # training pictures are not rounded to 8 bits
    context = ClipContext(Clip(frames, 16), encoder=encoder)
    scores = AestheticFilter(AestheticSettings(head=saved[0] / "quality_head.safetensors")).judge([0, 1, 2], context)
    np.testing.assert_allclose([v.score for v in scores], saved[2], atol=0.02)


def test_texts_are_tokenized(encoder):
    rows = encoder.encode_texts(["a red fox in the snow", "a blue house"])
    assert rows.shape == (2, 128)
    assert float(rows[0] @ rows[1]) < 0.9999
