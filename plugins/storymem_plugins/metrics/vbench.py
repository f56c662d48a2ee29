"""VBench's dimensions for custom videos, by its code's formulas (Vchitect/VBench, vbench/*.py)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from storymem.errors import MediaError
from storymem.interfaces import Column, FeatureSource, Film, FinishedShot, Measurement, MetricSuite, Need
from storymem.values.storyboard import Storyboard
from storymem_plugins.metrics import needs
from storymem_plugins.metrics.formulas import flicker, frame_consistency, is_dynamic
from storymem_plugins.metrics.measuring import (
    agreement_with_prompts,
    at_least,
    clip_reader,
    image_reader,
    pooled_means,
    prompts_of,
    shot_means,
)

_SOURCE = "VBench"
_EVERY = "every frame"


def aesthetic_reader(shot: FinishedShot, board: Storyboard, features: FeatureSource) -> float:
    """Return the mean LAION score of a shot's frames, on a scale of 0..1."""
    scores = features.embedding_scores("laion_head", features.images("clip_l14", shot.clip.frames))
    return float(scores.mean() / 10)


def mean_of_shots(film: Film) -> Iterator[Measurement]:
    """Yield the number that was read of each shot, and their mean."""
    yield from shot_means(film.read)


def _consistency(film: Film) -> Iterator[Measurement]:
    yield from pooled_means({shot: frame_consistency(rows) for shot, rows in film.read.items()})


def _read_flicker(shot: FinishedShot, board: Storyboard, features: FeatureSource) -> float:
    at_least(shot, 2)
    return flicker(shot.clip.frames)


def _read_quality(shot: FinishedShot, board: Storyboard, features: FeatureSource) -> float:
    return float(features.scores("musiq", shot.clip.frames).mean() / 100)


def _read_motion(shot: FinishedShot, board: Storyboard, features: FeatureSource) -> float:
    frames = shot.clip.frames[:: max(1, round(shot.clip.fps / 8))]
    if len(frames) < 2:
        raise MediaError(f"its clip has {len(shot.clip)} frames, which is less than a quarter of a second")
    motions = [features.motion("raft", a, b) for a, b in pairwise(frames)]
    return float(is_dynamic(motions, min(frames.shape[1:3]), len(frames), shot.clip.fps))


class VBenchSuite(MetricSuite):
    """VBench's dimensions for custom videos, each shot as one video; all but ``dynamic_degree`` are better high.

    Subject and background consistency (DINO, CLIP), temporal flickering, overall consistency (ViCLIP with the prompt),
    aesthetic and imaging quality (LAION, MUSIQ), and the share of shots that move (RAFT). Motion smoothness (AMT-S) is
    not reproduced; export the film and run the original for it.
    """

    needs: Mapping[str, Need] = {
        "dino": needs.DINO,
        "clip_b32": needs.CLIP_B32,
        "viclip": needs.VICLIP,
        "clip_l14": needs.CLIP_L14,
        "laion_head": needs.LAION_HEAD,
        "musiq": needs.MUSIQ,
        "raft": needs.RAFT,
    }

    def columns(self) -> Sequence[Column]:
        """See :meth:`MetricSuite.columns`."""
        pooled = "frames of all shots count alike"
        return [
            Column("subject_consistency", "higher", _EVERY, _SOURCE, image_reader("dino", 2), _consistency,
                   ("dino",), note=pooled),
            Column("background_consistency", "higher", _EVERY, _SOURCE, image_reader("clip_b32", 2), _consistency,
                   ("clip_b32",), note=pooled),
            Column("temporal_flickering", "higher", _EVERY, _SOURCE, _read_flicker, mean_of_shots,
                   note="VBench means it for still scenes"),
            Column("overall_consistency", "higher", "8 middles of equal stretches of each shot", _SOURCE,
                   clip_reader("viclip"), agreement_with_prompts("viclip", prompts_of), ("viclip",),
                   note="texts cut at 32 tokens"),
            Column("aesthetic_quality", "higher", _EVERY, _SOURCE, aesthetic_reader, mean_of_shots,
                   ("clip_l14", "laion_head")),
            Column("imaging_quality", "higher", _EVERY, _SOURCE, _read_quality, mean_of_shots, ("musiq",),
                   note="0..1; VBench's tables give percent"),
            Column("dynamic_degree", "neither", "every frame at about 8 a second", _SOURCE, _read_motion,
                   mean_of_shots, ("raft",), note="share of shots that move"),
        ]  # fmt: skip
