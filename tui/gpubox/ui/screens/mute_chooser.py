"""The question what to mute, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from gpubox.boxes.alerts.mutes import BOX, subject_of
from gpubox.common.alerts.alert import Alert
from gpubox.core.sanitize import clean
from gpubox.ui.widgets.chooser import Chooser

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


class MuteChooser(Chooser[ChosenMute]):
    """Its result is what to mute, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", id="mutes.close", tooltip="Mute nothing")
    ]
    DEFAULT_CSS = "MuteChooser > OptionList { width: 60; }"

    def __init__(self, alert: Alert) -> None:
        super().__init__(
            f"Mute {clean(alert.title, 40)}",
            [(Content(words), chosen) for words, chosen in choices(alert)],
        )
