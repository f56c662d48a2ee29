"""Extractors against independent statements of what their publishers do, and against bad files."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from metrics_support import MERGES, noise, randomised, tiny_musiq, tiny_viclip, write_clip
from torch import nn
from torch.nn import functional

from storymem.errors import PluginError, SettingsError, StoryMemError
from storymem.interfaces import Encoder, ImageEncoder
from storymem.plugin import Kind, PluginHost
from storymem_plugins.encoders.clip import ClipEncoder
from storymem_plugins.encoders.settings import ClipSettings
from storymem_plugins.extractors import musiq, pictures, raft
from storymem_plugins.extractors.bpe import ClipTokenizer
from storymem_plugins.extractors.clip_layout import Block
from storymem_plugins.extractors.dino import DinoEncoder, positions
from storymem_plugins.extractors.grounding_dino import caption_of, detection_size
from storymem_plugins.extractors.laion import LaionHead
from storymem_plugins.extractors.settings import FileSettings, FolderSettings, HeadSettings

FILES = {
    "csd": {"weights": "csd_vit-large.pth"},
    "dino": {"model": "dino-vitb16"},
    "dinov2": {"model": "dinov2-base"},
    "grounding_dino": {"model": "grounding-dino-tiny"},
    "laion_head": {"head": "sa_0_4_vit_l_14_linear.pth"},
    "musiq": {"weights": "musiq_spaq_ckpt-358bb6af.pth"},
    "raft": {"weights": "raft-things.pth"},
    "viclip": {"weights": "ViClip-InternVid-10M-FLT.pth", "vocabulary": "bpe_simple_vocab_16e6.txt.gz"},
}


def build(name: str, folder: Path, **more: Any) -> Encoder[Any]:
    settings = {key: str(folder / file) for key, file in FILES[name].items()}
    plugin = PluginHost().build(Kind.ENCODER, name, {**settings, **more})
    assert isinstance(plugin, Encoder)
    return plugin


# -- what holds for all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_fingerprints_follow_the_content_and_not_the_place(name: str, weights: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(weights, tmp_path / "moved")
    here, there = build(name, weights), build(name, tmp_path / "moved")
    assert here.fingerprint() == there.fingerprint()
    assert dict(here.weights()) == dict(there.weights())
    assert str(weights) not in here.fingerprint()
    assert pickle.loads(pickle.dumps(here)).fingerprint() == here.fingerprint()


@pytest.mark.parametrize("name", ["csd", "dino", "dinov2"])
def test_pictures_become_unit_rows_in_any_batch(name: str, weights: Path) -> None:
    encoder = build(name, weights, batch_size=2)
    assert isinstance(encoder, ImageEncoder)
    frames = noise(3, 40, 72)
    together = encoder.encode_images(frames)
    assert together.shape == (3, encoder.dimension)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    alone = np.concatenate([encoder.encode_images(frame[None]) for frame in frames])
    assert np.abs(alone - together).max() < 1e-5
    encoder.close()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no such file|is no model folder"):
        build(name, tmp_path).fingerprint()


@pytest.mark.parametrize("name", ["csd", "musiq", "raft", "viclip"])
def test_damaged_and_foreign_checkpoints_are_one_line(name: str, weights: Path, tmp_path: Path) -> None:
    file = tmp_path / FILES[name]["weights"]
    (tmp_path / "bpe_simple_vocab_16e6.txt.gz").write_bytes((weights / "bpe_simple_vocab_16e6.txt.gz").read_bytes())
    for content, message in (
        (b"no checkpoint", "damaged or no checkpoint"),
        (_saved({"text": "x"}), "holds no tensors"),
        (_saved({"other.weight": torch.zeros(1)}), "lacks .*another model's checkpoint"),
    ):
        file.write_bytes(content)
        with pytest.raises(PluginError, match=message) as caught:
            build(name, tmp_path).load()  # type: ignore[attr-defined]
        assert "\n" not in str(caught.value)


def test_weights_of_another_size_are_named(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights / "raft-things.pth", weights_only=True)
    state["module.fnet.conv2.weight"] = torch.zeros(128, 128, 1, 1)
    torch.save(state, tmp_path / "raft-things.pth")
    with pytest.raises(PluginError, match=r"fnet.conv2.weight is \(128, 128, 1, 1\), not \(256, 128, 1, 1\)"):
        build("raft", tmp_path).load()  # type: ignore[attr-defined]


def test_a_model_of_another_kind_is_named(weights: Path) -> None:
    encoder = DinoEncoder(FolderSettings(model=weights / "dinov2-base"))
    with pytest.raises(PluginError, match="holds a 'dinov2' model; it must be 'vit'"):
        encoder.load()


def test_weights_that_give_nan_are_refused(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights / "csd_vit-large.pth", weights_only=True)["model_state_dict"]
    state["module.last_layer_style"] = torch.full_like(state["module.last_layer_style"], float("nan"))
    torch.save(state, tmp_path / "csd_vit-large.pth")
    encoder = build("csd", tmp_path)
    assert isinstance(encoder, ImageEncoder)
    with pytest.raises(PluginError, match="not finite"):
        encoder.encode_images(noise(1))
    encoder.close()


def _saved(content: object) -> bytes:
    import io

    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


# -- pictures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(480, 832, (224, 388)), (832, 480, (388, 224)), (224, 224, (224, 224)), (100, 250, (224, 560))],
)
def test_the_shorter_side_is_resized_and_the_longer_rounded_down(
    height: int, width: int, size: tuple[int, int]
) -> None:
    assert tuple(pictures.resized_shorter(torch.zeros(1, 3, height, width), 224, "bilinear", False).shape[2:]) == size


@pytest.mark.parametrize(("width", "first"), [(10, 3), (9, 2), (7, 2), (8, 2)])
def test_odd_margins_are_halved_to_even(width: int, first: int) -> None:
    """Margins of 6, 5, 3 and 4: halves of 3, 2.5, 1.5 and 2, which round to 3, 2, 2 and 2."""
    row = torch.arange(float(width)).expand(1, 1, 4, width)
    assert pictures.middle(row, 4)[0, 0, 0, 0] == first


def test_vbench_looks_through_clip_without_antialiasing_or_rounding(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", 16)
    made = ClipEncoder(ClipSettings(model=str(tmp_path / "clip"), device="cpu", fit="aliased_crop"))
    frames = noise(2, 48, 80)
    prepared = made.load(torch.device("cpu"), torch.float32).preprocessing(torch.from_numpy(frames))
    wide = functional.interpolate(torch.from_numpy(frames).permute(0, 3, 1, 2).float(), (32, 53), mode="bicubic")
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    expected = (wide[..., 10:42] / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    assert torch.allclose(prepared, expected, atol=1e-6)


def test_long_texts_are_cut_where_the_suite_says_so(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", 16)
    made = {
        choice: ClipEncoder(ClipSettings(model=str(tmp_path / "clip"), device="cpu", long_text=choice))  # type: ignore[arg-type]
        for choice in ("windows", "cut")
    }
    words = "a red fox in the snow"  # six words fill the context of eight with its two marks
    rows = {choice: one.encode_texts([words, f"{words} blue house"]) for choice, one in made.items()}
    assert np.allclose(rows["cut"][0], rows["cut"][1], atol=1e-6)
    assert not np.allclose(rows["windows"][0], rows["windows"][1], atol=1e-3)
    assert made["cut"].fingerprint() != made["windows"].fingerprint()
    for one in made.values():
        one.close()


# -- CLIP's layout, ViCLIP and CSD ------------------------------------------------------------------------------


def test_blocks_are_clips_own() -> None:
    """The same numbers as an encoder layer of torch's own, with CLIP's activation, norm first."""
    ours = randomised(Block(128, 2)).eval()
    theirs = nn.TransformerEncoderLayer(
        128, 2, 512, 0.0, activation=lambda x: x * torch.sigmoid(1.702 * x), norm_first=True, batch_first=True
    ).eval()
    names = {"self_attn": "attn", "norm1": "ln_1", "norm2": "ln_2", "linear1": "mlp.c_fc", "linear2": "mlp.c_proj"}
    state = ours.state_dict()
    theirs.load_state_dict({n: state[f"{names[n.split('.')[0]]}.{n.split('.', 1)[1]}"] for n in theirs.state_dict()})
    x = torch.randn(2, 5, 128)
    with torch.inference_mode():
        assert torch.allclose(ours(x), theirs(x), atol=1e-5)


def test_viclip_tower_by_the_published_steps() -> None:
    """The published code's own order of reshapes, written as it is read there, gives the same embedding."""
    tower = tiny_viclip().vision_encoder.eval()
    clips = torch.randn(2, 8, 3, 24, 24)
    with torch.inference_mode():
        x = tower.conv1(clips.permute(0, 2, 1, 3, 4))
        count, width, frames, h, w = x.shape
        x = x.permute(0, 2, 3, 4, 1).reshape(count * frames, h * w, width)
        first = tower.class_embedding + torch.zeros(len(x), 1, width)
        x = torch.cat([first, x], dim=1) + tower.positional_embedding
        first, x = x[:count, :1], x[:, 1:]
        x = x.reshape(count, frames, h * w, width).permute(0, 2, 1, 3).reshape(count * h * w, frames, width)
        x = (x + tower.temporal_positional_embedding).reshape(count, h * w * frames, width)
        x = tower.ln_pre(torch.cat((first, x), dim=1))
        expected = tower.ln_post(tower.transformer(x))[:, 0] @ tower.proj
        assert torch.allclose(tower(clips), expected, atol=1e-5)


