"""What is laid over every frame: vignette, slate, memory strip and caption. One picture per shot."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from storymem.errors import SettingsError
from storymem.values.clip import Frames
from storymem_backbones.animatic.colour import RGB

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_LONGEST = 700  #: characters of a prompt that are looked at; three lines hold far fewer
_PAPER = (250, 246, 236)
_DARK = (22, 20, 28)
#: Where Pillow's own font would show nothing but boxes.
_NO_LETTERS = "(no letters for this caption in the built-in font: set backbone.font to a .ttf or .otf that has them)"
# Pillow's own font holds ASCII alone; plain signs and letters read better than empty boxes.
_PLAIN = str.maketrans({
    "\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-", "\u2018": "'", "\u2019": "'",
    "\u201c": '"', "\u201d": '"', "\u2022": "-", "\u2192": "->", "\u00d7": "x", "\u00df": "ss", "\u00e6": "ae",
    "\u00c6": "Ae", "\u00f8": "o", "\u00d8": "O", "\u0142": "l", "\u0141": "L", "\u0111": "d", "\u0131": "i",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slate:
    """The text and pictures of an overlay.

    Attributes:
        caption: The prompt, or empty.
        title: Mode and framing, or empty.
        names: Who is seen, each with its colour.
        seed: The shot's seed.
        memory: Recalled keyframes, uint8 RGB (H, W, 3) of any size.
        font: Font file, or empty for Pillow's own.
    """

    caption: str
    title: str
    names: Sequence[tuple[str, RGB]]
    seed: int
    memory: Sequence[Frames]
    font: str = ""


def load_font(path: str, size: int) -> Font:
    """Return a font; raise :class:`SettingsError` if the file cannot be used."""
    if not path:
        return ImageFont.load_default(size)
    try:
        # Read first: a path inside a font object is not safe for threads on every platform.
        return ImageFont.truetype(io.BytesIO(Path(path).read_bytes()), size)
    except OSError as error:
        raise SettingsError(
            f"animatic: font {path}: cannot be read as a font ({error}); give a .ttf or .otf"
        ) from error


def clean(text: str, plain: bool = True) -> str:
    """Return ``text`` on one line, without what no font can draw (controls, lone surrogates).

    Args:
        text: Anything.
        plain: Whether to write accented letters and typographic signs in ASCII, for Pillow's own font.
    """
    kept = (c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs", "Cn", "Co"))
    signs = "".join(kept)
    if plain:
        signs = "".join(_ascii(c) for c in signs.translate(_PLAIN))
    return " ".join(signs.split())


def _ascii(character: str) -> str:
    """Return the plain form of a character, or itself if it has none."""
    parts = unicodedata.normalize("NFKD", character)
    letters = "".join(c for c in parts if not unicodedata.combining(c))
    return letters if letters.isascii() else character


def wrap(text: str, font: Font, width: float, lines: int) -> tuple[list[str], bool]:
    """Break ``text`` into at most ``lines`` lines of ``width`` pixels.

    Returns:
        The lines, and whether all of the text fits; if not, the last line ends with an ellipsis.
    """
    done: list[str] = []
    rest = text
    while rest and len(done) < lines:
        cut = _fitting(rest, font, width)
        done.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if rest and done:
        last = done[-1]
        while last and font.getlength(last + "...") > width:
            last = last[:-1]
        done[-1] = last.rstrip(" ,;.") + "..."
    return done, not rest


def _fitting(text: str, font: Font, width: float) -> int:
    """Return how many characters of ``text`` go on one line: up to a space if there is one, at least 1."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle]) <= width else (low, middle - 1)
    if low == len(text) or text[low] == " ":
        return low
    space = text.rfind(" ", 0, low)
    return space if space > low // 2 else low


