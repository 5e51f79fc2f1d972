"""The journal: where it is, in which order, and how it stays small."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpubox.remote.fixes import journal
from gpubox.remote.fixes.journal import FixJournal
from tests.remote.fixes.program import FixesProgram, edit


def test_root_has_its_journal_where_no_user_can_write(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GPUBOX_FIXES_DIR", "GPUBOX_STATE_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert journal.location() == "/var/lib/gpubox/fixes"
    assert journal.folder_mode() == 0o755
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert journal.location() == "/home/ann/.local/state/gpubox/fixes"
    assert journal.folder_mode() == 0o700
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert journal.location() == "/state/gpubox/fixes"


def test_a_journal_that_is_not_there_is_empty_and_stays_so(fixes: FixesProgram) -> None:
    assert fixes.ask("list") == {"entries": []}
    assert not fixes.journal.exists()


def test_entries_come_newest_first_whatever_the_clock_says(fixes: FixesProgram, etc: Path) -> None:
    for name in ("zebra", "aardvark", "monkey"):
        fixes.apply(name, files=[edit(etc / name, "new\n")])
    with FixJournal(create=False, folder=str(fixes.journal)) as locked:
        locked.entry("monkey").save(time=0)
    assert [entry["id"] for entry in fixes.ask("list")["entries"]] == ["monkey", "aardvark", "zebra"]


def test_what_a_dead_request_left_before_its_entry_is_swept_away(fixes: FixesProgram, etc: Path) -> None:
    fixes.apply(files=[edit(etc / "one.conf", "new\n")])
    (fixes.journal / "dead-fix").mkdir()
    (fixes.journal / "dead-fix" / "0.before").write_text("x")
    assert [entry["id"] for entry in fixes.ask("list")["entries"]] == ["some-fix"]
    assert not (fixes.journal / "dead-fix").exists()


def test_old_fixes_of_which_nothing_is_left_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MOST", 2)
    with FixJournal(create=True, folder=str(tmp_path / "journal")) as locked:
        for number, state in enumerate(("undone", "applied", "undone", "rolled-back", "undone", "kept")):
            locked.start(f"fix-{number}").save(state=state)
        assert [entry.id for entry in locked.entries()] == ["fix-5", "fix-4", "fix-3", "fix-1"]
        assert [entry.id for entry in locked.active()] == ["fix-1", "fix-5"]
        assert not (tmp_path / "journal" / "fix-0").exists()