def test_viclip_sees_the_order_of_frames_and_later_words_change_nothing_before(weights: Path) -> None:
    encoder: Any = build("viclip", weights)
    frames = noise(8, 40, 60)
    forward, backward = encoder.encode_clip(frames), encoder.encode_clip(frames[::-1].copy())
    assert forward.shape == (24,)
    assert np.linalg.norm(forward) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(forward, backward, atol=1e-4)
    rows = encoder.encode_texts(["the fox", "The  FOX", "the fox " * 40, "the fox " * 41])
    assert np.allclose(rows[0], rows[1], atol=1e-6), "case and spaces do not matter"
    assert np.allclose(rows[2], rows[3], atol=1e-6), "both are cut at 32 tokens"
    encoder.close()


def test_viclip_of_another_number_of_frames_is_refused(weights: Path, tmp_path: Path) -> None:
    torch.save({"model": tiny_viclip(frames=4).state_dict()}, tmp_path / "ViClip-InternVid-10M-FLT.pth")
    vocabulary = "bpe_simple_vocab_16e6.txt.gz"
    (tmp_path / vocabulary).write_bytes((weights / vocabulary).read_bytes())
    with pytest.raises(PluginError, match="was made for 4 frames, not 8"):
        build("viclip", tmp_path).load()  # type: ignore[attr-defined]


