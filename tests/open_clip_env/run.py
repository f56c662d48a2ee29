"""Test the open_clip encoder beside a CPU torch for which no torchvision is built.

Usage: python tests/open_clip_env/run.py FOLDER

Installs open_clip and a pure-Python-usable torchvision into FOLDER without their dependencies (torch stays the
interpreter's own) and runs the tests beside this file with FOLDER on the path. The default environment stays as
it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PACKAGES = ["open_clip_torch>=2.30", "torchvision", "timm", "ftfy", "regex", "wcwidth"]


def main(folder: Path) -> int:
    """Install what is missing, run the tests, and return pytest's exit code."""
    if not (folder / "open_clip").is_dir():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*install, *PACKAGES], check=True)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    tests = str(Path(__file__).parent)
    return subprocess.run([sys.executable, "-m", "pytest", tests], env=environ, check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]).absolute()))
