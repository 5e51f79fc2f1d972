"""What the checks of environments share: which of them have a framework, and for what it was built."""

from __future__ import annotations

from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.core.env import Build, Env
from gpubox.core.sanitize import clean

SILENT = "Its disk does not answer"
"""What the scan says of an environment that did not answer in time; see remote/envs/scan.py."""


def working(facts: EnvsFacts) -> list[Env]:
    """Return the environments that can be used."""
    return [env for env in facts.envs if not env.broken]


def for_gpu(env: Env) -> list[Build]:
    """Return the frameworks of an environment that were built for GPUs."""
    return [build for build in env.builds if build.target in ("cuda", "rocm")]


def only_cpu(env: Env) -> bool:
    """Return whether an environment has frameworks, and all of them were built for the CPU."""
    return bool(env.builds) and all(build.target == "cpu" for build in env.builds)


def named(build: Build) -> str:
    """Return a framework in words: `torch 2.5.1 for CUDA 12.4`."""
    return f"{clean(build.framework, 20)} {clean(build.version, 20)} for {build.built_for}"


def name(env: Env) -> str:
    """Return the name of an environment, safe to draw."""
    return clean(env.name, 40)
