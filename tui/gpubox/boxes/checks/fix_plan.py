"""What a fix would change on a box, as the box sees it, and its diff."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import msgspec

from gpubox.boxes.checks.check import Check
from gpubox.boxes.checks.fix import Fix
from gpubox.core.bounds import Whole


class Change(msgspec.Struct, frozen=True):
    """A file as it is and as it would be; None stands for no such file."""

    path: str
    before: str | None = None
    after: str | None = None
    mode_before: Whole | None = None
    mode_after: Whole | None = None


class PlannedCommand(msgspec.Struct, frozen=True):
    """A command that a fix runs."""

    do: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()


class Planned(msgspec.Struct, frozen=True):
    """What a fix would change, as the box sees it."""

    token: str
    """Stands for the state of the files; `apply` refuses when they have changed since."""
    changes: tuple[Change, ...] = ()
    commands: tuple[PlannedCommand, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A fix that may be applied."""

    check: Check
    fix: Fix
    id: str
    planned: Planned

    def diff(self) -> list[str]:
        """Return what changes, as a unified diff, and the commands that run."""
        lines: list[str] = []
        for change in self.planned.changes:
            before, after = change.before or "", change.after or ""
            names = (
                (change.path if change.before is not None else "/dev/null"),
                (change.path if change.after is not None else "/dev/null"),
            )
            found = difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="", n=2)
            lines += found
            if change.mode_before != change.mode_after and change.mode_after is not None:
                lines.append(f"{change.path}: mode {_mode(change.mode_before)} → {_mode(change.mode_after)}")
        return [*lines, *(f"$ {' '.join(command.do)}" for command in self.planned.commands)]


def _mode(mode: int | None) -> str:
    return "none" if mode is None else f"{mode & 0o7777:04o}"
