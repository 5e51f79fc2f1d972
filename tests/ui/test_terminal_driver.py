"""The terminal is not taken back by an app that has ended, and is not waited for once it is gone."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import threading
from collections.abc import Iterator

import pytest
from textual.app import App
from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread
from textual.drivers.linux_driver import LinuxDriver

from gpubox.ui.terminal_driver import TerminalDriver, TerminalOutput
from tests.hang import LIMIT


async def test_an_app_that_ended_does_not_take_the_terminal_again() -> None:
    app = App[None]()
    driver = TerminalDriver(app)
    app.exit(return_code=129)
    driver.resume_application_mode()
    assert (driver._key_thread, driver._writer_thread) == (None, None)


def test_textual_takes_the_terminal_back_by_the_method_that_we_replace() -> None:
    assert "self._driver.resume_application_mode()" in inspect.getsource(App.suspend)


@pytest.fixture
def closed() -> Iterator[TerminalOutput]:
    """Output to a terminal whose other side was closed."""
    ours, theirs = os.openpty()
    os.close(ours)
    raw = os.fdopen(theirs, "wb", buffering=0)
    yield TerminalOutput(io.TextIOWrapper(raw, write_through=True))
    raw.close()


async def test_a_terminal_that_is_gone_does_not_keep_the_app_from_ending(closed: TerminalOutput) -> None:
    driver = TerminalDriver(App[None]())
    assert isinstance(driver._file, TerminalOutput)
    driver._writer_thread = WriterThread(closed)  # pyright: ignore[reportArgumentType]
    driver._writer_thread.start()

    def draw_and_end() -> None:
        for _ in range(2 * MAX_QUEUED_WRITES):
            driver.write("a frame\n")
        driver.close()

    drawing = threading.Thread(target=draw_and_end, daemon=True)
    drawing.start()
    await asyncio.to_thread(drawing.join, LIMIT)
    assert not drawing.is_alive()


def test_what_is_written_to_a_terminal_arrives(capfd: pytest.CaptureFixture[str]) -> None:
    with os.fdopen(os.dup(2), "w") as file:
        output = TerminalOutput(file)
        assert output.write("naïve 火") == 7
        output.flush()
        assert output.fileno() == file.fileno()
    assert capfd.readouterr().err == "naïve 火"


def test_textual_writes_by_a_thread_to_the_file_that_we_replace() -> None:
    assert "WriterThread(self._file)" in inspect.getsource(LinuxDriver.start_application_mode)
