"""Checks what is in the wheel: every package, typed, with their data; no tests, no docs, nothing large."""

from __future__ import annotations

import sys
import zipfile

PACKAGES = (
    "storymem",
    "storymem_plugins",
    "storymem_mcp",
    "storymem_studio",
    "storymem_mcp",
    "storymem_backbones",
    "storymem_server",
    "storymem_storyworld",
    "storymem_memory_policies",
)
#: What the studio's pages are made of; none of it is found by an import.
PAGES = ("templates/board.html", "templates/_card.html", "static/studio.css", "static/studio.js", "static/icon.svg")
MAX_BYTES = 60 * 2**20


def main() -> None:
    """Exit with a message if the wheel given as argument is not as it should be."""
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        names = wheel.namelist()
        size = sum(info.compress_size for info in wheel.infolist())
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    if tops != set(PACKAGES):
        sys.exit(f"wheel: top-level folders are {sorted(tops)}, not {sorted(PACKAGES)}")
    missing = [p for p in PACKAGES if f"{p}/py.typed" not in names]
    missing += [name for page in PAGES if (name := f"storymem_studio/{page}") not in names]
    missing += [] if any(name.endswith("licenses/LICENSE") for name in names) else ["LICENSE"]
    if missing:
        sys.exit(f"wheel: lacks {missing}")
    strange = [n for n in names if "__pycache__" in n or "/tests/" in n or n.endswith((".npz", ".ipynb"))]
    if strange:
        sys.exit(f"wheel: holds {strange[:5]}")
    if size > MAX_BYTES:
        sys.exit(f"wheel: {size / 2**20:.1f} MiB, more than {MAX_BYTES / 2**20:.0f}")
    print(f"wheel: {len(names)} files, {size / 2**20:.1f} MiB, as they should be")


if __name__ == "__main__":
    main()
