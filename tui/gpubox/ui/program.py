"""The running program as its own screens and widgets see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from textual.app import App
from textual.dom import DOMNode


def program(node: DOMNode) -> App[object]:
    """Return the app that a node belongs to; Textual leaves its type parameter open."""
    return cast("App[object]", node.app)  # pyright: ignore[reportUnknownMemberType]


def on_keys_changed(node: DOMNode, call: Callable[[], object]) -> None:
    """Have `call` called whenever the keys that work on the node's screen may have changed."""
    signal = node.screen.bindings_updated_signal  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    signal.subscribe(node, lambda _screen: call())  # pyright: ignore[reportUnknownMemberType, reportUnknownLambdaType]
