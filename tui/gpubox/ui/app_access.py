"""Typed access to the running app from its screens and widgets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from textual.app import App
from textual.dom import DOMNode
from textual.screen import Screen

from gpubox.core.prompts import Asker


def program(node: DOMNode) -> App[object]:
    """Return the app that a node belongs to; Textual leaves its type parameter open."""
    return cast("App[object]", node.app)  # pyright: ignore[reportUnknownMemberType]


def asker(node: DOMNode) -> Asker:
    """Return the asker: the app, which shows modals; see ui/app.py."""
    app = program(node)
    assert isinstance(app, Asker), f"{type(app).__name__} cannot ask"
    return app


def on_keys_changed(node: DOMNode, call: Callable[[], object]) -> None:
    """Call `call` whenever the active keys of the node's screen may have changed."""
    signal = node.screen.bindings_updated_signal  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    signal.subscribe(node, lambda _screen: call())  # pyright: ignore[reportUnknownMemberType, reportUnknownLambdaType]


def few_colors(node: DOMNode) -> bool:
    """Return whether the program draws on a terminal of 16 colors or fewer."""
    app = program(node)
    return not app.is_headless and app.console.color_system not in ("256", "truecolor")


def in_sight(screen: Screen[None]) -> bool:
    """Return whether a screen is in front, or only behind translucent windows."""
    for above in reversed(program(screen).screen_stack):
        if above is screen:
            return True
        if above.styles.background.a >= 1:
            return False
    return False


async def painted(screen: Screen[None]) -> None:
    """Return when what has changed on the screen is painted."""
    done = asyncio.Event()
    screen.call_after_refresh(done.set)
    await done.wait()


def after_paint(screen: Screen[None], call: Callable[[], object]) -> None:
    """Call `call` after the first paint of the screen.

    An app starts inside a batch that paints nothing, and call_after_refresh does not wait for its end; the
    app's own call_later does.
    """

    def paint() -> None:
        screen.refresh(layout=True)
        screen.call_after_refresh(call)

    program(screen).call_later(paint)


def write_to_terminal(app: App[object], text: str) -> None:
    """Write a control sequence to the terminal of the app, between two of its frames."""
    driver = app._driver  # pyright: ignore[reportPrivateUsage] Textual writes bell and clipboard so
    if driver is not None:
        driver.write(text)
