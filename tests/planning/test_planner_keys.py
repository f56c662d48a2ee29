"""A key never shows, in whatever form a server sends it back, and wherever the user has put it."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymem.apikey import ApiKey
from storymem.errors import SettingsError
from storymem.plugin import Kind, PluginHost

KEY = "sk-proj-Zx81+/qT0pWv_7aB3cD9eF2gH5"


@pytest.mark.parametrize(
    "said",
    [
        KEY,
        "\n".join(KEY),
        f"{KEY[:11]}\n{KEY[11:]}",
        json.dumps(f"{KEY[:11]}\n{KEY[11:]}"),
        f"{KEY[:11]} \t {KEY[11:]}",
        KEY[::-1],
        KEY.encode().hex(),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(f"Bearer {KEY}".encode()).decode(),
        KEY.replace("+", "%2B").replace("/", "%2F"),
        f"{KEY[:17]}...",
        f"...{KEY[-17:]}",
    ],
)
def test_a_key_is_blotted_out_in_any_form(said: str) -> None:
    hidden = ApiKey(KEY).hide(f"wrong key: {said}; try again")
    assert hidden.startswith("wrong key: ")
    assert hidden.endswith("; try again")
    assert "[api key]" in hidden
    assert KEY[:17] not in hidden.replace("\n", "").replace(" ", "")
    assert KEY[-17:] not in hidden


@given(st.lists(st.integers(0, len(KEY)), max_size=8))
def test_a_key_is_blotted_out_wherever_it_is_split(places: list[int]) -> None:
    pieces = [KEY[a:b] for a, b in zip([0, *sorted(places)], [*sorted(places), len(KEY)], strict=True)]
    hidden = ApiKey(KEY).hide("\r\n".join(pieces))
    assert hidden.strip() == "[api key]"


def test_other_text_stays() -> None:
    text = "the model is loading; 3 of 7 requests wait"
    assert ApiKey(KEY).hide(text) == text
    assert ApiKey("short").hide("a short answer") == "a short answer"


@pytest.mark.parametrize("value", [KEY, "AIzaSyD0123456789abcdefghijklmnop", "AKIAIOSFODNN7EXAMPLE", "my key"])
def test_a_key_in_place_of_its_name_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(SettingsError, match="must be the name of a variable") as caught:
        PluginHost().build(Kind.SCRIPT_PLANNER, "llm", {"api_key_env": value})
    assert value not in str(caught.value)
