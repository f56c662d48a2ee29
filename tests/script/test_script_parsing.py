"""Hostile and broken files: one clear line that names the file and the place, and no harm done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storymem.errors import ScriptError
from storymem.script import parsing
from storymem.script.parsing import MAX_DEPTH, read_data


def read(tmp_path: Path, name: str, content: str | bytes) -> object:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_data(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{"title": "x", "scenes": [', r"a\.json: line 1 column 27: not JSON"),
        ("a.json", '{"title": "x"', r"line 1 column 14: not JSON"),
        ("a.json", "", r"line 1 column 1: not JSON"),
        ("a.json", '{"a": 1, "b": {"c": 1, "c": 2}}', r"key 'c' is given twice"),
        ("a.json", '{"a": NaN}', r"NaN is not a number"),
        ("a.json", '{"a": 1e999999, "b": Infinity}', r"Infinity is not a number"),
        ("a.json", b'{"title": "\xff\xfe"}', r"is not UTF-8 text \(byte 11\)"),
        ("a.json", b"\xff\xfe\x00", r"is not UTF-8 text"),
        ("a.jsonl", '{"prompts": []}\n{"prompts"', r"line 2: not JSON"),
        ("a.yaml", "title: [", r"line 2 column 1: not YAML"),
        ("a.yaml", "a: 1\na: 2\n", r"line 2: key 'a' is given twice"),
        ("a.yaml", "a: &x [1]\nb: *x\n", r"line 2: YAML aliases \(\*x\) are not allowed"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", r"the YAML tag .* is not allowed"),
        ("a.yaml", "a: !!python/name:os.system", r"the YAML tag .* is not allowed"),
        ("a.toml", "title = ", r"a\.toml: Invalid value"),
        ("a.toml", "a = 1\na = 2", r"Cannot overwrite a value"),
        ("a.exe", "x", r"unknown file type '\.exe'; use \.json"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(ScriptError, match=message) as raised:
        read(tmp_path, name, content)
    assert "\n" not in str(raised.value)
    assert name in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "[" * 100_000 + "]" * 100_000),
        ("a.json", "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)),
        ("a.yaml", "[" * 100_000 + "]" * 100_000),
        ("a.yaml", "\n".join(" " * i + f"k{i}:" for i in range(MAX_DEPTH + 2))),
        ("a.toml", "a = " + "[" * 100_000 + "]" * 100_000),
        ("a.json", '{"a":' * 100_000 + "1" + "}" * 100_000),
    ],
)
def test_deep_nesting(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(ScriptError, match="nested deeper than 40 levels"):
        read(tmp_path, name, content)


def test_allowed_depth(tmp_path: Path) -> None:
    text = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert read(tmp_path, "a.json", text) == json.loads(text)


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "MAX_BYTES", 2 * 2**20)
    with pytest.raises(ScriptError, match="larger than 2 MiB"):
        read(tmp_path, "a.json", b" " * (2 * 2**20 + 1))


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"none\.json: no such file"):
        read_data(tmp_path / "none.json")
    (tmp_path / "dir.json").mkdir()
    with pytest.raises(ScriptError, match=r"dir\.json: cannot be read"):
        read_data(tmp_path / "dir.json")


def test_json5_and_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeff// a story\n{title: 'x', cut: [true, false,],}"
    assert read(tmp_path, "a.json", text) == {"title": "x", "cut": [True, False]}


def test_json5_errors_keep_the_strict_parsers_place(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="line 3 column"):
        read(tmp_path, "a.json5", '{\n"a": 1,\n"b": }')


def test_yaml_dates_stay_out_of_scripts(tmp_path: Path) -> None:
    data = read(tmp_path, "a.yaml", "title: 'yes'\nn: 3\n")
    assert data == {"title": "yes", "n": 3}
