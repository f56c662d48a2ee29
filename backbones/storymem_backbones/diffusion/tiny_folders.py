"""The command line of the modules that write a tiny random model folder."""

import argparse
from collections.abc import Callable
from pathlib import Path


def main(write: Callable[[Path], Path], model: str) -> None:
    """Write a folder where the command line says.

    Args:
        write: Writes a folder.
        model: Its name, for the help.
    """
    parser = argparse.ArgumentParser(description=f"Write a tiny random {model} folder.")
    parser.add_argument("folder", type=Path)
    write(parser.parse_args().folder)
