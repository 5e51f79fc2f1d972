"""Pictures that do not depend on the hour: a clock that stands still, a cursor that does not blink."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import textual.notifications
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.widgets import Input
from textual.widgets._toast import Toast

from gpubox.ui.app import GpuBoxApp
from gpubox.ui.keymap import everything
from tests.ui.fakes import Clock
from tests.ui.plain import Cards, Machine, Past, Table, Tunnels

SIZES = ((80, 24), (120, 40), (200, 50))
"""The sizes that the layouts are made for."""


class Picture(SingleFileSnapshotExtension):
    """One SVG file a picture, in `__snapshots__`."""

    _write_mode = WriteMode.TEXT
    file_extension = "svg"


@pytest.fixture(autouse=True)
def no_panel_fails(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which a panel or window failed: the program goes on, and the pilot does not see it."""
    yield
    if "panels_may_fail" not in request.fixturenames:
        records = caplog.get_records("call")
        assert [one for one in records if one.msg in ("the panel %s failed", "a window failed")] == []


@pytest.fixture
def panels_may_fail() -> None:
    """Allow failures in this test."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop the clock of boxes and screens; asyncio's own goes on."""

    def stay(_: Toast) -> None:
        pass

    everything(GpuBoxApp)  # imports all of the screen, so that all of it gets the clock
    clock = Clock()
    for name, module in tuple(sys.modules.items()):
        if name.startswith(("gpubox.ui", "gpubox.boxes")) and getattr(module, "time", None) is time:
            monkeypatch.setattr(module, "time", clock.namespace())
    # Toasts stay, or a busy machine takes them away before a test has seen them.
    monkeypatch.setattr(textual.notifications, "time", clock.time)
    monkeypatch.setattr(Toast, "_expire", stay)
    return clock


@pytest.fixture
def plain_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put plain panels in the place of the real ones."""
    panels = [Cards, Table, Machine, Past, Tunnels]
    monkeypatch.setattr("gpubox.ui.registry.panel_classes", lambda: panels)
    monkeypatch.setattr("gpubox.ui.registry.first_panel", lambda: Cards)


@pytest.fixture
def looks(snapshot: SnapshotAssertion) -> Callable[[GpuBoxApp], None]:
    """Compare the screen with its picture in `__snapshots__`; `pytest --snapshot-update` draws it again."""
    pictures = snapshot.use_extension(Picture)

    def compare(app: GpuBoxApp) -> None:
        for field in app.screen.query(Input):
            field.cursor_blink = False
        # Rich numbers a picture by all its segments, so that two alike in every dot may differ in that.
        drawn = re.sub(
            r"\bterminal-\d+", "terminal", app.export_screenshot(title="gpubox-tui", simplify=True)
        )
        assert drawn == pictures

    return compare
