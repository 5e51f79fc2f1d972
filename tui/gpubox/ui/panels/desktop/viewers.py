"""The open viewers of the desktops of one box."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from textual.worker import Worker

from gpubox.boxes.desktops import Desktops, DesktopSession
from gpubox.boxes.desktops.viewing import Viewing
from gpubox.ui.app_access import program
from gpubox.ui.error_boundary import guarded
from gpubox.ui.panel import Panel
from gpubox.ui.panels.desktop.table import key


class Viewers:
    """Opens viewers for a panel; `changed` is called whenever one opens or closes."""

    def __init__(self, panel: Panel, changed: Callable[[], object]) -> None:
        self._panel = panel
        self._changed = changed
        self._workers: dict[Hashable, Worker[bool]] = {}
        self._viewings: dict[Hashable, Viewing] = {}

    def where(self, session: DesktopSession) -> str:
        """Return where a desktop is viewed: `in TigerVNC`, an address, `opening`, or ""."""
        viewing = self._viewings.get(key(session))
        if viewing is not None and viewing.page:
            return "in the browser"
        if viewing is not None:
            return f"in {viewing.viewer.name}" if viewing.viewer else viewing.address
        return "opening" if key(session) in self._workers else ""

    def open(self, session: DesktopSession, *, copy: bool = False) -> None:
        """Show a desktop, or with `copy` only open a forward to it; reports where one is already shown."""
        name = key(session)
        if name not in self._workers:
            work = guarded(self._panel, self._view(session, copy=copy))
            self._workers[name] = self._panel.run_worker(work, group="viewers", exit_on_error=False)
            self._changed()
        elif (viewing := self._viewings.get(name)) is not None:
            if copy or viewing.viewer is None:
                self._show_address(viewing)
            else:
                self._panel.notify(f"{session.name} is open {self.where(session)}", markup=False)

    def close(self, session: DesktopSession) -> None:
        """Close the viewer of a desktop, or the forward to it; the desktop keeps running."""
        worker = self._workers.get(key(session))
        if worker is not None:
            worker.cancel()

    async def _view(self, session: DesktopSession, *, copy: bool) -> None:
        """Keep a desktop open until its viewer ends; raises the reason when the desktop has ended too."""
        name = key(session)
        desktops = self._panel.box.use(Desktops)
        try:
            async with await desktops.open(session, viewer="none" if copy else "") as viewing:
                self._viewings[name] = viewing
                self._changed()
                if viewing.viewer is None:
                    self._show_address(viewing)
                await viewing.wait()
        finally:
            self._viewings.pop(name, None)
            self._workers.pop(name, None)
            self._changed()
        await desktops.check(session)

    def _show_address(self, viewing: Viewing) -> None:
        """Copy the address, and show it with the password, if there is one."""
        if viewing.page:
            program(self._panel).copy_to_clipboard(viewing.page)
            self._panel.notify(
                "noVNC shows it in the browser; its address is copied, with the password in it",
                title=viewing.session.name,
                markup=False,
            )
            return
        program(self._panel).copy_to_clipboard(viewing.address)
        password = f"\npassword, for this time only: {viewing.password}" if viewing.password else ""
        self._panel.notify(
            f"{viewing.address} is copied; any VNC viewer opens it{password}",
            title=viewing.session.name,
            timeout=30 if password else 8,
            markup=False,
        )
