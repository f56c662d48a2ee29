"""Picture preprocessing against Pillow, and sharing under threads."""

import sys
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from storymem.errors import PluginError
from storymem_plugins.encoders.openclip import OpenClipEncoder
from storymem_plugins.encoders.pictures import CLIP_MEAN, CLIP_STD, Preprocessing
from storymem_plugins.encoders.sharing import Shared
from storymem_plugins.encoders.weights import content_hash

RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("size", [(48, 80), (80, 48), (20, 31), (32, 32)])
def test_resizing_is_pillows(pictures, interpolation, fit, size):
    frames = 64 + pictures(1, *size) // 2  # Pillow also saturates between its two passes; stay clear of that
    ready = Preprocessing(32, 32, interpolation=interpolation, fit=fit)(torch.from_numpy(frames))
    shown = (ready[0].permute(1, 2, 0) * torch.tensor(CLIP_STD) + torch.tensor(CLIP_MEAN)) * 255
    wanted = np.asarray(by_pillow(Image.fromarray(frames[0]), fit, RESAMPLING[interpolation]))
    assert np.abs(shown.numpy() - wanted).max() <= 1.01  # it rounds there too


def by_pillow(image, fit, resample):
    if fit == "squash":
        return image.resize((32, 32), resample)
    scale = 32 / min(image.size)
    image = image.resize((int(image.width * scale + 1e-6), int(image.height * scale + 1e-6)), resample)
    left, top = (image.width - 32) // 2, (image.height - 32) // 2
    return image.crop((left, top, left + 32, top + 32))


def test_shared_makes_each_object_once_among_threads():
    shared, made = Shared(), []

    def use():
        shared.acquire("model", lambda: made.append(1) or object())

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    for _ in threads:
        assert len(shared) == 1
        shared.release("model")
    assert len(shared) == 0


def test_failed_making_leaves_nothing():
    shared = Shared()
    with pytest.raises(ZeroDivisionError):
        shared.acquire("model", lambda: 1 / 0)
    assert len(shared) == 0


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ('raise RuntimeError("operator torchvision::nms does not exist")', "torchvision does not match torch"),
        ("import no_such_module_of_open_clip", "it is broken"),
    ],
)
def test_open_clip_that_cannot_be_imported_is_one_line(tmp_path, monkeypatch, code, says):
    (tmp_path / "open_clip.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "open_clip", raising=False)
    with pytest.raises(
        PluginError, match=r"^encoder open_clip: open_clip cannot be imported, .*encoder=clip"
    ) as caught:
        OpenClipEncoder().fingerprint()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_content_hash_knows_names_and_contents_not_folders(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_bytes(b"1")
        (tmp_path / folder / "y").write_bytes(b"2")
    files = [tmp_path / "a" / "x", tmp_path / "a" / "y"]
    assert content_hash(files) == content_hash(reversed(files))
    assert content_hash(files) == content_hash([tmp_path / "b" / "x", tmp_path / "b" / "y"])
    (tmp_path / "b" / "y").write_bytes(b"33")
    assert content_hash(files) != content_hash([tmp_path / "b" / "x", tmp_path / "b" / "y"])
