"""``storymem serve``. Light: the server is imported when the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from storymem.cli import options

if TYPE_CHECKING:
    from storymem_server.serving import ServeSettings

app = typer.Typer(help="Serve a backbone over HTTP.", rich_markup_mode=None)


@app.command()
def serve(  # noqa: PLR0913, PLR0917 - a command's options
    folder: Annotated[Path, typer.Option(help="Where jobs and their results are kept.")] = Path("served"),
    host: Annotated[str, typer.Option(help="Address to listen at. Any but the loopback needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any free one.")] = 8300,
    queue: Annotated[int, typer.Option(min=1, help="Most jobs that wait or run; further ones are refused.")] = 16,
    keep: Annotated[int, typer.Option(min=1, help="Finished jobs whose results are kept.")] = 100,
    references: Annotated[
        str, typer.Option(help="What input_reference is: memory, or first_frame as with image-to-video servers.")
    ] = "memory",
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that clients must send; else $VIDEO_SERVER_TOKEN.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Further name by which clients may call the server; may be repeated.")
    ] = None,
    config: options.Config = None,
    assign: options.Set = None,
    plugin: options.PluginFiles = None,
    backbone: options.Backbone = None,
    trust: options.Trust = False,
) -> None:
    """Serve a backbone to any client of OpenAI's videos interface, and to openai_video with memory."""
    from storymem.apikey import find_key
    from storymem.errors import PluginError
    from storymem.interfaces import Backbone
    from storymem.plugin import Kind, PluginHost

    try:
        from storymem_server.serving import ServeSettings, serve_forever
    except ImportError as error:
        raise PluginError(
            f"storymem serve needs {error.name}, not installed; install it with: pip install 'storymem[serve]'"
        ) from error
    plugins = PluginHost(plugin or [])
    chosen = options.settings_from(plugins, config, assign, {"backbone": backbone}, trust=trust).settings.backbone
    settings: ServeSettings = ServeSettings(
        folder=folder,
        host=host,
        port=port,
        queue=queue,
        keep=keep,
        references=_role(references),
        allow_hosts=tuple(allow_host or ()),
    )
    token = find_key("VIDEO_SERVER_TOKEN", token_file)
    model = plugins.build(Kind.BACKBONE, chosen.name, chosen.settings)
    assert isinstance(model, Backbone)  # the host has checked it against its kind
    serve_forever(settings, token, chosen.name, model, typer.echo)


def _role(text: str) -> Literal["memory", "first_frame"]:
    from storymem.errors import SettingsError

    if text not in ("memory", "first_frame"):
        raise SettingsError(f"--references {text!r}: must be memory or first_frame")
    return "memory" if text == "memory" else "first_frame"
