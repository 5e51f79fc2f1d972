"""`gpubox-tui config`: where the settings are, what they are, and a file to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from gpubox.commands.common import common_of, common_options, complain, complete_box
from gpubox.core.errors import ConfigError


@click.group()
@common_options
def config() -> None:
    """Show and write the settings."""


@config.command()
@common_options
@click.pass_context
def path(ctx: click.Context) -> None:
    """Print where your settings file is, or would be."""
    click.echo(common_of(ctx).load().path)


@config.command()
@click.argument("box", required=False, metavar="[BOX]", shell_complete=complete_box)
@common_options
@click.pass_context
def show(ctx: click.Context, box: str | None) -> int:
    """Print every setting as it is in force now, as TOML; with BOX, as it is for that box."""
    from msgspec.structs import replace

    from gpubox.config.edit import dump
    from gpubox.config.resolve import resolved

    loaded = common_of(ctx).load()
    for problem in loaded.problems:
        complain(problem)
    settings = loaded.settings
    if box is not None:
        settings = replace(resolved(settings, box), box=(), tag={})
    click.echo(dump(settings), nl=False)
    return 1 if loaded.problems else 0


@config.command()
@common_options
@click.pass_context
def init(ctx: click.Context) -> None:
    """Write a settings file to begin with: every setting with its default, commented out."""
    from gpubox.config import edit
    from gpubox.config.places import settings_file, short

    file = common_of(ctx).config or settings_file()
    edit.init(file)
    click.echo(f"Wrote {short(file)}")


@config.command()
@click.argument("name")
@click.argument("where", required=False, default="", metavar="[USER@]HOST[:PORT]")
@click.option("--identity", default="", metavar="FILE", help="Private key file.")
@click.option("--jump", default="", metavar="HOSTS", help="Jump hosts, as for `ssh -J`.")
@common_options
@click.pass_context
def add(ctx: click.Context, name: str, where: str, identity: str, jump: str) -> None:
    """Add a box to your settings file; everything else in the file stays as it is.

    Without a host, NAME is also the host or ssh alias.
    """
    from gpubox.boxes.targets import address
    from gpubox.config import edit
    from gpubox.config.entries import box_of
    from gpubox.config.places import settings_file, short

    at = address(where) if where else None
    table: dict[str, object] = {"name": name, "identity": identity, "jump": jump}
    if at is not None:
        table |= {"host": at.host, "user": at.user, "port": at.port}
    box, problems = box_of(table, "config add")
    if box is None:
        raise ConfigError("No box was added", problems[0].text)
    file = common_of(ctx).config or settings_file()
    edit.add_box(file, box)
    click.echo(f"Added {name} to {short(file)}; watch it with: gpubox-tui {name}")


@config.command()
def schema() -> None:
    """Print the JSON Schema of the settings file, for an editor."""
    from gpubox.config.schema import schema as of_settings
    from gpubox.core.json_text import json_text

    click.echo(json_text(of_settings(), indent=2))


@config.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def monitoring(folder: Path) -> None:
    """Write the files for Prometheus, Grafana and Zabbix that belong to this version into FOLDER.

    Files with the same names there are replaced.
    """
    from gpubox.boxes.monitor_config.zabbix_template import files
    from gpubox.common.prometheus.files import FILES

    found = {f"zabbix/{name}": text for name, text in files().items()}
    found |= {f"prometheus/{name}": make() for name, make in FILES.items()}
    try:
        for name, text in sorted(found.items()):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            click.echo(f"Wrote {path}")
    except OSError as error:
        text, hint = f"{error.filename}: {error.strerror}", "Name a folder that you may write"
        raise ConfigError("The files cannot be written", text, hint) from error
