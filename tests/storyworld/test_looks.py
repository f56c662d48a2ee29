import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.interfaces import Subject
from storymem_storyworld.language.caption import canonical_caption
from storymem_storyworld.language.looks import ATTRIBUTES, ToldLook, changed_look, only, told_in_part, true_look
from storymem_storyworld.language.phrasing import varied_caption
from storymem_storyworld.language.request import read_shot
from storymem_storyworld.language.tokenizer import build_tokenizer
from storymem_storyworld.language.understand import understand
from storymem_storyworld.train.stories import TEXT_TOKENS, VOCABULARY, caption_tokens, training_story
from storymem_storyworld.world.colours import COLOURS, colour_name, sample_colour
from storymem_storyworld.world.sample import sample_look, sample_spec
from storymem_storyworld.world.spec import Actor


@given(st.sampled_from(sorted(COLOURS)), st.integers(0, 10**6))
@settings(deadline=None, max_examples=100)
def test_colours_are_drawn_where_their_name_is_the_nearest(name: str, seed: int) -> None:
    colour = sample_colour(random.Random(seed), name)
    assert colour_name(colour) == name
    assert all(0 <= value <= 1 for value in colour)


@pytest.mark.parametrize(
    ("prompt", "caption"),
    [
        ("The small red fox with a white scarf walks right", "red fox with white scarf walks right"),
        ("A fox without a hat, in a dark blue striped jumper", "fox in navy striped outfit without hat"),
        ("The red fox waves; the blue rabbit with a hat nods", "red fox waves and blue rabbit with top hat nods"),
        ("A red-haired girl in a green polka-dot dress", "red-haired girl in green dotted outfit"),
        ("The man in black, wearing a red cap, sits", "man in black outfit with red cap sits"),
        ("In a golden scarf, the owl sits", "owl with gold scarf sits"),
        ("She has a light blue scarf and no hat", "woman without hat with sky-blue scarf"),
        ("An owl with yellow eyes and the fox", "owl and fox"),
        ("The grey cat has a long white tail", "grey cat"),
        ("A fox beside a brass lantern, no ball anywhere", "fox with gold lantern"),
        ("The fox, not the owl, waits", "fox stands"),
        ("A robot under a red sunset", "robot at sunset"),
        ("A white woollen scarf on the dog", "dog with white scarf"),
        ("The fox does not wave", "fox"),
    ],
)  # fmt: skip
def test_looks_belong_to_whom_they_are_said_of(prompt: str, caption: str) -> None:
    assert understand(prompt).caption() == caption


def test_what_is_left_out_is_said() -> None:
    read = understand("The small red fox jumps over a rusty anvil beside blue mountains and a purple haze.")
    assert read.caption() == "red fox jumps in mountains"
    assert read.left_out == ("orange anvil", "blue", "purple haze")


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=80)
def test_every_caption_tells_the_same_looks(seed: int) -> None:
    rng = random.Random(seed)
    spec = sample_spec(rng)
    told = {actor.look.kind: told_in_part(rng, actor, 0.5) for actor in spec.actors}
    plain = canonical_caption(spec, told, things=True)
    assert understand(plain).caption() == plain
    assert understand(varied_caption(spec, rng, told, things=True)).caption() == plain


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_the_tokenizer_reads_captions_as_training_writes_them(seed: int) -> None:
    rng = random.Random(seed)
    spec = sample_spec(rng)
    told = {actor.look.kind: told_in_part(rng, actor, 1.0) for actor in spec.actors}
    read = build_tokenizer()(canonical_caption(spec, told, things=True))["input_ids"]
    assert read == [token for token in caption_tokens(spec, _TellsAll()) if token]


class _TellsAll(random.Random):
    """Draws by which a training caption tells everything, in order."""

    def random(self) -> float:
        return 0.5


def test_nothing_of_a_caption_is_cut_off() -> None:
    for seed in range(300):
        for spec in training_story(seed):
            assert len(caption_tokens(spec, random.Random(seed))) == TEXT_TOKENS
    assert len(VOCABULARY) == 84


def test_what_changed_is_always_told_and_differs() -> None:
    rng = random.Random(0)
    for _ in range(50):
        look = sample_look(rng)
        new, names = changed_look(rng, look)
        told = told_in_part(rng, Actor(new, changed=names), 0.0)
        assert set(names) <= {name for name, _ in told.items()} | {"hat_colour", "scarf_colour"}
        assert all(getattr(told, name) != getattr(true_look(look), name) for name in names)


def test_a_colour_tells_that_something_is_worn() -> None:
    look = ToldLook("red", "blue", "dots", "cap", "white", "worn", "black")
    assert only(look, ["hat_colour"]) == ToldLook(hat="cap", hat_colour="white")
    assert only(look, ATTRIBUTES) == look


NOBODY = "WARNING: nobody understood for Fuchs (the embedded model reads English)"
FOX = Subject("fox", "character", "small red fox with a white scarf and a black top hat")


@pytest.mark.parametrize(
    ("prompt", "subjects", "explained"),
    [
        ("The fox sits by day.", [FOX], "medium shot red fox with black top hat with white scarf sits by day"),
        ("The fox in a blue scarf, without a hat, sits.", [FOX],
         "medium shot red fox without hat with blue scarf sits by day"),
        (
            "Rose waves at Tom.",
            [Subject("Rose", "character", "girl with red hair"), Subject("Tom", "character", "boy in a green cap")],
            "medium shot red-haired girl waves and boy with green cap stands by day",
        ),
        (
            "Der Fuchs wartet.",
            [Subject("Fuchs", "character", "kleiner roter Fuchs")],
            f"nothing of this prompt; left out: der fuchs wartet; {NOBODY}",
        ),
    ],
)  # fmt: skip
def test_a_shot_is_read_with_the_looks_of_what_it_shows(prompt: str, subjects: list[Subject], explained: str) -> None:
    assert read_shot(prompt, subjects).explanation() == explained


def test_weights_without_words_for_looks_say_so() -> None:
    read = read_shot("The fox sits by a brass lantern.", [FOX]).without_looks()
    assert read.concepts.caption() == "medium shot fox sits by day with lantern"
    assert read.explanation() == (
        "medium shot fox sits by day with lantern; these weights take looks from memory alone, "
        "not from: red fox with black top hat with white scarf, gold lantern"
    )
