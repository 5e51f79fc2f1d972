"""Builds job specs that create, change or remove environments, each by the environment's own tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

from msgspec.structs import replace

from gpubox.boxes.envs import tools
from gpubox.boxes.envs.validation import split_python, valid_folder, valid_name, valid_packages, valid_text
from gpubox.boxes.jobs.spec_builder import build
from gpubox.core.env import Env, Kind
from gpubox.core.errors import ConfigError, RemoteError, ToolMissing
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.sanitize import clean

GROUP = "env"
"""Template of all these jobs, by which lists distinguish them from the user's own."""
ASKING = 60.0
"""Time limit of a GPU check in seconds: TensorFlow takes 3 s when it is cached."""
EXPORTS = {"conda": "environment.yml", "pixi": "environment.yml", "venv": "requirements.txt"}


def tool_name(kind: Kind, tool: str) -> tools.ToolName:
    """Return the command family of a tool; raises ToolMissing where there is none."""
    if kind == "venv":
        return "pip"
    if not tool:
        raise ToolMissing(
            f"No {kind} on the box",
            f"{kind} is neither in the PATH nor in its usual places",
            f"Install {kind} there",
        )
    if kind != "conda":
        return kind
    return "mamba" if tool.rsplit("/", 1)[-1] in ("mamba", "micromamba") else "conda"


def create(name: str, packages: Sequence[str], where: str, kind: Kind, tool: str) -> JobSpec:
    """Return the spec that creates an environment in a folder; raises ConfigError and ToolMissing."""
    new = new_prefix(name, where, kind)
    rest = valid_packages(packages)
    python = ""
    if kind in ("venv", "uv"):
        python, rest = split_python(rest)
    interpreter = python if kind == "uv" else f"python{python or '3'}"
    return _spec(f"env create {name}", kind, tool, "create", {"new": new, "python": interpreter}, rest)


def create_from(text: str, name: str, where: str, kind: Kind, tool: str) -> JobSpec:
    """Return the spec that creates one from a file: a yml for conda or pixi, else requirements."""
    new = new_prefix(name, where, kind)
    file = EXPORTS.get(kind, "requirements.txt")
    values = {"new": new, "file": f"{{files}}/{file}", "python": "python3"}
    return _spec(f"env create {name}", kind, tool, "from", values, files={file: valid_text(text)})


def clone(env: Env, name: str) -> JobSpec:
    """Return the spec that clones an environment under another name."""
    values = {"new": beside(env, name), "prefix": _usable(env)}
    return _spec(f"env clone {env.name} to {name}", env.kind, env.tool, "clone", values)


def rename(env: Env, name: str) -> JobSpec:
    """Return the spec that renames an environment; the base of an installation cannot be renamed."""
    not_base(env, "renamed")
    values = {"new": beside(env, name), "prefix": _usable(env)}
    return _spec(f"env rename {env.name} to {name}", env.kind, env.tool, "rename", values, removes=True)


def install(env: Env, packages: Sequence[str]) -> JobSpec:
    """Return the spec that installs packages into an environment."""
    if not packages:
        raise ConfigError("No packages", "Write at least one package")
    values = {"prefix": _usable(env), **_pixi(env)}
    return _spec(
        f"env install into {env.name}", env.kind, env.tool, "install", values, valid_packages(packages)
    )


def export(env: Env) -> JobSpec:
    """Return the spec that exports an environment to a file, which is the job's result and its output."""
    values = {"prefix": _usable(env), **_pixi(env)}
    return _spec(
        f"env export {env.name}",
        env.kind,
        env.tool,
        "export",
        values,
        results=(EXPORTS.get(env.kind, "requirements.txt"),),
    )


def remove(env: Env) -> JobSpec:
    """Return the spec that deletes an environment; raises ConfigError for the base of an installation."""
    not_base(env, "removed")
    values = {"prefix": env.prefix, **_pixi(env)}
    return _spec(f"env remove {env.name}", env.kind, env.tool, "remove", values, removes=True)


def probe_gpu(env: Env) -> JobSpec:
    """Return the spec of a GPU check of an environment; see remote/envs/gpu_check.py."""
    spec = build((), env)
    return replace(
        spec,
        argv=(
            "python" if env.python else "python3",
            "{files}/gpu_check.py",
            "{folder}",
            _usable(env),
            spec.id,
        ),
        name=f"Does {clean(env.name, 60)} see the GPU?",
        gpus=GpuRequest(mode="any"),
        now=True,
        limit=ASKING,
        files={"gpu_check.py": _source("gpu_check.py")},
        notify=False,
        template=GROUP,
    )


@cache
def _source(name: str) -> str:
    return resources.files("gpubox.remote.envs").joinpath(name).read_text("utf-8")


def _spec(
    title: str,
    kind: Kind,
    tool: str,
    verb: tools.Verb,
    values: Mapping[str, str],
    packages: tuple[str, ...] = (),
    *,
    files: Mapping[str, str] = {},
    results: tuple[str, ...] = (),
    removes: bool = False,
) -> JobSpec:
    argv, more = tools.command(tool_name(kind, tool), verb, {"tool": tool, **values}, packages)
    return replace(
        build(argv),
        name=clean(title, 100),
        cwd="{folder}",
        # A project of pixi has one lock file for all of its environments.
        changes=tuple(values[name] for name in ("manifest", "prefix", "new") if values.get(name)),
        removes=removes,
        environment=dict(tools.QUIET),
        files={**more, **files},
        results=results,
        template=GROUP,
    )


def new_prefix(name: str, where: str, kind: Kind) -> str:
    """Return the folder of a new environment; raises ConfigError for an invalid one."""
    return f"{valid_folder(where).rstrip('/')}/{valid_name(name, kind)}"


def beside(env: Env, name: str) -> str:
    """Return the folder of an environment of another name beside this one; raises ConfigError."""
    where = f"{env.prefix}/envs" if env.base else env.prefix.rpartition("/")[0] or "/"
    return new_prefix(name, where, env.kind)


def _usable(env: Env) -> str:
    if env.broken:
        raise RemoteError(
            f"{clean(env.name, 40)} is broken", clean(env.broken, 200), "Remove it, and create it again"
        )
    return env.prefix


def not_base(env: Env, done: str) -> None:
    """Raise ConfigError for the base of an installation."""
    if env.base:
        raise ConfigError(
            f"The base is not {done}", f"{clean(env.prefix, 100)} is the installation itself, with its tools"
        )


def _pixi(env: Env) -> dict[str, str]:
    if env.kind != "pixi":
        return {}
    return {"manifest": env.root, "environment": env.prefix.rsplit("/", 1)[-1]}
