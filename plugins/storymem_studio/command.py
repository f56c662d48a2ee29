"""``storymem studio``. Light: the server is imported when the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from storymem.cli.terminal import echo
from storymem.errors import PluginError

app = typer.Typer(help="See runs in the browser, live, and change them.", rich_markup_mode=None, add_completion=False)
_NEEDED = ("starlette", "uvicorn", "sse_starlette", "jinja2", "python_multipart")


@app.command()
def studio(
    folder: Annotated[Path, typer.Argument(help="Run folder, or folder of run folders.")] = Path("films"),
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that others can reach makes a token necessary.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8722,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
) -> None:
    """See runs in the browser, live, and change them."""
    from importlib.util import find_spec

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise PluginError(f'storymem studio needs {", ".join(missing)}; pip install "storymem[studio]"')
    from storymem_studio.server import serve

    def ready(address: str) -> None:
        echo(f"{folder} at {address}  (Ctrl-C ends the studio; what is rendering goes on)")
        if browser:
            import webbrowser

            webbrowser.open(address)

    serve(folder, host, port, ready)
