"""Loads the settings; a flag beats GPUBOX_… variables, those beat the user's file, that beats the default.

No fault in a file stops the program. An invalid value is replaced by its default and reported in one line; a
[[box]] with a fault is left out, because half of an address leads to the wrong box.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgspec

from gpubox.config.entries import LEFT_OUT, box_of, fields, job_of, overrides_of, setting
from gpubox.config.expect import InvalidSetting, near, shown, value_of
from gpubox.config.places import settings_file, short
from gpubox.config.resolve import forced
from gpubox.config.settings import BoxEntry, JobEntry, Overrides, Section, Settings, Tag
from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean

PREFIX = "GPUBOX_"
"""GPUBOX_PROBE_INTERVAL sets [probe] `interval`."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Loaded settings, and the problems of their sources."""

    settings: Settings
    path: Path
    """The user's file, whether it exists or not."""
    exists: bool
    problems: tuple[ConfigError, ...]
    """One for each value that was ignored."""


@dataclass(slots=True)
class _Reader:
    """Collects valid values, and the problems of invalid ones."""

    values: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    keys: dict[str, str] = field(default_factory=dict[str, str])
    boxes: list[BoxEntry] = field(default_factory=list[BoxEntry])
    jobs: list[JobEntry] = field(default_factory=list[JobEntry])
    tags: dict[str, Overrides] = field(default_factory=dict[str, Overrides])
    problems: list[ConfigError] = field(default_factory=list[ConfigError])

    def complain(self, where: str, what: str, hint: str) -> None:
        self.problems.append(ConfigError("Settings", f"{where}: {what}", hint))

    def file(self, name: str, table: Mapping[str, object]) -> None:
        known = fields(Settings)
        for key, raw in table.items():
            if key in ("box", "job"):
                self._entries(name, key, raw)
            elif key == "tag":
                self._tags(name, raw)
            elif key == "keys":
                self._keys(name, raw)
            elif key not in known:
                close = near(key, list(known))
                what = f"`{clean(key, 40)}` is not a table; expected one of {', '.join(known)}{close}"
                self.complain(name, what, LEFT_OUT)
            elif not isinstance(raw, dict):
                self.complain(name, f"`{key}` is {shown(raw)}; expected a table [{key}]", LEFT_OUT)
            else:
                self._section(name, key, cast("dict[str, object]", raw))

    def _section(self, name: str, section: str, table: Mapping[str, object]) -> None:
        kind = cast("type[Section]", fields(Settings)[section].type)
        for key, raw in table.items():
            self.put(f"{name}: [{section}]", section, key, raw, kind)

    def put(
        self, where: str, section: str, key: str, raw: object, kind: type[Section], *, text: bool = False
    ) -> None:
        found = fields(kind).get(key)
        hint = LEFT_OUT if found is None else f"Its default is used: {shown(found.default)}"
        try:
            self.values.setdefault(section, {})[key] = setting(where, key, raw, kind, hint, text=text)
        except ConfigError as error:
            self.problems.append(error)

    def _tags(self, name: str, raw: object) -> None:
        if not isinstance(raw, dict):
            what = f"`tag` is {shown(raw)}; expected tables such as [tag.lab.jobs]"
            self.complain(name, what, LEFT_OUT)
            return
        for tag, table in cast("dict[str, object]", raw).items():
            try:
                value_of(tag, Tag)
            except InvalidSetting as wrong:
                self.complain(name, f"[tag] {shown(tag)} is not the name of a tag; {wrong}", LEFT_OUT)
                continue
            if not isinstance(table, dict):
                what = f"[tag] `{tag}` is {shown(table)}; expected tables such as [tag.{tag}.jobs]"
                self.complain(name, what, LEFT_OUT)
                continue
            sections = cast("dict[str, object]", table)
            self.tags[tag], problems = overrides_of(sections, f"{name}: ", f"tag.{tag}")
            self.problems += problems

    def _keys(self, name: str, raw: object) -> None:
        if not isinstance(raw, dict):
            self.complain(name, f"`keys` is {shown(raw)}; expected a table [keys]", LEFT_OUT)
            return
        for binding, key in cast("dict[str, object]", raw).items():
            if isinstance(key, str) and key:
                self.keys[binding] = key
            else:
                what = f'[keys] "{clean(binding, 40)}" is {shown(key)}; expected a key such as "k"'
                self.complain(name, what, "The binding keeps its own key")

    def _entries(self, name: str, key: str, raw: object) -> None:
        if not isinstance(raw, list):
            self.complain(name, f"`{key}` is {shown(raw)}; expected [[{key}]] tables", LEFT_OUT)
            return
        for number, entry in enumerate(cast("list[object]", raw), 1):
            where = f"{name}: [[{key}]] number {number}"
            if not isinstance(entry, dict):
                self.complain(where, f"is {shown(entry)}; expected a table", f"The {key} is left out")
                continue
            table = cast("dict[str, object]", entry)
            if key == "box":
                box, problems = box_of(table, where, {box.name for box in self.boxes})
                self.boxes += [] if box is None else [box]
            else:
                job, problems = job_of(table, where, {job.name for job in self.jobs})
                self.jobs += [] if job is None else [job]
            self.problems += problems

    def environment(self, environment: Mapping[str, str]) -> None:
        for variable in sorted(environment):
            section, _, key = variable.removeprefix(PREFIX).lower().partition("_")
            if variable.startswith(PREFIX) and key and section in SECTIONS:
                where = f"the environment's {clean(variable, 60)}"
                self.put(where, section, key, environment[variable], SECTIONS[section], text=True)

    def flag(self, flag: str) -> None:
        name, equals, raw = flag.partition("=")
        section, _, key = name.strip().partition(".")
        if not equals or section not in SECTIONS:
            close = near(section, list(SECTIONS))
            what = f"expected SECTION.KEY=VALUE with a section of {', '.join(SECTIONS)}{close}"
            self.complain(f'--set "{clean(flag, 60)}"', what, "")
        else:
            self.put(f"--set: [{section}]", section, key, raw.strip(), SECTIONS[section], text=True)

    def settings(self, over: Mapping[str, Mapping[str, object]]) -> Settings:
        """Return the settings; `over` are those of the environment and the flags, which beat all others."""
        data: dict[str, object] = {**self.values, "keys": self.keys}
        whole = msgspec.convert(data, Settings)
        whole = msgspec.structs.replace(whole, box=tuple(self.boxes), tag=self.tags, job=tuple(self.jobs))
        return forced(whole, over)


