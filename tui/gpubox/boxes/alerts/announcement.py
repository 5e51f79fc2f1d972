"""What is announced of an alert, when it is loud, and how a terminal and the user's command get it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from gpubox.boxes import user_command
from gpubox.common.alerts.alert import Alert
from gpubox.common.severity import Severity
from gpubox.config.settings import AlertSettings
from gpubox.core.json_text import json_text
from gpubox.core.sanitize import clean

log = logging.getLogger("gpubox.alerts")
SCHEMA = 1
"""Version of the event that the user's command reads."""
_TEXT = 200
_SPOKEN = {"osc9": "\x1b]9;{title}: {text}\x1b\\", "osc777": "\x1b]777;notify;{title};{text}\x1b\\"}
"""Sequences by which a terminal shows a notification: iTerm2's OSC 9, and OSC 777 of rxvt-unicode."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An alert was raised or cleared, and nobody announced it yet."""

    box: str
    alert: Alert
    raised: bool
    at: float
    """When, in seconds since the epoch."""
    loud: bool = True
    """Whether bell, desktop notification and command are due; not in quiet hours."""
    test: bool = False
    """Whether somebody only tries how alerts are announced."""

    @property
    def title(self) -> str:
        """The box and the subject, clean: `attic gpu 0`."""
        prefix = "TEST · " if self.test else ""
        return f"{prefix}{clean(self.box, 60)} {clean(self.alert.subject, 60)}"

    @property
    def words(self) -> str:
        """What happened, clean: `critical: Too hot`."""
        state = self.alert.severity.word if self.raised else "over"
        return f"{state}: {clean(self.alert.title, _TEXT)}"

    def event(self) -> dict[str, object]:
        """Return the event as the user's command reads it."""
        return {
            "schema": SCHEMA,
            "box": self.box,
            "raised": self.raised,
            "at": self.at,
            "test": self.test,
            "alert": self.alert.row(),
        }


def is_quiet(hours: str, now: float) -> bool:
    """Return whether a moment is within hours such as `22:00-07:00`, by the clock of this machine."""
    if not hours:
        return False
    clock = time.strftime("%H:%M", time.localtime(now))
    begin, _, end = hours.partition("-")
    return begin <= clock < end if begin <= end else clock >= begin or clock < end


def is_notable(alert: Alert, settings: AlertSettings) -> bool:
    """Return whether an alert is severe enough to be announced."""
    return alert.severity >= Severity[settings.severity.upper()]


def spoken(kind: str, announcement: Announcement) -> str:
    """Return what makes a terminal show a notification of its desktop; empty for `off`."""
    if kind not in _SPOKEN:
        return ""
    title, text = (words.replace(";", ",") for words in (announcement.title, announcement.words))
    return _SPOKEN[kind].format(title=title, text=text)


async def run_command(command: str, announcement: Announcement) -> None:
    """Run the user's command of the settings, which reads the event as a line of JSON on its stdin."""
    if command:
        text = json_text(announcement.event()).encode() + b"\n"
        facts = {"GPUBOX_BOX": clean(announcement.box, 120)}
        about = ("alerts.command", announcement.alert.code)
        await user_command.run(command, facts, log, about, text=text)
