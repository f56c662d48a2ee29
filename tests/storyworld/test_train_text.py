"""What captions tell of their tokens, and that the encoder which ships knows who does what."""

import pytest
import torch
from transformers import UMT5EncoderModel

from storymem_storyworld.tiny.settings import WEIGHTS
from storymem_storyworld.train.stories import VOCABULARY
from storymem_storyworld.train.text import (
    QUESTIONS,
    Captions,
    Reader,
    TextSettings,
    answers,
    embed_text,
    learn,
    new_text_encoder,
    reading_loss,
    share_right,
    without_looks,
)

pytestmark = pytest.mark.slow


def ids(*captions):
    rows = [[VOCABULARY[word] for word in (*caption.split(), "</s>")] for caption in captions]
    return torch.tensor([row + [0] * (10 - len(row)) for row in rows])


def told(question, caption):
    asked, answer = answers(ids(caption))[question]
    names = list(VOCABULARY) if question != "order" else range(10)
    return {position: names[value] for position, value in enumerate(answer[0].tolist()) if asked[0, position]}


def test_two_characters_do_what_follows_them():
    caption = "wide fox wave owl nod forest"
    assert told("does", caption) == {1: "wave", 3: "nod"}
    assert told("done_by", caption) == {2: "fox", 4: "owl"}
    assert told("partner", caption) == {1: "owl", 3: "fox"}
    assert told("order", caption) == {1: 1, 2: 1, 3: 2, 4: 2}


def test_a_character_may_do_nothing_that_is_told_and_be_alone():
    caption = "forest fox night"
    assert told("does", caption) == {1: "<pad>"}
    assert told("partner", caption) == {1: "<pad>"}
    assert told("order", caption) == {1: 0}
    assert told("done_by", caption) == {}


def test_every_token_but_padding_is_asked_for_itself():
    asked, answer = answers(ids("fox wave"))["self"]
    assert asked[0].tolist() == [True] * 3 + [False] * 7
    assert torch.equal(answer, ids("fox wave"))


def test_what_an_earlier_encoder_knows_of_a_caption_is_all_but_the_looks():
    told, plain = ids("red fox white scarf wave no_hat forest"), ids("fox wave forest")
    assert torch.equal(without_looks(told), plain)


def test_looks_are_asked_for_where_they_are_told():
    told = answers(ids("gold fox white stripes outfit navy cap no_scarf wave red owl nod yellow ball"))
    answer = {
        name: [int(value) for value in told[name][1][0] if value] for name in ("coat", "outfit", "hat", "hat_colour")
    }
    assert answer == {
        "coat": [VOCABULARY["gold"], VOCABULARY["red"]],
        "outfit": [VOCABULARY["white"]],
        "hat": [VOCABULARY["cap"]],
        "hat_colour": [VOCABULARY["navy"]],
    }
    assert VOCABULARY["yellow"] in told["prop_colour"][1]


@pytest.mark.parametrize("anchor", [0.0, 100.0])
def test_reading_is_learnt_and_an_anchor_holds(anchor):
    torch.manual_seed(0)
    settings = TextSettings(width=32, layers=1, stories=8, steps=80, learning_rate=1e-2, anchor=anchor)
    reader = Reader(new_text_encoder(settings))
    captions = Captions(0, settings.stories, torch.device("cpu"))
    tokens = captions()
    with torch.no_grad():
        start = embed_text(reader.encoder, without_looks(tokens))
        before = reading_loss(reader(tokens)[1], tokens)
    learn(reader, captions, settings)
    with torch.no_grad():
        after = reading_loss(reader(tokens)[1], tokens)
        moved = (embed_text(reader.encoder, without_looks(tokens)) - start).square().mean()
    assert float(after) < float(before) / 2
    assert (float(moved) < 0.1) == (anchor > 0)
    assert set(share_right(reader, tokens)) == set(QUESTIONS)


@pytest.mark.parametrize("other", ["nod", "jump", "dance"])
def test_the_shipped_encoder_tells_whose_motion_it_is(other):
    encoder = UMT5EncoderModel.from_pretrained(WEIGHTS / "text_encoder").float().eval()
    tokens = ids("wide fox wave owl sit", f"wide fox {other} owl sit", f"wide fox wave owl {other}")
    with torch.no_grad():
        plain, own, others = embed_text(encoder, tokens)[:, 1]
    assert float((own - plain).norm()) > 2 * float((others - plain).norm())
