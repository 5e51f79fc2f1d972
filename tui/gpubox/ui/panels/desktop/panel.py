"""The desktops of the box: list, start, open in a viewer, stop; and a small picture of the chosen one."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from gpubox.boxes.box import Box
from gpubox.boxes.desktops import Desktops, DesktopSession, DesktopSpec
from gpubox.boxes.desktops.session import own_sessions
from gpubox.boxes.sshd_policy import SshdLimits
from gpubox.config.settings import Settings
from gpubox.core.channels import Direction, Forward
from gpubox.core.errors import GpuBoxError
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.sanitize import clean
from gpubox.ui.app_access import asker
from gpubox.ui.draw.table import Table
from gpubox.ui.error_boundary import guarded
from gpubox.ui.list_panel import PolledListPanel
from gpubox.ui.modal_guard import window
from gpubox.ui.panels.desktop.form import DesktopForm
from gpubox.ui.panels.desktop.picture import DesktopPicture
from gpubox.ui.panels.desktop.table import columns, key, session_words
from gpubox.ui.panels.desktop.viewers import Viewers
from gpubox.ui.poller import live
from gpubox.ui.widgets.titles import set_caption

_BY_PORT = Forward(Direction.LOCAL, port=5901)
"""How a desktop is reached where its socket cannot be."""
_LIST = 60
"""Cells of the list, with the gap after it, when the picture is beside it."""
_SHAPE = 3.5
"""Cells of width per row of a usual screen's picture."""


