"""Tiny random model folders, shared by the tests of the diffusers family. Read only."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def vace_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from storymem_backbones.vace.tiny_random import write_tiny_pipeline

    return write_tiny_pipeline(tmp_path_factory.mktemp("tiny") / "vace")


@pytest.fixture(scope="session")
def two_expert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from storymem_backbones.vace.tiny_random import write_tiny_pipeline

    return write_tiny_pipeline(tmp_path_factory.mktemp("tiny") / "vace22", experts=2)
