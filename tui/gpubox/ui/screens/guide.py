"""The guide through the set-up of a box: one thing at a time that needs care, in the order of a guide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from gpubox.boxes.box import Box
from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import GROUPS, Check, Outcome
from gpubox.boxes.checks.run import Judged
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import EMPTY, Line, Span, wrapped
from gpubox.ui.screens import checks_table
from gpubox.ui.screens.check_window import COPY, EXPLAIN, FIX, KEYS, LOOK, SUDO, TRY, UNDO, CheckWindow
from gpubox.ui.widgets.details import ScrolledLines
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.titles import set_title


class GuideScreen(CheckWindow):
    """Walks through what needs care or could not be looked at; its last page names the keys that go on."""

    HELP = """\
One thing after the other that needs care, in the order in which one sets up a box: login, SSH server,
desktop, driver, environments, and so on. `f` shows the change that makes it right, and `u` undoes it; `n`
goes on, `p` back. What could not be looked at is named with the command that can, and `S` looks with sudo.
`r` looks again after you did something by hand: what is right now is left out. `t` tries X11 and a desktop
for real. At the end the panel is live behind it.
"""
    FRAME = "guide"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n,right,enter", "step(1)", "Next", id="guide.next", tooltip="Go on to the next one"),
        Binding("p,left", "step(-1)", "Back", id="guide.back", tooltip="Go back to the one before"),
        replace(FIX, id="guide.fix"),
        replace(UNDO, id="guide.undo"),
        replace(SUDO, id="guide.sudo"),
        replace(TRY, id="guide.try"),
        replace(COPY, id="guide.copy"),
        replace(LOOK, id="guide.look"),
        replace(EXPLAIN, id="guide.explain", show=False),  # the page explains already
        Binding("escape,q", "close", "Close", id="guide.close", tooltip="Leave the guide"),
        replace(KEYS, id="guide.help"),
    ]

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._stops: Sequence[Judged] = ()
        self._place = 0
        self._fixed: set[str] = set()
        """Ids of the checks that were fixed from here: the guide still stops at them, and can undo it."""
        self._lines = ScrolledLines(self._draw)

    def compose(self) -> ComposeResult:
        """Make the window."""
        frame = Vertical(self._lines, id="guide")
        set_title(frame, f"Set up {self._box.name}")
        yield frame
        yield KeyFooter()

    def on_mount(self) -> None:
        """Begin with what was found last, or look at the box."""
        self._lines.focus()
        if self._checks.results.value:
            self.show()
        else:
            self.action_look()

    def show(self) -> None:
        """Draw the present stop, or what was found instead of it."""
        if not self._looking:
            self._arrange()
        self._lines.scroll_home(animate=False)
        self._lines.redraw()
        self.write_caption()
        self.refresh_bindings()

    def _arrange(self) -> None:
        """Take the stops from the last look, and stay at the present one while it is there."""
        here = self.chosen
        self._stops = [one for one in self._checks.results.value if self._needs_care(one)]
        places = [place for place, one in enumerate(self._stops) if here and one.check.id == here.check.id]
        self._place = places[0] if places else min(self._place, len(self._stops))

    def _needs_care(self, one: Judged) -> bool:
        """Return whether to stop at a check; one that waits for another comes to something with that one."""
        loud = one.result.outcome in checks_table.LOUD and not one.result.waits_for
        return loud or one.check.id in self._fixed

    @property
    def chosen(self) -> Judged | None:
        """The check of the present stop; None on the last page."""
        return self._stops[self._place] if self._place < len(self._stops) else None

    @property
    def caption(self) -> str:
        """Which stop of how many this is."""
        many = len(self._stops)
        return f"{min(self._place + 1, many)} of {many}" if many else ""

    def _draw(self, width: int, _height: int) -> list[Line]:
        one = self.chosen
        if one is None and self._looking:
            return [(Span("Looking …", "muted"),)]
        page = self._last_page(width) if one is None else self._page(one, width)
        if self._trouble is None:
            return page
        return [*wrapped(clean(str(self._trouble), 400), width, "alarm"), EMPTY, *page]

    def _page(self, one: Judged, width: int) -> list[Line]:
        lines = [(Span(GROUPS[one.check.group], "muted"),), *checks_table.about(one, width)]
        if one.result.outcome is Outcome.UNKNOWN and self.check_action("sudo", ()):
            lines += wrapped("S looks with sudo: root sees more", width, "accent")
        return [*lines, EMPTY, *checks_table.reasons(one.check, width)]

    def _last_page(self, width: int) -> list[Line]:
        """Return where to go from here."""
        onward = wrapped("The panel is live behind this: esc. d shows all checks.", width)
        if self._trouble is not None:
            return onward
        head = "That was all" if self._stops else "Nothing needs care"
        trials = wrapped("t tries X11 and a desktop for real.", width)
        return [(Span(f"✓ {head}", "title"),), EMPTY, *trials, *onward]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now: here only where it does something."""
        here = self.chosen
        match action, parameters:
            case "step", (int(step),):
                return self._place > 0 if step < 0 else here is not None
            case "undo", _:
                return here is not None and here.check.id in self._fixed
            case "sudo", _:
                unknown = any(one.result.outcome is Outcome.UNKNOWN for one in self._checks.results.value)
                return unknown and super().check_action(action, parameters)
            case "try", _:
                tried = here is None or here.check.group in {one.group for one in all_checks() if one.trial}
                return tried and super().check_action(action, parameters)
            case _:
                return super().check_action(action, parameters)

    def look_after(self, check: Check, *, fixed: bool) -> None:
        """Look again after a check was fixed, or its fix undone; see CheckWindow."""
        (self._fixed.add if fixed else self._fixed.discard)(check.id)
        super().look_after(check, fixed=fixed)

    def action_step(self, step: int) -> None:
        """Go on, or back."""
        self._place = max(0, min(len(self._stops), self._place + step))
        self.show()

    def action_close(self) -> None:
        """Leave the guide."""
        self.dismiss()
