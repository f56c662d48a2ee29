"""The system prompts: files beside this module, each with a version that goes into every plan's provenance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """A system prompt. ``label`` is its version and the beginning of its SHA-256."""

    name: str
    label: str
    text: str


@cache
def system_prompt(name: str, package: str = __package__) -> SystemPrompt:
    """Return ``prompts/<name>.md`` of a package; its first line is ``version: N``."""
    whole = files(package).joinpath("prompts", f"{name}.md").read_text("utf-8")
    first, _, text = whole.partition("\n")
    digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
    return SystemPrompt(name, f"{first.removeprefix('version:').strip()} {digest}", text.strip())
