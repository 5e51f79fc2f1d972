"""`gpubox-tui run`: starts a job on a box that outlives this terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import click

from gpubox.boxes.jobs import backends
from gpubox.commands.common import common_options, complain, complete_box, no_login
from gpubox.commands.features import envs_of, jobs_of
from gpubox.core.errors import ConfigError, Dropped, RemoteError

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.config.settings import Settings
    from gpubox.core.env import Env
    from gpubox.core.job import GpuRequest, JobSpec
    from gpubox.core.record import Record

F = TypeVar("F", bound=Callable[..., object])
NO_ANSWER = 125
"""Exit status with --wait when the job's own is unknown: the box failed, or the job never started."""
WITHOUT = "none"
"""Stands for no environment where one is named."""


def backend_options(function: F) -> F:
    """Give a command --backend, and the options of every backend."""
    for name, having in reversed(backends.options().items()):
        words = "; ".join(f"{kind.title} only: {option.help}" for kind, option in having)
        function = click.option(f"--{name}", metavar="NAME", default="", help=f"{words}.")(function)
    names = [kind.name for kind in backends.kinds()]
    return click.option("--backend", type=click.Choice(names), default=backends.BOX, help="What runs it.")(
        function
    )


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of the command line."""

    command: tuple[str, ...]
    env: str | None
    gpus: str | None
    name: str
    folder: str
    after: str
    after_any: str
    now: bool
    limit: str
    set_env: tuple[str, ...]
    secret_env: tuple[str, ...]
    results: tuple[str, ...]
    template: str
    variables: tuple[str, ...]
    backend: str
    options: dict[str, str]
    """Values of the backends' options, by name."""
    notify: bool
    login: bool


@click.command()
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@click.argument("command", nargs=-1, metavar="[-- COMMAND...]", type=click.UNPROCESSED)
@click.option(
    "--env", metavar="NAME", help="Environment; none for none. Without it, the one chosen on the box."
)
@click.option("--gpus", metavar="N|UUID,..|none", help="Free GPUs to wait for, certain ones, any, or none.")
@click.option("--name", metavar="NAME", default="", help="What the job is called.")
@click.option(
    "--dir", "folder", metavar="DIR", default="", help="Working folder there; without it, the home."
)
@click.option("--after", metavar="JOB", default="", help="Begin when that job has ended with exit code 0.")
@click.option("--after-any", metavar="JOB", default="", help="Begin when that job has ended, however.")
@click.option("--now", is_flag=True, help="Begin at once, on GPUs in use if none is free.")
@click.option("--limit", metavar="TIME", default="", help="Time that it may run: 90, 10m, 2h30m.")
@click.option("--set-env", multiple=True, metavar="NAME=VALUE", help="Environment variable.")
@click.option(
    "--secret-env", multiple=True, metavar="NAME", help="Pass on a variable of yours; kept on no disk there."
)
@click.option("--result", "results", multiple=True, metavar="PATTERN", help="Files to fetch in the end.")
@click.option("--template", metavar="NAME", default="", help="A job that is ready to run.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of the template.")
@backend_options
@click.option("--no-notify", "notify", flag_value=False, default=True, help="Say nothing at its end.")
@no_login
@click.option("--wait", is_flag=True, help="Show its log and end as it ends.")
@common_options
@click.pass_context
def run(ctx: click.Context, box: str, wait: bool, **given: object) -> int:
    """Start COMMAND as a job on BOX and print its id; it keeps running when this machine sleeps or leaves.

    COMMAND runs without a shell, word for word; for pipes and such: -- sh -c '...'. It gets the environment
    of a login shell on BOX, above all its PATH; with --no-login it gets the bare one of ssh.

    With --wait the log is written to stdout as it grows, and messages to stderr; Ctrl-C leaves the job
    running.

    Exit status: 0 started, 1 the box failed, 2 usage error; 127 or 125 it could not be started. With --wait
    the job's own; 128 + n when signal n ended it; 124 its time limit; 127 it could not be started; 125 it
    ended otherwise, or the box failed; 130 after Ctrl-C.
    """
    from gpubox.boxes.jobs import completion
    from gpubox.boxes.jobs.wording import about
    from gpubox.commands.retry import retry
    from gpubox.commands.session import with_box
    from gpubox.core.record import exit_status
    from gpubox.core.sanitize import clean

    options = {name: text for name in backends.options() if (text := str(given.pop(name)))}
    words = RunOptions(**given, options=options)  # pyright: ignore[reportArgumentType] - made by click
    _check(words)

    async def work(opened: Box, settings: Settings) -> int:
        spec = await retry(opened, lambda: requested(opened, settings, words))
        record = await completion.launch(jobs_of(opened), opened.shell, spec)
        if record.warning:
            click.echo(clean(record.warning), err=True)
        if wait:
            return await waited(opened, settings, record)
        click.echo(record.id)
        if record.ending is not None and record.started is None:
            record = await completion.settle(jobs_of(opened), opened.shell, record)
            click.echo(f"job {record.id}: {about(record)}", err=True)
            return exit_status(record)
        return 0

    return with_box(ctx, box, work, failed=NO_ANSWER if wait else 1)


