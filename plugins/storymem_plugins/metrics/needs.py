"""The models of the published suites: where they are published, and how they are named in the folder of weights."""

from __future__ import annotations

from storymem.interfaces import Need

VICLIP = Need(
    "viclip",
    files={"weights": "ViClip-InternVid-10M-FLT.pth", "vocabulary": "bpe_simple_vocab_16e6.txt.gz"},
    size="1.6 GB",
    origin="ViClip-InternVid-10M-FLT.pth (OpenGVLab, InternVid) and bpe_simple_vocab_16e6.txt.gz (OpenAI CLIP)",
)
#: As VBench looks through CLIP: the shorter side to 224 without antialiasing, and the middle square.
CLIP_L14 = Need(
    "clip",
    {"fit": "aliased_crop"},
    {"model": "clip-vit-large-patch14"},
    "1.7 GB",
    "openai/clip-vit-large-patch14 (Hugging Face)",
)
CLIP_B32 = Need(
    "clip",
    {"fit": "aliased_crop"},
    {"model": "clip-vit-base-patch32"},
    "0.6 GB",
    "openai/clip-vit-base-patch32 (Hugging Face)",
)
#: As EntityBench and ViStoryBench look through CLIP: the library's own preprocessing, texts cut at 77 tokens.
CLIP_B32_STANDARD = Need("clip", {"fit": "crop", "long_text": "cut"}, CLIP_B32.files, CLIP_B32.size, CLIP_B32.origin)
CLIP_L14_STANDARD = Need("clip", {"fit": "crop", "long_text": "cut"}, CLIP_L14.files, CLIP_L14.size, CLIP_L14.origin)
LAION_HEAD = Need(
    "laion_head",
    files={"head": "sa_0_4_vit_l_14_linear.pth"},
    size="4 kB",
    origin="sa_0_4_vit_l_14_linear.pth (LAION-AI, aesthetic-predictor)",
)
DINO = Need("dino", files={"model": "dino-vitb16"}, size="0.35 GB", origin="facebook/dino-vitb16 (Hugging Face)")
DINOV2 = Need("dinov2", files={"model": "dinov2-base"}, size="0.35 GB", origin="facebook/dinov2-base (Hugging Face)")
MUSIQ = Need(
    "musiq",
    files={"weights": "musiq_spaq_ckpt-358bb6af.pth"},
    size="0.1 GB",
    origin="musiq_spaq_ckpt-358bb6af.pth (IQA-PyTorch, release v0.1-weights)",
)
RAFT = Need("raft", files={"weights": "raft-things.pth"}, size="21 MB", origin="raft-things.pth (princeton-vl, RAFT)")
GROUNDING_DINO = Need(
    "grounding_dino",
    files={"model": "grounding-dino-tiny"},
    size="0.7 GB",
    origin="IDEA-Research/grounding-dino-tiny (Hugging Face), which is SwinT-OGC",
)
CSD = Need("csd", files={"weights": "csd_vit-large.pth"}, size="1.2 GB", origin="csd_vit-large.pth (CSD, ViT-L)")
JUDGE = Need("vision_judge", origin="a vision-language model behind an OpenAI-compatible server", required=False)
