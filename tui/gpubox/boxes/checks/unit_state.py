"""A service of systemd on the box, and how a fix starts it so that its undo restores what was."""

from __future__ import annotations

import re

import msgspec

from gpubox.boxes.checks.fix import UndoableCommand

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,79}\.service")


class UnitState(msgspec.Struct, frozen=True):
    """A service of systemd."""

    name: str
    """Such as `chronyd.service`."""
    load: str = ""
    """`loaded`, `not-found` or `masked`."""
    file: str = ""
    """Whether it starts at boot: `enabled`, `disabled`, `static` for one that others start, and more."""
    active: str = ""
    """`active`, `inactive`, `failed` and more."""


def start_commands(unit: UnitState | None) -> tuple[UndoableCommand, ...]:
    """Return what starts a stopped service, now and at boot, with what restores its state from before.

    One that was enabled stays enabled after the undo. Nothing is returned for a service that runs, and for
    one that cannot be enabled and disabled again with nothing left behind, such as a static or a masked one.
    """
    if unit is None or unit.load != "loaded" or unit.active not in ("inactive", "failed"):
        return ()
    if not _NAME.fullmatch(unit.name):
        return ()
    match unit.file:
        case "enabled":
            return (UndoableCommand(("systemctl", "start", unit.name), ("systemctl", "stop", unit.name)),)
        case "disabled":
            both = ("--now", unit.name)
            return (UndoableCommand(("systemctl", "enable", *both), ("systemctl", "disable", *both)),)
        case _:
            return ()
