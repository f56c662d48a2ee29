"""What is printed: in any console, from any source, to outputs that close or fill up."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from core_support import Program
from hypothesis import given
from hypothesis import strategies as st

from storymem.cli.terminal import print_json
from storymem.text import composed, folded, one_line, printable, xml_text

PROGRAM = [sys.executable, "-c", "from storymem.cli.main import main; main()"]
CHINESE = {
    "title": "\u72d0\u72f8\x1b]0;pwned\x07\x1b[31m",
    "entities": [{"id": "\u5973\u5b69", "look": "\u7a7f\u9ec4\u8272\u5916\u5957\u7684\u5973\u5b69"}],
    "scenes": [{"shots": [{"prompt": "\u5973\u5b69\u8d70\u3002", "entities": ["\u5973\u5b69"]}]}],
}


def run(*arguments: object, cwd: Path, **more: object) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **{key: str(value) for key, value in more.items() if key.isupper()}}
    out = more.get("out", subprocess.PIPE)
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command, cwd=cwd, stdout=out, stderr=subprocess.PIPE, env=environment, check=False
    )


@pytest.fixture
def tale(tmp_path: Path) -> Path:
    path = tmp_path / "tale.json"
    path.write_text(json.dumps(CHINESE, ensure_ascii=False), "utf-8")
    return path


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "utf-8"])
def test_any_console_prints_any_script(tmp_path: Path, tale: Path, encoding: str) -> None:
    done = run("lint", tale, cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert b"look-missing" in done.stdout
    assert b"Traceback" not in done.stderr


def test_what_is_not_for_the_console_keeps_every_letter(tmp_path: Path, tale: Path) -> None:
    encoding = "cp1252"
    done = run("lint", tale, "--json", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert "\u5973\u5b69" in json.loads(done.stdout.decode(encoding))["findings"][0]["reason"], "JSON loses no letter"
    done = run("lint", tale, "--fix", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert "\u7a7f\u9ec4\u8272\u5916\u5957\u7684\u5973\u5b69\u3002" in tale.read_text("utf-8"), "files stay UTF-8"


def test_no_control_sequence_reaches_the_terminal(program: Program, tmp_path: Path, tale: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({**CHINESE, "\x1b[2Jkey\r": 1}))
    for arguments in (
        ["lint", broken],
        ["convert", tale, "out.txt"],
        ["plan", "\x1b[31mA fox.", "-o", "p.json"],
    ):
        done = program(*arguments, cwd=tmp_path)
        assert "\x1b" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "--json"], ["lint", "tale.json"]])
def test_an_output_that_fills_up_or_closes(tmp_path: Path, tale: Path, arguments: list[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    with Path("/dev/full").open("wb") as full:
        done = run(*arguments, cwd=tmp_path, out=full)
    assert done.returncode == 6
    assert done.stderr.decode().splitlines() == ["error: standard output cannot be written: No space left on device"]
    read, write = os.pipe()
    os.close(read)
    done = run(*arguments, cwd=tmp_path, out=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (6, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nope\x1b[31m"],
        ["nope\x1b[31m"],
        ["lint", "--nope\x1b[31m\n"],
        ["lint"],
        ["lint", "a", "b\x1b[31m"],
        ["render", "a", "--frames", "\x1b[31m"],
        ["render", "a", "--size"],
        ["cast", "nope"],
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_line(program: Program, tmp_path: Path, arguments: list[str]) -> None:
    done = program(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .+; see storymem[a-z ]* --help\n", done.stderr)
    assert "\x1b" not in done.stderr


def test_no_standard_output_at_all(tmp_path: Path, tale: Path) -> None:
    shell = 'exec "$@" >&-'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *PROGRAM, "lint", "tale.json"], cwd=tmp_path, stderr=subprocess.PIPE, check=False
    )
    assert done.stderr == b""


def test_json_is_valid_whatever_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"score": float("nan"), "rows": [(1.5, float("inf"))], "title": "\u72d0"})
    line = capsys.readouterr().out

    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert json.loads(line, parse_constant=refuse) == {"score": None, "rows": [[1.5, None]], "title": "\u72d0"}


@given(st.text())
def test_printable_text_has_nothing_to_obey(text: str) -> None:
    shown = printable(text)
    assert not {c for c in shown if ord(c) < 32} - {"\n", "\t"}
    assert printable(shown) == shown
    assert len(one_line(text).splitlines()) <= 1
    shown.encode()
    xml_text(text).encode()


def test_sequences_go_as_a_whole() -> None:
    assert printable("a\x1b[1;31mb\x1b]8;;http://x\x1b\\c\x9b2Jd\x1b(Be\x1bPq\x1b\\f") == "abcdef"
    assert printable("\u202eevil\u2066 \U0001f469\u200d\U0001f52c") == "evil \U0001f469\u200d\U0001f52c"
    assert composed("e\u0301") == "\u00e9"
    assert folded("\uff23\uff2f\uff2e \u00c9") == "con \u00e9"