def overlay(slate: Slate, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Return the picture that lies over every frame, RGB, and its opacity, L.

    Frames too small to read (under 96 pixels on a side) get the vignette alone.
    """
    image = _vignette(size)
    if min(size) >= 96:
        _caption(image, slate)
        left = _title(image, slate)
        _strip(image, slate, left)
    return image.convert("RGB"), image.getchannel("A")


def _vignette(size: tuple[int, int]) -> Image.Image:
    width, height = min(size[0], 208), min(size[1], 120)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    dark = np.clip((np.hypot(x * 0.92, y * 0.92) - 0.62) / 0.75, 0, 1) ** 1.6
    image = Image.new("RGBA", size, (*_DARK, 0))
    image.putalpha(Image.fromarray((dark * 120).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC))
    return image


def _shadow(image: Image.Image, top: int, bottom: int, reverse: bool = False) -> None:
    """Darken a band softly so that text on it can be read."""
    ramp = np.linspace(0, 1, max(2, bottom - top)) ** 0.8
    ramp = ramp[::-1] if reverse else ramp
    alpha = np.asarray(image.getchannel("A"), np.int16).copy()
    band = alpha[top : top + len(ramp)]
    strength = (ramp[: len(band), None] * (120 if reverse else 205)).astype(np.int16)
    alpha[top : top + len(ramp)] = np.maximum(band, strength)
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))


def _caption(image: Image.Image, slate: Slate) -> None:
    text = clean(slate.caption[:_LONGEST], not slate.font)
    if not text:
        return
    if not slate.font and sum(not c.isascii() for c in text) * 2 > len(text):
        text = _NO_LETTERS
    width, height = image.size
    margin = round(width * 0.045)
    short = min(width, height)
    for part in (0.041, 0.037, 0.033):
        size = max(9, round(short * part))
        font = load_font(slate.font, size)
        lines, fits = wrap(text, font, width - 2 * margin, 3)
        if fits:
            break
    step = round(size * 1.34)
    top = height - round(short * 0.04) - step * len(lines)
    _shadow(image, max(0, top - round(short * 0.13)), height)
    pen = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        pen.text((margin, top + row * step), line, font=font, fill=(*_PAPER, 255))
    pen.rectangle((margin - round(width * 0.014), top + 2, margin - round(width * 0.010), top + step * len(lines) - 4),
                  fill=(233, 176, 98, 255))  # fmt: skip


def _title(image: Image.Image, slate: Slate) -> int:
    """Draw the slate; return how many pixels of the top row it takes."""
    if not slate.title:
        return 0
    width, height = image.size
    short = min(width, height)
    size = max(8, round(short * 0.029))
    font, margin = load_font(slate.font, size), round(width * 0.02)
    _shadow(image, 0, round(short * 0.16), reverse=True)
    pen = ImageDraw.Draw(image)
    title = f"{slate.title}  #{slate.seed % 100000:05d}"
    pen.text((margin, margin), title, font=font, fill=(*_PAPER, 235))
    x, y, right = margin, margin + round(size * 1.55), float(margin)
    for name, colour in slate.names:
        label = clean(name, not slate.font)[:24]
        end = x + size * 0.95 + font.getlength(label)
        if end > width * 0.42:
            break
        pen.ellipse((x, y + size * 0.28, x + size * 0.62, y + size * 0.9), fill=(*colour, 255), outline=(*_PAPER, 255))
        pen.text((x + size * 0.95, y), label, font=font, fill=(*_PAPER, 235))
        x, right = round(end + size * 0.9), end
    return round(max(margin + font.getlength(title), right))


def _strip(image: Image.Image, slate: Slate, left: int) -> None:
    """Draw the recalled keyframes at the top right, in recall order, as many as there is room for."""
    if not slate.memory:
        return
    width, height = image.size
    margin, gap = round(width * 0.02), max(2, round(width * 0.006))
    tall = round(min(width, height) * 0.088)
    wide = round(tall * 16 / 9)
    room = max(1, (width - margin - left - margin) // (wide + gap))
    shown = slate.memory if len(slate.memory) <= room else slate.memory[: max(1, room - 1)]
    pen = ImageDraw.Draw(image)
    x = width - margin - len(shown) * (wide + gap) + gap
    if len(shown) < len(slate.memory):
        font = load_font(slate.font, max(8, round(tall * 0.42)))
        more = f"+{len(slate.memory) - len(shown)}"
        x -= round(font.getlength(more)) + gap
        pen.text((width - margin - font.getlength(more), margin + tall * 0.25), more, font=font, fill=(*_PAPER, 235))
    for frame in shown:
        pen.rectangle((x - 1, margin - 1, x + wide, margin + tall), outline=(*_PAPER, 255))
        image.paste(_thumbnail(frame, (wide, tall)), (x, margin))
        x += wide + gap


def _thumbnail(frame: Frames, size: tuple[int, int]) -> Image.Image:
    """Return the middle of a keyframe at ``size``."""
    picture = Image.fromarray(frame)
    scale = min(picture.width / size[0], picture.height / size[1])
    w, h = size[0] * scale, size[1] * scale
    left, top = (picture.width - w) / 2, (picture.height - h) / 2
    return picture.resize(size, Image.Resampling.BILINEAR, box=(left, top, left + w, top + h), reducing_gap=2.0)
