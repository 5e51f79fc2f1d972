"""Current titles of actions whose title changes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from textual.dom import DOMNode


@runtime_checkable
class Titled(Protocol):
    """A screen or panel that knows better than its bindings what an action is called now."""

    def title_of(self, action: str) -> str | None:
        """Return the action's title, None for what its binding says, or "" when it is not there now."""
        ...


def title(node: DOMNode, action: str, description: str) -> str:
    """Return what an action is called on this node now, or "" when it is not there."""
    own = node.title_of(action) if isinstance(node, Titled) else None
    return description if own is None else own
