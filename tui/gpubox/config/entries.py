"""Tables that a settings file may hold several of: `[[box]]` and `[[job]]`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar, cast

import msgspec

from gpubox.config.expect import InvalidSetting, near, shown, value_of
from gpubox.config.settings import BoxEntry, JobEntry, Section
from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean
from gpubox.core.tunnel_spec import parse

E = TypeVar("E", bound=Section)
RESERVED = ("demo", "local")
"""Names of boxes that are built in."""


def fields(kind: type[Section]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return the fields of a table by name, in their order."""
    return {info.name: info for info in msgspec.structs.fields(kind)}


def unknown(where: str, key: str, kind: type[Section], hint: str) -> ConfigError:
    """Return the error for an unknown field, with the closest known one."""
    known = list(fields(kind))
    what = f"`{clean(key, 40)}` is not a setting; expected one of {', '.join(known)}{near(key, known)}"
    return ConfigError("Settings", f"{where}: {what}", hint)


def box_of(
    table: Mapping[str, object], where: str, taken: Collection[str] = ()
) -> tuple[BoxEntry | None, list[ConfigError]]:
    """Return the box of one table, or None and its problem; `taken` are the names before it."""

    def wrong(good: Mapping[str, object]) -> Iterable[str]:
        for line in cast("tuple[str, ...]", good.get("tunnels", ())):
            try:
                parse(line)
            except ConfigError as error:
                yield f"`tunnels`: {error.text}"
        if (name := good.get("name")) in RESERVED:
            yield f"`name` is {shown(name)}, which is built in; expected another name"

    return _entry(BoxEntry, "box", table, where, taken, wrong)


def job_of(
    table: Mapping[str, object], where: str, taken: Collection[str] = ()
) -> tuple[JobEntry | None, list[ConfigError]]:
    """Return the job of one table, or None and its problem; `taken` are the names before it."""

    def wrong(good: Mapping[str, object]) -> Iterable[str]:
        if "command" not in table:
            yield "has no `command`; expected the command to run"

    return _entry(JobEntry, "job", table, where, taken, wrong)


def _entry(
    kind: type[E],
    what: str,
    table: Mapping[str, object],
    where: str,
    taken: Collection[str],
    wrong: Callable[[Mapping[str, object]], Iterable[str]],
) -> tuple[E | None, list[ConfigError]]:
    known, good, problems = fields(kind), dict[str, object](), list[ConfigError]()
    out = f"The {what} is left out until that is put right"

    def complain(words: str) -> None:
        problems.append(ConfigError("Settings", f"{where}: {words}", out))

    for key, raw in table.items():
        if key not in known:
            problems.append(unknown(where, key, kind, out))
            continue
        try:
            good[key] = value_of(raw, known[key].type)
        except InvalidSetting as error:
            complain(f"`{key}` is {shown(raw)}; {error}")
    if "name" not in table:
        complain(f"has no `name`; expected what you call the {what}")
    elif (name := good.get("name")) in taken:
        complain(f"`name` is {shown(name)}, which an earlier [[{what}]] has already")
    for words in wrong(good):
        complain(words)
    return (None if problems else msgspec.convert(good, kind)), problems
