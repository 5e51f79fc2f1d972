"""Services of the box and the tunnels to them: open by name or by hand, stop, and watch the traffic."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from gpubox.boxes import browser
from gpubox.boxes.box import Box
from gpubox.boxes.services import Service, Services
from gpubox.boxes.sshd_policy import SshdLimits
from gpubox.boxes.tunnels.tunnel import Tunnel, TunnelPhase
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.config.settings import Settings
from gpubox.core.channels import Forward
from gpubox.core.sanitize import clean
from gpubox.ui.app_access import program
from gpubox.ui.draw.spans import Line, Tone, wrapped
from gpubox.ui.draw.table import Table
from gpubox.ui.list_panel import ExplainedListPanel
from gpubox.ui.modal_guard import window
from gpubox.ui.panels.tunnels.form import TunnelForm
from gpubox.ui.panels.tunnels.table import COLUMNS, Rates, TunnelRow, rows, why
from gpubox.ui.poller import live, recorded
from gpubox.ui.widgets.titles import set_caption


class TunnelsPanel(ExplainedListPanel[TunnelRow]):
    """One list of services and tunnels."""

    NAME = "tunnels"
    TITLE = "Tunnels"
    ORDER = 5
    PLACE = "main"
    ROWS = 6
    OFFERED = ("open", "page", "new", "stop", "copy")
    HELP = """\
