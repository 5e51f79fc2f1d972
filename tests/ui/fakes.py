"""A box without a network, and an app that shows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace

from textual import events
from textual.app import App
from textual.pilot import Pilot

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.config.reload import SettingsFile
from gpubox.config.settings import Settings
from gpubox.core.errors import GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.link_state import Health, Phase
from gpubox.core.prompts import Asker
from gpubox.core.sample import Sample
from gpubox.core.shell import Work
from gpubox.core.target import Target
from gpubox.ui import registry
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.panel import Panel
from gpubox.ui.screens.box import BoxScreen
from tests.hang import LIMIT
from tests.samples import NOW

MONOTONIC = 50_000.0
"""The frozen value of time.monotonic()."""
XUB = Target("xub", "ssh", "settings", "ada@10.0.0.7:22")
LAB = Target("lab-h100", "ssh", "ssh config", "lab-h100.example.org")
LOCAL = Target("local", "local", "built in", "this machine, without ssh")
DEMO = Target("demo", "demo", "built in", "two simulated GPUs, to try the panel")
LIVE = Health(Phase.LIVE, since=MONOTONIC - 600, address="ada@10.0.0.7:22")


class Clock:
    """A time module that stands still until it is moved."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return MONOTONIC + self.passed

    def time(self) -> float:
        return NOW + self.passed

    def strftime(self, text: str, moment: time.struct_time | None = None) -> str:
        return time.strftime(text, self.localtime() if moment is None else moment)

    def localtime(self, seconds: float | None = None) -> time.struct_time:
        return time.gmtime(self.time() if seconds is None else seconds)

    def namespace(self) -> SimpleNamespace:
        return SimpleNamespace(
            monotonic=self.monotonic, time=self.time, strftime=self.strftime, localtime=self.localtime
        )


class FakeLink:
    """A link that is in whatever state a test puts it."""

    def __init__(self, health: Health = LIVE) -> None:
        self.health = Feed(health)
        self.saved = 0
        self.retried = 0
        self.closed = False

    async def keep(self, work: Work) -> None:
        self.saved += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.closed = True

    def prepare(self) -> None:
        """Nothing to import."""

    def retry(self) -> None:
        self.retried += 1


def make_box(sample: Sample | None = None, health: Health = LIVE, target: Target = XUB) -> Box:
    """Return a box that has just read `sample`, over a FakeLink."""
    box = Box(BoxContext(target), FakeLink(health))
    if sample is not None:
        box.received(sample)
        box.received_at = MONOTONIC
        box.rtt = 0.0124
    return box


def link_of(box: Box) -> FakeLink:
    """Return the box's link as what it is here."""
    assert isinstance(box.link, FakeLink)
    return box.link


def make_app(
    *boxes: Box,
    picker: bool = False,
    targets: Sequence[Target] = (XUB, LAB, LOCAL, DEMO),
    settings: Settings | None = None,
    opener: Callable[[Target, Asker], Box] | None = None,
    warnings: Sequence[GpuBoxError] = (),
    remember: Callable[[Target], object] = lambda _: None,
    trouble: Feed[GpuBoxError | None] | None = None,
    file: SettingsFile | None = None,
) -> GpuBoxApp:
    """Return an app that opens the given boxes by name, and shows the first one or the list of boxes."""
    by_name = {box.name: box for box in boxes}
    for box in boxes:
        box.settings = settings or box.settings
    return GpuBoxApp(
        settings=settings or Settings(),
        targets=list(targets),
        first=None if picker else boxes[0].target,
        opener=opener or (lambda target, _asker: by_name[target.name]),
        warnings=warnings,
        remember=remember,
        trouble=trouble,
        file=file,
    )


async def until(pilot: Pilot[None], condition: Callable[[], object], seconds: float = LIMIT) -> None:
    """Wait until a condition holds; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        await pilot.pause(0.01)
    await pilot.pause()


def complete(app: App[None]) -> bool:
    """Whether all panels of a box are on the screen, and one of them has the focus.

    The first panel comes before the others, which come after the first sample: a key for another is lost.
    """
    screen = app.screen
    mounted = isinstance(screen, BoxScreen) and len(screen.query(Panel)) == len(registry.panel_classes())
    return mounted and screen.focused is not None


def burst(app: App[None], *keys: str) -> None:
    """Let keys come as from a paste: all of them before any is taken."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def steady(pilot: Pilot[None]) -> None:
    """Wait until two pictures in a row are the same: what was still to be drawn is drawn."""
    before = ""
    async with asyncio.timeout(LIMIT):
        while (now := pilot.app.export_screenshot(simplify=True)) != before:
            before = now
            await pilot.pause(0.05)
            await pilot.pause()  # what came meanwhile is drawn, on a busy machine too
