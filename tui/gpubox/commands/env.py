"""`gpubox-tui env`: the software environments of a box, from the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from gpubox.commands.common import common_options, complain, complete_box
from gpubox.commands.features import envs_of
from gpubox.commands.of_box import OfBox, on_box
from gpubox.commands.output import as_json, plain, print_json
from gpubox.commands.retry import retry
from gpubox.core.errors import Cancelled
from gpubox.core.sanitize import clean

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.boxes.envs.envs import Environments
    from gpubox.core.env import Env
    from gpubox.core.job import JobSpec

    _SpecOf = Callable[[Environments], JobSpec]

WITHOUT = "none"
"""Stands for no environment where one is named."""

which = click.argument("env", metavar="ENV")
quiet = click.option("--quiet", "-q", is_flag=True, help="Without the tool's own words, unless it fails.")


@click.group(cls=OfBox)
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@common_options
def env(box: str) -> None:
    """List (without a COMMAND), choose, compare and change BOX's environments: conda, venv, uv, pixi.

    ENV is a name, a folder, or a unique part of one. Changes run as jobs with the environment's own tool:
    Ctrl-C leaves them running, and `gpubox-tui jobs BOX` lists them.
    """


@env.on_box("list", short_help="Print the environments.")
@as_json
async def list_(box: Box, as_json: bool) -> None:
    """Print the environments of the box; * is the chosen one, ! is broken."""
    from gpubox.commands import env_report

    envs = envs_of(box)
    found = await retry(box, envs.find)
    chosen = envs.chosen.value
    if as_json:
        print_json(
            box.name,
            envs=[env_report.to_json(one, chosen) for one in found.envs],
            roots=plain(found.roots),
            modules=found.modules,
            partial=found.partial,
        )
    else:
        click.echo("\n".join(env_report.rows(found.envs, chosen)) if found.envs else "No environments.")
        for line in env_report.notes(found):
            click.echo(f"{box.name}: {line}", err=True)
        if (trouble := envs.trouble.value) is not None:
            complain(trouble, box.name)


@env.on_box(short_help="Choose the one for shells and jobs.")
@click.argument("env", metavar="ENV|none")
async def use(box: Box, env: str) -> None:
    """Choose the environment that shells and jobs of the box run in; `none` clears the choice."""
    from gpubox.commands import env_report

    chosen = None if env == WITHOUT else await _found(box, env)
    await envs_of(box).use(chosen)
    click.echo(f"{box.name}: {env_report.choice(chosen)}", err=True)


@env.on_box(short_help="Print what is in one.")
@which
@click.option("--packages/--no-packages", default=True, help="Its packages too (the default), or not.")
@click.option("--size", is_flag=True, help="Bytes on disk too; that takes a moment.")
@as_json
async def show(box: Box, env: str, packages: bool, size: bool, as_json: bool) -> None:
    """Print what is known about an environment, and its packages."""
    from gpubox.commands import env_report

    envs = envs_of(box)
    one = await _found(box, env)
    if size:
        await retry(box, lambda: envs.size(one))
        one = envs.named(one.prefix)
    listed = await retry(box, lambda: envs.packages(one)) if packages else ()
    if as_json:
        shown = env_report.to_json(one, envs.chosen.value)
        print_json(box.name, env=shown, **({"packages": plain(listed)} if packages else {}))
    else:
        click.echo("\n".join(env_report.details(one)))
        if listed:
            click.echo("\n".join(["", *env_report.packages(listed)]))


@env.on_box(short_help="Print how two differ.")
@click.argument("a", metavar="ENV")
@click.argument("b", metavar="ENV")
@as_json
async def diff(box: Box, a: str, b: str, as_json: bool) -> int:
    """Print which packages only one of two environments has, and which differ.

    Exit status: 0 none differ, 1 some do or the box failed, 2 usage error.
    """
    from gpubox.boxes.envs import difference
    from gpubox.commands import env_report

    envs = envs_of(box)
    left = await _found(box, a)
    right = envs.named(b)
    in_left = await retry(box, lambda: envs.packages(left))
    in_right = await retry(box, lambda: envs.packages(right))
    found = difference(in_left, in_right)
    if as_json:
        print_json(box.name, a=left.prefix, b=right.prefix, difference=plain(found))
    else:
        click.echo("\n".join(env_report.differing(left, right, found)))
    return 0 if found.none else 1


@env.on_box(short_help="Ask one whether it sees the GPUs.")
@which
@as_json
async def sees(box: Box, env: str, as_json: bool) -> int:
    """Ask torch, tensorflow or jax of an environment whether they see the GPUs; the answer is stored.

    Exit status: 0 it sees one, 1 it sees none or the box failed, 124 no answer within a minute.
    """
    from gpubox.commands import env_jobs

    return await env_jobs.ask(box, await _found(box, env), as_json=as_json)


@env.command(short_help="Make a new one.")
@click.argument("name", metavar="NAME")
@click.argument("packages", nargs=-1, metavar="[PACKAGE...]")
@click.option(
    "--from", "file", type=click.File("rb"), help="environment.yml, or requirements for venv and uv."
)
@click.option(
    "--kind", type=click.Choice(["conda", "venv", "uv", "pixi"]), default="conda", help="What makes it."
)
@click.option("--in", "where", default="", metavar="FOLDER", help="conda's installation, or a project.")
@quiet
@as_json
@common_options
@click.pass_context
def create(ctx: click.Context, name: str, packages: tuple[str, ...], **given: object) -> int:
    """Make an environment from packages or from a file, as a job; its log is shown.

    A venv takes the Python named among the packages, such as python=3.11, from what the box has.
    """
    from gpubox.commands import env_jobs

    options = env_jobs.Creating(**given)  # pyright: ignore[reportArgumentType] - click made them of the options
    text = options.text(packages)

    def spec(envs: Environments) -> JobSpec:
        if text is not None:
            return envs.create_from(text, name, options.where, options.kind)
        return envs.create(name, packages, options.where, options.kind)

    return on_box(ctx, lambda box: _change(box, spec, quiet=options.quiet, as_json=options.as_json))


@env.on_box(short_help="Copy one.")
@which
@click.argument("name", metavar="NAME")
@quiet
@as_json
async def clone(box: Box, env: str, name: str, quiet: bool, as_json: bool) -> int:
    """Make a copy of an environment beside it, as a job."""
    return await _change(box, lambda envs: envs.clone(envs.named(env), name), quiet=quiet, as_json=as_json)


@env.on_box(short_help="Put packages into one.")
@which
@click.argument("packages", nargs=-1, required=True, metavar="PACKAGE...")
@quiet
@as_json
async def install(box: Box, env: str, packages: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Install packages into an environment with its own tool, as a job."""
    return await _change(
        box, lambda envs: envs.install(envs.named(env), packages), quiet=quiet, as_json=as_json
    )


