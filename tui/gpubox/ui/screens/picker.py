"""The list of all boxes: type to filter, enter to open; last used first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from gpubox.boxes.box import Box
from gpubox.config.settings import UiSettings
from gpubox.core.errors import ConfigError
from gpubox.core.link_state import Phase
from gpubox.core.target import Target
from gpubox.ui.draw.spans import cut
from gpubox.ui.link_status import phrase, summary
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.line_input import LineInput
from gpubox.ui.widgets.titles import set_title

NAME_WIDTH = 28
"""Cells of a name that are never cut; beyond that, the details are cut first."""
SOURCE_WIDTH = 10
STATE_WIDTH = 38
"""Cells for the state of an open box; on a narrow screen it replaces the address."""


class PickerScreen(Screen[Target | None]):
    """Its result is the selected box, or None when the user goes back."""

    HELP = (
        "Every box that is known: your own `[[box]]` tables, the hosts of `~/.ssh/config`, this machine "
        "(`local`) and a box to try (`demo`). Type to filter. Any `user@host` that is not listed can be "
        "typed too. A sign at the left marks boxes that are open already."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="picker.open", tooltip="Open the marked box", priority=True),
        Binding("up", "move(-1)", "Up", id="picker.up", tooltip="Mark the box above", show=False),
        Binding("down", "move(1)", "Down", id="picker.down", tooltip="Mark the box below", show=False),
        Binding("escape", "back", "Back", id="picker.back", tooltip="Clear the filter, then go back"),
        Binding(
            "ctrl+q", "app.quit", "Quit", id="picker.quit", tooltip="Close all boxes and leave", priority=True
        ),
    ]

    def __init__(
        self,
        targets: Sequence[Target],
        opened: Mapping[str, Box | None],
        parse: Callable[[str], Target],
        *,
        ui: UiSettings,
        first: bool = False,
    ) -> None:
        """Set the boxes in order, the open ones, and the parser of typed names.

        With `first` there is no screen to go back to.
        """
        super().__init__()
        self._targets = targets
        self._opened = opened
        self._parse = parse
        self._ui = ui
        self._first = first
        self._shown: list[Target | str] = []

    def compose(self) -> ComposeResult:
        """Compose the field and the list."""
        with Vertical(id="picker") as frame:
            set_title(frame, "Boxes")
            yield LineInput(placeholder="Type to filter, or user@host", id="filter", compact=True)
            yield OptionList(id="boxes", compact=True, markup=False)
            yield Static(id="problem", markup=False)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Show everything, and update the lines of open boxes."""
        self.query_one(OptionList).can_focus = False
        self._fill("")
        self.set_interval(1.0, self._freshen)

    @on(LineInput.Changed)
    def _filter(self, event: LineInput.Changed) -> None:
        event.stop()
        self._fill(event.value.strip())

    def _fill(self, typed: str) -> None:
        self.query_one("#problem", Static).update("")
        found: list[Target | str] = list(matching(self._targets, typed))
        if typed and not any(typed == target.name for target in self._targets):
            found.append(typed)
        self._shown = found
        boxes = self.query_one(OptionList)
        boxes.clear_options()
        boxes.add_options([Option(self._line(each)) for each in found])
        boxes.highlighted = 0 if found else None

    def _freshen(self, *, all_of_them: bool = False) -> None:
        boxes = self.query_one(OptionList)
        for index, each in enumerate(self._shown):
            if all_of_them or (isinstance(each, Target) and each.name in self._opened):
                boxes.replace_option_prompt_at_index(index, self._line(each))

    def on_resize(self) -> None:
        """Fit every line into the new width."""
        self._freshen(all_of_them=True)

    def _line(self, each: Target | str) -> Content:
        if isinstance(each, str):
            return Content.assemble(("+ ", "$primary"), "Connect to ", (each, "bold"))
        room = min(130, self.size.width) - 4
        state = STATE_WIDTH if self._opened else 0
        names, details = self._widths(room - SOURCE_WIDTH - state - 8)
        sign, style, words = self._state(each)
        if not words:  # no state follows: long details use that space too
            details = max(details, min(cell_len(each.detail), details + state))
        line = Content.assemble(
            (f"{sign} ", style),
            (_cell(each.name, names), "bold"),
            "  ",
            (_cell(each.detail if each.detail != each.name else "", details), "$foreground-muted"),
            "  ",
            (_cell(each.source, SOURCE_WIDTH), "$foreground-disabled"),
            "  ",
            (words, style if sign != "●" else ""),
        )
        return line.truncate(max(1, room), ellipsis=True)

    def _widths(self, room: int) -> tuple[int, int]:
        """Return the cells for names and for details; their sum is at most `room`."""
        names = max(cell_len(target.name) for target in self._targets)
        details = max(cell_len(target.detail) for target in self._targets)
        names = min(names, max(NAME_WIDTH, room - details))
        return names, max(0, min(details, room - names))

    def _state(self, target: Target) -> tuple[str, str, str]:
        if target.name not in self._opened:
            return " ", "", ""
        box = self._opened[target.name]
        if box is None:
            return "✖", "$error", "could not be opened"
        health, sample = box.link.health.value, box.sample.value
        state = phrase(health, box)
        if sample is not None and health.phase is Phase.LIVE and not box.stale:
            return state.sign, state.style, summary(sample, self._ui)
        return state

    def action_move(self, step: int) -> None:
        """Mark the box above or below."""
        boxes = self.query_one(OptionList)
        if self._shown:
            boxes.highlighted = ((boxes.highlighted or 0) + step) % len(self._shown)

    def action_open(self) -> None:
        """Open the marked box."""
        marked = self.query_one(OptionList).highlighted
        if marked is not None and marked < len(self._shown):
            self._choose(self._shown[marked])

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self._choose(self._shown[event.option_index])

    def _choose(self, each: Target | str) -> None:
        try:
            target = self._parse(each) if isinstance(each, str) else each
        except ConfigError as error:
            self.query_one("#problem", Static).update(Content.styled(str(error), "$text-error"))
            return
        self.dismiss(target)

    def action_back(self) -> None:
        """Clear the filter; without one, go back to the shown box."""
        field = self.query_one(LineInput)
        if field.value:
            field.value = ""
        elif not self._first:
            self.dismiss(None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: going back needs a previous screen."""
        return action != "back" or not self._first or bool(self.query_one(LineInput).value)


def matching(targets: Sequence[Target], typed: str) -> list[Target]:
    """Return the targets that contain every typed word; those whose name begins with it come first."""
    words = typed.casefold().split()
    found = [
        target
        for target in targets
        if all(word in f"{target.name} {target.detail} {target.source}".casefold() for word in words)
    ]
    return sorted(found, key=lambda target: not target.name.casefold().startswith(typed.casefold()))


def _cell(text: str, width: int) -> str:
    return set_cell_size(cut(text, width), width)
