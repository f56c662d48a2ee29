"""What a lint rule says about a script."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from storymem.script.edits import Edit


class Severity(StrEnum):
    """Errors make a film that is wrong; warnings one that could be better."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        shot: Id of the shot; empty if it is about the whole story.
        rule: Name of the rule, stable.
        severity: Error or warning.
        reason: What is wrong.
        suggestion: What to do about it.
        fix: The mechanical fix, if there is one.
    """

    shot: str
    rule: str
    severity: Severity
    reason: str
    suggestion: str
    fix: Edit | None = None

    def __str__(self) -> str:
        where = f"shot {self.shot}" if self.shot else "story"
        return f"{where}: {self.severity} [{self.rule}] {self.reason}; {self.suggestion}"

    def to_json(self) -> dict[str, str | None]:
        """Return the finding as plain data; ``fix`` says what would be done, or is None."""
        return {
            "shot": self.shot,
            "rule": self.rule,
            "severity": self.severity.value,
            "reason": self.reason,
            "suggestion": self.suggestion,
            "fix": str(self.fix) if self.fix else None,
        }