class DesktopPanel(PolledListPanel):
    """The list, and the picture below or beside it."""

    NAME = "desktop"
    TITLE = "Desktop"
    ORDER = 6
    PLACE = "side"
    ROWS = 11
    OFFERED = ("open", "new", "stop", "restart", "close")
    HELP = """\
The desktops (VNC sessions) of the box. `v` from any panel comes here; when you have none it asks once whether
to start one, and opens it. A desktop is reached through the ssh link alone: by a socket that only you can
open, or by a port of the box's own loopback. Closing the viewer leaves it running. The picture shows the
chosen one as it is now.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="desktop.open", tooltip="Show the desktop in a viewer"),
        Binding("n", "new", "New", id="desktop.new", tooltip="Start a desktop of a size and session"),
        Binding("x", "stop", "Stop", id="desktop.stop", tooltip="End the desktop; asks before"),
        Binding("R", "restart", "Restart", id="desktop.restart", tooltip="Stop it and start it again; asks"),
        Binding("y", "copy", "Copy address", id="desktop.copy", tooltip="Copy the address for a viewer"),
        Binding("d", "close", "Disconnect", id="desktop.close", tooltip="End the viewer, not the desktop"),
    ]
    DEFAULT_CSS = """
    DesktopPanel {
        layout: vertical;
        & #desktops { height: 1fr; }
        &.-picture #desktops { height: auto; max-height: 34%; min-height: 2; }
        & Thumbnail { display: none; }
        &.-picture Thumbnail { display: block; }
        &.-picture.-beside { layout: horizontal; }
        &.-picture.-beside #desktops { width: 58; height: 1fr; max-height: 100%; }
        &.-picture.-beside Thumbnail { margin: 0 0 0 2; }
    }
    """

    def __init__(self, box: Box, settings: Settings) -> None:
        self._desktops = box.use(Desktops)
        super().__init__(box, settings, self._desktops.list)
        self._doing = ""
        self._agreed = False
        self._viewers = Viewers(self, self._show)
        self._list: Table[DesktopSession] = Table(
            columns(self._now, self._viewers.where), key, sort="display", empty="", id="desktops"
        )
        self._picture = DesktopPicture(box)

    def compose(self) -> ComposeResult:
        """Compose the list and the picture."""
        yield self._list
        yield self._picture

    def on_mount(self) -> None:
        """Follow the feeds of desktops and sshd's limits."""
        self._follow(self._desktops.feed)

    def on_resize(self) -> None:
        """Put the picture where it gets the most room."""
        width, height = self.size
        beside, below = min(height, (width - _LIST) / _SHAPE), min(height - 4, width / _SHAPE)
        self.set_class(beside > below, "-beside")

    def _now(self) -> float:
        return self.sample.time if self.sample else 0.0

    @property
    def chosen(self) -> DesktopSession | None:
        """The desktop under the cursor."""
        return self._list.chosen

    def _show(self) -> None:
        """Draw the present state."""
        if not self.displayed:
            self._picture.aim(None)
        if not self.seen:
            return
        found = self._desktops.feed.value
        forbidden = self._forbidden()
        nothing = "No desktop runs · v starts one and opens it" if forbidden is None else str(forbidden)
        self._list.empty = self._empty(nothing)
        self._list.show(found)
        mine = sum(one.mine for one in found)
        parts = [self._doing] if self._doing else []
        parts += [f"{mine} yours" if mine == len(found) else f"{mine} of {len(found)} yours"] if found else []
        set_caption(self, " · ".join(parts))
        self._offer()
        self.set_class(self._picture.aim(self.chosen), "-picture")

    def _forbidden(self) -> GpuBoxError | None:
        """Return why sshd lets no desktop be reached, neither by socket nor by port; None when unknown."""
        limits = self.box.use(SshdLimits).feed.value
        return None if limits.sockets is not False else limits.against(_BY_PORT)

    def on_table_chosen(self) -> None:
        """Show the picture of the desktop under the cursor."""
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        session = self.chosen
        match action:
            case "new":
                return live(self) and self._forbidden() is None
            case "open" | "copy":
                return live(self) and session is not None and session.mine and self._forbidden() is None
            case "stop":
                # True for other users' desktops too: otherwise the key would go to the screen.
                return live(self) and session is not None
            case "restart":
                return live(self) and session is not None and session.mine and session.ours
            case "close":
                return session is not None and bool(self._viewers.where(session))
            case _:
                return True

    def title_of(self, action: str) -> str | None:
        """Hide the actions that end a desktop of another user."""
        session = self.chosen
        return "" if action == "stop" and session is not None and not session.mine else None

    def opened_by_key(self, *, again: bool) -> None:
        """List the desktops. Without one of the user's, start one and open it; a second press opens it."""
        if again and self.check_action("open", ()):
            self.action_open()
        elif self.check_action("new", ()):
            self.run_worker(guarded(self, self._ready()), group="ready", exclusive=True, exit_on_error=False)

    async def _ready(self) -> None:
        if own_sessions(await self._desktops.list()):
            return
        if not self._agreed:  # a stray key must not start a server
            self._agreed = await asker(self).ask(start_question(self.box.name)) == "yes"
        if self._agreed:
            await self._start(None)

    def on_table_opened(self) -> None:
        """Open the desktop that was clicked twice."""
        if self.check_action("open", ()):
            self.action_open()

    def action_open(self) -> None:
        """Show the chosen desktop in a viewer, or say where it is already shown."""
        if (session := self.chosen) is not None:
            self._viewers.open(session)

    def action_copy(self) -> None:
        """Copy the address of the chosen desktop; opens a forward to it if there is none."""
        if (session := self.chosen) is not None:
            self._viewers.open(session, copy=True)

    def action_close(self) -> None:
        """Close the viewer of the chosen desktop, or the forward to it."""
        if (session := self.chosen) is not None:
            self._viewers.close(session)

    def action_new(self) -> None:
        """Ask for a size and a session, then start a desktop."""
        self.open_window(self._new)

    async def _new(self) -> None:
        form = DesktopForm(self.settings.desktop, self.box.name)
        spec = await window(self, form)
        if spec is not None:
            await self._start(spec, show=False)

    async def _start(self, spec: DesktopSpec | None, *, show: bool = True) -> None:
        """Start a desktop, open it, and report when its session ends at once."""
        desktops = self._desktops
        self._doing = "starting a desktop"
        self._show()
        try:
            session = await desktops.start(spec)
        finally:
            self._doing = ""
            self._show()
        self._poller.soon()  # the list has its start time
        if show:
            self._viewers.open(session)
        if desktops.ends_at_logout:
            self.notify(
                "The box ends it when you log out; there: loginctl enable-linger",
                title=session.name,
                severity="warning",
                markup=False,
            )
        await desktops.settled(session)
        if not show:
            self.notify(f"{session.name} runs {clean(session_words(session), 40)}", markup=False)

    def action_stop(self) -> None:
        """Ask, then stop the chosen desktop."""
        if (session := self.chosen) is not None:
            self.open_window(lambda: self._stop(session))

    async def _stop(self, session: DesktopSession) -> None:
        # `stop` refuses another user's desktop, with the reason.
        if not session.mine or await self._sure("Stop", session):
            self._viewers.close(session)
            self.notify(await self._desktops.stop(session), markup=False)

    def action_restart(self) -> None:
        """Ask, then restart the chosen desktop."""
        if (session := self.chosen) is not None:
            self.open_window(lambda: self._restart(session))

    async def _restart(self, session: DesktopSession) -> None:
        if await self._sure("Restart", session):
            again = await self._desktops.restart(session)
            await self._desktops.settled(again)
            self.notify(f"{again.name} runs {clean(session_words(again), 40)}", markup=False)

    async def _sure(self, verb: str, session: DesktopSession) -> bool:
        return await asker(self).ask(question(self.box.name, verb, session)) == "yes"


def start_question(box: str) -> Question:
    """Return the question whether to start a first desktop."""
    return Question(
        about=box,
        title="Start a desktop?",
        text="None of yours runs. A VNC server starts on the box and opens here; it runs until you stop it.",
        kind=QuestionKind.YES_NO,
    )


def question(box: str, verb: str, session: DesktopSession) -> Question:
    """Return the question that names the desktop and what will be lost."""
    runs = clean(session_words(session), 60)
    text = (
        f"{session.server} ends; the screen of the machine itself goes on."
        if session.physical
        else f"{clean(session.server, 20)} {clean(session.geometry, 20)} {runs}\n\nEvery program in it ends; "
        "what they have not saved is lost. Trainings that were started elsewhere go on."
    )
    return Question(
        about=box,
        title=f"{verb} {clean(session.name, 40)}?",
        text=text,
        kind=QuestionKind.YES_NO,
        danger=True,
    )
