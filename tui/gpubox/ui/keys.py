"""Collects all keys from BINDINGS: for the palette, the help, and the user's keymap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.screen import ModalScreen

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
    """Group bindings by id; those without an id move inside a widget, such as arrow keys in a list."""
    found: dict[str, Entry] = {}
    for binding in Binding.make_bindings(bindings):
        if binding.id is not None:
            keys = found[binding.id].keys if binding.id in found else ()
            found[binding.id] = Entry(
                binding.id, (*keys, binding.key), binding.action, binding.description, binding.tooltip, modal
            )
    yield from found.values()


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
