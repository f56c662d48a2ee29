"""Recipes as bytes, for workers in other processes and on other machines."""

from __future__ import annotations

import pickle

from storymem.errors import PluginError, ShotError, StoryMemError
from storymem.interfaces import WorkerRecipe


class PickledRecipes:
    """Pickles every recipe once.

    Args:
        executor: Its name, for messages.
        where: Where recipes are sent.
    """

    def __init__(self, executor: str, where: str) -> None:
        self._executor = executor
        self._where = where
        self._known: dict[str, bytes] = {}

    def of(self, recipe: WorkerRecipe) -> bytes:
        """Return a recipe as bytes.

        Raises:
            PluginError: A plugin was given as an object that cannot be pickled.
        """
        if recipe.key not in self._known:
            try:
                self._known[recipe.key] = pickle.dumps(recipe)
            except Exception as error:  # pickle and the objects may raise anything
                raise PluginError(
                    f"executor {self._executor}: a plugin given as an object cannot be sent to {self._where} "
                    f"({error}); choose it by name, or use executor=thread"
                ) from error
        return self._known[recipe.key]


def portable(error: BaseException) -> BaseException:
    """Return the error, or one of the same text if it would not survive the way to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # exceptions with arguments of their own raise anything
        if isinstance(error, StoryMemError):
            return ShotError(str(error))
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
