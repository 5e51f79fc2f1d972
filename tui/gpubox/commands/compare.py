"""`gpubox-tui compare`: runs the same job in several environments, one after the other, and compares them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from gpubox.commands.common import common_options, complain, complete_box, no_login
from gpubox.commands.features import envs_of, jobs_of
from gpubox.commands.retry import retry
from gpubox.commands.run import no_template
from gpubox.core.errors import ConfigError, Dropped, RemoteError

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.boxes.jobs.compare.comparison import Comparison
    from gpubox.config.settings import Settings
    from gpubox.core.env import Env, Package
    from gpubox.core.job import JobSpec
    from gpubox.core.record import Record

F = TypeVar("F", bound=Callable[..., object])
LAST_LINES = 3
"""Lines of the log of a failed run that are shown."""
WITHOUT = "-"
"""Stands for no environment where one is named."""


def form_options(function: F) -> F:
    """Give a command --json, --csv and --markdown, which set `form`."""
    for form, words in (
        ("markdown", "A Markdown table."),
        ("csv", "A line for each run."),
        ("json", "All of it."),
    ):
        function = click.option(f"--{form}", "form", flag_value=form, help=words)(function)
    return function


@click.command()
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@click.argument("command", nargs=-1, metavar="[-- COMMAND...]", type=click.UNPROCESSED)
@click.option("--template", metavar="NAME", help="A job that is ready to run, such as style-transfer.")
@click.option(
    "--env", "envs", multiple=True, metavar="NAME", help="Environment, once for each side; - is none."
)
@click.option("--gpus", multiple=True, metavar="N|none|UUID,..", help="GPUs: for all, or once for each side.")
@click.option("--runs", type=click.IntRange(1, 100), default=1, help="How often each side runs.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of the template.")
@click.option("--dir", "folder", metavar="DIR", default="", help="Working folder of a COMMAND.")
@click.option("--now", is_flag=True, help="Begin each run at once, whoever is on the GPUs.")
@no_login
@form_options
@common_options
@click.pass_context
def compare(
    ctx: click.Context,
    box: str,
    command: tuple[str, ...],
    template: str | None,
    envs: tuple[str, ...],
    gpus: tuple[str, ...],
    runs: int,
    variables: tuple[str, ...],
    folder: str,
    now: bool,
    login: bool,
    form: str | None,
) -> int:
    """Run a template or COMMAND on BOX in each environment, one after the other, and compare.

    A side gets one GPU if its environment was built for GPUs and the box has any, otherwise none; --gpus
    overrides that. The runs are ordinary jobs of the box: they remain when this command is interrupted, and
    `gpubox-tui jobs BOX compare` compares them again.

    Exit status: 0 when every run ended well, 1 when one did not, 2 usage error.
    """
    if (template is None) == (not command):
        raise ConfigError("Nothing to compare", "Name either a --template or a COMMAND behind --")
    if variables and template is None:
        raise no_template()
    sides = _sides(envs, gpus)

    async def work(box: Box, settings: Settings) -> int:
        from msgspec.structs import replace

        plan = await retry(box, lambda: _plan(box, settings, template, command, sides, variables, folder))
        plan = [(replace(spec, login=login), env) for spec, env in plan]
        return await _compare(box, plan, runs, form, now=now)

    from gpubox.commands.session import with_box

    return with_box(ctx, box, work)


def _sides(envs: Sequence[str], gpus: Sequence[str]) -> list[tuple[str, str]]:
    """Return the environment and GPUs of each side; raises ConfigError."""
    count = max(len(envs), len(gpus))
    if count < 2 or any(len(words) not in (0, 1, count) for words in (envs, gpus)):
        raise ConfigError(
            "Nothing to compare",
            f"{len(envs)} --env and {len(gpus)} --gpus make no two sides",
            "Give --env twice, or --gpus twice, or both as often",
        )
    wide = [list(words) * (count if len(words) == 1 else 1) or [""] * count for words in (envs, gpus)]
    return list(zip(*wide, strict=True))


async def _plan(
    box: Box,
    settings: Settings,
    template: str | None,
    command: Sequence[str],
    sides: Sequence[tuple[str, str]],
    variables: Sequence[str],
    folder: str,
) -> list[tuple[JobSpec, Env | None]]:
    """Return the spec of each side, without an id; raises ConfigError for an unknown name."""
    from msgspec.structs import replace

    from gpubox.boxes.jobs import spec_builder, templates
    from gpubox.boxes.jobs.spec_parsing import gpu_request, variable

    jobs = jobs_of(box)
    envs = envs_of(box)
    await jobs.look()
    if any(name not in ("", WITHOUT) for name, _ in sides):
        await envs.find()
    chosen = templates.named(template, templates.known(settings)) if template is not None else None
    values = dict(variable(text) for text in variables)
    plan: list[tuple[JobSpec, Env | None]] = []
    for name, requested in sides:
        env = None if name in ("", WITHOUT) else envs.named(name)
        places = jobs.gpus.value
        gpus = gpu_request(requested, places) if requested else templates.gpus_for(chosen, env, places)
        if chosen is not None:
            spec = templates.fill(chosen, env=env, gpus=gpus, values=values, settings=settings.jobs)
        else:
            spec = spec_builder.build(command, env, settings.jobs)
            spec = replace(spec, name=command[0], cwd=folder, gpus=gpus)
        plan.append((spec, env))
    return plan


async def _compare(
    box: Box, plan: Sequence[tuple[JobSpec, Env | None]], runs: int, form: str | None, *, now: bool
) -> int:
    from msgspec.structs import replace

    from gpubox.boxes.jobs.compare.comparison import compare as put_together
    from gpubox.boxes.jobs.compare.runner import run_all
    from gpubox.boxes.jobs.spec_builder import again
    from gpubox.boxes.jobs.spec_parsing import new_id
    from gpubox.boxes.jobs.wording import succeeded
    from gpubox.commands.compare_progress import Progress

    group = new_id()
    specs = [
        replace(again(spec), group=f"{group}-{side}", now=now)
        for side, (spec, _) in enumerate(plan, 1)
        for _ in range(runs)
    ]
    with Progress(len(specs)) as progress:
        records = await run_all(jobs_of(box), box.shell, specs, progress)
    said = {record.id: await _print_log_end(box, record) for record in records if not succeeded(record)}
    packages = await _packages(box, [env for _, env in plan if env is not None])
    show(put_together(records, packages, said), form)
    return 0 if all(map(succeeded, records)) else 1


async def _print_log_end(box: Box, record: Record) -> str:
    """Print the end of a failed run's log on stderr, and where the rest is; return its last line."""
    from gpubox.boxes.jobs.logs import last_lines

    lines = await last_lines(jobs_of(box), record.id, LAST_LINES)
    for line in lines:
        click.echo(f"  {line}", err=True)
    if box.target.kind != "demo":  # the demo box ends with this command
        click.echo(f"Its whole log: gpubox-tui jobs {box.name} logs {record.id}", err=True)
    return " ".join(lines[-1:])