def test_byte_pairs_by_hand(vocabulary: Path) -> None:
    tokenizer = ClipTokenizer(vocabulary)
    base = 2 * 256
    merge = {"".join(pair): base + i for i, pair in enumerate(MERGES)}
    start, end = base + len(MERGES), base + len(MERGES) + 1
    letters = {letter: ord(letter) - ord("!") for letter in "abcdefghijklmnopqrstuvwxyz!"}

    def closing(letter: str) -> int:
        return 256 + letters[letter]

    assert len(tokenizer) == base + len(MERGES) + 2
    # "fox" merges to f+o, then fo+x at the word's end; "foxy" stops at "fo"; "!" is a word of its own.
    assert tokenizer("the Fox!", 8) == [start, merge["the</w>"], merge["fox</w>"], closing("!"), end, 0, 0, 0]
    assert tokenizer("foxy", 6) == [start, merge["fo"], letters["x"], closing("y"), end, 0]
    assert tokenizer("the the the the", 4) == [start, merge["the</w>"], merge["the</w>"], end]
    assert tokenizer("the &amp;amp; the", 6)[2] == closing("!") + (ord("&") - ord("!"))


def test_a_foreign_vocabulary_is_refused(tmp_path: Path) -> None:
    import gzip

    for content in (b"plain", gzip.compress(b"one\ntwo three four\n")):
        (tmp_path / "v.gz").write_bytes(content)
        with pytest.raises(PluginError, match="CLIP's vocabulary"):
            ClipTokenizer(tmp_path / "v.gz")


# -- DINO -------------------------------------------------------------------------------------------------------


def test_dino_at_its_own_size_is_the_librarys_model(weights: Path) -> None:
    encoder = DinoEncoder(FolderSettings(model=weights / "dino-vitb16"))
    model = encoder.model()
    from storymem_plugins.extractors.dino import class_tokens

    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected = model(pixels).last_hidden_state[:, 0]
        assert torch.allclose(class_tokens(model, pixels), expected, atol=1e-5)
        assert class_tokens(model, torch.randn(1, 3, 39, 70)).shape == (1, 32), "half patches are left out"
    encoder.close()


