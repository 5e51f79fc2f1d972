"""What the windows about checks share: looks at the box, fixes and their countdown, and the explanation."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from functools import partial
from typing import ClassVar

from textual.binding import Binding
from textual.screen import ModalScreen

from gpubox.boxes.box import Box
from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import Check
from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.checks.fixes import Fixes
from gpubox.boxes.checks.run import Judged
from gpubox.boxes.sudo import Sudo
from gpubox.core.errors import GpuBoxError
from gpubox.ui.app_access import asker, program
from gpubox.ui.error_boundary import guarded
from gpubox.ui.screens import checks_table, fix_actions
from gpubox.ui.widgets.details import Details
from gpubox.ui.widgets.titles import set_caption

EXTRA = Binding.Group("Extra")
"""Keys that the footer drops first when space is short."""
EXPLAIN = Binding(
    "question_mark", "explain", "Explain", tooltip="Say why it matters, and how to look by hand"
)
FIX = Binding("f", "fix", "Fix", tooltip="Make it right: shows the change, and asks")
UNDO = Binding("u", "undo", "Undo", tooltip="Undo the last fix of this check; asks")
LOOK = Binding("r", "look", "Look again", tooltip="Look at the box again")
SUDO = Binding("S", "sudo", "With sudo", tooltip="Look as root; asks for the password")
TRY = Binding("t", "try", "Try", tooltip="Try X11 and a desktop for real, too", group=EXTRA)
COPY = Binding("y", "copy", "Copy step", tooltip="Copy what to do", group=EXTRA)
KEYS = Binding("f1", "app.help", "Help", tooltip="Explain this window and its keys")
"""The bindings of such a window; each window gives them its own ids."""


class CheckWindow(ModalScreen[None]):
    """A window about the checks of one box."""

    FRAME: ClassVar[str] = ""
    """The id of the frame whose lower border has the caption."""

    def __init__(self, box: Box) -> None:
        super().__init__()
        self._box = box
        self._checks = box.use(Checks)
        self._fixes = box.use(Fixes)
        self._looking = False
        self._trouble: GpuBoxError | None = None
        """Why the last look failed."""

    @property
    def chosen(self) -> Judged | None:
        """The check that the keys are about."""
        raise NotImplementedError

    @property
    def caption(self) -> str:
        """What the lower border says about the results."""
        raise NotImplementedError

    def show(self) -> None:
        """Draw what was found so far."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Keep the countdown of a change that waits for its proof in the caption."""
        self.run_worker(guarded(self, self._follow_guard()), exit_on_error=False)
        self.set_interval(0.5, self._count_down)

    async def _follow_guard(self) -> None:
        async for _ in self._fixes.guard.follow():
            self.write_caption()

    def _count_down(self) -> None:
        if self._fixes.guard.value is not None:
            self.write_caption()

    def write_caption(self) -> None:
        """Write the countdown, if there is one, and the caption into the lower border."""
        parts = (self._fixes.notice, "looking …" if self._looking else "", self.caption)
        set_caption(self.query_one(f"#{self.FRAME}"), " · ".join(part for part in parts if part))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        chosen = self.chosen
        match action:
            case "explain" | "undo":
                return chosen is not None
            case "fix":
                return chosen is not None and chosen.result.fix is not None
            case "copy":
                return chosen is not None and bool(chosen.result.step)
            case "look" | "try":
                return not self._looking
            case "sudo":
                return not self._box.use(Sudo).allowed
            case _:
                return True

    def action_look(self) -> None:
        """Look at the box again."""
        self._start(self._look())

    def action_try(self) -> None:
        """Look again, and do once what trials do."""
        self._start(self._look(all_checks()))

    def _start(self, look: Coroutine[object, object, None]) -> None:
        self.run_worker(guarded(self, look), group="look", exclusive=True, exit_on_error=False)

    async def _look(self, checks: Sequence[Check] | None = None) -> None:
        self._looking, self._trouble = True, None
        self.show()
        try:
            await self._checks.look(checks)
        except GpuBoxError as error:
            self._trouble = error
        finally:
            self._looking = False
            self.show()

    def action_sudo(self) -> None:
        """Look again as root."""
        self.run_worker(guarded(self, self._unlock()), group="sudo", exclusive=True, exit_on_error=False)

    async def _unlock(self) -> None:
        await self._box.use(Sudo).unlock(asker(self), "Some checks need root to look.")
        self.action_look()

    def action_fix(self) -> None:
        """Show what makes the check right, and do it after a yes."""
        if (one := self.chosen) is not None:
            fix_actions.fix(self._box, self, one, partial(self.look_after, one.check, fixed=True))

    def action_undo(self) -> None:
        """Undo the last fix of the check, after a yes."""
        if (one := self.chosen) is not None:
            fix_actions.undo(self._box, self, one.check, partial(self.look_after, one.check, fixed=False))

    def look_after(self, check: Check, *, fixed: bool) -> None:
        """Look again after a check was fixed, or its fix undone."""
        self.action_look()

    def action_copy(self) -> None:
        """Copy what to do about the check."""
        fix_actions.copy_step(self, self.chosen)

    def action_explain(self) -> None:
        """Show everything about the check."""
        if (one := self.chosen) is not None:
            draw = partial(checks_table.explanation, one)
            program(self).push_screen(Details(one.check.title, self._box.sample, draw))