What listens on the box, found by itself, and the tunnels to it. `enter` opens a service by its name: a tunnel
on 127.0.0.1 with the same port each time, and the browser with the token that the service wants. Tunnels
come back after a drop. `n` opens one by hand: a port, a socket, a remote one, or SOCKS.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="tunnels.open", tooltip="Open the tunnel, and the page in it"),
        Binding("o", "page", "Page", id="tunnels.page", tooltip="Open the page in a browser once more"),
        Binding("n", "new", "New", id="tunnels.new", tooltip="Write a tunnel by hand"),
        Binding("x", "stop", "Stop", id="tunnels.stop", tooltip="Close the tunnel; once more, forget it"),
        Binding("R", "restart", "Restart", id="tunnels.restart", tooltip="Close it and open it again"),
        Binding("a", "all", "All", id="tunnels.all", tooltip="Show what belongs to the system too, or not"),
        Binding("y", "copy", "Copy address", id="tunnels.copy", tooltip="Copy the address on this machine"),
    ]

    def __init__(self, box: Box, settings: Settings) -> None:
        self._services, self._tunnels = box.use(Services), box.use(Tunnels)
        self._limits = box.use(SshdLimits)
        listed: Table[TunnelRow] = Table(COLUMNS, lambda row: row.key, sort="name", empty="", id="list")
        super().__init__(box, settings, self._services.find, listed)
        self._rates = Rates()
        self._all = False

    def on_mount(self) -> None:
        """Follow the feeds of services, tunnels and sshd's limits."""
        self._follow(self._tunnels.feed)
        self._follow(self._services.feed)
        self._follow(self._limits.feed)

    @property
    def chosen(self) -> TunnelRow | None:
        """The row under the cursor."""
        return self._list.chosen

    def _show(self) -> None:
        """Draw the present state."""
        tunnels = self._tunnels.feed.value
        self._rates.note(tunnels)
        if not self.seen:
            return
        self._list.empty = self._empty("Nothing listens on the box · n opens a tunnel by hand")
        services = self._services
        self._list.show(
            row
            for row in rows(
                services.feed.value,
                tunnels,
                services.behind,
                self._rates,
                self._limits.feed.value,
            )
            if row.tunnel is not None or self._shows(row.service)
        )
        set_caption(self, self._subtitle())
        self._explain()

    def _shows(self, service: Service | None) -> bool:
        """Return whether to list a service without a tunnel; the program's own listeners are left out."""
        if service is None or (service.pid == os.getpid() and self.box.target.kind != "ssh"):
            return False
        return self._all or not service.system

    def _draw_why(self, width: int, _height: int) -> Sequence[Line]:
        row = self.chosen
        lines: list[Line] = []
        for text in why(row) if row is not None else ():
            tone: Tone = "accent" if text.startswith("→") else "muted"
            lines += wrapped(text, width, tone, most=2)
        return lines

    def _subtitle(self) -> str:
        shown = self._list.shown
        services = sum(row.service is not None for row in shown)
        parts = [f"{sum(row.open for row in shown)} open"]
        parts += [f"{services} found"] if services else []
        return " · ".join(parts) if shown else ""

    def on_table_opened(self) -> None:
        """Open the double-clicked row."""
        self.action_open()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        row = self.chosen
        match action:
            case "new":
                return not recorded(self)
            case "open":
                return row is not None and live(self)
            case "page" if row is not None and row.service is not None and not row.service.page:
                return False
            case "page" | "copy":
                return row is not None and row.tunnel is not None and bool(row.tunnel.address)
            case "stop" | "restart":
                # True even if there is nothing to stop: otherwise the key would go to the screen.
                return row is not None
            case _:
                return True

    def title_of(self, action: str) -> str | None:
        """Return `Forget` for a stopped tunnel, "" without a tunnel, else None for the usual title."""
        tunnel = self._tunnel()
        if action in ("stop", "restart") and tunnel is None:
            return ""
        if action == "stop" and tunnel is not None and tunnel.phase is TunnelPhase.STOPPED:
            return "Forget"
        return None

    def action_open(self) -> None:
        """Open the chosen service and its page, or the chosen tunnel."""
        row = self.chosen
        if row is None or not self.check_action("open", ()):
            return
        if row.service is not None:
            self.attempt(self._open(row.service))
        elif row.tunnel is not None and not row.open:
            self.attempt(self._tunnels.restart(row.tunnel.id))
        else:
            self.action_copy()

    def action_all(self) -> None:
        """Show or hide system services."""
        self._all = not self._all
        self._show()

    def action_page(self) -> None:
        """Open the page of the chosen tunnel again."""
        row = self.chosen
        if row is not None and row.tunnel is not None:
            self.attempt(self._browse(row.service, row.tunnel))

    async def _open(self, service: Service) -> None:
        """Open a tunnel to a service, and its page if it has one; raises the reason if sshd forbids it."""
        self._allowed(service.forward)
        tunnel = await self._services.open(service)
        if service.page:
            await self._browse(service, tunnel)

    def _allowed(self, spec: Forward | None) -> None:
        if spec is not None and (forbidden := self._limits.feed.value.against(spec)) is not None:
            raise forbidden

    async def _browse(self, service: Service | None, tunnel: Tunnel) -> None:
        """Show a page in the browser; without a browser, copy its address."""
        plain = f"http://{tunnel.address}/" if service is None else service.shown_url(tunnel.port)
        url = plain if service is None else service.url(tunnel.port)
        name = tunnel.name if service is None else service.key
        if await browser.show(url, secret=url != plain):
            self.notify(plain, title=clean(name, 40), markup=False)
        else:
            program(self).copy_to_clipboard(url)
            what = "is copied with its token" if url != plain else "is copied"
            self.notify(f"{plain} {what}: no browser here", title=clean(name, 40), markup=False)

    def action_copy(self) -> None:
        """Copy the address of the chosen tunnel."""
        tunnel = self._tunnel()
        if tunnel is not None and tunnel.address:
            program(self).copy_to_clipboard(tunnel.address)
            self.notify(f"{tunnel.address} is copied", markup=False)

    def action_stop(self) -> None:
        """Close the chosen tunnel, or forget a closed one."""
        tunnel = self._tunnel()
        if tunnel is not None:
            tunnels = self._tunnels
            stopped = tunnel.phase is TunnelPhase.STOPPED
            self.attempt(tunnels.forget(tunnel.id) if stopped else tunnels.stop(tunnel.id))

    def action_restart(self) -> None:
        """Reopen the chosen tunnel."""
        if (tunnel := self._tunnel()) is not None:
            self.attempt(self._tunnels.restart(tunnel.id))

    def _tunnel(self) -> Tunnel | None:
        return self.chosen.tunnel if self.chosen is not None else None

    def action_new(self) -> None:
        """Ask for a tunnel, then open it."""
        self.open_window(self._new)

    async def _new(self) -> None:
        requested = await window(self, TunnelForm(self.box.name))
        if requested is not None:
            self._allowed(requested.spec)
            tunnel = self._tunnels.add(requested.spec, requested.name)
            self._show()
            self._list.choose(("tunnel", tunnel.id))
            await self._tunnels.open(requested.spec, requested.name)
