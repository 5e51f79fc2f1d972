"""The screen of one box: composes the panels and binds them to the box."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from gpubox.boxes.box import Box
from gpubox.boxes.context import Purpose
from gpubox.boxes.fleet import Fleet
from gpubox.common.rules.driver import without_gpus
from gpubox.core.errors import GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.link_state import Health, Phase
from gpubox.core.target import Target
from gpubox.ui import box_windows, shell, x11_actions
from gpubox.ui.app_access import after_paint, in_sight, painted, program
from gpubox.ui.error_boundary import guarded
from gpubox.ui.panel_layout import PanelLayout
from gpubox.ui.status_bar import StatusBar
from gpubox.ui.widgets.key_footer import KeyFooter

T = TypeVar("T")
REDRAW = 0.5
"""Least seconds between two drawings: eight graphs at 10 Hz cost half a core."""

LATE = 1.0
"""Seconds after which panels are mounted though no first sample came.

Else the first panel is mounted after the login, while the box starts the probe, and the others after the
first sample: to import and mount them takes longer than all the rest.
"""

LINKED = Binding.Group("Through the link")
"""Keys that leave the panel; the footer drops them first when space is short."""


class BoxScreen(Screen[None]):
    """One box. It is painted before the box is opened, because that imports the ssh library (0.3 s)."""

    AUTO_FOCUS = ""
    ESCAPE_TO_MINIMIZE = False  # escape closes a filter first
    ALLOW_IN_MAXIMIZED_VIEW = "#state, KeyFooter"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "retry", "Retry", id="box.retry", tooltip="Try to reach the box without waiting"),
        Binding(
            "m,enter", "maximize", "Maximize", id="box.maximize", tooltip="Let the panel fill the screen"
        ),
        Binding("escape,m", "minimize", "Back", id="box.minimize", tooltip="Show all panels again"),
        replace(shell.BINDING, group=LINKED),
        Binding(
            "v",
            "open_panel('desktop')",
            "Desktop",
            id="box.desktop",
            group=LINKED,
            tooltip="List the desktops; with none, offer to start one",
        ),
        Binding(
            "t",
            "open_panel('tunnels')",
            "Tunnels",
            id="box.tunnels",
            group=LINKED,
            tooltip="List services and tunnels",
        ),
        Binding(
            "j", "open_panel('jobs')", "Jobs", id="box.jobs", group=LINKED, tooltip="List the jobs of the box"
        ),
        Binding("n", "launch", "New job", id="box.launch", group=LINKED, tooltip="Start a job, or queue it"),
        Binding(
            "e", "open_panel('envs')", "Envs", id="box.envs", group=LINKED, tooltip="List the environments"
        ),
        replace(x11_actions.BINDING, group=LINKED),
        replace(box_windows.CHECKS, group=LINKED),
        box_windows.ALERTS,
        box_windows.GUIDE,
        box_windows.MONITOR,
        Binding("tab", "next(1)", "Next panel", show=False, id="box.next", tooltip="Move to the next"),
        Binding(
            "shift+tab", "next(-1)", "Previous panel", show=False, id="box.previous", tooltip="Move back"
        ),
        Binding("0", "all_gpus", "All GPUs", id="box.all-gpus", tooltip="Be about all GPUs again"),
        *(
            Binding(f"{n}", f"go({n})", "Panel", show=False, id=f"box.panel{n}", tooltip="Go to this panel")
            for n in range(1, 10)
        ),
    ]

    def __init__(self, target: Target, fleet: Fleet) -> None:
        super().__init__()
        self.target = target
        self.box: Box | None = None
        """The box, once it is opened."""
        self.new = False
        """Whether this machine sees the box for the first time."""
        self._fleet = fleet
        self._state = StatusBar(target)
        self._board = PanelLayout()

    def compose(self) -> ComposeResult:
        """Make the frame."""
        yield self._state
        yield self._board
        yield KeyFooter()

    def on_mount(self) -> None:
        """Open the box after the first paint."""
        self._state.show(Health(Phase.CONNECTING, step="opening"))
        after_paint(self, self._begin)

    @property
    def is_current(self) -> bool:
        """Whether it is in front, or behind translucent windows.

        Textual also treats a fully hidden screen as current, and paints it for nothing.
        """
        return super().is_current and in_sight(self)

    def _begin(self) -> None:
        """Open the box in a worker: keys are processed meanwhile."""
        self.run_worker(self._open(), name=f"open {self.target.name}", group="open", exclusive=True)

    async def _open(self) -> None:
        """Open the box and keep it open until the program ends; errors stay on the screen."""
        from gpubox.ui.registry import first_panel, panel_classes

        try:
            self.box = box = self._fleet.open(self.target)
        except GpuBoxError as error:
            self._show_health(Health(Phase.REFUSED, reason=error))
            return
        self._state.box = box
        keeping = self._fleet.keep(box, Purpose.WORK)
        program(self).run_worker(guarded(self, keeping), name=f"keep {box.name}", exit_on_error=False)
        self.run_worker(guarded(self, self._follow(box.link.health, self._show_health)), exit_on_error=False)
        await asyncio.to_thread(box.prepare)
        latest = asyncio.get_running_loop().time() + LATE
        first = await asyncio.to_thread(first_panel)  # imported while the login waits for the box
        await box.link.health.wait(lambda now: now.phase not in (Phase.IDLE, Phase.CONNECTING), latest)
        await self._board.add([first(box, box.settings)])
        live = box.link.health.value.phase is Phase.LIVE
        if live and await box.sample.wait(lambda sample: sample is not None, latest):
            self._feed()
            await painted(self)
        classes = await asyncio.to_thread(panel_classes)
        await self._board.add([panel(box, box.settings) for panel in classes if panel is not first])
        from gpubox.ui.box_features import use_features

        use_features(self, box, self._state, new=self.new)
        for follow in (
            self._follow(box.channels, lambda _: self.refresh_bindings()),
            self._follow(box.trouble, lambda _: self._state.tick()),
            self._follow_samples(box),
        ):
            self.run_worker(guarded(self, follow), exit_on_error=False)
        self.set_interval(1.0, self._grow_old)

    async def _follow(self, feed: Feed[T], react: Callable[[T], None]) -> None:
        async for value in feed.follow():
            react(value)

    async def _follow_samples(self, box: Box) -> None:
        first = new = True
        async for sample in box.sample.follow():
            if new and sample is not None and (sample.gpus or sample.faults):
                new = False
                if without_gpus(sample):
                    self._board.begin_with("host")
            if first or not self.is_current:
                self._feed()
            else:
                self._state.tick()
                await self._board.feed_in_turn(box)
            if sample is not None:  # the very first sample is drawn at once
                first = False
                await asyncio.sleep(REDRAW)

    def _show_health(self, health: Health) -> None:
        self._state.show(health)
        self.refresh_bindings()
        self._feed()

    @on(events.ScreenResume)
    def _resume(self) -> None:
        self._board.catch_up()

    @on(events.ScreenResume)
    @on(PanelLayout.Arranged)
    def _feed(self) -> None:
        if self.box is not None and self.is_current:
            self._grow_old()
            self._state.tick()

    def _grow_old(self) -> None:
        """Update the panels between samples: only the age changes."""
        if self.box is not None and self.is_current:
            self._board.feed(self.box.sample.value, stale=self.box.stale)

    def action_go(self, number: int) -> None:
        """Move to the panel with this number."""
        self._board.go(self._board.number(number))

    def action_next(self, step: int) -> None:
        """Move to the next panel, or back by -1."""
        self._board.go(self._board.neighbor(step))

    def action_open_panel(self, name: str) -> None:
        """Focus a panel by its own key, and run that key's action."""
        if (panel := self._board.named(name)) is not None:
            again = panel is self._board.focused
            self._board.go(panel)
            panel.opened_by_key(again=again)

    async def action_launch(self) -> None:
        """Open the form for a new job, from any panel, and start the job."""
        panel = self._board.named("jobs")
        if panel is not None:
            await panel.run_action("new")

    def action_window(self, name: box_windows.WindowName) -> None:
        """Open a window about the box: its checks, its guide, or its monitoring."""
        if self.box is not None:
            program(self).push_screen(box_windows.window_of(self.box, name))

    def action_maximize(self) -> None:
        """Maximize the focused panel."""
        self._board.zoom(self._board.focused)

    def action_minimize(self) -> None:
        """Show all panels again."""
        self._board.zoom(None)

    def action_all_gpus(self) -> None:
        """Select all GPUs again."""
        self._board.choose_gpu(None)

    def action_retry(self) -> None:
        """Retry the link now."""
        if self.box is None:
            self._begin()
        else:
            self.box.retry()

    def title_of(self, action: str) -> str | None:
        """Return the name of the panel that a number key moves to."""
        return self._board.title_of(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        match action, parameters:
            case "retry", _:
                return self.box is None or self.box.sample.value is None or self.box.stale
            case "go", (int(number),):
                return self._board.number(number) is not None
            case "open_panel", (str(name),):
                return self._board.named(name) is not None
            case "launch", _:
                return self._board.named("jobs") is not None
            case "all_gpus", _:
                return any(panel.gpu is not None for panel in self._board.panels)
            case "minimize", _:
                return self.maximized is not None
            case "maximize", _:
                return self.maximized is None and self._board.focused is not None
            case _:
                return True
