"""A window that asks for the size and the session of a new desktop."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from gpubox.boxes.desktops import DesktopSpec
from gpubox.config.settings import DesktopSettings
from gpubox.ui.form_keys import BACK, NEXT
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.line_input import LineInput
from gpubox.ui.widgets.titles import set_title

SIZE = re.compile(r"[1-9][0-9]{2,4}x[1-9][0-9]{2,4}")
"""Width and height in pixels."""


class DesktopForm(ModalScreen[DesktopSpec | None]):
    """Its result is the spec, or None; its fields begin with the settings."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "start", "Start", id="new-desktop.start", tooltip="Start the desktop", priority=True
        ),
        replace(NEXT, id="new-desktop.next", tooltip="Go to the next field", show=True),
        BACK,
        Binding("escape", "dismiss(None)", "Close", id="new-desktop.close", tooltip="Start nothing"),
    ]

    def __init__(self, defaults: DesktopSettings, box: str) -> None:
        super().__init__()
        self._box = box
        self._geometry = LineInput(defaults.geometry, id="geometry", classes="labeled", select_on_focus=True)
        self._program = LineInput(defaults.session, id="session", classes="labeled", select_on_focus=True)
        self._problem = Static("", id="problem", markup=False)

    def compose(self) -> ComposeResult:
        """Compose the window."""
        with Vertical(id="question", classes="form"):
            yield Static("Size in pixels", classes="label", markup=False)
            yield self._geometry
            yield Static("Session: auto, xfce4, openbox …, or a command", classes="label", markup=False)
            yield self._program
            yield self._problem
        yield KeyFooter()

    def on_mount(self) -> None:
        """Name the box in the border."""
        frame = self.query_one("#question")
        set_title(frame, "Start a desktop", self._box)
        self._program.focus()

    def action_start(self) -> None:
        """Close with the spec, or show what is wrong with it."""
        size, session = self._geometry.value.strip().lower(), self._program.value.strip()
        if not SIZE.fullmatch(size):
            self._problem.update(Content("A size is written as 1600x900"))
            self._geometry.focus()
            return
        self.dismiss(DesktopSpec(geometry=size, session=session or "auto"))
