"""The window of the service that monitors a box day and night: how it is, and what can be done with it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import ClassVar

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from gpubox.boxes.box import Box
from gpubox.boxes.monitor import Monitor, MonitorRequest, MonitorStatus, wording
from gpubox.core.errors import GpuBoxError
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.sanitize import clean
from gpubox.ui.app_access import asker, program
from gpubox.ui.draw.spans import EMPTY, Line, Span, wrapped
from gpubox.ui.error_boundary import guarded
from gpubox.ui.screens.check_window import KEYS
from gpubox.ui.widgets.details import ScrolledLines
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.titles import set_caption, set_title

PERIOD = 5.0
"""Seconds between two looks: each starts a Python on the box."""
_LABEL = 12
"""Cells of the name of a fact."""
_OUTLETS = "gpubox-tui monitor BOX install names outlets: --prometheus [ADDRESS:]PORT, --zabbix HOST[:PORT]"


class MonitorScreen(ModalScreen[None]):
    """Shows how the service is, live, and installs, updates, starts, stops and removes it after a yes."""

    HELP = """\
A service of your own on the box samples it day and night, also while nobody is connected, judges the samples
by the rules, and hands them to outlets such as Prometheus and Zabbix. It needs no root. `i` installs and
starts it; systemd or your crontab starts it again at boot. `u` replaces it by this version, `x` stops it
until `s` or the next boot, and `R` removes it with all that was made for it. Outlets are named on the command
line: `gpubox-tui monitor BOX install --zabbix HOST`.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "install", "Install", id="monitor.install", tooltip="Install and start it; asks"),
        Binding("u", "update", "Update", id="monitor.update", tooltip="Replace it by this version; asks"),
        Binding("s", "start", "Start", id="monitor.start", tooltip="Start it"),
        Binding("x", "stop", "Stop", id="monitor.stop", tooltip="Stop it until it is started; asks"),
        Binding("R", "remove", "Remove", id="monitor.remove", tooltip="Remove it from the box; asks"),
        Binding("r", "look", "Look again", id="monitor.look", show=False, tooltip="Look at it again"),
        Binding("escape,q,M", "close", "Close", id="monitor.close", tooltip="Go back"),
        Binding(KEYS.key, KEYS.action, KEYS.description, id="monitor.help", tooltip=KEYS.tooltip),
    ]

    def __init__(self, box: Box) -> None:
        super().__init__()
        self._box = box
        self._monitor = box.use(Monitor)
        self._received = time.monotonic()
        """When the newest status came in."""
        self._doing = ""
        """What is being done, in words."""
        self._trouble: GpuBoxError | None = None
        """Why the last look failed."""
        self._lines = ScrolledLines(self._draw)

    def compose(self) -> ComposeResult:
        """Make the window."""
        frame = Vertical(self._lines, id="monitor")
        set_title(frame, f"Monitoring of {self._box.name}")
        yield frame
        yield KeyFooter()

    def on_mount(self) -> None:
        """Look at the service now and then, and draw each answer."""
        self._lines.focus()
        self.run_worker(guarded(self, self._follow()), exit_on_error=False)
        self.set_interval(PERIOD, self.action_look)
        self.set_interval(1.0, self._tick)
        self.action_look()

    async def _follow(self) -> None:
        async for _ in self._monitor.status.follow():
            self._received = time.monotonic()
            self._show()

    def _tick(self) -> None:
        if self._monitor.status.value is not None:  # its age grows
            self._lines.redraw()

    def _show(self) -> None:
        if self.is_attached:
            set_caption(self.query_one("#monitor"), self._doing)
            self._lines.redraw()
            self.refresh_bindings()

    @property
    def _status(self) -> MonitorStatus | None:
        """The newest status, grown as old as it is now."""
        status = self._monitor.status.value
        if status is None:
            return None
        passed = time.monotonic() - self._received
        age = None if status.age is None else status.age + passed
        return replace(status, now=status.now + passed, age=age)

    def _draw(self, width: int, _height: int) -> list[Line]:
        trouble = [] if self._trouble is None else wrapped(clean(str(self._trouble), 400), width, "alarm")
        status = self._status
        if status is None:
            return trouble or [(Span("Looking …", "muted"),)]
        page = [*trouble, self._headline(status)]
        for name, text in wording.facts(status, old=self._monitor.is_old(status)):
            first, *rest = wrapped(text, max(10, width - _LABEL)) or [EMPTY]
            page.append((Span(name.ljust(_LABEL), "label"), *first))
            page += [(Span(" " * _LABEL), *line) for line in rest]
        for text in wording.troubles(status):
            page += [EMPTY, *wrapped(f"! {text}", width, "warn")]
        for text in wording.notes(status):
            page += [EMPTY, *wrapped(text, width, "muted", 8)]
        if not status.installed:
            page += [EMPTY, *wrapped(f"i installs it. {wording.QUESTIONS['install'][1]}", width)]
        elif not status.outlets:
            page += [EMPTY, *wrapped(_OUTLETS.replace("BOX", self._box.name, 1), width, "muted")]
        return page

    def _headline(self, status: MonitorStatus) -> Line:
        well = status.running and not wording.troubles(status)
        sign = "✓" if well else "!" if status.installed else "·"
        return (Span(f"{sign} {wording.headline(status)}", "title" if well else "text"),)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now: one at a time, and only where it does something."""
        status = self._monitor.status.value
        if action not in ("install", "update", "start", "stop", "remove"):
            return True
        if status is None or self._doing:
            return False
        match action:
            case "install":
                return not status.installed
            case "update":
                return status.installed and self._monitor.is_old(status)
            case "start":
                return status.installed and not status.running
            case "stop":
                return status.running
            case _:
                return status.installed

    def action_look(self) -> None:
        """Look at the service, unless something else is being done."""
        if not self._doing and self._box.link.health.value.phase is Phase.LIVE:
            self.run_worker(guarded(self, self._look()), group="look", exclusive=True, exit_on_error=False)

    async def _look(self) -> None:
        try:
            await self._monitor.look()
        except GpuBoxError as error:
            self._trouble = error  # shown in the window until a look succeeds
        else:
            self._trouble = None
        self._show()

    def action_install(self) -> None:
        """Install the service after a yes."""
        self._change("install", "installing …", lambda: self._monitor.install(MonitorRequest()))

    def action_update(self) -> None:
        """Replace the service by the version that this program brings, after a yes."""
        self._change("update", "updating …", self._monitor.update)

    def action_start(self) -> None:
        """Start the service."""
        self._change(None, "starting …", self._monitor.start)

    def action_stop(self) -> None:
        """Stop the service after a yes."""
        self._change("stop", "stopping …", self._monitor.stop)

    def action_remove(self) -> None:
        """Remove the service after a yes."""
        self._change("remove", "removing …", self._monitor.remove)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()

    def _change(
        self, verb: wording.Verb | None, doing: str, change: Callable[[], Awaitable[MonitorStatus]]
    ) -> None:
        """Ask, then change the service; the work goes on when the window is closed."""

        async def work() -> None:
            if verb is not None:
                question = Question(
                    self._box.name, *wording.QUESTIONS[verb], QuestionKind.YES_NO, danger=verb == "remove"
                )
                if await asker(self).ask(question) != "yes":
                    return
            self._doing = doing
            self._show()
            try:
                await change()
            finally:
                self._doing = ""
                self._show()

        group = f"monitor {self._box.name}"
        program(self).run_worker(guarded(self, work()), group=group, exit_on_error=False)
