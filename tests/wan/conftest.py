"""Golden vectors and tiny models shared by the Wan tests."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Golden:
    """Lazily read arrays of one golden file."""

    def __init__(self, name: str) -> None:
        self._arrays = np.load(GOLDEN / f"{name}.npz")
        self.files: list[str] = self._arrays.files

    def array(self, key: str) -> NDArray[np.generic]:
        return self._arrays[key]  # type: ignore[no-any-return]

    def tensor(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self._arrays[key]).float()

    def tensors(self, prefix: str) -> dict[str, torch.Tensor]:
        return {k.removeprefix(prefix): self.tensor(k) for k in self.files if k.startswith(prefix)}


@pytest.fixture(scope="session")
def transformer_golden() -> Golden:
    return Golden("transformer")


@pytest.fixture(scope="session")
def lora_golden() -> Golden:
    return Golden("lora")


@pytest.fixture(scope="session")
def conditioning_golden() -> Golden:
    return Golden("conditioning")


@pytest.fixture(scope="session")
def unipc_golden() -> Golden:
    return Golden("unipc")
