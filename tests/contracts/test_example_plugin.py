"""The example distribution is built as a wheel, installed apart from this environment, and passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's wheel in it, as pip would unpack it."""
    pytest.importorskip("hatchling", reason="building the example needs hatchling")
    folder = tmp_path_factory.mktemp("example")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=EXAMPLE, check=True, capture_output=True)
    (wheel,) = folder.glob("storymem_darkroom-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False)


def test_its_own_tests_pass(installed: Path) -> None:
    tests = str(EXAMPLE / "tests")
    quiet = ("-q", "-W", "error", "-p", "no:cacheprovider", "--import-mode=importlib")
    result = run(installed, "-m", "pytest", *quiet, "--rootdir", tests, tests)
    assert result.returncode == 0, result.stdout


def test_storymem_lists_it(installed: Path) -> None:
    result = run(installed, "-m", "storymem.cli.main", "plugins")
    lines = [line.split() for line in result.stdout.splitlines() if "storymem-darkroom" in line]
    assert {(line[0], line[1]) for line in lines} == {
        ("policy", "last_seen"),
        ("backbone", "monochrome"),
        ("filter", "letterbox"),
    }
