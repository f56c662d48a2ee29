"""``storymem doctor``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from storymem.cli import options
from storymem.cli.terminal import echo

if TYPE_CHECKING:
    from storymem.interfaces import Check
    from storymem.plugin import PluginHost
    from storymem.settings import RunSettings

_PACKAGES = ("storymem", "pydantic", "pluggy", "networkx", "numpy", "av", "pillow")
_LOW_DISK = 5 * 2**30


def doctor(
    config: options.Config = None,
    assign: options.Set = None,
    plugin: options.PluginFiles = None,
    backbone: options.Backbone = None,
    profile: str | None = typer.Option(None, help="Short for --set backbone.profile=NAME."),
    as_json: options.Json = False,
) -> None:
    """Check versions, codecs, GPU, disk and plugins, and what the chosen backbone says of itself."""
    from dataclasses import asdict

    from storymem.cli.terminal import print_json
    from storymem.plugin import PluginHost

    shortcuts = {"backbone": {k: v for k, v in (("name", backbone), ("profile", profile)) if v} or None}
    host = PluginHost(plugin or [])
    settings = options.settings_from(host, config, assign, shortcuts).settings
    checks = [*_versions(host), *_codecs(), _gpu(), *_disk(), *_plugins(host), *_backbone(settings, host)]
    checks.append(_placement(settings, host))
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            echo(f"{'ok' if check.ok else 'PROBLEM':<8} {check.name:<22} {check.detail}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _versions(host: PluginHost) -> Iterator[Check]:
    import platform
    from importlib.metadata import packages_distributions, version

    from storymem.interfaces import Check

    yield Check("python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.platform()}")
    for package in _PACKAGES:
        yield Check(package, True, version(package))
    distributions = packages_distributions()
    for module in sorted({name.split(".")[0] for entry in host.registry for name in entry.requires}):
        found = distributions.get(module)
        detail = ", ".join(f"{name} {version(name)}" for name in found) if found else "not installed (optional)"
        yield Check(module, True, detail)


def _codecs() -> Iterator[Check]:
    import av

    from storymem.interfaces import Check

    for name in ("libx264", "libx264rgb"):
        found = name in av.codecs_available
        yield Check(f"encoder {name}", found, "available" if found else "missing; reinstall av from its wheel")


def _gpu() -> Check:
    import shutil
    import subprocess

    from storymem.interfaces import Check

    program = shutil.which("nvidia-smi")
    if program is None:
        return Check("gpu", True, "none found; the chosen backbone says below whether it needs one")
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:  # a broken driver makes it hang
        return Check("gpu", False, str(error))
    return Check("gpu", done.returncode == 0, "; ".join((done.stdout or done.stderr).strip().splitlines()))


def _disk() -> Iterator[Check]:
    import shutil
    import tempfile

    from storymem.interfaces import Check

    for name, folder in (("working folder", Path.cwd()), ("temporary folder", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        try:
            with tempfile.TemporaryFile(dir=folder):
                writable = True
        except OSError:
            writable = False
        detail = f"{folder}: {free / 2**30:.1f} GiB free"
        detail += f"{'' if free > _LOW_DISK else ', less than 5'}{'' if writable else ', not writable'}"
        yield Check(name, writable and free > _LOW_DISK, detail)


def _plugins(host: PluginHost) -> Iterator[Check]:
    from storymem.interfaces import Check

    yield Check("plugins", True, f"{sum(1 for _ in host.registry)} registered")
    for broken in host.broken:
        yield Check(f"plugin {broken.owner.name}", False, str(broken.error))


def _backbone(settings: RunSettings, host: PluginHost) -> Iterator[Check]:
    from storymem.errors import StoryMemError
    from storymem.interfaces import Check
    from storymem.plugin import Kind

    choice = settings.backbone
    try:
        plugin = host.build(Kind.BACKBONE, choice.name, choice.settings)
        yield Check(f"backbone {choice.name}", True, "can be built")
        yield from plugin.doctor()
    except StoryMemError as error:
        yield Check(f"backbone {choice.name}", False, str(error))


def _placement(settings: RunSettings, host: PluginHost) -> Check:
    from storymem.errors import StoryMemError
    from storymem.interfaces import Check
    from storymem.session import Session

    try:
        with Session(settings, plugins=host) as session:
            return Check("workers", True, session.placement())
    except StoryMemError as error:
        return Check("workers", False, str(error))
