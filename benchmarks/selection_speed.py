"""How much faster one embedding pass is than embedding pair by pair, as the public StoryMem code does.

Usage: python benchmarks/selection_speed.py [--model FOLDER] [--threads 1] [--out benchmarks/results/...]

Both run in this process, one after the other, on the same synthetic 81-frame 832x480 shot and with the same model and
preprocessing, and must choose the same frames. Without --model a random CLIP ViT-B/32 is used: the time of one encode
does not depend on the weights.

Pair by pair: every comparison embeds both of its frames alone, and every lower threshold walks the clip again. The
public code's slower preprocessing is not imitated; against it the gain is greater.
One pass: `ClipContext.embeddings` and the `semantic` selector, end to end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FRAMES, HEIGHT, WIDTH = 81, 480, 832


def main() -> None:
    arguments = parse()
    import torch

    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        encoder = build_encoder(arguments.model or random_clip(Path(folder)))
        frames = make_shot()
        encoder.encode_images(frames[:1])  # loading and first-call costs count for neither
        fast, fast_times = timed(lambda: one_pass(encoder, frames))
        slow, slow_times = timed(lambda: pair_by_pair(encoder, frames))
        encoder.close()
    if fast != slow["indices"]:
        raise SystemExit(f"the two ways disagree: {fast} and {slow['indices']}")
    result = {
        "frames": FRAMES,
        "size": f"{WIDTH}x{HEIGHT}",
        "model": str(arguments.model or "random CLIP ViT-B/32, float32"),
        "torch": torch.__version__,
        "threads": arguments.threads,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "indices": fast,
        "final_threshold": round(slow["threshold"], 2),
        "one_pass": {"encodes": FRAMES, **fast_times},
        "pair_by_pair": {"encodes": slow["encodes"], **slow_times},
        "times_faster": {key: round(slow_times[key] / fast_times[key], 1) for key in fast_times},
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="folder of a CLIP model; a random ViT-B/32 if not given")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the result here too")
    return parser.parse_args()


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return the result, and seconds by the clock and of the processor; the latter ignore a busy machine."""
    started, processor = time.perf_counter(), time.process_time()
    result = work()
    times = {"clock_s": time.perf_counter() - started, "processor_s": time.process_time() - processor}
    return result, {key: round(value, 2) for key, value in times.items()}


def one_pass(encoder: Any, frames: np.ndarray) -> list[int]:
    from storymem.interfaces import ClipContext, FrameGate
    from storymem.values.clip import Clip
    from storymem_plugins.selection.semantic import SemanticSelector

    context = ClipContext(Clip(frames, 16), encoder=encoder)
    return [candidate.frame for candidate in SemanticSelector().select(context, FrameGate({}, context))]


def pair_by_pair(encoder: Any, frames: np.ndarray) -> dict[str, Any]:
    """Choose frames with two fresh embeddings for every comparison and a new walk for every threshold."""
    threshold, encodes = 0.9, 0
    while True:
        kept = [0]
        for i in range(1, len(frames)):
            last, this = (encoder.encode_images(frames[k][None])[0] for k in (kept[-1], i))
            encodes += 2
            if float(last @ this) < threshold:
                kept.append(i)
        if len(kept) <= 3:
            return {"indices": kept, "threshold": threshold, "encodes": encodes}
        threshold -= 0.01


def make_shot() -> np.ndarray:
    """Return a shot that drifts from one picture of random tiles to another."""
    generator = np.random.default_rng(0)
    tiles = generator.integers(0, 256, (2, HEIGHT // 32, WIDTH // 32, 3))
    first, second = tiles.repeat(32, axis=1).repeat(32, axis=2)
    steps = np.linspace(0, 1, FRAMES)
    return np.stack([(first * (1 - step) + second * step).astype(np.uint8) for step in steps])


def random_clip(folder: Path) -> str:
    """Write a CLIP ViT-B/32 with random weights and a tokenizer of one word; return its folder.

    Weights of the usual spread give every picture nearly the same embedding. These are spread so that the shot above
    takes eight walks: as many as the 1264 encodes that were counted for a shot with the public code.
    """
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    config = CLIPConfig()
    config.vision_config.initializer_factor = 8.5
    CLIPModel(config).save_pretrained(folder)
    words = Tokenizer(WordLevel({"<pad>": 0}, unk_token="<pad>"))
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>").save_pretrained(folder)
    return str(folder)


def build_encoder(model: str) -> Any:
    from storymem.plugin import Kind, PluginHost

    return PluginHost().build(Kind.ENCODER, "clip", {"model": model, "device": "cpu"})


if __name__ == "__main__":
    main()
