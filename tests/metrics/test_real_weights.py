"""One real trained extractor, on real generated clips: fetched by benchmarks/real_data.py, skipped without them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from storymem.evaluate.evaluator import Evaluator
from storymem.evaluate.run import evaluate
from storymem.interfaces import Scope
from storymem.values.clip import Clip
from storymem.values.script import StoryScript
from storymem_plugins.extractors.mobilenet import MobileNetEncoder
from storymem_plugins.extractors.settings import FileSettings

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import real_data
from metrics_support import ListedFilm

CACHE = Path(os.environ.get("TEST_STORYMEM_REAL_DATA", real_data.default_cache()))
WEIGHTS = CACHE / f"{real_data.MOBILENET.name}-{real_data.MOBILENET.version}" / real_data.MOBILENET.inside
CLIPS = CACHE / f"{real_data.CLIPS.name}-{real_data.CLIPS.version}" / real_data.CLIPS.inside
needs_data = pytest.mark.skipif(
    not WEIGHTS.is_file() or not CLIPS.is_dir(),
    reason="needs real clips and weights: python benchmarks/real_data.py, or TEST_STORYMEM_REAL_DATA=FOLDER",
)


@needs_data
def test_real_features_tell_clips_apart() -> None:
    """A clip's first and last frames are nearer to each other than to those of any other of eight clips."""
    clips = [clip for _, (_, clip) in zip(range(8), real_data.real_clips(CACHE), strict=False)]
    encoder = MobileNetEncoder(FileSettings(weights=WEIGHTS, device="cpu"))
    rows = encoder.encode_images(np.concatenate([_small(clip)[[0, -1]] for clip in clips]))
    encoder.close()
    cosines = rows[0::2] @ rows[1::2].T
    assert (cosines.argmax(axis=1) == np.arange(8)).sum() >= 7


@needs_data
def test_a_suite_with_a_real_model_rates_one_scene_above_a_mix_of_scenes() -> None:
    """VBench's subject consistency through MobileNet: a shot of one clip, and a shot of two clips spliced."""
    (_, one), (_, other) = list(zip(range(2), (clip for _, clip in real_data.real_clips(CACHE)), strict=False))
    whole = _small(one)[::8][:6]
    spliced = np.concatenate([whole[:3], _small(other)[::8][:3]])
    script = StoryScript.model_validate({"title": "T", "scenes": [{"shots": [{"prompt": "a"}, {"prompt": "b"}]}]})
    film = ListedFilm(script, {"1.1": Clip(whole, 4), "1.2": Clip(np.ascontiguousarray(spliced), 4)})
    model = {"dino": {"name": "mobilenet", "weights": str(WEIGHTS), "device": "cpu"}}
    with Evaluator(["vbench"], models=model) as evaluator:
        result = evaluate(film, evaluator._suites, evaluator.features, evaluator._models)
    column = result.column("vbench.subject_consistency")
    first, second = (value.value for value in column.of(Scope.SHOT))
    assert first > second + 0.03
    assert result.models[0].weights == {
        WEIGHTS.name: MobileNetEncoder(FileSettings(weights=WEIGHTS)).weights()[WEIGHTS.name]
    }


def _small(clip: Clip) -> np.ndarray:
    from PIL import Image

    return np.stack([np.asarray(Image.fromarray(frame).resize((224, 224))) for frame in clip.frames])
