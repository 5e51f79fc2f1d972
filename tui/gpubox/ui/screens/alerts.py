"""The window of alerts: what is wrong with the box now, what was, and what is muted."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from gpubox.boxes.alerts.alerts import Alerts
from gpubox.boxes.alerts.mutes import BOX, is_on, subject_of
from gpubox.boxes.box import Box
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line
from gpubox.ui.draw.table import Table
from gpubox.ui.error_boundary import guarded
from gpubox.ui.modal_guard import window
from gpubox.ui.screens import alerts_table
from gpubox.ui.screens.alerts_table import AlertRow, rows_of
from gpubox.ui.screens.mute_chooser import MuteChooser
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.list_filter import ListFilter
from gpubox.ui.widgets.titles import set_caption, set_title

NO_ALERTS = "No alerts: nothing is wrong that is judged"
_SECOND = 1.0


class AlertsScreen(ModalScreen[None]):
    """Lists the alerts of a box, active ones first."""

    HELP = """\
What is wrong with the box now, and what was. `!!` is critical, `!` a warning, `·` worth knowing. An alert is
raised when its condition has held for a while, and cleared when it has not; below the list is what the chosen
one means and what to do.

`a` acknowledges it: it is no longer counted in the first line of the box, and what stays until somebody saw
it is over. `m` mutes it, its card or the whole box for a time: what is muted is listed and not announced. `u`
announces it again. The settings below `[alerts]` say how alerts are announced.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "acknowledge", "Acknowledge", id="alerts.acknowledge", tooltip="Mark it as seen"),
        Binding("A", "acknowledge_all", "All seen", id="alerts.all", tooltip="Acknowledge all active ones"),
        Binding("m", "mute", "Mute", id="alerts.mute", tooltip="Do not announce it; asks for how long"),
        Binding("u", "unmute", "Unmute", id="alerts.unmute", tooltip="Announce it again"),
        Binding("slash", "filter", "Filter", id="alerts.filter", tooltip="Show only rows with these words"),
        Binding(
            "escape,exclamation_mark,q",
            "clear",
            "Close",
            id="alerts.close",
            tooltip="Drop the filter, or go back",
        ),
        Binding("f1", "app.help", "Help", id="alerts.help", tooltip="Explain this window and its keys"),
    ]

    def __init__(self, box: Box) -> None:
        super().__init__()
        self._box = box
        self._alerts = box.use(Alerts)
        self._list: Table[AlertRow] = Table(
            alerts_table.COLUMNS, lambda row: row.key, sort="state", empty="", id="alerts-list"
        )
        self._about = LineView(self._draw_about, id="alerts-about")
        self._about.can_focus = False
        self._words = ListFilter("words in alert, subject, rule …", self.show, lambda: self._list)

    def compose(self) -> ComposeResult:
        """Compose the list, the lines about the chosen alert, and the filter's line."""
        with Vertical(id="alerts") as frame:
            set_title(frame, f"Alerts of {self._box.name}")
            yield self._list
            yield self._about
            yield self._words
        yield KeyFooter()

    def on_mount(self) -> None:
        """List the alerts, and follow them."""
        self._list.narrow(self._admits)
        self._list.focus()
        self.show()
        if self._list.shown:
            self._list.choose(self._list.shown[0].key)
        self.run_worker(guarded(self, self._follow()), exit_on_error=False)
        self.set_interval(_SECOND, self.show)

    async def _follow(self) -> None:
        async for _ in self._alerts.feed.follow():
            self.show()

    @property
    def chosen(self) -> AlertRow | None:
        """The alert under the cursor."""
        return self._list.chosen

    def _admits(self, row: AlertRow) -> bool:
        alert = row.alert
        return self._words.admits(alert.code, alert.subject, alert.title, alert.text, alert.severity.word)

    def show(self) -> None:
        """Draw the alerts that there are now."""
        found, now = self._alerts.feed.value, self._alerts.now()
        self._list.empty = (
            "No alert matches" if self._words.text else "No alerts: nothing is wrong that is judged"
        )
        self._list.show(rows_of(found, now))
        self._about.redraw()
        open_ones = len(found.open(now))
        parts = [f"{len(found.active)} active"]
        if open_ones != len(found.active):
            parts.append(f"{open_ones} not seen")
        if BOX in found.mutes and is_on(found.mutes[BOX], now):
            parts.append("the whole box is muted")
        set_caption(self.query_one("#alerts"), " · ".join(parts))
        self.refresh_bindings()

    def _draw_about(self, width: int, _height: int) -> list[Line]:
        return alerts_table.about(self.chosen, width)

    def on_table_chosen(self) -> None:
        """Show the chosen alert in full."""
        self._about.redraw()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        row, found, now = self.chosen, self._alerts.feed.value, self._alerts.now()
        match action:
            case "acknowledge":
                return row is not None and row.active and row.state != "seen"
            case "acknowledge_all":
                return sum(not alert.acknowledged for alert in found.active) > 1
            case "mute":
                return row is not None
            case "unmute":
                return row is not None and found.muted(row.alert, now)
            case _:
                return True

    def action_acknowledge(self) -> None:
        """Mark the chosen alert as seen."""
        if (row := self.chosen) is not None:
            self.run_worker(guarded(self, self._alerts.acknowledge(row.alert.key)), exit_on_error=False)

    def action_acknowledge_all(self) -> None:
        """Mark all active alerts as seen."""
        self.run_worker(guarded(self, self._acknowledge_all()), exit_on_error=False)

    async def _acknowledge_all(self) -> None:
        for alert in self._alerts.feed.value.active:
            await self._alerts.acknowledge(alert.key)

    def action_mute(self) -> None:
        """Ask what to mute and for how long, and do it."""
        if (row := self.chosen) is not None:
            self.run_worker(guarded(self, self._mute(row)), exit_on_error=False)

    async def _mute(self, row: AlertRow) -> None:
        chosen = await window(self, MuteChooser(row.alert))
        if chosen is not None:
            until = None if chosen.seconds is None else self._alerts.now() + chosen.seconds
            await self._alerts.mute(chosen.what, until)

    def action_unmute(self) -> None:
        """Announce the chosen alert again, whatever mutes it."""
        if (row := self.chosen) is not None:
            alert = row.alert
            names = (alert.key, subject_of(alert), alert.subject, BOX)
            self.run_worker(guarded(self, self._alerts.unmute(*names)), exit_on_error=False)

    def action_filter(self) -> None:
        """Open the filter."""
        self._words.ask()

    def action_clear(self) -> None:
        """Drop the filter; without one, go back."""
        if self._words.used:
            self._words.clear_words()
        else:
            self.dismiss()
