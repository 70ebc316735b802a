"""Adds one command of `train-har` to its parser."""

import argparse
import textwrap
from typing import Any


def add_command(
    commands: Any, name: str, summary: str, *, about: str, examples: str
) -> argparse.ArgumentParser:
    """Add a command whose help says what it does, in whole sentences, and shows how it is used."""
    lines = "".join(f"\n  train-har {name} {line}" for line in examples.splitlines())
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(about, 80),
        epilog=f"examples:{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser
