"""`gpubox-tui jobs`: what runs, waits and ended on a box, from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gpubox.commands.common import common_options, complete_box
from gpubox.commands.compare import compare_jobs
from gpubox.commands.features import jobs_of
from gpubox.commands.of_box import OfBox
from gpubox.commands.output import as_json, print_json
from gpubox.commands.retry import retry

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.core.record import Record


which = click.argument("job", metavar="JOB")
many = click.argument("jobs_", nargs=-1, required=True, metavar="JOB...")


@click.group(cls=OfBox)
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@common_options
def jobs(box: str) -> None:
    """List, look at, follow, stop, remove and rerun the jobs of BOX; `gpubox-tui run` starts them.

    Without a COMMAND it lists them.
    JOB is an id, the end of one, a name (its newest job is meant), or `last`.
    """


@jobs.on_box("list", short_help="Print the jobs, newest first.")
@click.option("--active", is_flag=True, help="Only those that have not ended.")
@as_json
async def list_(box: Box, active: bool, as_json: bool) -> None:
    """Print the jobs of the box, newest first, and with --json the GPUs that they queue for too."""
    from gpubox.commands import job_report
    from gpubox.core.record import ACTIVE

    found = await retry(box, lambda: jobs_of(box).look(gpus=as_json))
    shown = [one for one in found if not active or one.state in ACTIVE]
    if as_json:
        print_json(
            box.name,
            jobs=[job_report.to_json(one) for one in shown],
            gpus=[job_report.place_to_json(place) for place in jobs_of(box).gpus.value],
        )
    else:
        click.echo("\n".join(job_report.rows(shown)) if shown else "No jobs.")


@jobs.on_box(short_help="Print all that is known of one.")
@which
@as_json
async def show(box: Box, job: str, as_json: bool) -> None:
    """Print the record of a job."""
    record = await retry(box, lambda: _shown(box, job))
    _print(box, record, as_json)


@jobs.on_box(short_help="Print the log of one.")
@which
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended, also through lost links.")
@click.option("--lines", "-n", type=click.IntRange(0), metavar="N", help="Only the last N lines there are.")
async def logs(box: Box, job: str, follow: bool, lines: int | None) -> None:
    """Print the log of a job: what it wrote to stdout and stderr.

    A pipe or file gets it byte for byte. A terminal gets its colors, but no other control sequences.
    """
    from gpubox.commands.job_log import pour, start_of_last

    jobs = jobs_of(box)
    await retry(box, jobs.look)
    record = jobs.named(job)
    offset = 0
    if lines is not None:
        last = lines
        offset = await retry(box, lambda: start_of_last(box, record.id, last))
    await pour(box, record.id, offset, follow=follow)


@jobs.on_box(short_help="End jobs, with all their processes.")
@many
@click.option("--wait", is_flag=True, help="Return when they have ended.")
@as_json
async def stop(box: Box, jobs_: tuple[str, ...], wait: bool, as_json: bool) -> None:
    """End jobs: a queued one at once, a running one by TERM, and by KILL when its time of grace is over."""
    from gpubox.boxes.jobs import completion

    jobs = jobs_of(box)
    records = await _named(box, jobs_)
    for record in records:
        stopped = await retry(box, lambda: jobs.stop(record.id))  # noqa: B023
        if wait:
            stopped = await completion.wait(jobs, box.shell, record.id)
        _print_done(box, stopped, as_json)


@jobs.on_box(short_help="Delete the records and logs of ended jobs.")
@many
async def remove(box: Box, jobs_: tuple[str, ...]) -> None:
    """Delete the records and logs of jobs that have ended; what they wrote elsewhere stays."""
    records = await _named(box, jobs_)
    await retry(box, lambda: jobs_of(box).remove([record.id for record in records]))


@jobs.on_box(short_help="Start a job once more.")
@which
@as_json
async def rerun(box: Box, job: str, as_json: bool) -> None:
    """Start a job again, unchanged, and print the new id."""
    from gpubox.boxes.jobs import completion

    jobs = jobs_of(box)
    (before,) = await _named(box, [job])
    spec = await retry(box, lambda: jobs.again(before.id))
    record = await completion.launch(jobs, box.shell, spec)
    if as_json:
        _print(box, record, as_json)
    else:
        click.echo(record.id)


@jobs.on_box(short_help="Fetch the files that one made.")
@which
async def results(box: Box, job: str) -> None:
    """Copy the result files of an ended job here, into a folder of its own, and print where it is.

    They are those that `run --result` named; the folder is below jobs.results of the settings.
    """
    record = await retry(box, lambda: _shown(box, job))
    click.echo(await jobs_of(box).fetch(record))


@jobs.on_box(short_help="Let a process not count as using a GPU.")
@click.argument("pid", type=click.IntRange(1), metavar="PID")
async def ignore(box: Box, pid: int) -> None:
    """Stop counting a process as a user of its GPU, so that jobs can get that GPU.

    PID is its number on the box, which `jobs BOX list` shows for a waiting job. This holds until it ends.
    """
    from gpubox.core.job import Ignored

    await retry(box, lambda: jobs_of(box).ignore(Ignored(pid)))


jobs.on_box("compare", short_help="Put two jobs or more side by side.")(compare_jobs)


async def _named(box: Box, names: Sequence[str]) -> list[Record]:
    jobs = jobs_of(box)
    await retry(box, lambda: jobs.look(gpus=False))
    return [jobs.named(name) for name in dict.fromkeys(names)]


async def _shown(box: Box, name: str) -> Record:
    jobs = jobs_of(box)
    await jobs.look(gpus=False)
    return await jobs.show(jobs.named(name).id)


def _print(box: Box, record: Record, as_json: bool) -> None:
    from gpubox.commands import job_report

    if as_json:
        print_json(box.name, job=job_report.to_json(record))
    else:
        click.echo("\n".join(job_report.details(record)))


def _print_done(box: Box, record: Record, as_json: bool) -> None:
    from gpubox.boxes.jobs.wording import state_line
    from gpubox.commands import job_report

    if as_json:
        print_json(box.name, job=job_report.to_json(record))
    else:
        click.echo(f"{record.id}: {state_line(record)}")
