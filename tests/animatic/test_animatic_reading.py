"""What the animatic understands of a prompt, who it casts, and that any caption can be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import SettingsError
from storymem.interfaces import Subject
from storymem_backbones.animatic.backbone import Animatic
from storymem_backbones.animatic.camera import motion_between
from storymem_backbones.animatic.cast import cast_of, inferred_names, look_of
from storymem_backbones.animatic.colour import hue_of, oklch
from storymem_backbones.animatic.overlay import Slate, clean, load_font, overlay, wrap
from storymem_backbones.animatic.reading import Angle, Move, Size, action_of, read
from storymem_backbones.animatic.settings import AnimaticSettings


@pytest.mark.parametrize(
    ("prompt", "size"),
    [
        ("Extreme close-up on the paint.", Size.EXTREME_CLOSE_UP),
        ("Close\u2011up of her face", Size.CLOSE_UP),
        ("Medium close-up of her face", Size.MEDIUM_CLOSE_UP),
        ("Medium-wide shot of the yard", Size.MEDIUM_WIDE),
        ("A wide shot of the sea", Size.WIDE),
        ("Establishing shot of the city", Size.EXTREME_WIDE),
        ("He waits", Size.MEDIUM),
    ],
)
def test_shot_size(prompt: str, size: Size) -> None:
    assert read(prompt).size is size


@pytest.mark.parametrize(
    ("prompt", "move"),
    [
        ("The camera pans left across the room", Move.PAN_LEFT),
        ("with a smooth pan", Move.PAN_RIGHT),
        ("Slow push-in enhances it", Move.PUSH_IN),
        ("slow dolly back to reveal", Move.PULL_OUT),
        ("gentle zoom out", Move.PULL_OUT),
        ("slow upward camera tilt", Move.TILT_UP),
        ("Tracking shot beside her", Move.TRACK_RIGHT),
        ("Locked-off camera, lingering", Move.STATIC),
        ("Gentle handheld micro-movements", Move.HANDHELD),
        ("The camera circles them in an arc", Move.ARC),
        ("She reads", Move.DRIFT),
    ],
)
def test_camera_move(prompt: str, move: Move) -> None:
    assert read(prompt).move is move


def test_angle_hour_weather_place_mood_and_pose() -> None:
    seen = read("Low-angle shot at night: she runs down the rainy street, startled.")
    assert (seen.angle, seen.hour, seen.weather, seen.place) == (Angle.LOW, "night", "rain", "city")
    assert (seen.mood, seen.pose, seen.back) == ("surprise", "run", False)
    assert read("Bird's-eye view of a garden").angle is Angle.TOP
    assert read("A wide back shot on the beach at sunset").back


def test_a_named_place_decides_before_the_prompt() -> None:
    assert read("Rain over the harbour.", "The Kitchen cosy kitchen").place == "room"


def test_descriptions_of_subjects_are_not_the_action() -> None:
    prompt = "Marco: Man in a wide hat.\nThe Yard: a yard at night.\nClose-up of Marco."
    assert action_of(prompt, ["marco", "The Yard"]) == "Close-up of Marco."
    assert action_of("Marco: Man.", ["Marco"]) == "Marco: Man."
    assert action_of("Note: it rains.", ["Marco"]) == "Note: it rains."


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("Medium shot of Jack and Rose at the bow.", ["Jack", "Rose"]),
        ("Neo sits in the dark.", ["Neo"]),
        ("Medium shot: Anna smiles.", ["Anna"]),
        ("Close-up of Van Gogh painting.", ["Van Gogh"]),
        ("Bird's-eye view of a garden with a cat.", ["cat"]),
        ("The screen says 'Wake up, Neo.'", []),
        ("Close-up. Static camera.", []),
    ],
)
def test_inferred_names(prompt: str, names: list[str]) -> None:
    assert inferred_names(prompt) == names


def test_without_any_name_a_neutral_figure_stands_in() -> None:
    assert [look.name for look in cast_of("It gets late.", ()).figures] == ["figure"]
    assert [look.name for look in cast_of("She turns away.", ()).figures] == ["she"]


def test_subjects_come_in_order_of_mention_and_by_kind() -> None:
    subjects = (
        Subject("Tom", "character"),
        Subject("the lamp", "object"),
        Subject("Attic", "place"),
        Subject("Lena", "character"),
    )
    cast = cast_of("Lena gives the lamp to Tom.", subjects)
    assert [look.name for look in cast.figures] == ["Lena", "Tom"]
    assert [look.form for look in cast.things] == ["lamp"]
    assert cast.place == "Attic"


def test_looks_follow_the_words() -> None:
    tom = look_of("Tom", "character", "old man with a grey beard, glasses and a blue coat")
    assert (tom.form, tom.beard, tom.glasses, tom.wear) == ("person", True, True, "coat")
    assert hue_of(oklch(*tom.top))[1] == pytest.approx(255, abs=8)
    assert look_of("Biscuit", "character", "golden retriever dog").form == "dog"
    assert look_of("Unit 7", "character", "a small robot").form == "robot"
    assert look_of("red car", "object").form == "vehicle"
    fox = look_of("Ren", "character", "small red fox with a white scarf")
    assert (fox.form, hue_of(oklch(*fox.skin))[1]) == ("fox", pytest.approx(45, abs=8))
    assert fox.top[0] > 0.9
    assert [look.top for look in cast_of("Close-up of Harry.", ()).figures] == [
        look.top for look in cast_of("Close-up of Harry Potter.", ()).figures
    ]


@given(name=st.text(max_size=30), kind=st.sampled_from(["character", "object"]), look=st.text(max_size=30))
@settings(max_examples=50, deadline=None)
def test_a_look_depends_on_name_kind_and_words_alone(name: str, kind: str, look: str) -> None:
    assert look_of(name, kind, look) == look_of(name, kind, look)


def test_different_names_look_different() -> None:
    looks = {
        (look.skin, look.hair, look.top, look.hair_style)
        for look in (look_of(f"Person {i}", "character") for i in range(30))
    }
    assert len(looks) >= 28


# Captions


@given(text=st.text(max_size=400))
@settings(max_examples=60, deadline=None)
def test_clean_text_is_one_line_that_can_be_encoded(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert "\n" not in cleaned
    assert cleaned == cleaned.strip()


def test_accents_and_signs_become_plain_for_the_built_in_font_only() -> None:
    text = "Proven\u00e7al \u2014 \u201cStra\u00dfe\u201d\u2026 \u9edb"
    assert clean(text) == 'Provencal - "Strasse"... \u9edb'
    assert clean(text, plain=False) == text


@given(
    text=st.one_of(st.text(max_size=300), st.text("ab \u9edb\U0001f600", max_size=300)),
    width=st.integers(20, 400),
    lines=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_wrapping_keeps_the_text_and_the_width(text: str, width: int, lines: int) -> None:
    text, font = clean(text), load_font("", 12)
    wrapped, fits = wrap(text, font, width, lines)
    assert len(wrapped) <= lines
    # A single character may be wider than the line; nothing else may.
    assert all(len(line) == 1 or font.getlength(line) <= width for line in wrapped if line != "...")
    squeezed = "".join(wrapped).replace(" ", "")
    if fits:
        assert squeezed == text.replace(" ", "")
    else:
        assert wrapped[-1].endswith("...")


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "x" * 20_000,
        "\ud800 lone",
        "\x00\x07\x1b[31m",
        "\u202e\u0645\u0631\u062d\u0628\u0627",
        "\u9edb\u7389\u846c\u82b1" * 40,
        "\U0001f469\u200d\U0001f680 \ufffe\uffff",
        "a\u0301" * 200,
        "- \u2014 \u201cquote\u201d\u2026",
    ],
)
def test_any_caption_can_be_drawn(caption: str) -> None:
    slate = Slate(caption, "T2V / wide", [(caption[:40] or "n", (1, 2, 3))], 1, [np.zeros((2, 2, 3), np.uint8)] * 12)
    image, opacity = overlay(slate, (208, 128))
    assert image.size == opacity.size == (208, 128)


def test_a_caption_darkens_the_lower_third_so_that_it_can_be_read() -> None:
    opacity = {
        text: np.asarray(overlay(Slate(text, "", [], 1, ()), (416, 240))[1], int) for text in ("", "Some words.")
    }
    change = opacity["Some words."] - opacity[""]
    assert (change[:150] == 0).all()
    assert change[-20:, 40:120].mean() > 60


def test_a_font_that_is_no_font_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.ttf"
    path.write_text("not a font")
    with pytest.raises(SettingsError, match=r"text\.ttf"):
        load_font(str(path), 12)


def test_a_fonts_content_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        Animatic(AnimaticSettings(font=str(tmp_path / "none.ttf"))).fingerprint()
    assert Animatic().fingerprint() != Animatic(AnimaticSettings(captions=False)).fingerprint()


# Motion


@pytest.mark.parametrize(("x", "y"), [(0, 0), (4, 0), (-4, 0), (0, 4)])
def test_motion_is_measured(x: int, y: int) -> None:
    rows, columns = np.mgrid[0:160, 0:240]
    picture = (128 + 60 * np.sin(columns / 14) + 60 * np.cos(rows / 11 + columns / 37)).astype(np.uint8)
    wide = np.repeat(picture[..., None], 3, axis=2)
    one, other = wide[16:144, 16:224], wide[16 + y : 144 + y, 16 + x : 224 + x]
    right, down, zoom = motion_between(one, other)
    assert right * 208 == pytest.approx(x, abs=0.8)
    assert down * 128 == pytest.approx(y, abs=0.8)
    assert zoom == pytest.approx(0, abs=0.01)


def test_colours_come_back() -> None:
    for hue in range(0, 360, 30):
        assert hue_of(oklch(0.65, 0.08, hue))[1] == pytest.approx(hue, abs=3)


def test_what_is_only_heard_is_not_drawn() -> None:
    assert inferred_names("Wide shot of an empty street, the faint sound of birds.") == []
    assert inferred_names("Wide shot of an empty street with a bird.") == ["bird"]
