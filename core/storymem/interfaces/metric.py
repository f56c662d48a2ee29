"""Numbers about a finished film.

A :class:`Metric` gives a few numbers for a whole film. A :class:`MetricSuite` is a metric made of columns, each of
which says which frames it looks at, which models it needs, and gives values per film, shot, pair, entity and gap.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from storymem.interfaces.encoder import Box
from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.clip import Clip, Frames
from storymem.values.keyframe import Keyframe
from storymem.values.storyboard import BoardShot, Storyboard


@dataclass(frozen=True, slots=True)
class FinishedShot:
    """One shot of a finished run: its place in the story, its clip without dropped frames, what it recalled."""

    shot: BoardShot
    clip: Clip
    recalled: tuple[Keyframe, ...]


class FilmView(Protocol):
    """A finished film, read one shot at a time."""

    board: Storyboard

    def shots(self) -> Iterator[FinishedShot]:
        """Yield the shots in story order; each clip is decoded when its turn comes."""


class Metric(Plugin[SettingsT]):
    """Measures a finished film."""

    @abstractmethod
    def measure(self, film: FilmView) -> Mapping[str, float]:
        """Return numbers by name, each documented with unit and direction by the metric."""


class Scope(StrEnum):
    """What a value is about. The subject of a measurement names it by ids, in this order."""

    FILM = "film"  #: no id
    CHAIN = "chain"  #: ids of the first and the last shot of a row of shots without a cut
    SHOT = "shot"  #: a shot id
    PAIR = "pair"  #: two shot ids, in story order
    ENTITY = "entity"  #: an entity id
    APPEARANCE = "appearance"  #: an entity id and a shot id
    GAP = "gap"  #: shots between two appearances of an entity, such as ``4-7``


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of one column.

    Attributes:
        scope: What it is about.
        subject: Ids, see :class:`Scope`.
        value: The number.
        samples: How many numbers it is the mean of.
    """

    scope: Scope
    subject: tuple[str, ...]
    value: float
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Need:
    """A model that a suite looks through, and where it comes from.

    Attributes:
        plugin: Name of an ``encoder`` plugin.
        settings: Its settings, except those in ``files``.
        files: Settings that name a file or folder, with its name in the folder of weights.
        size: How much there is to download, for people, such as ``1.7 GB``.
        origin: Who publishes it and under which name, for people.
        required: Whether the columns that name it stay empty without it.
    """

    plugin: str
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    size: str = ""
    origin: str = ""
    required: bool = True


class FeatureSource(Protocol):
    """The models of a suite by role. Every answer is cached by the content of what was asked about.

    Every method raises :class:`storymem.errors.StoryMemError` where the model is not there or gives values that are not
    finite.
    """

    def images(self, role: str, frames: Frames) -> NDArray[np.float32]:
        """Return unit embeddings (N, D) of uint8 RGB (N, H, W, 3)."""

    def texts(self, role: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit embeddings (N, D) of sentences."""

    def clip(self, role: str, frames: Frames) -> NDArray[np.float32]:
        """Return the unit embedding (D,) of the frames of one clip, uint8 RGB (T, H, W, 3)."""

    def scores(self, role: str, frames: Frames) -> NDArray[np.float64]:
        """Return one score a picture, (N,)."""

    def motion(self, role: str, first: Frames, second: Frames) -> float:
        """Return how far things move from one picture to the next, in pixels."""

    def embedding_scores(self, role: str, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return one score an embedding, (N,)."""

    def boxes(self, role: str, frame: Frames, phrase: str, threshold: float) -> list[Box]:
        """Return what a phrase names in one picture, best first."""

    def faces(self, role: str, frame: Frames) -> list[tuple[Box, NDArray[np.float32]]]:
        """Return the faces of one picture with their unit embeddings, the most confident first."""

    def agreement(self, role: str, frame: Frames, text: str) -> float:
        """Return how well one picture shows what a text describes, 0..1."""

    def clip_frames(self, role: str) -> int:
        """Return how many frames of a clip a video model sees."""

    def missing(self, role: str) -> str:
        """Return why a model is not there and what to get, in one line; empty if it is there."""

    def has(self, role: str) -> bool:
        """Whether the model is there, for columns that can do without it."""


@dataclass(frozen=True, slots=True)
class Film:
    """What a column is measured from, once every shot was read.

    Attributes:
        board: The script's shots.
        read: What the column's reader returned, by shot id, in story order. Shots that are missing or could not be read
            are left out.
        references: Reference images by entity id, uint8 RGB (H, W, 3) each.
        features: The models.
        sampled: What :attr:`Column.film_frames` asked for, uint8 RGB (N, H, W, 3); None without it.
        has_script: Whether the film came with a script; without one, prompts mean nothing.
    """

    board: Storyboard
    read: Mapping[str, Any]
    references: Mapping[str, Sequence[Frames]]
    features: FeatureSource
    sampled: Frames | None = None
    has_script: bool = True


#: Reads what a column needs from one shot of a story. Columns that share a reader share its result.
Reader = Callable[[FinishedShot, Storyboard, FeatureSource], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a suite.

    Attributes:
        name: Lower case; unique in its suite.
        better: Which direction is better.
        frames: Which frames it looks at, in words.
        source: Whose formula it is, in words.
        read: Reads one shot; raises :class:`StoryMemError` for a shot it cannot use, such as one that is too short.
        measure: Returns the values once every shot was read; raises :class:`StoryMemError` where there are none.
        needs: Roles of the models without which it stays empty.
        uses: Roles of models it can do without.
        reimplementation: Whether the numbers are ours after another's description, not by the original program.
        note: What a reader of the number must know, such as a gate that was not applied.
        film_frames: For columns over the whole film: from the number of its frames to the indices wanted.
    """

    name: str
    better: Literal["higher", "lower", "neither"]
    frames: str
    source: str
    read: Reader
    measure: Callable[[Film], Iterable[Measurement]]
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    reimplementation: bool = True
    note: str = ""
    film_frames: Callable[[int], Sequence[int]] | None = None


class MetricSuite(Metric[SettingsT]):
    """Several columns that are measured together, usually a published benchmark's.

    :mod:`storymem.evaluate` runs it; as a plain metric it gives the columns' values for the whole film that need no
    model.
    """

    #: Models by role.
    needs: Mapping[str, Need] = {}

    @abstractmethod
    def columns(self) -> Sequence[Column]:
        """Return the columns, in the order of the table."""

    def measure(self, film: FilmView) -> Mapping[str, float]:
        """See :meth:`Metric.measure`; columns that need a model are left out."""
        from storymem.evaluate.run import evaluate_without_models

        return evaluate_without_models(self, film)
