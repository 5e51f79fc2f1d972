"""Output that commands share: one JSON object per line, and raw output of remote programs."""

from __future__ import annotations

import os
from typing import cast

import click

SCHEMA = 1
"""Version of the JSON that is printed; it grows with a change that breaks a reader."""

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object; see docs/json.md.")


def print_json(box: str, **fields: object) -> None:
    """Write one JSON object about a box on a line of stdout."""
    click.echo(json_line(box, **fields))


def pass_on(output: bytes, *, err: bool = False) -> None:
    """Write the output of a program on the box: unchanged to a pipe or file, cleaned to a terminal."""
    from gpubox.core.terminal_text import TerminalText

    if os.isatty(2 if err else 1):
        output = TerminalText().clean(output, last=True)
    click.echo(output, nl=False, err=err)


def json_line(box: str, **fields: object) -> str:
    """Return one JSON object about a box, with its schema."""
    from gpubox.core.json_text import json_text  # with msgspec, which `--help` does without

    return json_text({"schema": SCHEMA, "box": box, **fields})


def plain(value: object) -> object:
    """Convert structs to plain values, including fields at their default."""
    import msgspec

    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [plain(one) for one in cast("tuple[object, ...]", value)]
    return value