def _check(given: RunOptions) -> None:
    if bool(given.template) == bool(given.command):
        raise ConfigError("Nothing to run", "Write a COMMAND behind --, or name a --template")
    if given.variables and not given.template:
        raise no_template()
    if given.after and given.after_any:
        raise ConfigError("One job before it", "--after and --after-any exclude each other")
    for name in given.options:
        names = [kind.name for kind, _ in backends.options()[name]]
        if given.backend not in names:
            raise ConfigError(f"No {name}", f"--{name} goes with --backend {' or '.join(names)}")


def no_template() -> ConfigError:
    """Return the error for variables without a template."""
    return ConfigError("No template", "--var sets a variable of a --template", "Did you mean --set-env?")


async def requested(box: Box, settings: Settings, given: RunOptions) -> JobSpec:
    """Return the job spec of the options; raises ConfigError and RemoteError for unknown names."""
    from msgspec.structs import replace

    from gpubox.boxes.jobs.spec_builder import build
    from gpubox.boxes.jobs.spec_parsing import duration

    jobs = jobs_of(box)
    after = given.after or given.after_any
    env = await _env(box, given.env)
    if after or not _plain_gpus(given, settings):
        await jobs.look(gpus=not _plain_gpus(given, settings))
    if given.template:
        spec = _of_template(box, settings, given, env)
    else:
        spec = replace(
            build(given.command, env, settings.jobs),
            cwd=os.getcwd() if box.target.kind == "local" else "",
            gpus=_gpus(box, settings, given.gpus),
        )
    environment = _environment(given)
    return replace(
        spec,
        name=given.name or spec.name,
        cwd=given.folder or spec.cwd,
        environment={**spec.environment, **environment},
        hidden=given.secret_env,
        now=given.now,
        after=jobs.named(after).id if after else "",
        after_any=bool(given.after_any),
        limit=duration(given.limit) if given.limit else spec.limit,
        results=(*spec.results, *given.results),
        notify=given.notify and spec.notify,
        login=given.login,
        backend=given.backend,
        options=given.options,
    )


async def _env(box: Box, name: str | None) -> Env | None:
    envs = envs_of(box)
    if name == WITHOUT:
        return None
    if name:
        await envs.find()
        return envs.named(name)
    await envs.restore()
    if envs.trouble.value is not None:
        raise envs.trouble.value
    return envs.chosen.value


def _plain_gpus(given: RunOptions, settings: Settings) -> bool:
    """Return whether the request works without a scan of the GPUs, which takes NVML a moment."""
    word = (given.gpus or "").strip().lower()
    if not word:
        return not given.template and settings.jobs.gpus == 0
    return word.isdecimal() or word in ("none", "any", "cpu") or word.startswith(("gpu-", "mig-"))


def _gpus(box: Box, settings: Settings, option: str | None) -> GpuRequest:
    from gpubox.boxes.jobs.spec_builder import default_gpus
    from gpubox.boxes.jobs.spec_parsing import gpu_request

    places = jobs_of(box).gpus.value
    return gpu_request(option, places) if option else default_gpus(settings.jobs, places)


def _of_template(box: Box, settings: Settings, given: RunOptions, env: Env | None) -> JobSpec:
    from gpubox.boxes.jobs import templates
    from gpubox.boxes.jobs.spec_parsing import variable

    chosen = templates.named(given.template, templates.known(settings))
    places = jobs_of(box).gpus.value
    gpus = _gpus(box, settings, given.gpus) if given.gpus else templates.gpus_for(chosen, env, places)
    values = dict(variable(text) for text in given.variables)
    return templates.fill(chosen, env=env, gpus=gpus, values=values, settings=settings.jobs)


def _environment(given: RunOptions) -> dict[str, str]:
    from gpubox.boxes.jobs.spec_parsing import variable

    found = dict(variable(text) for text in given.set_env)
    for name in given.secret_env:
        if name not in os.environ:
            raise ConfigError("No such variable", f"{name} is not set in this terminal", "export it first")
        found[name] = os.environ[name]
    return found


async def waited(box: Box, settings: Settings, record: Record) -> int:
    """Print the log until the job has ended; return the exit status that a shell would give."""
    import asyncio

    from gpubox.boxes.jobs import completion, hooks
    from gpubox.boxes.jobs.wording import about, state_line
    from gpubox.commands.job_log import pour
    from gpubox.core.record import exit_status

    # A failed start is reported once, at the end.
    jobs = jobs_of(box)
    click.echo(f"job {record.id}" if record.ending else f"job {record.id}: {state_line(record)}", err=True)
    try:
        try:
            await pour(box, record.id, follow=True)
        except RemoteError as error:  # the job's own status is what counts
            complain(error, box.name)
        record = await completion.wait(jobs, box.shell, record.id)
    except asyncio.CancelledError:
        if box.target.kind != "demo":  # the demo box ends with this command
            click.echo(f"It goes on. To end it: {_words(box, 'stop', record.id)}", err=True)
        raise
    status = exit_status(record)
    if status:
        record = await completion.settle(jobs, box.shell, record)
        click.echo(f"job {record.id}: {about(record)}", err=True)
    if record.results:
        try:
            click.echo(f"results: {await jobs.fetch(record)}", err=True)
        except (RemoteError, Dropped) as error:  # the job's own status is what counts
            complain(error, box.name)
    await hooks.run(settings.jobs.notify_command, box.name, record)
    await jobs.claim_endings([record.id])
    return status


def _words(box: Box, verb: str, *more: str) -> str:
    import shlex

    return shlex.join(["gpubox-tui", "jobs", box.name, verb, *more])
