"""The draft of a job: the text of each field, its meaning, and its errors."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from gpubox.boxes.jobs import spec_builder, spec_parsing, wording
from gpubox.boxes.jobs.backends import BOX, BackendKind, BackendOption
from gpubox.common import units
from gpubox.core.env import Env
from gpubox.core.errors import ConfigError
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import GpuPlace
from gpubox.core.sanitize import clean
from gpubox.ui.panels.jobs import fields
from gpubox.ui.panels.jobs.fields import NONE, Choice, Context, FieldError

T = TypeVar("T")


class Draft:
    """The texts of a form, and the job that they describe."""

    def __init__(self, context: Context, begin: JobSpec | None) -> None:
        self._context = context
        self._begin = begin
        self.texts: dict[str, str] = _texts(begin, context)
        """The text of each field, by name."""
        self._first = dict(self.texts)

    def learn(self, context: Context) -> Sequence[str]:
        """Update the context; return the unedited fields whose initial text changed."""
        self._context = context
        first = _texts(self._begin, context)
        changed = [
            name
            for name in first
            if self.texts[name] == self._first[name] and first[name] != self._first[name]
        ]
        for name in changed:
            self.texts[name] = first[name]
        self._first = first
        return changed

    def take(self, field: str, choice: Choice) -> Sequence[str]:
        """Fill the other fields if a whole job was chosen; return which ones."""
        if choice.spec is None:
            return ()
        self._first = _texts(choice.spec, self._context)
        self.texts = dict(self._first)
        self._begin = choice.spec
        return [name for name in self.texts if name != field]

    def meaning(self, field: str) -> str:
        """Return the meaning of a field, in words; raises FieldError."""
        option = fields.options().get(field)
        return (self._option(option) if option is not None else _READ[field](self))[1]

    def spec(self) -> JobSpec:
        """Return the job; raises FieldError."""
        begin = self._begin or _new(self._context)
        variables, hidden = self._variables()[0]
        now, after, after_any = self._when()[0]
        line = self._command()[0]
        backend = self._backend()[0]
        written = spec_builder.with_line(spec_builder.in_env(begin, self._env()[0]), line)
        return replace(
            spec_builder.again(written),
            name=self.texts["name"].strip(),
            cwd=self.texts["folder"].strip(),
            login=self._login()[0],
            gpus=self._gpus()[0],
            environment=variables,
            hidden=hidden,
            now=now,
            after=after,
            after_any=after_any,
            limit=self._limit()[0],
            results=self._results()[0],
            notify=self._notify()[0],
            backend=backend.name,
            options={option.name: text for option in backend.options if (text := self._option(option)[0])},
        )

    # Each reader returns the value of a field and its meaning, or raises FieldError.

    def _command(self) -> tuple[str, str]:
        line = self.texts["command"].strip()
        if not line:
            raise FieldError("command", "command to run")
        argv = _understood("command", lambda: spec_parsing.argv_of(line))
        return line, "a shell runs it" if argv[:2] == ("/bin/sh", "-c") else ""

    def _folder(self) -> tuple[str, str]:
        return self.texts["folder"].strip(), "" if self.texts["folder"].strip() else "your home folder"

    def _env(self) -> tuple[Env | None, str]:
        name = self.texts["env"].strip()
        if name in ("", NONE):
            return None, "as a login finds it" if self._login()[0] else "as ssh runs it"
        found = [env for env in self._context.envs if name in (env.name, env.prefix)]
        if not found:
            begin = self._begin
            if begin is not None and name == begin.env and begin.prefix:
                return Env(begin.prefix, begin.env, begin.kind or "conda"), clean(begin.prefix, 60)  # pyright: ignore[reportArgumentType]
            close = [env.name for env in self._context.envs if name.lower() in env.name.lower()]
            raise FieldError("env", f"no such env{': ' + ', '.join(close[:3]) + '?' if close else ''}")
        if len(found) > 1:
            raise FieldError("env", f"{len(found)} are called so: write its path")
        if found[0].broken:
            raise FieldError("env", clean(found[0].broken, 60))
        return found[0], fields.env_words(found[0])

    def _login(self) -> tuple[bool, str]:
        return _yes_or_no(
            "login", self.texts["login"], "a login shell's variables", "only those that ssh gives"
        )

    def _gpus(self) -> tuple[GpuRequest, str]:
        text = self.texts["gpus"].strip()
        places = self._context.places
        spec = (
            _understood("gpus", lambda: spec_parsing.gpu_request(text, places))
            if text
            else spec_builder.default_gpus(self._context.settings, places)
        )
        if spec.mode in ("count", "chosen") and not places and self.texts["backend"].strip() in ("", BOX):
            raise FieldError("gpus", "the box shows no GPU: none")
        match spec.mode:
            case "none":
                return spec, "runs on the CPU"
            case "any":
                return spec, "all, without a lease"
            case "count":
                if places and spec.count > len(places):
                    raise FieldError("gpus", f"the box has {len(places)}")
                free = sum(place.free for place in places)
                return spec, f"{free} of {len(places)} free" if places else ""
            case "chosen":
                busy = [place for place in places if place.uuid in spec.uuids and not place.free]
                return spec, f"GPU {busy[0].index}: {fields.who(busy[0])}" if busy else "free"

    def _name(self) -> tuple[str, str]:
        return self.texts["name"].strip(), ""

    def _variables(self) -> tuple[tuple[dict[str, str], tuple[str, ...]], str]:
        text = self.texts["variables"]
        try:
            words = shlex.split(text)
        except ValueError:
            raise FieldError("variables", "a quote is not closed") from None
        found: dict[str, str] = {}
        for word in words:
            name, value = _understood("variables", lambda word=word: spec_parsing.variable(word))
            found[name] = value
        secrets = {*spec_parsing.hidden(found), *(self._begin.hidden if self._begin is not None else ())}
        secret = tuple(name for name in found if name in secrets)
        for name in secret:
            if not found[name]:
                raise FieldError("variables", f"{clean(name, 24)} was not kept: write it")
        return (found, secret), f"{', '.join(secret)}: not recorded" if secret else ""

    def _when(self) -> tuple[tuple[bool, str, bool], str]:
        text = self.texts["when"].strip()
        if text in ("", "free"):
            return (False, "", False), "when its GPUs are free"
        if text == "now":
            return (True, "", False), "also on GPUs in use"
        words = text.split()
        if words[0] != "after" or len(words) < 2:
            raise FieldError("when", "free, now, or after JOB")
        anyway = words[2:] == ["any"]
        found = [one for one in self._context.records if words[1] in (one.id, one.spec.name)]
        if not found:
            raise FieldError("when", "no such job")
        name = wording.name(found[0])
        return (False, found[0].id, anyway), f"after {name}{', however it ends' if anyway else ' succeeded'}"

    def _limit(self) -> tuple[float | None, str]:
        text = self.texts["limit"].strip()
        if text in ("", "none"):
            return None, "runs as long as it takes"
        seconds = _understood("limit", lambda: spec_parsing.duration(text))
        return seconds, f"is ended after {units.duration(seconds)}"

    def _results(self) -> tuple[tuple[str, ...], str]:
        try:
            words = tuple(shlex.split(self.texts["results"]))
        except ValueError:
            raise FieldError("results", "a quote is not closed") from None
        return words, "g fetches them in the end" if words else "files to fetch in the end"

    def _notify(self) -> tuple[bool, str]:
        return _yes_or_no("notify", self.texts["notify"], "a toast when it ended", "")

    def _backend(self) -> tuple[BackendKind, str]:
        known = {kind.name: kind for kind in fields.offered(self._context)}
        text = (self.texts["backend"].strip() if len(known) > 1 else "") or BOX
        if text not in known:
            raise FieldError("backend", " or ".join(known))
        return known[text], known[text].about

    def _option(self, option: BackendOption) -> tuple[str, str]:
        text = self.texts[option.name].strip()
        known = {choice.text: choice.words for choice in fields.choices(option.name, self._context)}
        if text and known and text not in known:
            raise FieldError(option.name, f"there is {', '.join(list(known)[:4])}")
        return text, clean(known.get(text, ""), 40) if text else option.default


_READ: dict[str, Callable[[Draft], tuple[object, str]]] = {
    field.name: getattr(Draft, f"_{field.name}") for field in fields.FIELDS
}


def _understood(field: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except ConfigError as error:
        raise FieldError(field, error.text or error.title) from None


def _yes_or_no(field: str, text: str, yes: str, no: str) -> tuple[bool, str]:
    word = text.strip().lower()
    if word not in ("", "yes", "no", "y", "n"):
        raise FieldError(field, "yes or no")
    return (False, no) if word.startswith("n") else (True, yes)


def _new(context: Context) -> JobSpec:
    """Return the initial job of an empty form."""
    env = context.chosen if context.chosen is not None and not context.chosen.broken else None
    # Templates and changes of environments have folders of their own, which may be gone.
    folder = next((one.spec.cwd for one in context.records if not one.spec.template), "")
    gpus = spec_builder.default_gpus(context.settings, context.places)
    return replace(spec_builder.build((), env, context.settings), cwd=folder, gpus=gpus)


def _texts(spec: JobSpec | None, context: Context) -> dict[str, str]:
    """Return the initial texts of the fields."""
    spec = spec or _new(context)
    variables = {**spec.environment, **{name: spec.environment.get(name, "") for name in spec.hidden}}
    return {
        "command": spec.command,
        "folder": spec.cwd,
        "env": spec.env or spec.prefix or NONE,
        "login": "yes" if spec.login else "no",
        "gpus": _gpu_text(spec.gpus, context.places),
        "name": spec.name,
        "variables": " ".join(
            f"{name}={shlex.quote(value) if value else ''}" for name, value in variables.items()
        ),
        "when": "now"
        if spec.now
        else f"after {spec.after}{' any' * spec.after_any}"
        if spec.after
        else "free",
        "limit": _span(spec.limit),
        "results": " ".join(spec.results) if _plain(spec.results) else shlex.join(spec.results),
        "notify": "yes" if spec.notify else "no",
        "backend": spec.backend,
        **{name: spec.options.get(name, "") for name in fields.options()},
    }


def _plain(words: Sequence[str]) -> bool:
    """Return whether patterns need no quotes: no shell interprets them."""
    return not any(sign in word for word in words for sign in " \t'\"\\")


def _span(seconds: float | None) -> str:
    """Format a time limit as input."""
    if seconds is None:
        return "none"
    whole = int(seconds)
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or f"{seconds:g}s"


def _gpu_text(spec: GpuRequest, places: Sequence[GpuPlace]) -> str:
    if spec.mode == "count":
        return str(spec.count)
    if spec.mode != "chosen":
        return spec.mode
    index = {place.uuid: f"#{place.index}" for place in places}
    return ",".join(index.get(uuid, uuid) for uuid in spec.uuids)
