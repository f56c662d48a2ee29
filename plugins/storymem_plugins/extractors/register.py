"""Registers the extractors; their modules need torch and are imported when one is used."""

from __future__ import annotations

from storymem.interfaces import PluginSettings
from storymem.plugin import Register, hookimpl
from storymem_plugins.extractors.settings import (
    FileSettings,
    FolderSettings,
    HeadSettings,
    RaftSettings,
    ViclipSettings,
)

_HERE = "storymem_plugins.extractors"
#: Name, class, settings, modules it needs besides torch, summary.
_EXTRACTORS: tuple[tuple[str, str, type[PluginSettings], tuple[str, ...], str], ...] = (
    ("csd", "csd:CsdEncoder", FileSettings, (), "Style embeddings of pictures (CSD ViT-L)."),
    ("dino", "dino:DinoEncoder", FolderSettings, ("transformers",), "DINO (v1) ViT as VBench looks through it."),
    ("dinov2", "dino:Dinov2Encoder", FolderSettings, ("transformers",), "DINOv2 with its published preprocessing."),
    (
        "grounding_dino",
        "grounding_dino:GroundingDino",
        FolderSettings,
        ("transformers",),
        "Boxes of what a phrase names.",
    ),
    ("laion_head", "laion:LaionHead", HeadSettings, (), "LAION's aesthetic heads on CLIP embeddings."),
    ("mobilenet", "mobilenet:MobileNetEncoder", FileSettings, (), "MobileNetV2's features; small, no texts."),
    ("musiq", "musiq:MusiqScorer", FileSettings, (), "Technical quality of pictures (MUSIQ)."),
    ("raft", "raft:RaftEstimator", RaftSettings, (), "How far things move from frame to frame (RAFT)."),
    (
        "viclip",
        "viclip:ViclipEncoder",
        ViclipSettings,
        ("tokenizers", "ftfy"),
        "Clips and sentences in one space (ViCLIP).",
    ),
)


@hookimpl
def storymem_encoders(register: Register) -> None:
    """Register the built-in extractors."""
    for name, target, settings, modules, summary in _EXTRACTORS:
        register(
            name,
            f"{_HERE}.{target}",
            settings=settings,
            requires=("torch", *modules),
            install="storymem[wan]",
            summary=summary,
        )