def test_positions_are_sampled_by_the_scale_and_not_by_the_size() -> None:
    table = torch.cat((torch.full((1, 1, 1), 7.0), torch.arange(4.0).view(1, 4, 1)), dim=1)
    assert positions(table, 2, 2) is table
    wide = positions(table, 2, 3)
    assert wide.shape == (1, 7, 1)
    assert float(wide[0, 0, 0]) == 7
    grid = torch.arange(4.0).view(1, 1, 2, 2)
    by_scale = functional.interpolate(grid, scale_factor=(2.1 / 2, 3.1 / 2), mode="bicubic")
    by_size = functional.interpolate(grid, size=(2, 3), mode="bicubic")
    assert torch.allclose(wide[0, 1:, 0], by_scale.flatten())
    assert not torch.allclose(by_scale, by_size)


# -- MUSIQ ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [1, 10])
def test_musiq_scores_one_picture_like_many(classes: int, tmp_path: Path) -> None:
    torch.save(tiny_musiq(classes).state_dict(), tmp_path / "m.pth")
    scorer = musiq.MusiqScorer(FileSettings(weights=tmp_path / "m.pth"))
    frames = noise(2, 100, 300)
    scores = scorer.score_images(frames)
    assert scores == pytest.approx([float(scorer.score_images(frame[None])[0]) for frame in frames], abs=1e-5)
    assert scores[0] != pytest.approx(scorer.score_images(255 - frames[:1])[0], abs=1e-6)
    if classes > 1:
        assert 1 <= scores.min() <= scores.max() <= 10
    scorer.close()


def test_musiq_patches_of_three_scales() -> None:
    patches, places, scales, shown = musiq.multiscale(torch.ones(1, 3, 100, 300))
    # 224 -> 75 x 224: 3 x 7 patches in 49; 384 -> 128 x 384: 4 x 12 in 144; 100 x 300 as it is: 4 x 10.
    assert patches.shape == (49 + 144 + 40, 3, 32, 32)
    assert [int(shown[0, scales[0] == i].sum()) for i in range(3)][1:] == [48, 40]
    assert int(shown.sum()) == 21 + 48 + 40
    assert float(patches[~shown[0]].abs().max()) == 0
    assert int(places[0, -1]) == 3 * 10 // 4 * 10 + 9


@pytest.mark.parametrize("count", range(1, 60))
def test_musiq_places_are_nearest_interpolated(count: int) -> None:
    expected = functional.interpolate(torch.arange(10.0).view(1, 1, 10), count, mode="nearest").flatten()
    _, places, _, _ = musiq._patches(torch.zeros(1, 3, 1, 32 * count), 0, None)
    assert places.tolist() == expected.int().tolist()


def test_musiq_pads_like_tensorflow_and_standardises_kernels() -> None:
    assert musiq.same_padded(torch.ones(1, 1, 32, 32), 7, 2).shape == (1, 1, 37, 37)
    assert float(musiq.same_padded(torch.ones(1, 1, 32, 32), 7, 2)[0, 0, 1, 2]) == 0
    assert float(musiq.same_padded(torch.ones(1, 1, 32, 32), 7, 2)[0, 0, 2, 2]) == 1
    convolution = musiq.StandardConv(2, 1, 1)
    convolution.weight.data = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
    out = convolution(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1))
    assert out.item() == pytest.approx(-1 / (2**0.5 + 1e-5), abs=1e-5)


# -- RAFT -------------------------------------------------------------------------------------------------------


def test_raft_looks_up_correlations_where_the_flow_points() -> None:
    pictures_ = torch.arange(12.0).view(1, 1, 3, 4)
    places = torch.tensor([[[[1.0, 2.0], [2.5, 0.0], [9.0, 9.0]]]])
    assert raft.sampled(pictures_, places).flatten().tolist() == pytest.approx([9, 2.5, 0], abs=1e-5)


