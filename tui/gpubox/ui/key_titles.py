"""Current titles of actions whose title changes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from textual.dom import DOMNode


@runtime_checkable
class Titled(Protocol):
    """A screen or panel with titles that depend on its state."""

    def title_of(self, action: str) -> str | None:
        """Return the action's title, None for that of its binding, or "" when it is unavailable."""
        ...


def title(node: DOMNode, action: str, description: str) -> str:
    """Return the current title of an action on this node, or "" when it is unavailable."""
    own = node.title_of(action) if isinstance(node, Titled) else None
    return description if own is None else own
