"""Builds every job spec: of the form, `run`, templates, comparisons, reruns and changes of environments."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from gpubox.boxes.jobs.spec_parsing import argv_of, gpu_request, new_id
from gpubox.config.settings import JobSettings
from gpubox.core.env import Env
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import GpuPlace


def build(command: Sequence[str], env: Env | None = None, settings: JobSettings | None = None) -> JobSpec:
    """Return the spec of a job that runs a program with arguments in an environment, without GPUs.

    The launch adds the GPUs that the settings exclude.
    """
    return with_settings(in_env(JobSpec(new_id(), tuple(command)), env), settings or JobSettings())


def with_settings(spec: JobSpec, settings: JobSettings) -> JobSpec:
    """Return the spec with the settings' grace, and announced only if the settings say so too."""
    return replace(spec, grace=settings.grace, notify=spec.notify and settings.notify)


def in_env(spec: JobSpec, env: Env | None) -> JobSpec:
    """Return the spec with this environment, or without one."""
    if env is None:
        return replace(spec, env="", prefix="", kind="")
    return replace(spec, env=env.name, prefix=env.prefix, kind=env.kind)


def with_line(spec: JobSpec, line: str) -> JobSpec:
    """Return the spec with a command as it was typed; an unchanged one keeps its arguments.

    Raises ConfigError as argv_of.
    """
    same = bool(spec.argv) and spec.command == line
    return replace(spec, line=line, argv=spec.argv if same else argv_of(line))


def again(spec: JobSpec) -> JobSpec:
    """Return the spec of the same job for another launch: a new id, no submitter and no predecessor."""
    return replace(spec, id=new_id(), by="", after="")


def default_gpus(settings: JobSettings, places: Sequence[GpuPlace]) -> GpuRequest:
    """Return the GPUs that a new job asks for on a box with these."""
    return gpu_request(str(min(settings.gpus, len(places))) if places else "none", places)
