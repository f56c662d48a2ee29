"""The storyworld benchmark: films of test episodes, rendered through the framework and measured exactly.

For every memory policy the same episodes are rendered with the same backbone; the renderer's own pictures are measured
as the floor, before and after the backbone's autoencoder if it has one. Knows nothing more about how a backbone works.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storymem.film.review import FinishedFilm
from storymem.interfaces import FinishedShot, MemoryPolicy
from storymem.media.video import read_clip
from storymem.plugin import Kind
from storymem.portraits import make_portraits, with_portraits
from storymem.session import Session
from storymem.store.records import CurrentShot, Take
from storymem.store.runstore import RunStore
from storymem.values.clip import Clip, Frames
from storymem.values.storyboard import Storyboard
from storymem_storyworld.draw.render import as_bytes, render
from storymem_storyworld.measure.autoencoding import Autoencodes, psnr, reconstruction_numbers
from storymem_storyworld.measure.metric import StoryworldMetric
from storymem_storyworld.measure.metrics import Measures, merged
from storymem_storyworld.stories.episodes import Episode, sample_chain, sample_episode, story_script
from storymem_storyworld.world.spec import FPS

RENDERER, AUTOENCODER = "renderer", "autoencoder"  # rows of the floor


@dataclass(frozen=True)
class Row:
    """Numbers of one policy (or of the renderer, or of its pictures after the autoencoder) on one tier.

    Attributes:
        seconds: That the backbone took for a shot, on average, when it was made.
        numbers: See `metrics.Measures.summary`; in dB also `handover_psnr` (frames that a shot without a cut
            repeats, against those handed over) and `seam_psnr` (the frames on both sides of such a seam; motion
            lowers it, so compare with the renderer's); for chains `colour_change`, by how much the colour statistic
            that changes most does so from the first clip to the last, and `colour_drift`, the same of the changes'
            mean over all chains: what moves changes one chain's colours this way or that, a drift all alike; for the
            autoencoder those of `reconstruction_numbers`.
    """

    tier: str
    policy: str
    stories: int
    shots: int
    seconds: float
    numbers: dict[str, float]


@dataclass
class _Film:
    """A finished film in memory.

    Attributes:
        repeated: Mean squared differences ([-1, 1] units) of the frames that shots without a cut repeat of the shot
            before them, from those that were handed over.
        seconds: That the backbone took, whenever that was.
    """

    board: Storyboard
    finished: tuple[FinishedShot, ...]
    repeated: tuple[float, ...] = ()
    seconds: float = 0.0

    def shots(self) -> Iterator[FinishedShot]:
        """Yield the shots in story order."""
        yield from self.finished


def episodes_of(tier: str, stories: int) -> list[Episode]:
    """The first test episodes of a tier, or chains of ten shots for the tier "chain"."""
    if tier == "chain":
        return [sample_chain(seed) for seed in range(stories)]
    return [sample_episode(seed, tier) for seed in range(stories)]


def _true_clips(episode: Episode) -> list[Clip]:
    """What the renderer draws, with the frames that repeat the previous shot."""
    pictures = as_bytes(render([shot.spec for shot in episode.shots]))
    frames: Frames = pictures.permute(0, 1, 3, 4, 2).contiguous().numpy()
    return [Clip(clip, FPS) for clip in frames]


def _film_of(episode: Episode, clips: Sequence[Clip]) -> _Film:
    """An episode's clips as a film, without the frames that repeat the previous shot."""
    board = Storyboard(story_script(episode))
    finished = tuple(
        FinishedShot(place, Clip(clip.frames[shot.spec.overlap :], FPS), ())
        for place, clip, shot in zip(board, clips, episode.shots, strict=True)
    )
    return _Film(board, finished)


def _squared_error(first: Frames, second: Frames) -> float:
    return float(np.square((first.astype(np.float64) - second) * (2 / 255)).mean())


def _chosen(store: RunStore) -> dict[str, tuple[CurrentShot, Take]]:
    """The takes that make up the film, by shot."""
    takes = {(take.shot, take.number): take for take in store.takes()}
    return {shot.shot: (shot, takes[shot.shot, shot.take]) for shot in store.current()}


def _repeated(store: RunStore, film: FinishedFilm, chosen: Mapping[str, tuple[CurrentShot, Take]]) -> Iterator[float]:
    """See `_Film.repeated`: the dropped beginning of each clip against the end of the shot before."""
    files = store.files()
    for last, shot in pairwise(film.shots()):
        current, take = chosen[shot.shot.id]
        if current.first:
            clip = read_clip(store.objects.path(take.master, files[take.master].suffix), take.fps)
            yield _squared_error(clip.frames[: current.first], last.clip.frames[-current.first :])


def seam_errors(film: _Film) -> list[float]:
    """Mean squared difference ([-1, 1] units) of the two frames at every seam without a cut."""
    return [
        _squared_error(last.clip.frames[-1], shot.clip.frames[0])
        for last, shot in pairwise(film.finished)
        if not shot.shot.cut
    ]


def colour_changes(film: _Film) -> NDArray[np.float64]:
    """Relative change of each channel's mean and deviation from the first clip to the last, (6,)."""
    first, last = (film.finished[at].clip.frames.reshape(-1, 3) for at in (0, -1))
    return np.concatenate([stat(last, axis=0) / stat(first, axis=0) - 1 for stat in (np.mean, np.std)])


def colour_summary(films: Sequence[_Film]) -> dict[str, float]:
    """`colour_change` and `colour_drift` of chains, see `Row`."""
    changes = np.stack([colour_changes(film) for film in films])
    return {
        "colour_change": float(np.abs(changes).max(1).mean()),
        "colour_drift": float(np.abs(changes.mean(0)).max()),
    }


def _mean_psnr(name: str, errors: Sequence[float]) -> dict[str, float]:
    return {name: float(np.mean([psnr(error) for error in errors]))} if errors else {}


def summary(films: Sequence[_Film], metric: StoryworldMetric, tier: str) -> dict[str, float]:
    """All numbers of some films of one tier."""
    measures: Measures = merged(metric.samples(film) for film in films)
    numbers = measures.summary()
    numbers |= _mean_psnr("seam_psnr", [error for film in films for error in seam_errors(film)])
    numbers |= _mean_psnr("handover_psnr", [error for film in films for error in film.repeated])
    if tier == "chain":
        numbers |= colour_summary(films)
    return numbers


def floor(tier: str, stories: int, metric: StoryworldMetric) -> Row:
    """The renderer's own row: what is left is the error of the read-out."""
    episodes = episodes_of(tier, stories)
    started = time.monotonic()
    films = [_film_of(episode, _true_clips(episode)) for episode in episodes]
    shots = sum(len(episode.shots) for episode in episodes)
    seconds = (time.monotonic() - started) / shots
    return Row(tier, RENDERER, stories, shots, seconds, summary(films, metric, tier))


def autoencoded(tier: str, stories: int, metric: StoryworldMetric, model: Autoencodes) -> Row:
    """The renderer's films after the model's autoencoder: the least drift that films made with it can have."""
    episodes = episodes_of(tier, stories)
    true = [_true_clips(episode) for episode in episodes]
    started = time.monotonic()
    shown = [[model.reconstruct(clip) for clip in clips] for clips in true]
    seconds = time.monotonic() - started
    numbers = summary([_film_of(*film) for film in zip(episodes, shown, strict=True)], metric, tier)
    numbers |= reconstruction_numbers(list(chain(*true)), list(chain(*shown)))
    shots = sum(map(len, true))
    return Row(tier, AUTOENCODER, stories, shots, seconds / shots, numbers)


@dataclass(frozen=True)
class Bench:
    """What all films of a benchmark share.

    Attributes:
        session: Has the settings and the loaded model; only the policy is changed.
        runs: Folder for the run folders; a film found there is not made again.
        metric: Reads the films.
        portraits: Whether memory begins with a portrait of each character (`storymem.portraits`), which is in no
            film; an episode's are made once, for all policies.
    """

    session: Session
    runs: Path
    metric: StoryworldMetric
    portraits: bool = False

    def film(self, episode: Episode, policy: str) -> _Film:
        """One episode's film under one policy."""
        script, base, title = story_script(episode), None, episode.title.replace(" ", "_")
        if self.portraits:
            base = self.runs / "portraits" / title
            made = make_portraits(script, base, self.session)
            script = with_portraits(script, made, base)
        folder = self.runs / self.label(policy) / title
        remembers = self.session.host.build(Kind.MEMORY_POLICY, policy, {})
        assert isinstance(remembers, MemoryPolicy)
        self.session.with_policy(remembers).render(script, folder, base=base).check()
        with RunStore(folder, write=False) as store:
            film, chosen = FinishedFilm(store), _chosen(store)
            seconds = sum(take.seconds for _, take in chosen.values())
            return _Film(film.board, tuple(film.shots()), tuple(_repeated(store, film, chosen)), seconds)

    def label(self, policy: str) -> str:
        """The name of a policy's row."""
        return f"{policy}, portraits" if self.portraits else policy

    def row(self, tier: str, policy: str, stories: int, progress: Callable[[str], None]) -> Row:
        """Make and measure the films of one tier under one policy."""
        films = list[_Film]()
        for episode in episodes_of(tier, stories):
            films.append(self.film(episode, policy))
            progress(f"{self.label(policy)}: {episode.title}, {len(episode.shots)} shots in {films[-1].seconds:.0f} s")
        shots = sum(len(film.finished) for film in films)
        seconds = sum(film.seconds for film in films) / shots
        return Row(tier, self.label(policy), stories, shots, seconds, summary(films, self.metric, tier))


_COLUMNS = (
    "identity_drift", "accessories", "accessory_drift", "presence", "place_drift", "adherence/place",
    "adherence/motion", "adherence/size", "adherence/cast", "handover_psnr", "seam_psnr", "colour_change",
    "colour_drift", "psnr",
)  # fmt: skip
_TOLD = (
    "told/colour", "told/colour/first", "told/colour/later", "told/colour/against", "told/accessory",
    "told/accessory/first", "told/accessory/later", "told/accessory/against", "told/binding", "told/prop_colour",
)  # fmt: skip


def closed_share(row: Row, rows: Sequence[Row]) -> float | None:
    """How much of the identity drift between no memory and the renderer a policy removes, 1 for all of it."""
    drift = {other.policy: other.numbers.get("identity_drift") for other in rows if other.tier == row.tier}
    none, least, own = drift.get("none"), drift.get(RENDERER), row.numbers.get("identity_drift")
    if none is None or least is None or own is None or none == least:
        return None
    return (none - own) / (none - least)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if abs(value) < 2 else f"{value:.1f}"


def report(rows: Sequence[Row]) -> str:
    """The rows as Markdown: a table of means, one of identity drift by recurrence gap, one of told looks if any are."""
    measured = {name for row in rows for name in row.numbers if name.startswith("identity_drift/gap_")}
    gaps = sorted(measured, key=lambda name: int(name.split("_")[-1]))
    head = ("tier", "policy", "stories", "shots", "s a shot", "drift closed", *_COLUMNS)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        start = (row.tier, row.policy, str(row.stories), str(row.shots), f"{row.seconds:.2f}")
        closed = _cell(closed_share(row, rows))
        lines.append("| " + " | ".join((*start, closed, *(_cell(row.numbers.get(n)) for n in _COLUMNS))) + " |")
    lines += ["", "Identity drift by shots since the last appearance:", ""]
    lines += _numbers_table(rows, gaps, [name.split("gap_")[1].replace("_", "-") for name in gaps])
    if telling := [row for row in rows if any(name in row.numbers for name in _TOLD)]:
        lines += ["", "Looks that the text tells, as seen:", ""]
        lines += _numbers_table(telling, _TOLD, [name.removeprefix("told/") for name in _TOLD])
    return "\n".join(lines) + "\n"


def _numbers_table(rows: Sequence[Row], names: Sequence[str], head: Sequence[str]) -> list[str]:
    cells = [" | ".join(_cell(row.numbers.get(name)) for name in names) for row in rows]
    lines = ["| tier | policy | " + " | ".join(head) + " |", "|" + "---|" * (2 + len(names))]
    return lines + [f"| {row.tier} | {row.policy} | {some} |" for row, some in zip(rows, cells, strict=True)]