async def _packages(box: Box, envs: Sequence[Env]) -> dict[str, Sequence[Package]]:
    """Return the packages of environments; an unreadable one is skipped."""
    found: dict[str, Sequence[Package]] = {}
    for env in envs:
        try:
            found[env.prefix] = await envs_of(box).packages(env)
        except (RemoteError, Dropped) as error:  # the runs may have taken a day: compare without it
            complain(error, box.name)
    return found


def show(comparison: Comparison, form: str | None) -> None:
    """Write a comparison to stdout, as text or in another form."""
    from gpubox.boxes.jobs.compare.export import export

    click.echo(export(comparison, form or "text").rstrip("\n"))


@click.argument("names", nargs=-1, required=True, metavar="JOB JOB...")
@form_options
async def compare_jobs(box: Box, names: Sequence[str], form: str | None) -> None:
    """Compare recorded jobs of the box: times, memory, GPUs, how each ended, and what differs.

    Runs of one command in one environment are one side, with mean and deviation. A run that did not end
    with exit code 0 has no speed; its figures stand in parentheses.
    """
    from gpubox.boxes.jobs.compare.comparison import compare as put_together
    from gpubox.boxes.jobs.compare.runner import all_last_words

    jobs = jobs_of(box)
    await retry(box, jobs.look)
    records = [jobs.named(name) for name in names]
    if len({record.id for record in records}) < 2:
        raise ConfigError("Nothing to compare", "Name two jobs or more")
    prefixes = {record.spec.prefix for record in records if record.spec.prefix}
    packages: dict[str, Sequence[Package]] = {}
    if len(prefixes) > 1:
        envs = await retry(box, envs_of(box).find)
        packages = await _packages(box, [env for env in envs.envs if env.prefix in prefixes])
    show(put_together(records, packages, await all_last_words(jobs, records)), form)
