"""The open_clip encoder on a tiny model of a custom config; run by run.py in an environment of its own."""

import importlib.util
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from storymem.errors import PluginError, SettingsError
from storymem.plugin import Kind, PluginHost
from storymem_plugins.encoders.towers import LOADED

if importlib.util.find_spec("open_clip") is None:
    pytest.skip("open_clip is not installed; run.py tests it in a folder of its own", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("default")  # other libraries' warnings are not ours to fix


@pytest.fixture
def encoder(config, weights):
    host, made = PluginHost(), []

    def make(**settings):
        settings = {"config": config, "pretrained": str(weights), "device": "cpu", **settings}
        made.append(host.build(Kind.ENCODER, "open_clip", {k: v for k, v in settings.items() if v is not None}))
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert len(LOADED) == 0


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (3, 48, 80, 3), dtype=np.uint8)


def test_embeddings_equal_the_library(encoder, frames, config, weights):
    import open_clip
    from PIL import Image

    small = np.stack([np.asarray(Image.fromarray(f).resize((32, 32))) for f in frames])
    model, _, transform = open_clip.create_model_and_transforms(config.stem, pretrained=str(weights))
    model.eval()
    with torch.no_grad():
        images = model.encode_image(torch.stack([transform(Image.fromarray(f)) for f in small]), normalize=True)
        texts = model.encode_text(open_clip.get_tokenizer(config.stem)(["a red fox"]), normalize=True)
    ours = encoder()
    assert ours.dimension == 16
    np.testing.assert_allclose(ours.encode_images(small), images.numpy(), atol=1e-5)
    np.testing.assert_allclose(ours.encode_texts(["a red fox"]), texts.numpy(), atol=1e-5)


def test_batches_equal_one_by_one(encoder, frames):
    single = encoder()
    together = encoder(batch_size=2).encode_images(frames)
    np.testing.assert_allclose(together, np.concatenate([single.encode_images(f[None]) for f in frames]), atol=1e-6)


def test_half_precision_stays_close(encoder, frames):
    exact, half = encoder().encode_images(frames), encoder(dtype="bfloat16").encode_images(frames)
    assert float((exact * half).sum(axis=1).min()) > 0.99


def test_local_dir(encoder, frames, config, weights, tmp_path):
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": json.loads(config.read_text()), "preprocess_cfg": {}})
    )
    shutil.copy(weights, tmp_path / "open_clip_pytorch_model.bin")
    local = encoder(config=None, model=f"local-dir:{tmp_path}")
    np.testing.assert_allclose(local.encode_images(frames), encoder().encode_images(frames), atol=1e-6)


def test_the_projects_own_clip(encoder, tmp_path):
    """The tiny CLIP in its two forms, through both encoders, gives the same embeddings."""
    import random

    from storymem_storyworld.clip.model import build_clip, save_clip, save_open_clip
    from storymem_storyworld.draw.render import render
    from storymem_storyworld.world.sample import sample_spec

    torch.manual_seed(0)
    model = build_clip().half()
    save_open_clip(model, tmp_path / "open_clip")
    save_clip(model, torch.nn.Linear(128, 1), tmp_path / "clip")
    pictures = render([sample_spec(random.Random(seed)) for seed in range(2)], frames=1)[:, 0]
    frames = ((pictures.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
    one = PluginHost().build(Kind.ENCODER, "clip", {"model": str(tmp_path / "clip"), "device": "cpu"})
    other = encoder(
        config=tmp_path / "open_clip" / "storyworld-clip.json",
        pretrained=str(tmp_path / "open_clip" / "open_clip_model.safetensors"),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        interpolation="bilinear",
    )
    sentences = ["a red fox in the snow", "a blue house"]
    np.testing.assert_allclose(other.encode_images(frames), one.encode_images(frames), atol=1e-4)
    np.testing.assert_allclose(other.encode_texts(sentences), one.encode_texts(sentences), atol=1e-4)
    one.close()


def test_fingerprint_covers_the_weights(encoder, weights, tmp_path):
    other = tmp_path / "weights.pt"
    state = torch.load(weights, weights_only=True)
    torch.save(state, other)
    base = encoder().fingerprint()
    state["logit_scale"] += 1
    torch.save(state, other)
    assert encoder(pretrained=str(other)).fingerprint() != base
    assert encoder(batch_size=1).fingerprint() == base


def test_shared(encoder, frames):
    for one in (encoder(), encoder()):
        one.encode_images(frames)
    assert len(LOADED) == 1


def says(caught):
    message = str(caught.value)
    assert message.startswith("encoder open_clip: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"pretrained": "no_such_tag"}, SettingsError, "'no_such_tag' is neither a file nor a tag of"),
        ({"config": None, "model": "ViT-Z"}, SettingsError, "unknown model 'ViT-Z'"),
        ({"config": "missing.json"}, SettingsError, "missing.json: no such file"),
        ({"config": None, "model": "local-dir:nowhere"}, SettingsError, "nowhere: has no weights"),
    ],
)
def test_bad_settings(encoder, settings, error, words):
    with pytest.raises(error) as caught:
        encoder(**settings).fingerprint()
    assert words in says(caught)


@pytest.mark.parametrize(("content", "words"), [("{", "cannot be read as JSON"), ("{}", "lacks embed_dim, text")])
def test_bad_config(encoder, tmp_path, content, words):
    file = tmp_path / "broken.json"
    file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        encoder(config=file).fingerprint()
    assert words in says(caught)


def test_damaged_weights(encoder, frames, tmp_path):
    file = tmp_path / "weights.pt"
    file.write_bytes(b"nonsense")
    with pytest.raises(PluginError) as caught:
        encoder(pretrained=str(file)).encode_images(frames)
    assert "cannot be loaded" in says(caught)


def test_a_torchvision_that_does_not_match_is_one_line(config, weights):
    """In a process where nobody declared the operators, unless this torchvision fits this torch."""
    code = (
        "import sys\n"
        "try:\n    import torchvision\nexcept Exception:\n    pass\nelse:\n    sys.exit(77)\n"
        "from storymem.errors import PluginError\n"
        "from storymem_plugins.encoders.openclip import OpenClipEncoder\n"
        "try:\n    OpenClipEncoder().fingerprint()\n"
        "except PluginError as error:\n    sys.stdout.write(str(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("this torchvision matches this torch")
    assert "open_clip cannot be imported, torchvision does not match torch" in done.stdout, done.stderr
    assert done.stdout.count("\n") == 0
