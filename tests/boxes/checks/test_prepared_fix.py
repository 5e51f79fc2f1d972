"""What is said after a fix: an id by which it is undone, where there is something to undo."""

from __future__ import annotations

import pytest

from gpubox.boxes.checks.check import Check, ok
from gpubox.boxes.checks.fix import Fix, UndoableCommand
from gpubox.boxes.checks.fixes import Fixes, JournalEntry, Plan, Planned
from gpubox.boxes.checks.prepared_fix import PreparedFix
from gpubox.boxes.context import BoxContext
from gpubox.core.target import Target

CHECK = Check("web.served", "Served", "Why.", "ls", (), lambda _: ok(""))


@pytest.mark.parametrize(("undo", "said"), [((), ""), (("systemctl", "stop", "x"), "the-id")])
async def test_a_reload_is_not_offered_to_be_undone(
    undo: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def apply(self: Fixes, plan: Plan) -> str:
        return plan.id

    monkeypatch.setattr(Fixes, "apply", apply)
    fix = Fix(
        "Reload", "Nothing to undo.", commands=(UndoableCommand(("true",)), UndoableCommand(("true",), undo))
    )
    fixes = Fixes(BoxContext(Target("box", "ssh", "test", "")))
    assert await PreparedFix(Plan(CHECK, fix, "the-id", Planned("token")), fixes).apply() == said


def test_an_entry_that_is_done_is_not_undoable() -> None:
    assert not JournalEntry("some-fix", state="done").undoable
    assert JournalEntry("some-fix", state="applied").undoable
