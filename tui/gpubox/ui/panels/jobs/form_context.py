"""Gathers the facts of a box for the job form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from gpubox.boxes.box import Box
from gpubox.boxes.envs.envs import Environments
from gpubox.boxes.jobs import templates
from gpubox.boxes.jobs.backend import queues
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.config.settings import Settings
from gpubox.core.env import Env
from gpubox.core.errors import ConfigError, GpuBoxError
from gpubox.core.job import JobSpec
from gpubox.core.record import GpuPlace
from gpubox.ui.panels.jobs.fields import Context


async def context(box: Box, settings: Settings) -> Context:
    """Return the known facts without a request to the box, so that the form opens at once."""
    jobs, environments = box.use(Jobs), box.use(Environments)
    envs, chosen, places = environments.feed.value, environments.chosen.value, jobs.gpus.value
    return Context(
        box=box.name,
        queues=queues(jobs.backends),
        login=box.context.has_login,
        envs=envs.envs if envs is not None else (),
        chosen=chosen,
        places=places,
        records=jobs.feed.value,
        past=await jobs.history(),
        templates=tuple(_templates(settings, chosen, places)),
        settings=settings.jobs,
    )


async def learned(box: Box, settings: Settings) -> Context:
    """Return the facts after requesting the missing ones from the box."""
    jobs = box.use(Jobs)
    envs = box.use(Environments)
    if envs.feed.value is None:
        with suppress(GpuBoxError):
            await envs.find()
    if not jobs.looked:
        with suppress(GpuBoxError):
            await jobs.look()
    return await context(box, settings)


def _templates(
    settings: Settings, env: Env | None, places: Sequence[GpuPlace]
) -> Iterator[tuple[str, JobSpec]]:
    """Yield the jobs of templates that can run here, with their titles."""
    for template in templates.known(settings):
        try:
            gpus = templates.gpus_for(template, env, places)
            spec = templates.fill(template, env=env, gpus=gpus, values={}, settings=settings.jobs)
            yield template.title or template.name, spec
        except ConfigError:
            continue  # its error is reported when it is used by name