@env.on_box(short_help="Give one another name.")
@which
@click.argument("name", metavar="NAME")
@quiet
@as_json
async def rename(box: Box, env: str, name: str, quiet: bool, as_json: bool) -> int:
    """Rename an environment, as a job; venvs are recreated, because they cannot be moved."""
    return await _change(box, lambda envs: envs.rename(envs.named(env), name), quiet=quiet, as_json=as_json)


@env.on_box(short_help="Print a file to make one again from.")
@which
async def export(box: Box, env: str) -> int:
    """Print an environment.yml, or the requirements of a venv, to recreate the environment from."""
    from gpubox.commands import env_jobs

    return await env_jobs.export(box, await _found(box, env))


@env.on_box(short_help="Delete one.")
@which
@click.option("--confirm", metavar="NAME", default="", help="Its name once more, instead of the question.")
@quiet
@as_json
async def remove(box: Box, env: str, confirm: str, quiet: bool, as_json: bool) -> int:
    """Delete an environment with all its packages once its name was typed; never the base of conda."""
    from gpubox.commands import env_jobs

    one = await _found(box, env)
    spec = envs_of(box).remove(one)
    if not await env_jobs.confirmed(box, one, confirm):
        raise Cancelled("Nothing was deleted", f"{clean(one.name, 100)} stays")
    return await env_jobs.follow(box, spec, quiet=quiet, as_json=as_json)


async def _change(box: Box, spec: _SpecOf, *, quiet: bool, as_json: bool) -> int:
    """Scan the environments, run the job that `spec` returns, and return its exit status."""
    from gpubox.commands import env_jobs

    envs = envs_of(box)
    await retry(box, envs.find)
    status = await env_jobs.follow(box, spec(envs), quiet=quiet, as_json=as_json)
    if not status:
        await envs.rename_choice()
    return status


async def _found(box: Box, word: str) -> Env:
    envs = envs_of(box)
    await retry(box, envs.find)
    return envs.named(word)