def _sections() -> Iterator[tuple[str, type[Section]]]:
    for name, info in fields(Settings).items():
        if isinstance(info.type, type) and issubclass(info.type, Section):
            yield name, info.type


SECTIONS: Mapping[str, type[Section]] = dict(_sections())
"""The tables whose keys can come from a flag or the environment."""


def load(
    path: Path | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    flags: Sequence[str] = (),
) -> Loaded:
    """Return the settings of the user's file, or of `path`; a faulty file is a problem, not an error.

    Raises ConfigError for a flag that cannot be used, and for a file that was named on purpose (by
    `path` or $GPUBOX_CONFIG) and is not there.
    """
    named = path is not None or bool(environment.get("GPUBOX_CONFIG"))
    file = path or settings_file(environment)
    over, reader = _Reader(), _Reader()
    over.environment(environment)
    wrong_variables = tuple(over.problems)
    for flag in flags:
        over.flag(flag)
    if len(over.problems) > len(wrong_variables):
        raise over.problems[len(wrong_variables)]
    exists = _read(reader, file, named)
    settings = reader.settings(over.values)
    return Loaded(settings, file, exists, (*reader.problems, *wrong_variables))


def _read(reader: _Reader, file: Path, named: bool) -> bool:
    """Read the file into the reader; return whether it is there."""
    name = short(file)
    left = "The defaults are used"
    try:
        table: dict[str, object] = tomllib.loads(file.read_bytes().decode())
    except FileNotFoundError:
        if named:
            raise ConfigError("No such settings file", name, "`gpubox-tui config init` writes one") from None
        return False
    except OSError as error:
        reader.complain(name, f"cannot be read: {error.strerror or error}", left)
    except UnicodeDecodeError as error:
        reader.complain(name, f"is not UTF-8 text (byte {error.start})", left)
    except tomllib.TOMLDecodeError as error:
        reader.complain(name, f"is not valid TOML: {clean(str(error), 160)}", left)
    else:
        reader.file(name, table)
    return True
