"""Desktops as rows: display, session, owner, and where it is viewed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from gpubox.boxes.desktops import DesktopSession
from gpubox.common import units
from gpubox.core.bounds import whole
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import Line, Span, Tone
from gpubox.ui.draw.table import Column


def key(session: DesktopSession) -> Hashable:
    """Return the unique key of a desktop; a later one with the same display has another key."""
    return session.pid, session.ticks


def columns(
    now: Callable[[], float], shown: Callable[[DesktopSession], str]
) -> Sequence[Column[DesktopSession]]:
    """Return the columns; `now` returns the box's time, `shown` where a desktop is viewed."""

    def display(one: DesktopSession) -> Line:
        return (Span(clean(one.display, 8) or units.DASH, "title" if one.mine else "muted"),)

    def words(text: Callable[[DesktopSession], str], limit: int = 40) -> Callable[[DesktopSession], Line]:
        def cell(one: DesktopSession) -> Line:
            said = clean(text(one), limit)
            tone: Tone = ("text" if one.mine else "muted") if said else "faint"
            return (Span(said or units.DASH, tone),)

        return cell

    def since(one: DesktopSession) -> str:
        return "" if one.started is None else units.duration(now() - one.started)

    def begun(one: DesktopSession) -> float | None:
        return None if one.started is None else -one.started

    def viewer(one: DesktopSession) -> Line:
        said = clean(shown(one), 60)
        if said:
            return (Span(said, "accent"),)
        return (Span("" if one.mine else "not yours", "muted"),)

    return (
        Column("display", 8, display, _number, left=True),
        Column("session", 10, words(session_words), session_words, left=True),
        Column("size", 9, words(lambda one: one.geometry, 11), lambda one: one.geometry, left=True, need=2),
        Column("server", 11, words(lambda one: one.server, 20), lambda one: one.server, left=True, need=5),
        Column("user", 8, words(lambda one: one.user, 32), lambda one: one.user, left=True, need=3),
        Column("since", 8, since, begun, title="RUNS FOR", tone="muted", need=4),
        Column("viewer", 16, viewer, shown, left=True, grows=True),
    )


def session_words(one: DesktopSession) -> str:
    """Return what runs in a desktop, as far as known."""
    if one.physical:
        return "the screen"
    return one.session.rsplit("/", 1)[-1] or one.title


def _number(one: DesktopSession) -> float | None:
    digits = one.display.lstrip(":")
    return whole(digits)
