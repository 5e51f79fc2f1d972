"""The question what to mute, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from gpubox.boxes.alerts.mutes import BOX, subject_of
from gpubox.common.alerts.alert import Alert
from gpubox.core.sanitize import clean
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.titles import set_title

_HOUR = 3600.0
_TIMES: tuple[tuple[str, float | None], ...] = (
    ("for an hour", _HOUR),
    ("for 8 hours", 8 * _HOUR),
    ("for a week", 7 * 24 * _HOUR),
)


@dataclass(frozen=True, slots=True)
class ChosenMute:
    """What the user wants muted."""

    what: str
    """The key of an alert, a card, a subject, or the box; see `boxes.alerts.mutes`."""
    seconds: float | None
    """For how long; None is until it is over, or unmuted."""


def choices(alert: Alert) -> list[tuple[str, ChosenMute]]:
    """Return the choices for an alert, with their words."""
    subject = clean(alert.subject, 40)
    over, whole = ("until it is over", None), ("until unmuted", None)
    rows: tuple[tuple[str, str, tuple[tuple[str, float | None], ...]], ...] = (
        ("This alert", alert.key, (*_TIMES[:2], over)),
        (f"All about {subject}", subject_of(alert), (*_TIMES, whole)),
        ("The whole box", BOX, (*_TIMES[:2], whole)),
    )
    return [
        (f"{what} {words}", ChosenMute(name, time)) for what, name, times in rows for words, time in times
    ]


class _Choices(OptionList, inherit_bindings=False):
    """The choices; its keys are in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Choose", tooltip="Choose the marked line"),
        Binding("up", "cursor_up", "Move", key_display="↑↓", tooltip="Mark the line above"),
        Binding("down", "cursor_down", "Move", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
    ]


class MuteChooser(ModalScreen[ChosenMute | None]):
    """Its result is what to mute, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", id="mutes.close", tooltip="Mute nothing")
    ]
    DEFAULT_CSS = """
    MuteChooser {
        align: center middle;
        & > OptionList {
            width: 60;
            max-width: 96%;
            height: auto;
            max-height: 90%;
            border: round $border;
            background: $surface;
            &:focus { border: round $border; }
        }
    }
    """

    def __init__(self, alert: Alert) -> None:
        super().__init__()
        self._choices = choices(alert)
        self._title = clean(alert.title, 40)

    def compose(self) -> ComposeResult:
        """Compose the list."""
        chooser = _Choices(*(Option(Content(words)) for words, _ in self._choices), markup=False)
        set_title(chooser, f"Mute {self._title}")
        yield chooser
        yield KeyFooter()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Close with the choice."""
        self.dismiss(self._choices[event.option_index][1])
