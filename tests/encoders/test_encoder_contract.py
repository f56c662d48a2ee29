"""The clip encoder keeps the public contract of encoders, for both kinds of models and on a GPU where there is one."""

import numpy as np
import pytest
import torch

from storymem.testing.encoder import EncoderContract
from storymem_plugins.encoders.clip import ClipEncoder
from storymem_plugins.encoders.settings import ClipSettings

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


class TestClip(EncoderContract):
    @pytest.fixture(params=["clip_folder", "siglip_folder"])
    def encoder(self, request):
        folder = request.getfixturevalue(request.param)
        one = ClipEncoder(ClipSettings(model=str(folder), device="cpu", batch_size=2))
        yield one
        one.close()


@needs_cuda
class TestClipOnCuda(EncoderContract):
    tolerance = 1e-3

    @pytest.fixture
    def encoder(self, clip_folder):
        one = ClipEncoder(ClipSettings(model=str(clip_folder), device="cuda"))
        yield one
        one.close()


@needs_cuda
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_cuda_gives_what_the_cpu_gives(clip_folder, pictures, dtype):
    rows = []
    for settings in ({"device": "cpu"}, {"device": "auto", "dtype": dtype}):
        one = ClipEncoder(ClipSettings(model=str(clip_folder), **settings))
        rows.append(one.encode_images(pictures(3)))
        one.close()
    assert float(np.sum(rows[0] * rows[1], axis=1).min()) > 0.99
