"""Writes a new plugin package: a class that works, its entry point, and a test that holds it to its contract.

The class and the test of each kind are templates in the folder ``skeletons``.
"""

from __future__ import annotations

import difflib
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from storymem.errors import PluginError
from storymem.plugin.kinds import INTERFACES, Kind

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "storymem-$dashed"
version = "0.1.0"
description = "The $kind $name for storymem"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["storymem"]

[project.optional-dependencies]
test = ["hypothesis>=6.112", "pytest>=8.3"]

[project.entry-points.storymem]
$name = "$package"

[tool.hatch.build.targets.wheel]
packages = ["src/$package"]

[tool.ruff]
line-length = 120
"""

_README = """\
# storymem-$dashed

The $kind `$name` for storymem.

```console
$$ pip install -e ".[test]"
$$ pytest
$$ storymem plugins
```
"""


def write_skeleton(name: str, kind: str, folder: Path) -> Path:
    """Write a package for one plugin into ``folder/name`` and return that folder.

    Args:
        name: How settings will ask for the plugin: lower case letters and digits, joined by ``-`` or ``_``.
        kind: A :class:`~storymem.plugin.Kind`, such as ``policy`` or ``backbone``.
        folder: Where to make the package's folder.

    Raises:
        PluginError: The name or kind is not allowed, or the folder exists already.
    """
    if not _NAME.fullmatch(name):
        raise PluginError(f"plugin name {name!r}: use lower case letters and digits, joined by - or _, e.g. last-seen")
    values = _values(name, _kind(kind))
    root = folder / name
    try:
        root.mkdir(parents=True)
        for path, text in _templates(kind, values["package"]).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(Template(text).substitute(values), encoding="utf-8")
    except FileExistsError as error:
        raise PluginError(f"{root}: exists already; choose another name or folder") from error
    except OSError as error:
        raise PluginError(f"{root}: cannot be written: {error.strerror}") from error
    return root


def _templates(kind: str, package: str) -> dict[str, str]:
    templates = files("storymem.plugin") / "skeletons"
    return {
        "pyproject.toml": _PYPROJECT,
        "README.md": _README,
        f"src/{package}/__init__.py": templates.joinpath(f"{kind}.txt").read_text("utf-8"),
        f"src/{package}/py.typed": "",
        f"tests/test_{package}.py": templates.joinpath(f"{kind}_test.txt").read_text("utf-8"),
    }


def _kind(text: str) -> Kind:
    names = [kind.value for kind in Kind]
    if text not in names:
        close = difflib.get_close_matches(text, names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise PluginError(f"unknown kind of plugin {text!r}: {hint}there are {', '.join(names)}")
    return Kind(text)


def _values(name: str, kind: Kind) -> dict[str, str]:
    cls = "".join(word.capitalize() for word in re.split("[-_]", name))
    return {
        "name": name,
        "dashed": name.replace("_", "-"),
        "package": "storymem_" + name.replace("-", "_"),
        "kind": kind.value,
        "cls": cls if cls != INTERFACES[kind].__name__ else f"My{cls}",
    }
