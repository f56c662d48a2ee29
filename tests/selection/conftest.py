"""Pictures, contexts and small encoders for the selection tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storymem.interfaces import ClipContext, FrameFilter, FrameGate, ImageTextEncoder, Keyframe, Verdict
from storymem.store.objects import file_digest
from storymem.values.clip import Clip, Frames, pixel_hash
from storymem.values.files import FileRef
from storymem.values.picture import encode_png

GOLDEN = Path(__file__).parent / "golden" / "keyframes.npz"


class RowEncoder(ImageTextEncoder):
    """Gives a picture whose first pixel is ``i`` the ``i``-th row of a table; counts its calls."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        super().__init__()
        self.rows = rows
        self.calls: list[int] = []

    @property
    def dimension(self) -> int:
        return int(self.rows.shape[1])

    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        self.calls.append(len(frames))
        return self.rows[frames[:, 0, 0, 0]]

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.rows[: len(texts)]


class ScoreFilter(FrameFilter):
    """Keeps the frames whose given score reaches the threshold; records what it judged."""

    def __init__(self, scores: Sequence[float] | NDArray[np.float32], threshold: float = 3.0) -> None:
        super().__init__()
        self.scores, self.threshold = scores, threshold
        self.judged: list[int] = []

    def judge(self, indices: Sequence[int], context: ClipContext) -> list[Verdict]:
        self.judged += indices
        scores = [float(self.scores[i]) for i in indices]
        return [Verdict(s >= self.threshold, s, self.threshold, "poor") for s in scores]


@pytest.fixture
def row_encoder() -> type[RowEncoder]:
    return RowEncoder


@pytest.fixture
def score_filter() -> type[ScoreFilter]:
    return ScoreFilter


@pytest.fixture
def numbered() -> Callable[..., Frames]:
    """Tiny frames whose pixels all hold their number."""

    def make(count: int, start: int = 0) -> Frames:
        numbers = np.arange(start, start + count, dtype=np.uint8)
        return np.broadcast_to(numbers[:, None, None, None], (count, 4, 4, 3)).copy()

    return make


@pytest.fixture
def context_of() -> Callable[..., ClipContext]:
    def make(frames: Frames, first: int = 0, **others: object) -> ClipContext:
        return ClipContext(Clip(frames, 16), first, **others)  # type: ignore[arg-type]

    return make


@pytest.fixture
def gate_of() -> Callable[..., FrameGate]:
    def make(context: ClipContext, **filters: FrameFilter) -> FrameGate:
        return FrameGate(filters, context)

    return make


@pytest.fixture
def remember(tmp_path: Path) -> Callable[[Frames], list[Keyframe]]:
    """Store frames as visible keyframes of earlier shots."""

    def store(frames: Frames) -> list[Keyframe]:
        kept = []
        for i, frame in enumerate(frames):
            path = tmp_path / f"memory{i}.png"
            path.write_bytes(encode_png(frame))
            file = FileRef(path, file_digest(path))
            kept.append(Keyframe(pixel_hash(frame), f"1.{i + 1}", i, 0, file=file))
        return kept

    return store


@pytest.fixture
def golden() -> Mapping[str, NDArray[np.float32]]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)
