"""Evaluates films from Python: suites and models are built once, for as many films as there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from storymem.errors import SettingsError
from storymem.evaluate.cache import FeatureCache
from storymem.evaluate.features import Features, with_settings
from storymem.evaluate.results import Evaluation, ModelResult
from storymem.evaluate.run import Progress, evaluate
from storymem.evaluate.sources import open_film
from storymem.interfaces import Metric, MetricSuite, Need
from storymem.plugin import Kind, PluginHost


def default_cache() -> Path:
    """Return the file in the user's cache folder that keeps features."""
    return user_cache_path("storymem") / "features.sqlite"


class Evaluator:
    """Some suites and their models; use as a context manager and call it with a film.

    Args:
        suites: Names of metrics, at least one.
        weights: Folder with the models' files, named as in the pages of the suites; None if there is none.
        models: Choices by role: a plugin's name, or its settings.
        plugins: Local plugin files, or a host.
        cache: File that keeps features between evaluations; None keeps them in memory.

    Raises:
        PluginError: There is no such metric, or it is broken.
        SettingsError: No suite has a model of such a role.
        MediaError: The cache cannot be opened.
    """

    def __init__(
        self,
        suites: Sequence[str],
        weights: Path | str | None = None,
        models: Mapping[str, Any] | None = None,
        plugins: PluginHost | Sequence[Path] = (),
        cache: Path | None = None,
    ) -> None:
        if not suites:
            raise SettingsError("suite: name at least one, e.g. --suite colour; storymem plugins lists them")
        self.host = plugins if isinstance(plugins, PluginHost) else PluginHost(plugins)
        self._suites = {name: _metric(self.host, name) for name in dict.fromkeys(suites)}
        self._given, self._weights = dict(models or {}), None if weights is None else Path(weights)
        known = [need for needs in map(_needs, self._suites.values()) for need in needs]
        if unknown := [role for role in self._given if role not in known]:
            roles = ", ".join(dict.fromkeys(known)) or "none"
            raise SettingsError(f"{unknown[0]}: no suite asked for has such a model; there are {roles}")
        self._cache = FeatureCache(cache)
        #: By suite, since two suites may look through one model in different ways.
        self.features = {name: self._features(_needs(suite)) for name, suite in self._suites.items()}

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __call__(
        self,
        film: Path | str,
        script: Path | None = None,
        cuts: Sequence[int] = (),
        progress: Progress = lambda shot: None,
    ) -> Evaluation:
        """Evaluate a run folder, a folder of clips, or a film; see :func:`storymem.evaluate.sources.open_film`."""
        with open_film(Path(film), self.host, script, cuts) as opened:
            return evaluate(opened, self._suites, self.features, self._models, progress)

    def close(self) -> None:
        """Release the models and the cache."""
        for features in self.features.values():
            features.close()
        for suite in self._suites.values():
            suite.close()
        self._cache.close()

    def _features(self, needs: Mapping[str, Need]) -> Features:
        chosen = {role: choice for role, choice in self._given.items() if role in needs}
        return Features(self.host, with_settings(needs, chosen), self._cache, self._weights)

    def _models(self) -> Iterable[ModelResult]:
        found: dict[tuple[str, str], ModelResult] = {}
        for features in self.features.values():
            for m in features.models():
                found.setdefault((m.role, m.missing), ModelResult(m.role, m.plugin, m.weights, m.missing))
        return found.values()


def _metric(host: PluginHost, name: str) -> Metric[Any]:
    metric = host.build(Kind.METRIC, name, {})
    assert isinstance(metric, Metric)  # the registry checked it
    return metric


def _needs(metric: Metric[Any]) -> Mapping[str, Need]:
    return metric.needs if isinstance(metric, MetricSuite) else {}
