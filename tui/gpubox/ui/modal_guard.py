"""Blocks keys while a window is about to open.

A key's window opens only after turns of the event loop, often after a request to the box. Keys typed in that
time are meant for the window; without this they would open a second one, or act on the list below.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from textual.actions import ActionParseResult
from textual.app import App
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

from gpubox.core.errors import Cancelled
from gpubox.ui.app_access import program
from gpubox.ui.error_boundary import guarded
from gpubox.ui.failure_isolation import contain
from gpubox.ui.key_order import OrderedKeys

R = TypeVar("R")
PATIENCE = 3.0
"""Most seconds that keys wait for a window: a box that does not answer must not block the panel."""


class ModalGuard(OrderedKeys):
    """An app in which keys are blocked between a key that opens a window and that window."""

    _pending: float | None = None
    """When the pending window was requested, by time.monotonic; it also identifies the window."""

    def on_mount(self) -> None:
        """Watch for new windows."""
        signal = self.screen_change_signal  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        signal.subscribe(self, lambda _: self._came(self._pending), immediate=True)  # pyright: ignore[reportUnknownMemberType, reportUnknownLambdaType]

    def expect(self) -> float | None:
        """Block keys for a window from now on; None when they are already blocked for another one."""
        if self.expecting:
            return None
        self._pending = time.monotonic()
        return self._pending

    def given_up(self, since: float) -> None:
        """Unblock keys: the window that was requested at this time will not open."""
        self._came(since)

    def _came(self, since: float | None) -> None:
        if self._pending == since:
            self._pending = None

    @property
    def expecting(self) -> bool:
        """Whether a window is pending."""
        return self._pending is not None and time.monotonic() - self._pending < PATIENCE

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run an action, or nothing while a window is pending; actions of the app itself always run."""
        if self.expecting and default_namespace not in (None, self):
            return True
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except Exception as error:
            if not contain(default_namespace, error):
                raise
            return True


def begin(node: Widget | App[None], work: Callable[[], Awaitable[object]], *, group: str = "default") -> None:
    """Await work that begins with a window, in a worker, as `guarded` does; keys wait for the window.

    Does nothing while another window is about to open.
    """
    app = program(node)
    if not isinstance(app, ModalGuard):
        node.run_worker(guarded(node, work()), group=group, exit_on_error=False)
    elif (since := app.expect()) is not None:
        node.run_worker(guarded(node, _expected(app, since, work)), group=group, exit_on_error=False)


async def _expected(app: ModalGuard, since: float, work: Callable[[], Awaitable[object]]) -> None:
    try:
        await work()
    finally:
        app.given_up(since)


async def window(node: DOMNode, screen: Screen[R]) -> R | None:
    """Show a window over the screen of a node and return what it was closed with; call it in a worker.

    Raises Cancelled when another window is already over that screen.
    """
    app = program(node)
    if app.screen is not node.screen:
        raise Cancelled("Another window is open")
    return await app.push_screen_wait(screen)
