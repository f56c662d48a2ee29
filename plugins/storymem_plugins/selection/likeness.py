"""Checked embeddings of a clip and of visible memory, for selectors and filters that compare pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from storymem.errors import PluginError, SettingsError
from storymem.interfaces import ClipContext


def clip_embeddings(context: ClipContext) -> NDArray[np.float32]:
    """Return unit embeddings of all frames, (T, D); made in one pass, at most once per clip.

    Raises:
        PluginError: The encoder gave another number of rows, or values that are not finite.
    """
    rows, count = context.embeddings, len(context.clip)
    if rows.ndim != 2 or len(rows) != count or not np.isfinite(rows).all():
        raise PluginError(
            f"encoder {type(context.encoder).__name__}: gave shape {rows.shape} or values that are not "
            f"finite; expected ({count}, D) finite ones"
        )
    return rows


def memory_embeddings(context: ClipContext) -> NDArray[np.float32]:
    """Return unit embeddings of visible memory, (n, D) with the D of the clip's own.

    Raises:
        SettingsError: Stored embeddings have another dimension than the encoder gives.
    """
    frames, stored = clip_embeddings(context), context.memory_embeddings
    if len(stored) and stored.shape[1] != frames.shape[1]:
        raise SettingsError(
            f"encoder {type(context.encoder).__name__}: gives embeddings of {frames.shape[1]} numbers, but "
            f"remembered ones have {stored.shape[1]}; use the encoder they were made with, or start a new run"
        )
    return stored


def closest_in_memory(context: ClipContext) -> NDArray[np.float64]:
    """Return each frame's greatest cosine with visible memory, (T,); -inf where memory is empty."""
    stored = memory_embeddings(context)
    if not len(stored):
        return np.full(len(context.clip), -np.inf)
    return np.asarray((clip_embeddings(context) @ stored.T).max(axis=1), dtype=np.float64)
