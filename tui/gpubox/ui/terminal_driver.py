"""Textual's driver, for programs that end while another one has the terminal."""

from __future__ import annotations

from textual.drivers.linux_driver import LinuxDriver


class TerminalDriver(LinuxDriver):
    """Textual's driver for Linux and macOS; it stays suspended in an app that has ended."""

    def resume_application_mode(self) -> None:
        """Take the terminal back from another program, unless the app has ended meanwhile.

        It would start a thread for input that nobody stops any more, and Python waits for that one for ever.
        """
        if self._app.return_code is None:
            super().resume_application_mode()
