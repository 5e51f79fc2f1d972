"""The fields of the job form: their names, and the choices for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gpubox.boxes.jobs import backends, wording
from gpubox.boxes.jobs.backends import BOX, BackendKind, BackendOption
from gpubox.boxes.jobs.queue_view import QueueView
from gpubox.config.settings import JobSettings
from gpubox.core.env import Env
from gpubox.core.job import JobSpec
from gpubox.core.record import GpuPlace, Record
from gpubox.core.sanitize import clean
from gpubox.ui.panels.jobs.phrase import phrase

NONE = "none"
"""Runs a job without an environment, without GPUs, or without a time limit."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a field."""

    text: str
    words: str = ""
    """A note on it, such as who uses it."""
    spec: JobSpec | None = None
    """A whole job that fills the other fields too, as a template does."""
    title: str = ""
    """Listed instead of a long value."""


@dataclass(frozen=True, slots=True)
class Context:
    """The known facts of the box for the form."""

    box: str
    envs: Sequence[Env] = ()
    chosen: Env | None = None
    places: Sequence[GpuPlace] = ()
    records: Sequence[Record] = ()
    past: Sequence[str] = ()
    """Commands that were run before, newest first."""
    templates: Sequence[tuple[str, JobSpec]] = ()
    """Jobs of templates, by title."""
    queues: Mapping[str, QueueView] = field(default_factory=dict[str, QueueView])
    """The queues that the box has besides its own, by the names of their backends."""
    login: bool = False
    """Whether jobs get the environment of a login."""
    settings: JobSettings = field(default_factory=JobSettings)
    """The settings of the box for jobs."""


class FieldError(Exception):
    """The text of a field is invalid."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field
        """The name of the field."""
        self.words = words
        """The error, in words."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form."""

    name: str
    label: str
    example: str
    offered: Callable[[Context], bool] = lambda _: True
    """Returns whether the box supports it."""


FIELDS: Sequence[Field] = (
    Field("command", "Command", "python train.py --epochs 30"),
    Field("folder", "Folder", "~"),
    Field("env", "Env", NONE),
    Field("login", "Login", "yes", lambda context: context.login),
    Field("gpus", "GPUs", "1"),
    Field("name", "Name", ""),
    Field("variables", "Variables", "NAME=value …"),
    Field("when", "When", "free"),
    Field("limit", "Time limit", "none"),
    Field("results", "Results", "*.png out/"),
    Field("notify", "Notify", "yes"),
    Field("backend", "Runs by", BOX, lambda context: bool(context.queues)),
)
"""The fields that every job has, in their order; those of its backend follow."""


def fields(context: Context) -> Sequence[Field]:
    """Return the fields that a job can have on this box."""
    own = {option.name: option for kind in offered(context) for option in kind.options}
    options = (Field(name, option.label, "") for name, option in own.items())
    return [*(field for field in FIELDS if field.offered(context)), *options]


def options() -> dict[str, BackendOption]:
    """Return the additional options of the backends, by field name."""
    return {name: having[-1][1] for name, having in backends.options().items()}


def offered(context: Context) -> Sequence[BackendKind]:
    """Return the backends that can run a job on this box."""
    return [kind for kind in backends.kinds() if kind.name == BOX or kind.name in context.queues]


def choices(field: str, context: Context) -> Sequence[Choice]:
    """Return the choices for a field."""
    match field:
        case "command":
            templates = [
                Choice(spec.command, f"template {spec.template}", spec, clean(title, 60))
                for title, spec in context.templates
            ]
            return [*(Choice(line, "run before") for line in context.past), *templates]
        case "folder":
            folders = dict.fromkeys(one.cwd or one.spec.cwd for one in context.records)
            return [Choice(folder, "used before") for folder in folders if folder]
        case "env":
            return [*(Choice(env.name, env_words(env)) for env in context.envs), Choice(NONE, "as it is")]
        case "login":
            return [Choice("yes", "PATH and more from start files"), Choice("no", "as ssh runs it")]
        case "gpus":
            return list(_gpu_choices(context.places))
        case "when":
            after = [
                Choice(f"after {one.id}", f"{wording.name(one)}, {phrase(one).words}")
                for one in context.records
                if wording.active(one)
            ]
            return [Choice("free", "when its GPUs are free"), Choice("now", "also on GPUs in use"), *after]
        case "limit":
            return [Choice("none"), *(Choice(text) for text in ("10m", "1h", "8h", "24h"))]
        case "notify":
            return [Choice("yes", "tell when it ended"), Choice("no")]
        case "backend":
            return [Choice(kind.name, kind.about) for kind in offered(context)]
        case _:
            return [
                Choice(name, words)
                for kind, option in backends.options().get(field, ())
                if kind.name in context.queues
                for name, words in option.choices(context.queues[kind.name])
            ]


def _gpu_choices(places: Sequence[GpuPlace]) -> Iterator[Choice]:
    free = sum(place.free for place in places)
    if places:
        yield Choice("1", f"any one; {free} of {len(places)} free")
    yield Choice("none", "runs on the CPU")
    for place in places:
        name = clean(place.name, 40).removeprefix("NVIDIA ")
        yield Choice(f"#{place.index}", f"{name}, {who(place)}")
    if len(places) > 1:
        yield from (Choice(str(count), f"any {count}") for count in range(2, len(places) + 1))
    if places:
        yield Choice("any", "all of them, in use or not, without a lease")


def who(place: GpuPlace) -> str:
    """Return the users of a GPU, in words."""
    if place.strangers:
        return clean("; ".join(place.strangers), 60)
    if place.job:
        return f"job {clean(place.job, 40)}"
    return "free" if place.free else "not free"


def env_words(env: Env) -> str:
    """Return a few words that distinguish an environment from others."""
    if env.broken:
        return f"broken: {clean(env.broken, 60)}"
    builds = [f"{one.framework} {clean(one.version, 16)} {one.target}" for one in env.builds]
    return " · ".join([env.kind, *([f"Python {clean(env.python, 12)}"] if env.python else []), *builds])
