"""Keys come from BINDINGS alone: the palette, the table of the help, and the person's own keys."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.keys import Keys

from gpubox.core.errors import ConfigError
from gpubox.ui.panel import Panel
from gpubox.ui.program import program


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be done, and the keys that do it."""

    id: str
    """What the person's settings call it, such as `processes.signal`."""
    keys: tuple[str, ...]
    description: str
    tooltip: str


def entries(node_class: type) -> Iterator[Entry]:
    """Yield what a widget, screen or app of ours binds; what Textual itself binds is left out."""
    for owner in node_class.__mro__:
        if owner.__module__.partition(".")[0] == "gpubox":
            yield from _merged(owner.__dict__.get("BINDINGS", ()))


def _merged(bindings: Iterable[BindingType]) -> Iterator[Entry]:
    found: dict[str, Entry] = {}
    for binding in Binding.make_bindings(bindings):
        name = binding.id or binding.action
        before = found.get(name)
        keys = (*(before.keys if before else ()), binding.key)
        found[name] = Entry(name, keys, binding.description, binding.tooltip)
    yield from found.values()


def everything() -> dict[str, Entry]:
    """Return every binding of the program by its id; imports all screens and panels."""
    from gpubox.ui.app import GpuBoxApp
    from gpubox.ui.discover import panel_modules
    from gpubox.ui.screens import ask, box, help, picker

    classes: list[type] = [GpuBoxApp]
    for module in (ask, box, help, picker, *panel_modules()):
        classes += [
            value
            for value in vars(module).values()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
    return {entry.id: entry for each in classes for entry in entries(each)}


def keymap(wanted: Mapping[str, str]) -> tuple[dict[str, str], list[ConfigError]]:
    """Return the part of a person's keys that can be used, and one error in words for each that cannot."""
    known = everything() if wanted else {}
    usable: dict[str, str] = {}
    errors: list[ConfigError] = []
    for name, keys in wanted.items():
        error = _unknown_id(name, known) or _unknown_key(name, keys)
        if error is None:
            usable[name] = keys
        else:
            errors.append(error)
    final = {name: tuple(usable[name].split(",")) if name in usable else known[name].keys for name in known}
    for name in tuple(usable):
        if (clash := _clash(name, final)) is not None:
            errors.append(clash)
            del usable[name]
            final[name] = known[name].keys
    return usable, errors


def _unknown_id(name: str, known: Mapping[str, Entry]) -> ConfigError | None:
    if name in known:
        return None
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]}?" if close else "F1 lists the names of all keys"
    return ConfigError("Unknown name in [keys]", f'Nothing is called "{name}"', hint)


def _unknown_key(name: str, keys: str) -> ConfigError | None:
    for key in keys.split(","):
        if not _is_key(key.strip()):
            return ConfigError(
                "Unknown key in [keys]",
                f'"{key}" for {name} is not a key',
                "Use one character, or a name such as f5, ctrl+t, space, pageup",
            )
    return None


def _is_key(key: str) -> bool:
    last = key.rpartition("+")[2] or key[-1:]
    if len(last) == 1 or last in {known.value for known in Keys}:
        return True
    try:
        unicodedata.lookup(last.replace("_", " ").upper())
    except KeyError:
        return False
    return True


def _clash(name: str, final: Mapping[str, tuple[str, ...]]) -> ConfigError | None:
    """Return the error when another thing that works at the same time has the same key."""
    room = name.partition(".")[0]
    for other, keys in final.items():
        other_room = other.partition(".")[0]
        together = room == other_room or {room, other_room} & {"app", "box"}
        if other != name and together and set(keys) & set(final[name]):
            return ConfigError(
                "A key is taken",
                f"{name} and {other} would both be {final[name][0]}",
                f"{name} keeps its own key; choose another in [keys]",
            )
    return None


class KeyProvider(Provider):
    """The palette's commands: all that a key does on this screen now."""

    def _commands(self) -> Iterator[tuple[str, str, partial[object]]]:
        app = program(self.screen)
        seen: set[str] = set()
        for node, binding, enabled, _tooltip in self.screen.active_bindings.values():
            ours = type(node).__module__.partition(".")[0] == "gpubox"
            if not ours or not enabled or binding.system or binding.action in seen:
                continue
            if not binding.description or binding.action == "command_palette":
                continue
            seen.add(binding.action)
            owner = _panel_of(node)
            title = f"{owner.TITLE}: {binding.description}" if owner else binding.description
            key = app.get_key_display(binding)
            yield title, f"{binding.tooltip}  ({key})", partial(app.run_action, binding.action, node)

    async def discover(self) -> Hits:
        """Yield everything, before anything is typed."""
        for title, text, run in self._commands():
            yield DiscoveryHit(title, run, help=text)

    async def search(self, query: str) -> Hits:
        """Yield what matches the query."""
        matcher = self.matcher(query)
        for title, text, run in self._commands():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), run, help=text)


def _panel_of(node: DOMNode) -> Panel | None:
    return next((each for each in node.ancestors_with_self if isinstance(each, Panel)), None)
