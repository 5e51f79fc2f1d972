"""Confines a failure to its panel or window: other panels, boxes and tunnels keep running."""

from __future__ import annotations

import logging
from typing import TypeVar, cast

from textual.dom import DOMNode
from textual.geometry import Region
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget

from gpubox.ui.app_access import program
from gpubox.ui.error_boundary import UNEXPECTED, Failing, where_to_look

log = logging.getLogger("gpubox.ui")

W = TypeVar("W", bound=Widget)


def contain(node: MessagePump | None, error: Exception) -> bool:
    """Mark the panel of a node as failed, or close its window; return False when it is in neither."""
    if not isinstance(node, DOMNode):
        return False
    nodes: list[object] = [*node.ancestors_with_self]
    for each in nodes:
        if isinstance(each, Failing):
            each.fail(error)
            return True
        if isinstance(each, ModalScreen):
            window = cast("ModalScreen[object]", each)
            log.error("a window failed", exc_info=error)
            # Deferred: the window may be drawing, or opening.
            program(window).call_later(_close, window, error)
            return True
    return False


def _close(window: ModalScreen[object], error: Exception) -> None:
    if window is program(window).screen:  # not closed before
        window.notify(
            f"{type(error).__name__}. {where_to_look()}", title=UNEXPECTED, severity="error", markup=False
        )
        window.dismiss(None)


def isolated(widget: type[W]) -> type[W]:
    """Return a widget class whose failures in handlers, watch methods and drawing affect only its panel.

    Otherwise Textual ends the widget's message loop at the first exception, and a failure in drawing ends
    that of the screen, which draws all widgets.
    """
    dispatch, draw = widget._dispatch_message, widget.render_lines  # pyright: ignore[reportPrivateUsage]

    async def dispatched(self: W, message: Message) -> None:
        try:
            await dispatch(self, message)
        except Exception as error:
            if not contain(self, error):
                raise

    def drawn(self: W, crop: Region) -> list[Strip]:
        try:
            return draw(self, crop)
        except Exception as error:
            if not contain(self, error):
                raise
            return [Strip.blank(crop.width)] * crop.height

    widget._dispatch_message = dispatched  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]
    widget.render_lines = drawn  # pyright: ignore[reportAttributeAccessIssue]
    return widget
