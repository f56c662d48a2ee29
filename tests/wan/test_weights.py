"""Weights that are missing or wrong are refused in one line, before anything is loaded."""

import errno
import json
import shutil

import pytest

from storymem_backbones.diffusion.digest import file_digest, folder_digest
from storymem_backbones.diffusion.errors import WeightsError
from storymem_backbones.wan.manifest import Manifest, read_manifest, write_manifest
from storymem_backbones.wan.weights import inspect_weights, locate_weights

COMMIT = "0" * 40


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "model")


def edit(path, **changes):
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps(content))


def test_a_good_folder(tiny_folder, tiny_t2v_folder):
    info = inspect_weights(tiny_folder)
    assert (info.experts, info.input_channels) == (("transformer", "transformer_2"), 36)
    info = inspect_weights(tiny_t2v_folder, text_to_video=True)
    assert (info.experts, info.input_channels) == (("transformer",), 16)


def break_index(folder):
    edit(folder / "model_index.json", vae=["diffusers", "AutoencoderKL"])


BROKEN = {
    "no index": (lambda f: (f / "model_index.json").unlink(), "no model_index.json"),
    "bad json": (lambda f: (f / "model_index.json").write_text("{"), "not valid JSON"),
    "json list": (lambda f: (f / "model_index.json").write_text("[]"), "not a JSON object"),
    "wrong vae": (break_index, "component vae is a AutoencoderKL; Wan M2V needs a AutoencoderKLWan"),
    "no text encoder": (
        lambda f: edit(f / "model_index.json", text_encoder=[None, None]),
        "component text_encoder is missing",
    ),
    "no vae folder": (lambda f: shutil.rmtree(f / "vae"), "folder vae is missing"),
    "no tokenizer": (lambda f: shutil.rmtree(f / "tokenizer"), "folder tokenizer is missing"),
    "one expert": (lambda f: shutil.rmtree(f / "transformer_2"), "the low-noise expert .* is missing"),
    "unlisted expert": (
        lambda f: edit(f / "model_index.json", transformer_2=[None, None], boundary_ratio=None),
        "transformer_2 is not listed",
    ),
    "t2v": (
        lambda f: edit(f / "transformer_2" / "config.json", in_channels=16),
        r"transformer_2 has 16 input channels; needed is an image-to-video model \(36\)",
    ),
    "wan 2.1": (lambda f: edit(f / "transformer" / "config.json", image_dim=1280), "Wan 2.1 model"),
    "no config": (lambda f: (f / "transformer" / "config.json").unlink(), "transformer/config.json is missing"),
}


@pytest.mark.parametrize("case", list(BROKEN))
def test_a_wrong_folder_is_refused_by_name(folder, case):
    change, message = BROKEN[case]
    change(folder)
    with pytest.raises(WeightsError, match=message) as caught:
        inspect_weights(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_i2v_model_is_no_t2v_model(tiny_folder):
    with pytest.raises(WeightsError, match="needed is a text-to-video model"):
        inspect_weights(tiny_folder, text_to_video=True)


@pytest.mark.parametrize("weights", ["/nowhere/at/all", "./absent", "absent"])
def test_a_missing_folder_says_what_to_download(weights):
    with pytest.raises(WeightsError, match=r"no such folder; download .* about 126 GB"):
        locate_weights(weights)


def test_a_repository_needs_a_pinned_commit():
    for revision in (None, "main"):
        with pytest.raises(WeightsError, match="set revision to the 40-character commit"):
            locate_weights("owner/model", revision)


def test_download_failures_are_one_line(monkeypatch):
    import huggingface_hub

    def fail(error):
        def download(*_, **__):
            raise error

        monkeypatch.setattr(huggingface_hub, "snapshot_download", download)

    fail(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(WeightsError, match=r"the disk is full while downloading .* set HF_HOME"):
        locate_weights("owner/model", COMMIT)
    fail(huggingface_hub.errors.LocalEntryNotFoundError("offline"))
    with pytest.raises(WeightsError, match="not here and no connection"):
        locate_weights("owner/model", COMMIT)
    fail(PermissionError(errno.EACCES, "denied"))
    with pytest.raises(PermissionError):
        locate_weights("owner/model", COMMIT)


def test_a_digest_follows_the_content(folder):
    before = folder_digest(folder)
    assert folder_digest(folder) == before
    (folder / "README.md").write_text("notes")
    assert folder_digest(folder) == before
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert folder_digest(folder) != before


def test_large_files_are_sampled_to_their_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("storymem_backbones.diffusion.digest.WHOLE", 2**21)
    path = tmp_path / "big.safetensors"
    seen = set()
    for position in (None, 0, 2**22 - 1):
        content = bytearray(2**22)
        if position is not None:
            content[position] = 1
        path.write_bytes(content)
        seen.add(file_digest(path))
    assert len(seen) == 3


def test_manifest(folder):
    assert read_manifest(folder) == Manifest()
    small = Manifest(width=160, height=96, frames=17, text_tokens=32, lora="lora/m2v.safetensors")
    write_manifest(folder, small)
    assert read_manifest(folder) == small
    (folder / "storymem.json").write_text('{"widht": 3}')
    with pytest.raises(WeightsError, match="widht: unknown key"):
        read_manifest(folder)
