"""Tables that a settings file may hold several of: `[[box]]`, `[tag.NAME]` and `[[job]]`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar, cast

import msgspec

from gpubox.config.expect import InvalidSetting, near, shown, value_of
from gpubox.config.settings import PER_BOX, BoxEntry, JobEntry, Overrides, Section, Settings
from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean
from gpubox.core.tunnel_spec import parse

E = TypeVar("E", bound=Section)
RESERVED = ("demo", "local")
"""Names of boxes that are built in."""
LEFT_OUT = "It is left out"
"""The usual consequence of a fault."""


def fields(kind: type[Section]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return the fields of a table by name, in their order."""
    return {info.name: info for info in msgspec.structs.fields(kind)}


def unknown(where: str, key: str, kind: type[Section], hint: str) -> ConfigError:
    """Return the error for an unknown field, with the closest known one."""
    known = list(fields(kind))
    what = f"`{clean(key, 40)}` is not a setting; expected one of {', '.join(known)}{near(key, known)}"
    return ConfigError("Settings", f"{where}: {what}", hint)


def setting(
    where: str, key: str, raw: object, kind: type[Section], hint: str, *, text: bool = False
) -> object:
    """Return the value of one key of a table; raises ConfigError, which says what was expected."""
    if (found := fields(kind).get(key)) is None:
        raise unknown(where, key, kind, hint)
    try:
        return value_of(raw, found.type, text=text)
    except InvalidSetting as wrong:
        raise ConfigError("Settings", f"{where}: `{key}` is {shown(raw)}; {wrong}", hint) from wrong


def overrides_of(table: Mapping[str, object], where: str, prefix: str) -> tuple[Overrides, list[ConfigError]]:
    """Return what a [[box]] or a tag overrides, and a problem for each part that is left out.

    `prefix` is how the names of its tables begin: `box` or `tag.NAME`.
    """
    good, problems = {name: dict[str, object]() for name in PER_BOX}, list[ConfigError]()
    for name, raw in table.items():
        inside = f"{where}[{prefix}.{clean(name, 40)}]"
        if name not in good:
            what = f"is not a table of a box or tag; expected one of {', '.join(PER_BOX)}"
            text = f"{inside}: {what}{near(name, list(PER_BOX))}"
            problems.append(ConfigError("Settings", text, LEFT_OUT))
        elif not isinstance(raw, dict):
            text = f"{inside}: is {shown(raw)}; expected a table"
            problems.append(ConfigError("Settings", text, LEFT_OUT))
        else:
            kind = cast("type[Section]", fields(Settings)[name].type)
            for key, value in cast("dict[str, object]", raw).items():
                try:
                    good[name][key] = setting(inside, key, value, kind, LEFT_OUT)
                except ConfigError as error:
                    problems.append(error)
    return Overrides(**good), problems


def box_of(
    table: Mapping[str, object], where: str, taken: Collection[str] = ()
) -> tuple[BoxEntry | None, list[ConfigError]]:
    """Return the box of one table, or None, and its problems; `taken` are the names before it.

    A wrong override is left out and the box stays, as its address is right.
    """

    def wrong(good: Mapping[str, object]) -> Iterable[str]:
        for line in cast("tuple[str, ...]", good.get("tunnels", ())):
            try:
                parse(line)
            except ConfigError as error:
                yield f"`tunnels`: {error.text}"
        if (name := good.get("name")) in RESERVED:
            yield f"`name` is {shown(name)}, which is built in; expected another name"

    own = {key: raw for key, raw in table.items() if not _is_override(key, raw)}
    box, problems = _entry(BoxEntry, "box", own, where, taken, wrong)
    overrides, others = overrides_of(
        {key: raw for key, raw in table.items() if key not in own}, f"{where}, ", "box"
    )
    if box is not None:
        box = msgspec.structs.replace(box, **msgspec.structs.asdict(overrides))
    return box, problems + others


def _is_override(key: str, raw: object) -> bool:
    """Return whether a key of a [[box]] is a section, or was meant as one: its own keys hold no table."""
    return key in PER_BOX or (isinstance(raw, dict) and key not in fields(BoxEntry))


def job_of(
    table: Mapping[str, object], where: str, taken: Collection[str] = ()
) -> tuple[JobEntry | None, list[ConfigError]]:
    """Return the job of one table, or None and its problem; `taken` are the names before it."""

    def wrong(_: Mapping[str, object]) -> Iterable[str]:
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
    good, problems = dict[str, object](), list[ConfigError]()
    out = f"The {what} is left out until that is put right"

    def complain(words: str) -> None:
        problems.append(ConfigError("Settings", f"{where}: {words}", out))

    for key, raw in table.items():
        try:
            good[key] = setting(where, key, raw, kind, out)
        except ConfigError as error:
            problems.append(error)
    if "name" not in table:
        complain(f"has no `name`; expected what you call the {what}")
    elif (name := good.get("name")) in taken:
        complain(f"`name` is {shown(name)}, which an earlier [[{what}]] has already")
    for words in wrong(good):
        complain(words)
    return (None if problems else msgspec.convert(good, kind)), problems
