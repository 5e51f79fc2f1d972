"""Runs graphical programs of the box from the panel: asks which one, and reports how it ended."""

from __future__ import annotations

from textual.app import App
from textual.binding import Binding

from gpubox.boxes.box import Box
from gpubox.ui.modal_guard import begin, window

BINDING = Binding(
    "x,X", "app.windows", "Window", show=False, id="box.x11", tooltip="Run a program whose windows open here"
)


def open_windows(app: App[None], box: Box) -> None:
    """Ask for a program of the box and run it until it ends or the link drops."""

    async def ask() -> None:
        from gpubox.boxes.x11.programs import Windows, display
        from gpubox.ui.screens.run import RunScreen

        display()  # raises before the question
        command = await window(app, RunScreen(box.name, await box.use(Windows).past()))
        if command:
            await box.use(Windows).run(command)

    begin(app, ask, group="windows")
