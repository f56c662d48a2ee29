"""Draws the reference pictures of two_kites.json: simple shapes, made for this project.

Run from anywhere: ``python examples/stories/draw_references.py``. It writes the pictures in ``references/``.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 256
FOLDER = Path(__file__).parent / "references"
PAPER = (250, 244, 228)


def canvas(colour: tuple[int, int, int] = PAPER) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return an empty picture and its pen."""
    picture = Image.new("RGB", (SIZE, SIZE), colour)
    return picture, ImageDraw.Draw(picture)


def face(pen: ImageDraw.ImageDraw, y: int) -> None:
    """Draw two eyes and a nose around ``y``."""
    for x in (108, 148):
        pen.ellipse((x - 7, y - 9, x + 7, y + 9), fill=(30, 30, 30))
    pen.polygon([(120, y + 18), (136, y + 18), (128, y + 27)], fill=(220, 110, 120))


def cat() -> Image.Image:
    """Return a round orange cat with a green neckerchief."""
    picture, pen = canvas()
    coat = (238, 140, 44)
    pen.ellipse((68, 128, 188, 246), fill=coat)
    pen.polygon([(80, 82), (86, 24), (122, 62)], fill=coat)
    pen.polygon([(176, 82), (170, 24), (134, 62)], fill=coat)
    pen.ellipse((74, 50, 182, 154), fill=coat)
    face(pen, 96)
    pen.polygon([(128, 158), (96, 142), (96, 174)], fill=(40, 150, 70))
    pen.polygon([(128, 158), (160, 142), (160, 174)], fill=(40, 150, 70))
    return picture


def rabbit() -> Image.Image:
    """Return a slim white rabbit with a purple waistcoat."""
    picture, pen = canvas((176, 208, 190))
    coat = (248, 248, 248)
    for x in (106, 134):
        pen.ellipse((x, 8, x + 18, 92), fill=coat)
    pen.ellipse((94, 142, 162, 250), fill=coat)
    pen.rectangle((98, 166, 158, 222), fill=(122, 60, 160))
    pen.line((128, 166, 128, 222), fill=(250, 210, 80), width=4)
    pen.ellipse((86, 66, 170, 154), fill=coat)
    face(pen, 104)
    return picture


def meadow() -> Image.Image:
    """Return a bright meadow with one round tree."""
    picture, pen = canvas((150, 208, 240))
    pen.rectangle((0, 168, SIZE, SIZE), fill=(122, 196, 84))
    pen.rectangle((178, 110, 192, 178), fill=(120, 80, 50))
    pen.ellipse((140, 44, 230, 134), fill=(54, 140, 70))
    pen.ellipse((24, 24, 64, 64), fill=(252, 218, 92))
    return picture


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for draw in (cat, rabbit, meadow):
        draw().save(FOLDER / f"{draw.__name__}.png", optimize=True)


if __name__ == "__main__":
    main()
