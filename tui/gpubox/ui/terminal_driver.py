"""Textual's driver, for an app that ends while another program has the terminal."""

from __future__ import annotations

from textual.drivers.linux_driver import LinuxDriver


class TerminalDriver(LinuxDriver):
    """Textual's driver for Linux and macOS; it stays suspended in an app that has ended."""

    def resume_application_mode(self) -> None:
        """Take the terminal back from another program, unless the app has ended meanwhile.

        Otherwise it would start an input thread that nobody stops, and Python would wait for it forever.
        """
        if self._app.return_code is None:
            super().resume_application_mode()
