"""The embedded CLIP's open_clip form gives what its transformers form gives; run by run.py."""

import importlib.util

import pytest
import torch

if importlib.util.find_spec("open_clip") is None:
    pytest.skip("open_clip is not installed; run.py tests it in a folder of its own", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("default")  # other libraries' warnings are not ours to fix


@pytest.fixture(scope="session")
def open_clip(torchvision_operators):
    """The library, imported before any test because importing it sets environment variables."""
    import open_clip as library
    import torch._dynamo  # noqa: F401

    return library


def test_open_clip_and_transformers_agree(tmp_path, open_clip):
    from storymem_storyworld.clip.model import build_clip, image_embeddings, save_open_clip, text_embeddings

    torch.manual_seed(0)
    model = build_clip().eval()
    save_open_clip(model, tmp_path)
    open_clip.add_model_config(tmp_path / "storyworld-clip.json")
    other = open_clip.create_model("storyworld-clip", pretrained=str(tmp_path / "open_clip_model.safetensors")).eval()
    ids = open_clip.get_tokenizer("storyworld-clip")(["A wide shot of a fox waving", "the cat"])
    pixels = torch.rand(2, 3, 96, 96) * 2 - 1
    with torch.no_grad():
        images = torch.nn.functional.normalize(other.encode_image(pixels), dim=-1)
        texts = torch.nn.functional.normalize(other.encode_text(ids), dim=-1)
        torch.testing.assert_close(images, image_embeddings(model, pixels), atol=1e-5, rtol=0)
        torch.testing.assert_close(texts, text_embeddings(model, ids), atol=1e-5, rtol=0)
