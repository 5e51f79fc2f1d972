"""The single-line input of every form: keeps all pasted lines, and its cursor in view."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.expand_tabs import expand_tabs_inline
from textual.geometry import Region
from textual.message import Message
from textual.widgets import Input  # noqa: TID251 - the one place that needs the original

BREAK = "↵"
"""Drawn in place of a line break; one cell wide."""
_BREAKS = re.compile(r"\r\n?|\n")
_CONTINUED = re.compile(r"[ \t]*\\\n[ \t]*")


class LineInput(Input):
    """Joins pasted lines with spaces, and says so; Textual's own Input keeps the first and drops the rest."""

    @dataclass
    class Joined(Message):
        """Several lines were pasted; a form that shows `note` beside the field stops the message."""

        input: LineInput
        words: str

    note = ""
    """A note about the lines of the last paste, until the value changes again."""

    def on_paste(self, event: events.Paste) -> None:
        """Insert the whole paste; replaces Textual's handler."""
        event.stop()
        event.prevent_default()
        self._take(event.text)

    def action_paste(self) -> None:
        """Paste text that was copied in the program."""
        self._take(self.app.clipboard)  # pyright: ignore[reportUnknownMemberType]

    def _take(self, text: str) -> None:
        text = _BREAKS.sub("\n", text)
        lines = [line for line in text.split("\n") if line.strip()]
        taken, note = self.joined(text, lines)
        self.replace(taken, *self.selection)
        if note:
            self.note = note
            self.post_message(self.Joined(self, note))

    def joined(self, text: str, lines: list[str]) -> tuple[str, str]:
        """Return the text of a paste and a note about it; `lines` are the non-blank ones."""
        if len(lines) < 2:
            return "".join(lines), ""
        if self.password:  # invisible input cannot be checked
            return "", f"{len(lines)} lines pasted into a secret; none was taken"
        return " ".join(line.strip() for line in lines), f"{len(lines)} lines joined with spaces"

    def watch_value(self) -> None:
        """Keep the cursor in view: Textual does not scroll at the first change of an empty field."""
        self.note = ""
        if self.has_focus:
            region = Region(self._cursor_offset, 0, width=1, height=1)
            self.scroll_to_region(region, force=True, animate=False)

    def _position_to_cell(self, position: int) -> int:
        """Count a line break as one cell."""
        return cell_len(expand_tabs_inline(_drawn(self.value[:position]), 4))

    @property
    def _value(self) -> Text:
        """The drawn text; it has as many cells as the value, so that the cursor is right."""
        drawn = super()._value
        drawn.plain = _drawn(drawn.plain)
        return drawn


def _drawn(text: str) -> str:
    return text.replace("\n", BREAK)


class CommandInput(LineInput):
    """Holds a command; pasted lines stay lines, since a shell runs them as a script."""

    def joined(self, text: str, lines: list[str]) -> tuple[str, str]:
        """Return the lines, joining those that a backslash continues."""
        if len(lines) < 2:
            return "".join(lines), ""
        whole = text.strip("\n")
        taken = _continued(whole)
        if "\n" in taken:
            return taken, f"{taken.count(chr(10)) + 1} lines; a shell runs them in order"
        return taken, f"{len(lines)} lines became one command"


def _continued(text: str) -> str:
    """Return text without line breaks after a backslash, as a shell removes them."""
    if "<<" in text:  # lines of a here-document may end in a backslash
        return text

    def join(found: re.Match[str]) -> str:
        if not _closed(text[: found.start()]):
            return found[0]
        return " " if found[0] != "\\\n" else ""

    return _CONTINUED.sub(join, text)


def _closed(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True
