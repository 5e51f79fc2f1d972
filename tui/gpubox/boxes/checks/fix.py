"""A change of a box that makes a check right: files, options of sshd, and commands with their undo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from gpubox.core.bounds import Whole


class FileEdit(msgspec.Struct, frozen=True):
    """A change of one file."""

    path: str
    """Absolute."""
    text: str | None = None
    """Its whole new content; None keeps it."""
    mode: Whole | None = None
    """Its new permission bits; None keeps them."""
    remove: bool = False


class SshdOptions(msgspec.Struct, frozen=True):
    """Options for the drop-in file of an sshd; the box tests them, and takes them back by itself."""

    config: str
    """The main configuration file."""
    options: Mapping[str, str]
    for_login: bool = False
    """Whether they have to hold for this login, too, and not only where no Match applies."""


class UndoableCommand(msgspec.Struct, frozen=True):
    """A command and the one that undoes it."""

    do: tuple[str, ...]
    undo: tuple[str, ...] = ()
    """Empty for a command that leaves nothing to undo: a test, or a reload of what is in files anyway."""
    undo_after_files: bool = False
    """Whether it is undone after the files are back, because it makes something read them."""


@dataclass(frozen=True, slots=True)
class Fix:
    """What to change."""

    title: str
    """An imperative: `Refuse passwords`."""
    cost: str
    """What it changes for the user, in a sentence."""
    needs_root: bool = True
    files: tuple[FileEdit, ...] = ()
    sshd: SshdOptions | None = None
    commands: tuple[UndoableCommand, ...] = field(default=())
    new_key: bool = False
    """Whether a key of this machine is made first, and let in by this; see boxes.checks.new_key."""

    @property
    def undoable(self) -> bool:
        """Whether there is something to undo afterwards; without, the cost says so."""
        return bool(self.files or self.sshd or any(command.undo for command in self.commands))
