"""``storymem plugin new``: the package it writes is found by its entry point and passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from storymem.errors import PluginError
from storymem.plugin import Kind
from storymem.plugin.skeleton import write_skeleton


def run(paths: Iterable[Path], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with extra folders of packages."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False)


def install(root: Path) -> Path:
    """Do by hand what an editable install does, quickly: the source folder with metadata beside it."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    info = root / "src" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["storymem"].items())
    (info / "entry_points.txt").write_text(f"[storymem]\n{points}")
    return root / "src"


def test_skeletons_of_every_kind_pass_their_own_tests_and_are_found(tmp_path: Path) -> None:
    roots = [write_skeleton(f"my-{kind.value}", kind.value, tmp_path) for kind in Kind]
    sources = [install(root) for root in roots]
    checks = ("-q", "-W", "error", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(tmp_path))
    tests = run(sources, "-m", "pytest", *checks, *map(str, roots))
    assert " passed" in tests.stdout, tests.stdout
    assert "failed" not in tests.stdout, tests.stdout
    assert tests.returncode == 0, tests.stdout
    found = run(
        sources,
        "-c",
        "from storymem.plugin import Kind, PluginHost\nhost = PluginHost()\nassert not host.broken, host.broken\n"
        "for kind in Kind: print(kind, host.build(kind, f'my-{kind.value}', {}).fingerprint())",
    )
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.splitlines()) == len(Kind)


def test_skeletons_are_formatted_and_linted(tmp_path: Path) -> None:
    roots = [write_skeleton(f"x_{kind.value}", kind.value, tmp_path) for kind in Kind]
    for root in roots:  # the only files there are
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        package = f"storymem_{root.name}"
        assert names == sorted(
            ["README.md", "pyproject.toml", f"src/{package}/__init__.py", f"src/{package}/py.typed",
             f"tests/test_{package}.py"]
        )  # fmt: skip
        for command in (["format", "--check"], ["check", "--extend-select", "I,W,UP"]):
            result = run([], "-m", "ruff", *command, str(root))
            assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["Upper", "", "1st", "a b", "a/b", "../x", "-a", "a--b"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PluginError, match="lower case letters and digits"):
        write_skeleton(name, "policy", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="unknown kind of plugin 'polcy': did you mean 'policy'"):
        write_skeleton("mine", "polcy", tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(PluginError, match="exists already"):
        write_skeleton("mine", "policy", tmp_path)
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PluginError, match="cannot be written"):
        write_skeleton("mine", "policy", tmp_path / "file")
