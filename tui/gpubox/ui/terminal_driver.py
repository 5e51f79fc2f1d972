"""Textual's driver, for an app that ends while another program has its terminal, or whose terminal closed."""

from __future__ import annotations

from contextlib import suppress
from typing import IO, Any, cast

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver


class TerminalOutput:
    """A terminal to write to, which loses what is written once it is gone.

    A terminal that closed fails each write. Textual's output thread would end by that, and the app would then
    wait forever for room in the queue of that thread.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write text, or lose it; return the number of characters."""
        with suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Send to the terminal what was written, or lose it."""
        with suppress(OSError):
            self._file.flush()

    def fileno(self) -> int:
        """The file descriptor of the terminal."""
        return self._file.fileno()


class TerminalDriver(LinuxDriver):
    """Textual's driver for Linux and macOS; it stays suspended in an app that has ended."""

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)  # pyright: ignore[reportUnknownMemberType]
        self._file = cast("IO[str]", TerminalOutput(self._file))

    def resume_application_mode(self) -> None:
        """Take the terminal back from another program, unless the app has ended meanwhile.

        Otherwise it would start an input thread that nobody stops, and Python would wait for it forever.
        """
        if self._app.return_code is None:
            super().resume_application_mode()
