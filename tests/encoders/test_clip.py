"""The clip encoder on tiny random CLIP and SigLIP models."""

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, CLIPModel

from storymem.errors import MediaError, PluginError, SettingsError
from storymem.interfaces.selection import ClipContext, FrameGate
from storymem.plugin import Kind, PluginHost
from storymem.values.clip import Clip
from storymem_plugins.encoders.clip import ClipEncoder
from storymem_plugins.encoders.settings import ClipSettings
from storymem_plugins.encoders.towers import LOADED
from storymem_plugins.selection.semantic import SemanticSelector


@pytest.fixture
def encoder(clip_folder):
    made = []

    def make(model=clip_folder, **settings):
        made.append(ClipEncoder(ClipSettings(model=str(model), device="cpu", **settings)))
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert len(LOADED) == 0


@pytest.fixture
def copy(clip_folder, tmp_path):
    return shutil.copytree(clip_folder, tmp_path / "copy")


def test_unit_rows_of_the_models_dimension(encoder, pictures):
    clip = encoder()
    images, texts = clip.encode_images(pictures(3)), clip.encode_texts(["a red fox", "the blue house in the snow"])
    assert clip.dimension == 16
    assert images.shape == (3, 16)
    assert texts.shape == (2, 16)
    assert images.dtype == texts.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([images, texts]), axis=1), 1, rtol=1e-6)


def test_pictures_at_the_models_size_equal_the_model_itself(encoder, pictures, clip_folder):
    frames = pictures(2, 32, 32)
    model = CLIPModel.from_pretrained(clip_folder).eval()
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = (torch.from_numpy(frames) / 255 - mean) / std
    with torch.no_grad():
        wanted = model.get_image_features(pixel_values=pixels.permute(0, 3, 1, 2)).pooler_output
    wanted = torch.nn.functional.normalize(wanted, dim=1).numpy()
    np.testing.assert_allclose(encoder().encode_images(frames), wanted, atol=1e-6)


def test_texts_equal_the_model_itself(encoder, clip_folder):
    model, tokenizer = CLIPModel.from_pretrained(clip_folder).eval(), AutoTokenizer.from_pretrained(clip_folder)
    with torch.no_grad():
        wanted = model.get_text_features(**tokenizer("a red fox", return_tensors="pt")).pooler_output
    wanted = torch.nn.functional.normalize(wanted, dim=1).numpy()
    np.testing.assert_allclose(encoder().encode_texts(["a red fox"]), wanted, atol=1e-6)


@pytest.mark.parametrize("fixture", ["clip_folder", "siglip_folder"])
def test_batches_equal_one_by_one(encoder, pictures, request, fixture):
    folder, frames = request.getfixturevalue(fixture), pictures(5)
    together, single = encoder(folder, batch_size=3), encoder(folder)
    one_by_one = np.concatenate([single.encode_images(frame[None]) for frame in frames])
    np.testing.assert_allclose(together.encode_images(frames), one_by_one, atol=1e-6)
    texts = ["a red fox", "snow", "the blue house in the snow"]
    one_by_one = np.concatenate([single.encode_texts([text]) for text in texts])
    np.testing.assert_allclose(together.encode_texts(texts), one_by_one, atol=1e-6)


@pytest.mark.parametrize("fixture", ["clip_folder", "siglip_folder"])
def test_long_texts_are_the_average_of_their_windows(encoder, request, fixture):
    clip = encoder(request.getfixturevalue(fixture))
    first, second = "a red fox in the snow", "blue house"  # eight tokens with start and end, and the rest
    windows = clip.encode_texts([first, second])
    wanted = windows.sum(axis=0) / np.linalg.norm(windows.sum(axis=0))
    np.testing.assert_allclose(clip.encode_texts(["snow", f"{first} {second}"])[1], wanted, atol=1e-6)


def test_no_and_empty_texts(encoder):
    assert encoder().encode_texts([]).shape == (0, 16)
    assert encoder().encode_texts([""]).shape == (1, 16)


def test_encoders_travel_to_other_processes(encoder, pictures):
    one = encoder()
    rows = one.encode_images(pictures(1))
    other = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(other.encode_images(pictures(1)), rows)
    assert len(LOADED) == 1
    other.close()


def test_threads_that_start_together_hold_one_use(encoder, pictures):
    one = encoder()
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda _: one.encode_images(pictures(1)), range(8)))
    assert all(np.array_equal(row, rows[0]) for row in rows)
    one.close()
    assert len(LOADED) == 0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_stays_close(encoder, pictures, dtype):
    exact, half = (e.encode_images(pictures(2)) for e in (encoder(), encoder(dtype=dtype)))
    assert float((exact * half).sum(axis=1).min()) > 0.99


