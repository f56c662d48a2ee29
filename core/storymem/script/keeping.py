"""Changes in a file that keep what its author wrote around them: comments, quotes, order and layout.

YAML is edited in place by ruamel.yaml. JSON5 and TOML files with comments are not: there the caller is told what
would be lost.
"""

from __future__ import annotations

import difflib
import io
import json
import re
from collections.abc import Callable
from typing import Any

from pydantic import JsonValue

from storymem.errors import ScriptError
from storymem.script import toml_notation, yaml_notation

#: Characters; the round-trip parser takes seconds for each million.
MAX_EDITED = 1_000_000
_COMMENT = re.compile(r"(?:^|\s)(#.*)$", re.MULTILINE)


def has_comments(text: str, suffix: str) -> bool:
    """Return whether a file says more than its data: comments, or JSON5 that JSON cannot keep."""
    if suffix in (".yaml", ".yml"):
        return bool(_comments(text))
    if suffix == ".toml":
        return toml_notation.has_comments(text)
    try:
        json.loads(text)
    except ValueError:
        return suffix != ".jsonl"
    return False


def edited_yaml(
    text: str, before: JsonValue, after: JsonValue, prepare: Callable[[Any], object] = lambda document: None
) -> str:
    """Return YAML text in which the differences between ``before`` and ``after`` are made, and nothing else.

    Args:
        text: The file.
        before: Its data as far as it is managed, such as a script's form without defaults.
        after: The same with changes.
        prepare: Makes changes of its own in the parsed document, before the others.

    Raises:
        ScriptError: The file is too long to edit, or a comment would be lost.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.util import load_yaml_guess_indent

    if len(text) > MAX_EDITED:
        raise ScriptError(f"has more than {MAX_EDITED} characters, too many to edit with comments kept")
    editor = YAML(typ="rt")
    editor.preserve_quotes = True
    editor.width = 2**16  # lines stay as long as they are
    try:
        document = editor.load(text)
        _, editor.map_indent, offset = load_yaml_guess_indent(text)
    except YAMLError as error:
        raise ScriptError("cannot be edited with comments kept") from error
    editor.block_seq_indent = offset or 0
    if offset:
        editor.sequence_indent = offset + 2
    prepare(document)
    _change(document, before, after)
    stream = io.StringIO()
    editor.dump(document, stream)
    changed = stream.getvalue()
    if (lost := len(_comments(text)) - len(_comments(changed))) > 0:
        raise ScriptError(f"{lost} comments would be lost")
    return changed


def _comments(text: str) -> list[str]:
    """Return the comments of YAML text; what looks like one inside a value is none."""
    import yaml

    kept, end = [], 0
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        if isinstance(token, yaml.ScalarToken):
            kept.append(text[end : token.start_mark.index])
            end = token.end_mark.index
    found: list[str] = _COMMENT.findall("".join([*kept, text[end:]]))
    return found


def _change(document: Any, before: Any, after: Any) -> None:
    """Make in ``document``, which holds ``before`` and more, what differs in ``after``."""
    if isinstance(after, dict):
        for key in before.keys() - after.keys():
            document.pop(key, None)
        for key, value in after.items():
            if key in before:
                _replace(document, key, before[key], value)
            else:
                document[key] = _written(value)
    elif len(before) == len(after):
        for index, value in enumerate(after):
            _replace(document, index, before[index], value)
    else:
        _resize(document, before, after)


def _replace(document: Any, key: Any, old: Any, new: Any) -> None:
    if old == new:
        return
    same_kind = isinstance(old, dict | list) and type(old) is type(new)
    if same_kind and (isinstance(document, list) or key in document) and isinstance(document[key], type(new)):
        _change(document[key], old, new)
    else:
        document[key] = _written(new)


def _resize(document: Any, before: list[Any], after: list[Any]) -> None:
    old, new = ([json.dumps(item, sort_keys=True) for item in items] for items in (before, after))
    for tag, i1, i2, j1, j2 in reversed(difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()):
        if tag != "equal":
            for index in reversed(range(i1, i2)):
                del document[index]
            for index in range(j1, j2):
                document.insert(i1 + index - j1, _written(after[index]))


def _written(value: Any) -> Any:
    """Return plain data with text quoted where a reader of YAML 1.1 would take it for something else."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, dict):
        return {key: _written(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_written(inner) for inner in value]
    if not isinstance(value, str):
        return value
    try:
        plain = "\n" not in value and yaml_notation.loads(f"- {value}") == [value]
    except Exception:  # whatever is no plain YAML is quoted
        plain = False
    return value if plain else DoubleQuotedScalarString(value)
