"""Answers that were paid for once, kept in files named by what was asked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from storymem.script.writing import write_text
from storymem_plugins.planning.chat import Question


def default_folder() -> Path:
    """Return the user's cache folder for plans."""
    import platformdirs

    return platformdirs.user_cache_path("storymem") / "plans"


def question_key(identity: str, question: Question) -> str:
    """Return the SHA-256 of everything that decides an answer."""
    whole = {"model": identity, **asdict(question)}
    for message in whole["messages"]:
        if not message["images"]:  # answers to questions without pictures keep the keys they had
            del message["images"]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


class AnswerCache:
    """A folder of answers. Damaged entries count as absent.

    Args:
        folder: Where; made when first written.
        enabled: False keeps nothing and finds nothing.
    """

    def __init__(self, folder: Path, *, enabled: bool = True) -> None:
        self.folder, self.enabled = folder, enabled

    def get(self, key: str) -> str | None:
        """Return a kept answer."""
        path = self.folder / f"{key}.json"
        if not self.enabled or not path.is_file():
            return None
        try:
            text = json.loads(path.read_text("utf-8"))["text"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return text if isinstance(text, str) else None

    def put(self, key: str, text: str) -> None:
        """Keep an answer that was found valid."""
        if self.enabled:
            write_text(self.folder / f"{key}.json", json.dumps({"text": text}, ensure_ascii=False))

    def keep_failed(self, key: str, answers: list[str]) -> Path:
        """Write the raw answers of a failed request, for whoever looks into it, and return the file."""
        path = self.folder / f"failed-{key[:16]}.txt"
        write_text(path, "\n\n----- next answer -----\n\n".join(answers))
        return path