def test_model_is_loaded_once_and_dropped_after_the_last_user(encoder, copy, pictures):
    first, second, moved = encoder(), encoder(batch_size=1), encoder(copy)
    for one in (first, second, moved):
        one.encode_images(pictures(1))
    assert len(LOADED) == 1
    first.close()
    second.close()
    second.close()
    assert len(LOADED) == 1
    moved.close()
    assert len(LOADED) == 0


def test_fingerprint_covers_weights_but_not_place_or_speed(encoder, copy):
    base = encoder().fingerprint()
    assert encoder(copy, batch_size=7).fingerprint() == base
    assert encoder(fit="crop").fingerprint() != base
    assert encoder(dtype="bfloat16").fingerprint() != base
    model = CLIPModel.from_pretrained(copy)
    with torch.no_grad():
        model.logit_scale += 1
    model.save_pretrained(copy)
    assert encoder(copy).fingerprint() != base


def test_registered_and_usable_by_the_semantic_selector(clip_folder, pictures):
    host = PluginHost()
    clip = host.build(Kind.ENCODER, "clip", {"model": str(clip_folder), "device": "cpu"})
    context = ClipContext(Clip(pictures(5), 16), encoder=clip)
    selector = host.build(Kind.KEYFRAME_SELECTOR, "semantic", {})
    assert isinstance(selector, SemanticSelector)
    assert selector.select(context, FrameGate({}, context))[0].frame == 0
    clip.close()


def test_frames_must_be_uint8_rgb(encoder, pictures):
    with pytest.raises(MediaError, match=r"pictures to encode: expected uint8 values 0\.\.255, got float32"):
        encoder().encode_images(pictures(1).astype(np.float32))
    with pytest.raises(MediaError, match="pictures to encode: is empty"):
        encoder().encode_images(pictures(1)[:0])


def test_bad_device(encoder, pictures, clip_folder):
    wrong = ClipEncoder(ClipSettings(model=str(clip_folder), device="gpu9"))
    with pytest.raises(SettingsError, match="device 'gpu9' is not a torch device; use cpu, cuda"):
        wrong.encode_images(pictures(1))


def one_line(caught):
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("encoder clip: ")
    return message


@pytest.mark.parametrize("name", ["./no/such/folder", "/no/such/folder", "a/b/c"])
def test_missing_folder(encoder, name):
    with pytest.raises(SettingsError) as caught:
        encoder(name).fingerprint()
    assert one_line(caught) == f"encoder clip: {name}: no such folder; set encoder.model to a CLIP or SigLIP folder"


def test_hub_failure_is_one_line(encoder, monkeypatch):
    def offline(*_args, **_kwargs):
        raise FileNotFoundError("Got: no connection\nmore about it")

    monkeypatch.setattr("storymem_plugins.encoders.clip.snapshot_download", offline)
    with pytest.raises(SettingsError) as caught:
        encoder("some/model").dimension  # noqa: B018
    assert "some/model: not a folder, and not to be had from the Hugging Face hub (Got: no connection)" in one_line(
        caught
    )


def test_missing_weights(encoder, copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(SettingsError) as caught:
        encoder(copy).fingerprint()
    assert "has no weights" in one_line(caught)


def test_damaged_weights(encoder, copy, pictures):
    (copy / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(PluginError) as caught:
        encoder(copy).encode_images(pictures(1))
    assert "cannot be loaded" in one_line(caught)


def test_weights_that_leave_a_part_at_random(encoder, copy, pictures):
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PluginError) as caught:
        encoder(copy).encode_images(pictures(1))
    assert "lack or do not fit 1 tensors, first visual_projection.weight" in one_line(caught)


@pytest.mark.parametrize(
    ("file", "content", "error", "says"),
    [
        ("config.json", '{"model_type": "bert"}', SettingsError, "holds a 'bert' model; it must be clip or siglip"),
        ("config.json", "{", SettingsError, "config.json: cannot be read as JSON"),
        ("config.json", "[]", SettingsError, "config.json: must hold a JSON object"),
        ("tokenizer.json", "{", PluginError, "has no usable tokenizer"),
    ],
)
def test_damaged_small_files(encoder, copy, pictures, file, content, error, says):
    (copy / file).write_text(content)
    with pytest.raises(error) as caught:
        encoder(copy).encode_images(pictures(1))
    assert says in one_line(caught)


def test_nan_weights_are_told(encoder, copy, pictures):
    model = CLIPModel.from_pretrained(copy)
    with torch.no_grad():
        model.visual_projection.weight.fill_(float("nan"))
    model.save_pretrained(copy)
    with pytest.raises(PluginError, match="zero or not finite; its weights are damaged"):
        encoder(copy).encode_images(pictures(1))
