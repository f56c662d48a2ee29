"""What the tests of metrics share: tiny weights in the published layouts, clips and films."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    PreTrainedTokenizerFast,
    SwinConfig,
    ViTConfig,
    ViTModel,
)

from storymem.interfaces import FinishedShot
from storymem.values.clip import Clip, Frames
from storymem.values.script import StoryScript
from storymem.values.storyboard import Storyboard
from storymem_plugins.extractors.csd import Backbone, CsdModel
from storymem_plugins.extractors.musiq import MusiqModel
from storymem_plugins.extractors.raft import RaftModel
from storymem_plugins.extractors.viclip import TextTower, ViclipModel, VideoTower

WIDTH = 64
MERGES = [("f", "o"), ("fo", "x</w>"), ("t", "h"), ("th", "e</w>"), ("r", "e"), ("re", "d</w>")]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "fox", "blue", "house", "in", "the", "snow", "character", "."]
TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}


def randomised(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give every parameter random values, also those that are made of zeros, so that layouts matter."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
    return model


def tiny_viclip(frames: int = 8) -> ViclipModel:
    words = 2 * 256 + len(MERGES) + 2
    vision = VideoTower(WIDTH, 2, 8, 3, frames, 24)
    return randomised(ViclipModel(vision, TextTower(WIDTH, 2, words, 32, 24)))  # type: ignore[return-value]


def tiny_musiq(classes: int = 1) -> MusiqModel:
    return randomised(MusiqModel(32, WIDTH, 96, 2, classes))  # type: ignore[return-value]


def write_vocabulary(path: Path) -> None:
    lines = ["#version: 0.2", *(" ".join(pair) for pair in MERGES)]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


def tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of a few words whose numbers of special tokens are those BERT has in GroundingDINO's eyes."""
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        bos_token="[CLS]", eos_token="[SEP]",
    )  # fmt: skip


def write_clip(folder: Path, dimension: int) -> None:
    torch.manual_seed(dimension)
    text = {**TOWER, "vocab_size": len(WORDS), "max_position_embeddings": 8, "bos_token_id": 2, "eos_token_id": 3,
            "pad_token_id": 0}  # fmt: skip
    vision = {**TOWER, "image_size": 32, "patch_size": 8}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=dimension)).save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def write_grounding_dino(folder: Path) -> None:
    torch.manual_seed(5)
    swin = SwinConfig(
        image_size=64, embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage2", "stage3", "stage4"], out_indices=[2, 3, 4],
    )  # fmt: skip
    bert = BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **TOWER)
    config = GroundingDinoConfig(
        backbone_config=swin, text_config=bert, num_queries=6, encoder_layers=1, decoder_layers=2, d_model=32,
        encoder_ffn_dim=32, decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2, max_text_len=16,
        encoder_n_points=2, decoder_n_points=2,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    sides = {"size": {"shortest_edge": 96, "longest_edge": 160}}
    (folder / "preprocessor_config.json").write_text(json.dumps(sides))
    tokenizer().save_pretrained(folder)


def write_weights(folder: Path) -> None:
    """Write every model of the suites under the name the suites look for."""
    torch.save({"model": tiny_viclip().state_dict()}, folder / "ViClip-InternVid-10M-FLT.pth")
    write_vocabulary(folder / "bpe_simple_vocab_16e6.txt.gz")
    write_clip(folder / "clip-vit-large-patch14", 24)
    write_clip(folder / "clip-vit-base-patch32", 16)
    torch.save({"weight": torch.randn(1, 24), "bias": torch.tensor([5.0])}, folder / "sa_0_4_vit_l_14_linear.pth")
    torch.manual_seed(1)
    vit = ViTConfig(image_size=32, patch_size=16, **TOWER)
    ViTModel(vit, add_pooling_layer=False).save_pretrained(folder / "dino-vitb16")
    Dinov2Model(Dinov2Config(image_size=28, patch_size=14, hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
                ).save_pretrained(folder / "dinov2-base")  # fmt: skip
    torch.save({"params": tiny_musiq().state_dict()}, folder / "musiq_spaq_ckpt-358bb6af.pth")
    torch.manual_seed(2)
    raft = RaftModel().eval().state_dict()
    torch.save({f"module.{name}": tensor for name, tensor in raft.items()}, folder / "raft-things.pth")
    write_grounding_dino(folder / "grounding-dino-tiny")
    csd = randomised(CsdModel(Backbone(WIDTH, 2, 8, 3), WIDTH, 20), 3)
    torch.save(
        {"model_state_dict": {f"module.{k}": v for k, v in csd.state_dict().items()}}, folder / "csd_vit-large.pth"
    )


def without(folder: Path, target: Path, *names: str) -> Path:
    """Copy a folder of weights without some of them."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*names))
    return target


def noise(count: int, height: int = 48, width: int = 80, seed: int = 0) -> Frames:
    """Frames of noise, each the last one moved a little, so that neighbours are alike."""
    generator = np.random.default_rng(seed)
    picture = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.stack([np.roll(picture, i, axis=1) for i in range(count)])


class ListedFilm:
    """A film from a script and clips by shot id."""

    has_script = True

    def __init__(
        self,
        script: StoryScript,
        clips: Mapping[str, Clip],
        references: Mapping[str, Sequence[Frames]] | None = None,
    ) -> None:
        self.board = Storyboard(script)
        self.title, self.path, self.problems = script.title, "film", list[str]()
        self._clips, self._references = clips, dict(references or {})

    def shots(self) -> Iterator[FinishedShot]:
        for shot in self.board:
            if shot.id in self._clips:
                yield FinishedShot(shot, self._clips[shot.id], ())

    def references(self) -> Mapping[str, Sequence[Frames]]:
        return self._references


def story() -> StoryScript:
    """Four shots in which a fox, a lantern and a house come back; the second continues the first."""
    shots = [
        {"prompt": "the red fox", "entities": ["fox", "house"]},
        {"prompt": "the fox in the snow", "entities": ["fox", "lantern"], "cut": False},
        {"prompt": "a house", "entities": ["house", "lantern"]},
        {"prompt": "the red fox in the house", "entities": ["fox", "house"]},
    ]
    entities = [
        {"id": "fox", "look": "a red fox", "kind": "character"},
        {"id": "lantern", "look": "the blue lantern", "kind": "object"},
        {"id": "house", "look": "the house", "kind": "place"},
    ]
    return StoryScript.model_validate(
        {"title": "Fox", "overview": "the fox in the snow", "entities": entities, "scenes": [{"shots": shots}]}
    )


def film(frames: int = 6, fps: int = 24) -> ListedFilm:
    clips = {f"1.{i + 1}": Clip(noise(frames, 128, 160, seed=i), fps) for i in range(4)}
    return ListedFilm(story(), clips, {"fox": [noise(1, 64, 64, seed=9)[0], noise(1, 64, 64, seed=10)[0]]})
