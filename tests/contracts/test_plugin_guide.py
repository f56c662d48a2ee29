"""The plugin author's guide and the policy page: their code runs, their tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import storymem.interfaces
import storymem.testing
from storymem.plugin import Kind, PluginHost
from storymem.plugin.kinds import HOOKS, INTERFACES
from storymem.values.script import Scene, Shot, StoryScript
from storymem.values.storyboard import Storyboard

DOCS = Path(__file__).parents[2] / "docs"


def test_the_first_plugin_of_the_guide_works_in_twenty_lines(tmp_path: Path) -> None:
    guide = (DOCS / "plugin-guide.md").read_text("utf-8")
    found = re.search(r"```python\n(.*?)```", guide, re.DOTALL)
    assert found is not None
    code = found[1]
    assert len(code.strip().splitlines()) <= 20
    path = tmp_path / "first_shot.py"
    path.write_text(code)
    policy = PluginHost(files=[path]).build(Kind.MEMORY_POLICY, "first_shot", {})
    assert isinstance(policy, storymem.interfaces.MemoryPolicy)
    board = Storyboard(StoryScript(title="t", scenes=(Scene(shots=(Shot(prompt="a"), Shot(prompt="b"))),)))
    assert [list(policy.sees(board, shot)) for shot in board] == [[], [0]]


def test_the_guide_lists_every_kind() -> None:
    guide = (DOCS / "plugin-guide.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \| `(\w+)` \|$", guide, re.MULTILINE)
    assert {(kind, interface, hook) for kind, interface, hook, _ in rows} == {
        (kind.value, INTERFACES[kind].__name__, HOOKS[kind]) for kind in Kind
    }
    assert all(hasattr(storymem.testing, contract) for *_, contract in rows)


def test_the_policy_page_lists_every_built_in_policy() -> None:
    page = (DOCS / "policies.md").read_text("utf-8")
    listed = re.findall(r"^\| `(\w+)`(?: \(default\))? \| [^|]+ \| [^|]+ \| [^|]* \| [^|]+ \|$", page, re.MULTILINE)
    own = [e.name for e in PluginHost().registry if e.kind is Kind.MEMORY_POLICY and e.owner.distribution == "storymem"]
    assert sorted(listed) == sorted(own)


def test_the_policy_page_has_the_benchmarks_numbers() -> None:
    page = (DOCS / "policies.md").read_text("utf-8")
    results = (DOCS.parent / "benchmarks" / "results" / "schedule_coverage.md").read_text("utf-8")
    noise = results[results.index("## Keyframes that show") :].strip().splitlines()[4:]
    assert len(noise) > 5
    assert all(row in page for row in noise)
    hard = results[results.index("## hard") : results.index("## Keyframes that show")]
    for name, budget, covered, path in (
        ("sink_recent", 8, "90.1%", "1.00"),
        ("scheduled_coverage", 4, "99.9%", "0.36"),
    ):
        for text in (page, hard):
            row = re.search(rf"^\| `?{name}`? \| {budget} \|.*$", text, re.MULTILINE)
            assert row is not None
            assert covered in row[0]
            assert f"| {path} |" in row[0]
