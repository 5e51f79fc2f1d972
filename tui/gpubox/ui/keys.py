"""Collects all keys from BINDINGS: for the palette, the help, and the user's keymap."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.keys import Keys
from textual.screen import ModalScreen

from gpubox.core.errors import ConfigError
from gpubox.ui.app_access import program
from gpubox.ui.key_titles import title
from gpubox.ui.panel import Panel


@dataclass(frozen=True, slots=True)
class Entry:
    """An action, and its keys."""

    id: str
    """Its id in the settings, such as `processes.signal`."""
    keys: tuple[str, ...]
    action: str
    description: str
    tooltip: str
    modal: bool = False
    """Whether it belongs to a modal window, where no other key works."""


def entries(node_class: type) -> Iterator[Entry]:
    """Yield the bindings of a widget, screen or app of ours, without Textual's own."""
    for owner in node_class.__mro__:
        if owner.__module__.partition(".")[0] == "gpubox":
            yield from _merged(owner.__dict__.get("BINDINGS", ()), modal=issubclass(owner, ModalScreen))


def _merged(bindings: Iterable[BindingType], *, modal: bool) -> Iterator[Entry]:
    """Group bindings by id; those without one move inside a widget, such as arrow keys in a list."""
    found: dict[str, Entry] = {}
    for binding in Binding.make_bindings(bindings):
        if binding.id is not None:
            keys = found[binding.id].keys if binding.id in found else ()
            found[binding.id] = Entry(
                binding.id, (*keys, binding.key), binding.action, binding.description, binding.tooltip, modal
            )
    yield from found.values()


def everything() -> dict[str, Entry]:
    """Return every binding of the program by its id; imports all screens and panels."""
    from gpubox.ui.app import GpuBoxApp
    from gpubox.ui.log import pane, view
    from gpubox.ui.panels.jobs import compare_screen, form, job_screen, results_screen
    from gpubox.ui.registry import panel_modules
    from gpubox.ui.screens import ask, box, help, picker, run

    classes: list[type] = [GpuBoxApp]
    screens = (ask, box, compare_screen, help, job_screen, form, results_screen, picker, run)
    for module in (*screens, pane, view, *panel_modules()):
        classes += [
            value
            for value in vars(module).values()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
    return {entry.id: entry for each in classes for entry in entries(each)}


def keymap(wanted: Mapping[str, str]) -> tuple[dict[str, str], list[ConfigError]]:
    """Return the valid part of a user's keymap, and one error for each invalid key."""
    known = everything() if wanted else {}
    usable: dict[str, str] = {}
    errors: list[ConfigError] = []
    for name, keys in wanted.items():
        error = _unknown_id(name, known) or _unknown_key(name, keys)
        if error is None:
            usable[name] = keys
        else:
            errors.append(error)
    final = {
        name: replace(entry, keys=tuple(key.strip() for key in usable[name].split(",")))
        if name in usable
        else entry
        for name, entry in known.items()
    }
    for name in tuple(usable):
        if (clash := _clash(final[name], final.values(), known)) is not None:
            errors.append(clash)
            del usable[name]
            final[name] = known[name]
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


def _clash(changed: Entry, others: Iterable[Entry], known: Mapping[str, Entry]) -> ConfigError | None:
    """Return the error when another action that is active at the same time has the same key.

    Two that share theirs from the start may share another: only one of them is offered at a time.
    """
    own = set(known[changed.id].keys)
    for other in others:
        if other.id == changed.id or own & set(known[other.id].keys):
            continue
        if set(other.keys) & set(changed.keys) and _together(changed, other):
            return ConfigError(
                "A key is taken",
                f"{changed.id} and {other.id} would both be {changed.keys[0]}",
                f"{changed.id} keeps its own key; choose another in [keys]",
            )
    return None


def _together(one: Entry, other: Entry) -> bool:
    """Tell whether both can be active at the same time: in one panel, or on the screen or app around it."""
    rooms = {one.id.partition(".")[0], other.id.partition(".")[0]}
    if one.modal or other.modal:
        return len(rooms) == 1
    return len(rooms) == 1 or "app" in rooms or ("box" in rooms and "picker" not in rooms)


class KeyProvider(Provider):
    """The palette's commands: every action that is available on this screen now."""

    def _commands(self) -> Iterator[tuple[str, str, partial[object]]]:
        app = program(self.screen)
        seen: set[str] = set()
        for node, binding, enabled, _tooltip in self.screen.active_bindings.values():
            if not binding.id or not enabled or binding.id in seen or binding.action == "command_palette":
                continue
            seen.add(binding.id)
            owner = _panel_of(node)
            if not (words := title(node, binding.action, binding.description)):
                continue
            key = app.get_key_display(binding)
            yield (
                f"{owner.TITLE}: {words}" if owner else words,
                f"{binding.tooltip}  ({key})",
                partial(app.run_action, binding.action, node),
            )

    async def discover(self) -> Hits:
        """Yield everything, before anything is typed."""
        for name, text, run in self._commands():
            yield DiscoveryHit(name, run, help=text)

    async def search(self, query: str) -> Hits:
        """Yield what matches the query."""
        matcher = self.matcher(query)
        for name, text, run in self._commands():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), run, help=text)


def _panel_of(node: DOMNode) -> Panel | None:
    return next((each for each in node.ancestors_with_self if isinstance(each, Panel)), None)
