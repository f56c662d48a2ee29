"""Pictures that people bring as references: deep ones keep their tones, hostile ones are one line."""

from __future__ import annotations

import io
import struct
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storymem.errors import MediaError, ScriptError
from storymem.media.images import read_reference
from storymem.script.references import find_file, reference_name, reference_path

RAMP = np.tile(np.linspace(0, 1, 256), (4, 1))


def saved(path: Path, values: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(values)
    assert mode is None or image.mode == mode
    image.save(path)
    return path


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("grey16.png", (RAMP * 65535).astype(np.uint16)),
        ("grey16.tif", (RAMP * 65535).astype(np.uint16)),
        ("int32.tif", (RAMP * 65535).astype(np.int32)),
        ("int32_wide.tif", (RAMP * (2**31 - 1)).astype(np.int32)),
        ("int32_small.tif", (RAMP * 255).astype(np.int32)),
        ("float_unit.tif", RAMP.astype(np.float32)),
        ("float_bytes.tif", (RAMP * 255).astype(np.float32)),
        ("float_any.tif", (RAMP * 2e6 - 1e6).astype(np.float32)),
        ("grey8.png", (RAMP * 255).astype(np.uint8)),
    ],
)
def test_a_ramp_stays_a_ramp(tmp_path: Path, name: str, values: np.ndarray) -> None:
    picture = read_reference(saved(tmp_path / name, values))
    assert picture.dtype == np.uint8
    assert picture.shape == (4, 256, 3)
    assert np.abs(picture[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_unsigned_32_bit_integers(tmp_path: Path) -> None:
    """Pillow writes no unsigned 32-bit TIFF, so the signed one's sample format is left out, which means unsigned."""
    path = saved(tmp_path / "u.tif", (RAMP * (2**32 - 1)).astype(np.uint32).view(np.int32))
    entry = struct.pack("<HHIHH", 339, 3, 1, 2, 0)
    content = path.read_bytes()
    assert content.count(entry) == 1
    path.write_bytes(content.replace(entry, struct.pack("<HHIHH", 339, 3, 1, 1, 0)))
    picture = read_reference(path)
    assert np.abs(picture[0, :, 0].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("value", [0, 2**31 - 1, -5])
def test_a_flat_deep_picture_is_a_picture(tmp_path: Path, value: int) -> None:
    assert read_reference(saved(tmp_path / "flat.tif", np.full((2, 2), value, np.int32))).shape == (2, 2, 3)


def test_pixels_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "nan.tif", np.full((2, 2), np.nan, np.float32))
    with pytest.raises(MediaError, match=r"nan\.tif: cannot be read as a picture.*no finite numbers"):
        read_reference(path)


def text_bomb() -> bytes:
    """Return a PNG whose text chunk grows beyond Pillow's limit."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG")
    png = buffer.getvalue()
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 5_000_000))
    return png[:33] + bomb + png[33:]


HOSTILE = {
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",
    "text bomb": text_bomb(),
    "ppm of nothing": b"P6 1 x 255\n",
    "ppm of too much": b"P5\n3 3\n99999999999\n" + b"\0" * 9,
    "bmp with a broken run": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 70, 0, 0, 54, 40, 9, 9, 1, 8, 1, 9, 0, 0, 0, 0),
    "qoi": b"qoif" + struct.pack(">IIBB", 1, 1, 3, 0),
    "xpm": b'/* XPM */\nstatic char *x[] = {\n"1 1 1 1",\n"a c red",\n"a"};\n',
    "empty": b"",
    "cut": text_bomb()[:40],
    "text": b"a fox",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_picture_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "fox.png"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(MediaError, match=r"fox\.png: cannot be read as a picture; save it as PNG or JPEG") as raised:
        read_reference(path)
    assert "\n" not in str(raised.value)


def test_a_loop_of_links_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("b.png")
    (tmp_path / "b.png").symlink_to("a.png")
    with pytest.raises(ScriptError, match=r"entity 'fox': reference 'a\.png'"):
        reference_path(tmp_path, "fox", "a.png")
    with pytest.raises(ScriptError, match="loop of links"):
        reference_name(tmp_path, "fox", tmp_path / "a.png")
    with pytest.raises(MediaError, match="does not exist"):
        read_reference(tmp_path / "a.png")


@pytest.mark.parametrize("forms", [("NFD", "NFC"), ("NFC", "NFD")])
def test_file_names_are_compared_composed(tmp_path: Path, forms: tuple[str, str]) -> None:
    on_disk, written = (unicodedata.normalize(form, "bilder/José.png") for form in forms)
    (tmp_path / on_disk).parent.mkdir()
    (tmp_path / on_disk).write_bytes(b"x")
    assert reference_path(tmp_path, "José", written).read_bytes() == b"x"
    assert find_file(tmp_path, "bilder/René.png") == tmp_path / "bilder" / "René.png"


def test_a_name_in_another_form_does_not_leave_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "story"
    inside.mkdir()
    (tmp_path / unicodedata.normalize("NFD", "é.png")).write_bytes(b"x")
    with pytest.raises(ScriptError, match="must stay inside"):
        reference_path(inside, "fox", "../é.png")
