"""Pictures of the studio for the documentation, taken with the system's Chromium.

python benchmarks/studio_pictures.py films docs/images --run fox_and_lantern
"""

from __future__ import annotations

import argparse
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from storymem_studio.server import studio_app

CHROMIUM = "/usr/bin/chromium"
QUALITY = 82
#: Whether every picture in sight has come.
IN_SIGHT = "[...document.images].filter(i => i.getBoundingClientRect().top < innerHeight).every(i => i.complete)"


@contextmanager
def served(root: Path, port: int) -> Iterator[str]:
    """Yield the address of a studio of these runs."""
    config = uvicorn.Config(studio_app(root, port), port=port, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def main() -> None:
    """Write one WebP a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--run", required=True)
    parser.add_argument("--shot", default="2.2")
    parser.add_argument("--port", type=int, default=8799)
    args = parser.parse_args()
    run = f"/runs/{args.run}"
    pages = {
        "board": (run, 1200, 860, "light"),
        "shot": (f"{run}/shots/{args.shot}", 1200, 1000, "light"),
        "cast": (f"{run}/cast", 1200, 760, "dark"),
        "preview": (f"{run}/shots/{args.shot}/redo", 1200, 560, "light"),
        "phone": (run, 390, 780, "dark"),
        "script": (f"{run}/script", 1200, 860, "light"),
    }
    with served(args.runs, args.port) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, (path, width, height, scheme) in pages.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(address + path)
            settle(page)
            image = Image.open(io.BytesIO(page.screenshot()))
            image.save(args.out / f"studio_{name}.webp", quality=QUALITY, method=6)
            page.close()
        browser.close()


def settle(page: Page) -> None:
    """Wait until the pictures in sight are there; the page's own policy forbids to wait inside it."""
    for _ in range(100):
        page.wait_for_timeout(100)
        if page.evaluate(IN_SIGHT):
            break
    page.wait_for_timeout(500)


if __name__ == "__main__":
    main()
