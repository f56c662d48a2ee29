import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem_storyworld.language.caption import canonical_caption
from storymem_storyworld.language.concepts import TOKENS, tokens
from storymem_storyworld.language.lexicon import verb_forms, vocabulary
from storymem_storyworld.language.phrasing import varied_caption
from storymem_storyworld.language.tokenizer import END, build_tokenizer, save_tokenizer
from storymem_storyworld.language.tokenizer import vocabulary as token_ids
from storymem_storyworld.language.understand import Concepts, understand, understand_story
from storymem_storyworld.world.sample import sample_spec


def test_the_lexicon_has_several_hundred_words() -> None:
    assert len(vocabulary()) > 800
    assert all(word == word.strip().lower() for word in vocabulary())


def test_verbs_are_inflected() -> None:
    assert {"run", "runs", "ran", "running"} <= set(verb_forms("run"))
    assert {"carries", "carrying", "carried"} <= set(verb_forms("carry"))


@pytest.mark.parametrize(
    ("prompt", "caption"),
    [
        ("Extreme close-up of a kitten sitting in the bakery", "close up cat sits in kitchen"),
        ("An elderly man strolls slowly to the left by the shore at dusk", "elder walks left in beach at sunset"),
        ("Wide shot: bunnies hop on the prairie with a balloon", "wide shot rabbit jumps in meadow with balloon"),
        ("A lady waves, a puppy dances at midnight in the palace", "woman waves and dog dances in castle at night"),
        ("Medium shot. She sits by the window of her apartment.", "medium shot woman sits in living room"),
        ("Shallow depth of field, the camera pans left", "pan left"),
        ("Qwertz uiop 123 ...", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_prompts_mean_what_they_say(prompt: str, caption: str) -> None:
    assert understand(prompt).caption() == caption


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_every_caption_of_a_clip_means_the_same(seed: int) -> None:
    rng = random.Random(seed)
    spec = sample_spec(rng)
    plain = canonical_caption(spec)
    assert understand(plain).caption() == plain
    assert understand(varied_caption(spec, rng)).caption() == plain


def test_a_verb_after_two_names_is_told_of_both() -> None:
    assert understand("The fox and the owl wave").cast == (("fox", "wave"), ("owl", "wave"))
    assert understand("The fox waves at the owl").cast == (("fox", "wave"), ("owl", ""))


@given(st.text(max_size=200))
@settings(deadline=None, max_examples=60)
def test_understanding_never_fails_and_is_stable(text: str) -> None:
    concepts = understand(text)
    again = understand(concepts.caption())
    assert (again.place, again.size, again.time, again.props) == (
        concepts.place, concepts.size, concepts.time, concepts.props,
    )  # fmt: skip
    assert len(concepts.cast) <= 2


@given(st.lists(st.sampled_from([*sorted(vocabulary()), "zzz", "of", ",", "LEFT", "§"]), max_size=12).map(" ".join))
@settings(deadline=None, max_examples=80)
def test_the_tokenizer_file_applies_the_same_rules(text: str) -> None:
    tokenizer = _tokenizer()
    assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]) == [*tokens(text), END]


_CACHE: list[object] = []


def _tokenizer():  # type: ignore[no-untyped-def]
    if not _CACHE:
        _CACHE.append(build_tokenizer())
    return _CACHE[0]


@pytest.mark.parametrize("end_last", [False, True])
def test_a_saved_tokenizer_loads_with_transformers(tmp_path: Path, end_last: bool) -> None:
    from transformers import AutoTokenizer

    save_tokenizer(tmp_path, end_last, 16)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    ids = loaded("A fox waves in the woods, unheard-of", padding="max_length", max_length=6)["input_ids"]
    known = token_ids(end_last)
    assert ids == [known["fox"], known["wave"], known["forest"], known[END], 0, 0]
    assert loaded.pad_token_id == 0
    assert len(loaded) == len(TOKENS) + 3


def test_a_story_carries_on_what_is_not_said_again() -> None:
    first, second, third = understand_story(
        ["Wide shot of a fox in the forest at night", "Close-up: it nods", "A robot in the kitchen"]
    )
    assert first.caption() == "wide shot fox in forest at night"
    assert second == Concepts(cast=(("fox", ""),), place="forest", time="night", size="close_up")
    assert third.caption() == "robot in kitchen at night"
