"""ST-Bench's metrics as the StoryMem paper describes them (arXiv 2512.19539); no code of theirs is public."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from storymem.errors import ScriptError
from storymem.interfaces import Column, Film, Measurement, MetricSuite, Need, Scope
from storymem_plugins.metrics import needs
from storymem_plugins.metrics.formulas import middle_frames, most_alike, pair_cosines
from storymem_plugins.metrics.measuring import agreement_with_prompts, clip_reader, pair_means, prompts_of, stacked
from storymem_plugins.metrics.vbench import aesthetic_reader, mean_of_shots

TOP_PAIRS = 10
_PAPER = "the paper's words"


def _pairs(film: Film) -> dict[tuple[str, str], float]:
    shots = list(film.read)
    if len(shots) < 2:
        raise ScriptError("there are no two shots to compare")
    return {(shots[i], shots[j]): value for (i, j), value in pair_cosines(stacked(film, shots)).items()}


def _overall(film: Film) -> Iterator[Measurement]:
    yield from pair_means(_pairs(film))


def _top(film: Film) -> Iterator[Measurement]:
    prompts, values = prompts_of(film), _pairs(film)
    shots = list(prompts)
    likeness = pair_cosines(film.features.texts("viclip", list(prompts.values())))
    alike = [(shots[i], shots[j]) for i, j in most_alike(likeness, TOP_PAIRS)]
    yield from pair_means({pair: values[pair] for pair in alike})


def _global(film: Film) -> Iterator[Measurement]:
    overview = film.board.script.overview
    if not film.has_script or not overview.strip():
        raise ScriptError("the script has no overview to compare the film with")
    assert film.sampled is not None  # the evaluation leaves the column empty otherwise
    clip = film.features.clip("viclip", film.sampled).astype(np.float64)
    yield Measurement(Scope.FILM, (), float(clip @ film.features.texts("viclip", [overview])[0]))


class StBenchSuite(MetricSuite):
    """ST-Bench: aesthetic quality, prompt following and consistency across shots; all higher is better.

    ``prompt_global`` and ``prompt_single`` are ViCLIP cosines of the film with the overview and of shots with their
    prompts; ``consistency_overall`` and ``consistency_top10`` the mean ViCLIP cosine of all pairs of shots and of the
    ten pairs whose prompts are most alike.
    """

    needs: Mapping[str, Need] = {
        "viclip": needs.VICLIP,
        "clip_l14": needs.CLIP_L14,
        "laion_head": needs.LAION_HEAD,
    }

    def columns(self) -> Sequence[Column]:
        """See :meth:`MetricSuite.columns`."""
        middles, shot_clip = "8 middles of equal stretches of each shot", clip_reader("viclip")
        text = "texts cut at 32 tokens"
        return [
            Column("aesthetic", "higher", "every frame", f"{_PAPER}: the LAION predictor as in VBench",
                   aesthetic_reader, mean_of_shots, ("clip_l14", "laion_head")),
            Column("prompt_global", "higher", "8 middles of equal stretches of the film", _PAPER, shot_clip, _global,
                   ("viclip",), note=text, film_frames=lambda total: middle_frames(total, 8)),
            Column("prompt_single", "higher", middles, _PAPER, shot_clip,
                   agreement_with_prompts("viclip", prompts_of), ("viclip",), note=text),
            Column("consistency_overall", "higher", middles, _PAPER, shot_clip, _overall, ("viclip",)),
            Column("consistency_top10", "higher", middles, _PAPER, shot_clip, _top, ("viclip",),
                   note="prompts are compared by ViCLIP's text tower; the paper does not say by what"),
        ]  # fmt: skip
