"""The contract of script formats."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from storymem.errors import ScriptError
from storymem.interfaces import ScriptFormat
from storymem.testing.contract import PluginContract, examples, not_given
from storymem.values.script import StoryScript

_SOURCE = Path("story.json")
_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


class FormatContract(PluginContract):
    """Subclass it, override :meth:`script_format` and :meth:`samples`, and set the flags that apply.

    Attributes:
        writable: ``dump`` works.
    """

    writable: bool = True

    @pytest.fixture
    def script_format(self) -> ScriptFormat[Any]:
        """Return the format under test."""
        not_given(self, "script_format")

    @pytest.fixture
    def samples(self) -> list[JsonValue]:
        """Return valid scripts in this form, as parsed data. The smallest ones will do."""
        not_given(self, "samples")

    def test_has_a_fingerprint(self, script_format: ScriptFormat[Any]) -> None:
        self.check_plugin(script_format)

    def test_reads_its_samples(self, script_format: ScriptFormat[Any], samples: list[JsonValue]) -> None:
        for sample in samples:
            before = copy.deepcopy(sample)
            assert script_format.detect(sample) is True
            assert isinstance(script_format.parse(sample, _SOURCE), StoryScript)
            assert sample == before, "parsing changed the data"

    @examples
    @given(data=_json)
    def test_detects_without_raising(self, script_format: ScriptFormat[Any], data: JsonValue) -> None:
        assert isinstance(script_format.detect(data), bool)

    def test_a_damaged_script_is_one_clear_line(
        self, script_format: ScriptFormat[Any], samples: list[JsonValue]
    ) -> None:
        for sample in samples:
            for damaged in _damaged(sample):
                if not script_format.detect(damaged):
                    continue
                message = _complaint(script_format, damaged)
                assert "\n" not in message
                assert not message or str(_SOURCE) in message, f"must name the file: {message}"

    def test_writes_what_it_reads(self, script_format: ScriptFormat[Any], samples: list[JsonValue]) -> None:
        if not self.writable:
            with pytest.raises(ScriptError):
                script_format.dump(script_format.parse(samples[0], _SOURCE))
            return
        for sample in samples:
            script = script_format.parse(sample, _SOURCE)
            data, losses = script_format.dump(script)
            assert all(isinstance(loss, str) for loss in losses)
            assert script_format.detect(data), "does not recognise what it wrote"
            again = script_format.parse(data, _SOURCE)
            assert losses or again == script, "a script changes on its way through the form, without a word"


def _complaint(script_format: ScriptFormat[Any], data: JsonValue) -> str:
    try:
        script_format.parse(data, _SOURCE)
    except ScriptError as error:
        return str(error)
    return ""  # the form does not need what is missing


def _damaged(sample: JsonValue) -> Iterator[JsonValue]:
    """Yield the sample with one value, at any depth, left out or replaced by a number or a list."""
    for path in _paths(sample):
        yield _without(sample, path)
        wrongs: tuple[JsonValue, ...] = (7, [], {"x": 1})
        for wrong in wrongs:
            yield _with(sample, path, wrong)


def _paths(value: JsonValue, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _parent(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value


def _without(sample: JsonValue, path: tuple[Any, ...]) -> JsonValue:
    changed = copy.deepcopy(sample)
    del _parent(changed, path)[path[-1]]
    return changed


def _with(sample: JsonValue, path: tuple[Any, ...], value: Any) -> JsonValue:
    changed = copy.deepcopy(sample)
    _parent(changed, path)[path[-1]] = value
    return changed