def test_raft_correlation_is_a_scaled_dot_product() -> None:
    first, second = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    pyramid = raft.correlations(first, second)
    assert [tuple(level.shape) for level in pyramid] == [(64, 1, 8, 8), (64, 1, 4, 4), (64, 1, 2, 2), (64, 1, 1, 1)]
    assert float(pyramid[0][10, 0, 3, 5]) == pytest.approx(float(first[0, :, 1, 2] @ second[0, :, 3, 5]) / 2, abs=1e-5)
    window = raft.look_up(pyramid, raft.grid(1, 8, 8, first.device))
    assert window.shape == (1, 4 * 81, 8, 8)
    # In the first level's window of 9 x 9, x before y, the middle is the place itself and the next is one down.
    assert float(window[0, 40, 4, 4]) == pytest.approx(float(pyramid[0][36, 0, 4, 4]), abs=1e-4)
    assert float(window[0, 41, 4, 4]) == pytest.approx(float(pyramid[0][36, 0, 5, 4]), abs=1e-4)


def test_raft_upsamples_by_a_convex_mix() -> None:
    flow = torch.zeros(1, 2, 2, 3)
    flow[0, 0], flow[0, 1] = 1.0, torch.arange(6.0).view(2, 3)
    only_middle = torch.full((1, 9, 64, 2, 3), -1e4)
    only_middle[:, 4] = 1e4
    large = raft.upsampled(flow, only_middle.view(1, 9 * 64, 2, 3))
    assert large.shape == (1, 2, 16, 24)
    assert torch.allclose(large[0, 0], torch.tensor(8.0))
    assert torch.allclose(large[0, 1], 8 * flow[0, 1].repeat_interleave(8, 0).repeat_interleave(8, 1))


def test_raft_refuses_frames_too_small_for_its_pyramid(weights: Path) -> None:
    encoder: Any = build("raft", weights, iterations=1)
    with pytest.raises(StoryMemError, match="80x48 are too small; 128 pixels"):
        encoder.motion(*noise(2))
    assert encoder.motion(*noise(2, 130, 140)) > 0
    encoder.close()


# -- the others -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "size"), [(480, 832, (769, 1332)), (480, 640, (800, 1066)), (640, 480, (1066, 800))]
)
def test_detection_sizes(height: int, width: int, size: tuple[int, int]) -> None:
    """832x480 at 800 would be 1387 wide, so the shorter side becomes round(1333 x 480 / 832) = 769."""
    assert detection_size(height, width) == size


@pytest.mark.parametrize(("phrase", "caption"), [("A Red fox", "a red fox."), (" a fox. ", "a fox."), ("x", "x.")])
def test_captions_end_with_a_full_stop(phrase: str, caption: str) -> None:
    assert caption_of(phrase) == caption


def test_boxes_are_in_pixels_and_the_best_comes_first(weights: Path) -> None:
    detector: Any = build("grounding_dino", weights)
    frame = noise(1, 60, 90)[0]
    boxes = detector.detect(frame, "a red fox", 0.0)
    assert len(boxes) == 6
    assert [b.confidence for b in boxes] == sorted((b.confidence for b in boxes), reverse=True)
    assert all(b.right > b.left and b.bottom > b.top for b in boxes)
    assert max(b.right for b in boxes) > 1.5, "not shares of the picture"
    limit = boxes[2].confidence
    assert detector.detect(frame, "a red fox", limit) == [b for b in boxes if b.confidence > limit]
    detector.close()


def test_a_preprocessor_config_without_sides_is_named(weights: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "grounding-dino-tiny"
    shutil.copytree(weights / "grounding-dino-tiny", folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": 800}))
    with pytest.raises(PluginError, match="names no shortest_edge"):
        build("grounding_dino", tmp_path).load()  # type: ignore[attr-defined]


def test_a_head_scores_embeddings_of_its_own_encoder_alone(weights: Path) -> None:
    head = LaionHead(HeadSettings(head=weights / "sa_0_4_vit_l_14_linear.pth"))
    state = torch.load(weights / "sa_0_4_vit_l_14_linear.pth", weights_only=True)
    row = np.eye(24, dtype=np.float32)[:1]
    assert head.score_embeddings(row)[0] == pytest.approx(float(state["weight"][0, 0]) + 5, abs=1e-5)
    with pytest.raises(SettingsError, match="takes embeddings of 24 numbers, not 16"):
        head.score_embeddings(np.zeros((1, 16), dtype=np.float32))
