"""``storymem train m2v``. Light: the work is imported when the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Fine-tune models on your own stories.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def train() -> None:
    """Fine-tune models on your own stories."""


@app.command()
def m2v(
    config: Annotated[Path | None, typer.Argument(help="TOML file with the keys of TrainM2VConfig.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One key, such as lora.rank=64; repeatable.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Print the loss every this many steps.")] = 50,
) -> None:
    """Train the memory-to-video LoRA of a Wan image-to-video model on a folder of stories.

    Needs checkpoint, stories and output. Start it with ``accelerate launch -m storymem.cli.main train m2v ...`` to use
    several GPUs.
    """
    from storymem_backbones.training.m2v import train_m2v

    def report(expert: str, step: int, loss: float) -> None:
        if step % every == 0:
            typer.echo(f"{expert}: step {step}, loss {loss:.4f}", err=True)

    result = train_m2v(_config(config, assign or []), report)
    for expert, trained in result.experts.items():
        typer.echo(f"{expert}: {trained.lora}")
    for clip in result.validation:
        typer.echo(str(clip))


def _config(path: Path | None, assignments: list[str]) -> Any:
    from pydantic import ValidationError

    from storymem.settings.sources import assignments_layer, file_layer
    from storymem.validation import describe
    from storymem_backbones.training.errors import TrainingError
    from storymem_backbones.training.m2v import TrainM2VConfig

    values: dict[str, Any] = dict(file_layer(path).values) if path else {}
    for key, value in assignments_layer("command line", assignments).values.items():
        known = values.get(key)
        values[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
    try:
        return TrainM2VConfig.model_validate(values)
    except ValidationError as error:
        raise TrainingError(f"{path or 'train m2v'}: {describe(error)}") from error
