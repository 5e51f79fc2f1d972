"""The terminal is not taken back by an app that has ended."""

from __future__ import annotations

import inspect

from textual.app import App

from gpubox.ui.terminal_driver import TerminalDriver


async def test_an_app_that_ended_does_not_take_the_terminal_again() -> None:
    app = App[None]()
    driver = TerminalDriver(app)
    app.exit(return_code=129)
    driver.resume_application_mode()
    assert (driver._key_thread, driver._writer_thread) == (None, None)


def test_textual_takes_the_terminal_back_by_the_method_that_we_replace() -> None:
    assert "self._driver.resume_application_mode()" in inspect.getsource(App.suspend)
