"""Films to compare: runs that are there, or stories under several policies, rendered as far as they are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from storymem.api import Storyteller
from storymem.errors import RunStoreError, SettingsError
from storymem.evaluate.comparison import Comparison, Method, compare
from storymem.evaluate.evaluator import Evaluator
from storymem.evaluate.page import comparison_page
from storymem.evaluate.pictures import PictureRow, entity_rows
from storymem.evaluate.sources import open_film
from storymem.plugin import PluginHost
from storymem.store.folder import DATABASE
from storymem.store.runstore import RunStore

#: Run folders by method.
Films = Mapping[str, Sequence[Path]]
#: Of so many stories the page shows pictures; more would make it too large to open.
_PICTURED = 2


def found_films(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Return run folders by method: each path is a run, or a folder with one run a story.

    Raises:
        RunStoreError: A path is neither.
    """
    films: dict[str, list[Path]] = {}
    for path in paths:
        runs = [path] if (path / DATABASE).is_file() else sorted(p.parent for p in path.glob(f"*/{DATABASE}"))
        if not runs:
            raise RunStoreError(f"{path}: is no run folder and holds none; render into it first")
        label = path.name if path.name not in films else str(path)
        films[label] = runs
    return films


def rendered_films(
    stories: Sequence[Path],
    policies: Sequence[str],
    runs: Path,
    settings: Mapping[str, Any],
    host: PluginHost,
    tell: Callable[[str], None],
) -> dict[str, list[Path]]:
    """Render every story under every policy, into ``<runs>/<policy>/<story>``; finished shots are not made again.

    Raises:
        SettingsError: Two stories share a file name.
        ShotError: Shots failed.
    """
    names = [story.stem for story in stories]
    if len(set(names)) < len(names):
        raise SettingsError(f"compare: two stories are named {max(names, key=names.count)}; rename one file")
    films: dict[str, list[Path]] = {policy: [] for policy in policies}
    for policy, folders in films.items():
        for story in stories:
            folder = runs / policy / story.stem
            tell(f"{policy}: {story}")
            with Storyteller(folder, {**settings, "policy": policy}, plugins=host) as teller:
                teller.render(story).check()
            folders.append(folder)
    return films


def compared(films: Films, evaluator: Evaluator, tell: Callable[[str], None]) -> tuple[Comparison, str]:
    """Evaluate all films and return the comparison and its page.

    Raises:
        SettingsError: See :func:`storymem.evaluate.comparison.compare`.
    """
    methods = [_method(label, folders, evaluator, tell) for label, folders in films.items()]
    comparison = compare(methods)
    pictures = {title: _rows(title, films, methods, evaluator.host) for title in comparison.stories[:_PICTURED]}
    return comparison, comparison_page(comparison, pictures)


def _method(label: str, folders: Sequence[Path], evaluator: Evaluator, tell: Callable[[str], None]) -> Method:
    found = {}
    for folder in folders:
        tell(f"evaluating {folder}")
        result = evaluator(folder)
        if result.title in found:
            raise SettingsError(f"compare: {label} has two films of {result.title!r}; keep one run a story and method")
        found[result.title] = result
    return Method(label, found, _seconds(folders))


def _seconds(folders: Sequence[Path]) -> float | None:
    """Return what the current takes of all shots cost on average, as the runs recorded it."""
    spent: list[float] = []
    for folder in folders:
        with RunStore(folder, write=False) as store:
            takes = {(take.shot, take.number): take.seconds for take in store.takes()}
            spent += [takes[shot.shot, shot.take] for shot in store.current()]
    return sum(spent) / len(spent) if spent else None


def _rows(title: str, films: Films, methods: Sequence[Method], host: PluginHost) -> dict[str, dict[str, PictureRow]]:
    """Return the pictures of one story, by entity and method."""
    found: dict[str, dict[str, PictureRow]] = {}
    for method in methods:
        folder = Path(method.films[title].path)
        with open_film(folder, host) as film:
            for entity, row in entity_rows(film).items():
                found.setdefault(entity, {})[method.label] = row
    return found
