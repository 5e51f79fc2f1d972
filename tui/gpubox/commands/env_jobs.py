"""Changes environments from the command line, by jobs that are followed to their end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import click

from gpubox.boxes.envs import removal
from gpubox.boxes.envs.spec_file import LARGEST
from gpubox.boxes.jobs import completion
from gpubox.commands.asker import TerminalAsker
from gpubox.commands.env_report import sight, to_json
from gpubox.commands.features import envs_of, jobs_of
from gpubox.commands.output import pass_on, print_json
from gpubox.commands.retry import retry
from gpubox.commands.run import waited
from gpubox.core.errors import ConfigError
from gpubox.core.record import Record, exit_status
from gpubox.core.sanitize import clean

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.core.env import Env
    from gpubox.core.env import Kind as EnvKind
    from gpubox.core.job import JobSpec


@dataclass(frozen=True, slots=True)
class Creating:
    """The options of `create`."""

    file: IO[bytes] | None
    kind: EnvKind
    where: str
    quiet: bool
    as_json: bool

    def text(self, packages: tuple[str, ...]) -> str | None:
        """Return the contents of the file, None without one; raises ConfigError for additional packages."""
        if self.file is None:
            return None
        if packages:
            raise ConfigError("Packages or a file", "--from names all packages", "Install more afterwards")
        return self.file.read(LARGEST + 1).decode("utf-8", "replace")


async def follow(box: Box, spec: JobSpec, *, quiet: bool, as_json: bool) -> int:
    """Run a job to its end and return its exit status as a shell would; its log goes to stdout.

    With `as_json` the record comes instead of the log; `quiet` shows the log's end only if it failed.
    """
    record = await completion.launch(jobs_of(box), box.shell, spec)
    if not (quiet or as_json):
        return await waited(box, box.settings, record)
    record = await _ended(box, record)
    status = exit_status(record)
    if as_json:
        from gpubox.commands.job_report import to_json as record_to_json

        print_json(box.name, job=record_to_json(record))
    elif status:
        await _show_end(box, record)
    return status


async def _run(box: Box, spec: JobSpec) -> Record:
    return await _ended(box, await completion.launch(jobs_of(box), box.shell, spec))


async def _ended(box: Box, record: Record) -> Record:
    jobs = jobs_of(box)
    record = await completion.wait(jobs, box.shell, record.id)
    await jobs.claim_endings([record.id])
    return record


async def _show_end(box: Box, record: Record) -> Record:
    """Show the end of a job's log; return its record with the known cause of a failure."""
    explanation = await completion.explain(jobs_of(box), box.shell, record)
    for line in explanation.lines:
        click.echo(line, err=True)
    return explanation.record


async def ask(box: Box, env: Env, *, as_json: bool) -> int:
    """Ask an environment whether it sees the GPUs, print the answer, and return 0 for yes."""
    envs = envs_of(box)
    record = await _run(box, envs.probe_gpu(env))
    await retry(box, envs.find)
    env = envs.named(env.prefix)
    answer = env.sight if env.sight is not None and env.sight.job == record.id else None
    if as_json:
        print_json(box.name, env=to_json(env, envs.chosen.value))
    elif answer is not None:
        click.echo(f"{clean(env.name, 60)}: {sight(answer, time.time())}")
    if answer is not None:
        return 0 if answer.sees else 1
    if not as_json:
        record = await _show_end(box, record)
        why = record.ending.why if record.ending else ""
        click.echo(
            f"{clean(env.name, 60)}: it gave no answer{': ' if why else ''}{clean(why, 200)}", err=True
        )
    return exit_status(record) or 1


async def export(box: Box, env: Env) -> int:
    """Print the file that recreates an environment; return 0, or the exit status of its tool."""
    envs = envs_of(box)
    record = await _run(box, envs.export(env))
    status = exit_status(record)
    if status or not record.results:
        await _show_end(box, record)
        return status or 1
    text = await retry(box, lambda: envs.exported(record.results[0]))
    if text:
        pass_on((text if text.endswith("\n") else f"{text}\n").encode())
    return 0


async def confirmed(box: Box, env: Env, typed: str) -> bool:
    """Return whether the user typed the environment's name, on the command line or when asked."""
    if typed:
        return typed == env.prefix or removal.confirms(env, typed)
    return removal.confirms(env, await TerminalAsker().ask(removal.question(box.name, env)))
