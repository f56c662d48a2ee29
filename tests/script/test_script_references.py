"""Reference images stay inside the script's folder, whatever a script says."""

from __future__ import annotations

from pathlib import Path

import pytest

from storymem.errors import ScriptError
from storymem.script.references import reference_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = tmp_path / "story"
    (base / "sub").mkdir(parents=True)
    (base / "sub" / "a.png").write_bytes(b"x")
    (tmp_path / "secret.png").write_bytes(b"x")
    (base / "link.png").symlink_to(tmp_path / "secret.png")
    (base / "up").symlink_to(tmp_path)
    return base


@pytest.mark.parametrize("reference", ["sub/a.png", "./sub/../sub/a.png"])
def test_inside(folder: Path, reference: str) -> None:
    assert reference_path(folder, "fox", reference) == (folder / "sub" / "a.png").resolve()


@pytest.mark.parametrize(
    "reference", ["../secret.png", "/etc/passwd", "sub/../../secret.png", "link.png", "up/secret.png", "~/../../etc"]
)
def test_outside(folder: Path, reference: str) -> None:
    with pytest.raises(ScriptError, match=r"entity 'fox': reference"):
        reference_path(folder, "fox", reference)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("none.png", "does not exist"),
        ("sub", "does not exist"),
        ("", "does not exist"),
        ("a\0b.png", "is no file name"),
        ("x" * 5000, "is no file name|does not exist"),
    ],
)
def test_no_picture(folder: Path, reference: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message) as raised:
        reference_path(folder, "fox", reference)
    assert "\n" not in str(raised.value)
