"""Job templates: those that ship in config/jobs/, and those of the settings."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

from gpubox.boxes.jobs import spec_builder
from gpubox.boxes.jobs.spec_parsing import duration, gpu_request
from gpubox.config.expect import near
from gpubox.config.places import shipped
from gpubox.config.settings import JobSettings, Settings
from gpubox.core.env import Env
from gpubox.core.errors import ConfigError
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import GpuPlace
from gpubox.core.sanitize import clean

AUTO = "auto"
"""GPUs: one if the environment was built for GPUs and the box has some, else none."""
_OF_BOX = ("files", "folder")
"""Variables in braces that the box fills in."""
_FIELD = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_SHELL = re.compile(r"[|&;<>()$`*?\[\]#~!\n]")


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named job, whose variables are filled in when it is started."""

    name: str = ""
    """Its name on the command line; the file's name for those that ship."""
    title: str = ""
    """A few words for a list."""
    about: str = ""
    """What it does, in sentences."""
    command: str = ""
    """A command as a user types it; with shell syntax it runs in /bin/sh."""
    argv: tuple[str, ...] = ()
    """The program and its arguments; comes before `command`. `{name}` stands for a variable, `{files}` for
    the folder of the files that are sent along, `{folder}` for the record's, `{python}` for Python."""
    files: dict[str, str] = {}
    """Small files that are sent along: plain names and their text."""
    gpus: str = AUTO
    """`auto`, or a request as for a new job: `1`, `none`, `any`."""
    folder: str = ""
    """Working folder; empty is the home folder."""
    limit: str = ""
    """Time limit, such as `2h`; empty for none."""
    results: tuple[str, ...] = ()
    """Files to fetch after it ended."""
    variables: dict[str, str] = {}
    """Variables and their defaults."""
    environment: dict[str, str] = {}
    """Environment variables that are set on top."""


def read(path: Path) -> Template:
    """Load a template file, with the files that are sent along; raises ConfigError.

    It names those in `files`; they are in a folder beside it, with the same name.
    """
    try:
        raw: dict[str, object] = tomllib.loads(path.read_text("utf-8"))
        names = msgspec.convert(raw.pop("files", ()), tuple[str, ...])
        files = {name: (path.with_suffix("") / name).read_text("utf-8") for name in names}
        found = msgspec.convert({**raw, "name": path.stem, "files": files}, Template)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise ConfigError("Template", f"{path.name} cannot be used: {clean(str(error), 200)}") from error
    return msgspec.structs.replace(found, about=" ".join(found.about.split()))


@cache
def all_shipped() -> tuple[Template, ...]:
    """Return the templates that ship with this program, by name."""
    folder = shipped("gpubox.toml").parent / "jobs"
    return tuple(read(path) for path in sorted(folder.glob("*.toml")))


def known(settings: Settings) -> tuple[Template, ...]:
    """Return the templates of the settings, then those that ship and are not overridden."""
    own = [
        Template(
            name=entry.name,
            title=entry.title,
            about=entry.about,
            command=entry.command,
            gpus=entry.gpus,
            folder=entry.folder,
            limit=entry.limit,
            results=entry.results,
            variables=entry.variables,
            environment=entry.environment,
        )
        for entry in settings.job
    ]
    names = {template.name for template in own}
    return (*own, *(template for template in all_shipped() if template.name not in names))


def named(name: str, templates: Iterable[Template]) -> Template:
    """Return a template by name; raises ConfigError with the closest names."""
    known = {template.name: template for template in templates}
    if name not in known:
        what = f"{clean(name, 40)} is none of {', '.join(known)}{near(name, list(known))}"
        raise ConfigError("No such template", what)
    return known[name]


def gpus_for(template: Template | None, env: Env | None, places: Sequence[GpuPlace]) -> GpuRequest:
    """Return the GPUs that a template, or a command, requests in an environment on a box with `places`.

    Raises ConfigError for a template with an invalid request.
    """
    if template is not None and template.gpus != AUTO:
        return gpu_request(template.gpus, places)
    return gpu_request("1" if places and built_for_gpus(env) else "none")


def built_for_gpus(env: Env | None) -> bool:
    """Return whether a framework of an environment was built for GPUs; False without a framework."""
    return env is not None and any(build.target in ("cuda", "rocm") for build in env.builds)


def fill(
    template: Template, *, env: Env | None, gpus: GpuRequest, values: Mapping[str, str],
    settings: JobSettings | None = None,
) -> JobSpec:  # fmt: skip
    """Return the job spec of a template with these variables; raises ConfigError for an unknown one.

    A value stays one word of the command, whatever it contains.
    """
    unknown = [name for name in values if name not in template.variables]
    if unknown:
        known = list(template.variables)
        what = f"{template.name} has no variable {clean(unknown[0], 40)}{near(unknown[0], known)}"
        raise ConfigError("Template", what, f"It has: {', '.join(known) or 'none'}")
    filled = {**template.variables, **values, "python": "python3" if env is None else "python"}
    return msgspec.structs.replace(
        spec_builder.build(_argv(template, filled), env, settings),
        line=_line(template, filled),
        name=template.name,
        cwd=_put(template.folder, filled),
        environment={name: _put(text, filled) for name, text in template.environment.items()},
        gpus=gpus,
        limit=duration(template.limit) if template.limit else None,
        results=tuple(_put(text, filled) for text in template.results),
        files=template.files,
        template=template.name,
    )


def _put(text: str, filled: Mapping[str, str], *, shell: bool = False) -> str:
    """Return text with its variables filled in; those of the box stay."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in _OF_BOX or name not in filled:
            return match[0]
        return shlex.quote(filled[name]) if shell else filled[name]

    return _FIELD.sub(value, text)


def _argv(template: Template, filled: Mapping[str, str]) -> tuple[str, ...]:
    if template.argv:
        return tuple(_put(word, filled) for word in template.argv)
    if _SHELL.search(template.command):
        return "/bin/sh", "-c", _put(template.command, filled, shell=True)
    return tuple(_put(word, filled) for word in shlex.split(template.command))


def _line(template: Template, filled: Mapping[str, str]) -> str:
    """Return the command as a user would type it."""
    if template.argv:
        return " ".join(_quoted(_put(word, filled)) for word in template.argv)
    return _put(template.command, filled, shell=True)


def _quoted(word: str) -> str:
    """Return a word for a shell; braces that the box fills in need no quotes."""
    bare = word
    for name in _OF_BOX:
        bare = bare.replace(f"{{{name}}}", name)
    return word if shlex.quote(bare) == bare else shlex.quote(word)
