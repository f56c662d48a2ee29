"""Lets torchvision be imported beside a CPU torch it was not built for; see run.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

SCHEMAS = ("nms", "qnms")
TOWER = {"layers": 2, "width": 32}
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {**TOWER, "image_size": 32, "patch_size": 8, "head_width": 8},
    "text_cfg": {**TOWER, "context_length": 16, "vocab_size": 49408, "heads": 4},
}


@pytest.fixture(scope="session", autouse=True)
def torchvision_operators() -> Iterator[None]:
    """Declare the operators that torchvision's Python half expects its missing compiled half to have declared."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in SCHEMAS:
        if not torch._C._dispatch_has_kernel(f"torchvision::{name}"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torch.set_num_threads(1)
    yield
    del library


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("open_clip") / "tiny-test-clip.json"
    file.write_text(json.dumps(CONFIG))
    return file


@pytest.fixture(scope="session")
def weights(config: Path) -> Path:
    """Random weights of the custom config's model."""
    import open_clip
    import torch

    open_clip.add_model_config(config)
    torch.manual_seed(0)
    file = config.with_name("weights.pt")
    torch.save(open_clip.create_model(config.stem).state_dict(), file)
    return file
