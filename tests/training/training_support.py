"""A transformer of two layers, eight random clips, and a trainer of its LoRA."""

import torch
from diffusers import WanTransformer3DModel

from storymem_backbones.training.clips import ClipTensors
from storymem_backbones.training.draw import SampleSettings, StoryDraws
from storymem_backbones.training.flow import SigmaRange
from storymem_backbones.training.lora_loop import LoopSettings, LoraJob, LoraSettings, LoraTrainer


def transformer():
    torch.manual_seed(0)
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=24,
        in_channels=36,
        out_channels=16,
        text_dim=32,
        freq_dim=32,
        ffn_dim=64,
        num_layers=2,
        rope_max_seq_len=64,
    )


def clips(weight=None):
    generator = torch.Generator().manual_seed(1)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    video = [normal(8, 16, 3, 4, 4) for _ in range(3)]
    return ClipTensors(*video, normal(8, 3, 16, 4, 4), normal(8, 5, 32), normal(16, 3, 4, 4), normal(5, 32), weight)


def trainer(folder, steps=5, weight=None, small_model=False, accelerator=None, like_a_big_model=False, **lora):
    how = {"precision": "bf16" if like_a_big_model else "no", "gradient_checkpointing": like_a_big_model}
    loop = LoopSettings(steps=steps, small_model=small_model, log_every=1, batch_size=2, **how)
    settings = LoraSettings(**{"rank": 4, "alpha": 4, "learning_rate": 1e-2, "warmup_steps": 0, **lora})
    draws = StoryDraws([4, 4], 3, SampleSettings(no_memory=0.3), 0)
    job = LoraJob(SigmaRange(3.0, density="logit_normal"), settings, loop, folder, "backbone")
    model = transformer().bfloat16() if like_a_big_model else transformer()
    return LoraTrainer(model, draws, clips(weight), job, accelerator)
