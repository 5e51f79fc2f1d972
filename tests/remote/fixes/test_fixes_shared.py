"""Several fixes in one file of sshd, undone in any order; sshd itself is left out here."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpubox.remote.fixes import apply, drop_in, journal, recovery, reload, sshd, timer
from gpubox.remote.fixes.asked import AskedFix
from gpubox.remote.fixes.journal import FixJournal
from tests.remote.fixes.program import Row, Tree, tree

KEYWORDS = ("UsePAM", "Port", "X11Forwarding")
OPTIONS = st.dictionaries(st.sampled_from(KEYWORDS), st.sampled_from(("yes", "no")), min_size=1)
STEPS = st.lists(st.one_of(OPTIONS, st.integers(0, 9)), min_size=1, max_size=10)
BASES = st.sampled_from(
    (
        *(None, "", "\n", "UsePAM no", "Port 1\nPort 2\n"),
        "# theirs\nport 22 # ssh\n\nUsePAM\tno\nMatch User a\n UsePAM yes\n",
    )
)  # fmt: skip
MAINS = st.sampled_from(
    ("Include sshd_config.d/*.conf\nPort 22\n", "Port 22", "", "Match User a\nUsePAM no\n")
)


@pytest.fixture(autouse=True)
def without_sshd() -> Iterator[None]:
    """Let sshd agree to everything, and the disk be quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", Mock())
        patch.setattr(timer, "start", Mock())
        patch.setattr(sshd, "test", Mock(return_value=""))
        patch.setattr(sshd, "verify", Mock())
        patch.setattr(reload, "listener", Mock(return_value=None))
        patch.setattr(reload, "reload", Mock(return_value=("sshd", "")))
        yield


class SshdFolder:
    """The configuration of an sshd, and the fixes that were made of it."""

    def __init__(self, folder: Path, base: str | None, main: str) -> None:
        self.etc = folder / "etc"
        self.config = self.etc / "sshd_config"
        self.drop = self.etc / "sshd_config.d" / "00-gpubox.conf"
        self.etc.mkdir()
        self.config.write_text(main.replace("sshd_config.d/", f"{self.etc}/sshd_config.d/"))
        if base is not None:
            self.drop.parent.mkdir()
            self.drop.write_text(base)
            self.drop.chmod(0o600)
        journal.make(str(folder / "journal"))
        self.journal = FixJournal(create=True, folder=str(folder / "journal"))
        self.count = 0

    def asked(self, options: dict[str, str]) -> Row:
        self.count += 1
        return {"id": f"fix-{self.count}", "sshd": {"config": str(self.config), "options": options}}

    def make(self, options: dict[str, str]) -> str:
        """Make a fix and keep it; return its id, or "" when nothing would change."""
        asked = self.asked(options)
        plan = apply.plan(AskedFix(asked))
        if not plan["changes"]:
            return ""
        made = apply.apply(self.journal, AskedFix({**asked, "token": plan["token"]}))
        assert made["state"] == "guarded"
        apply.keep(self.journal.entry(made["id"]))
        return str(made["id"])

    def undo(self, name: str, *, force: bool = False) -> Row:
        return apply.undo(self.journal, self.journal.entry(name), force=force)

    def effective(self) -> dict[str, str]:
        """Return the first value of each keyword outside a Match."""
        lines = drop_in.lines_of(self.drop.read_text() if self.drop.exists() else "")
        found = {keyword: drop_in.find(lines, keyword) for keyword in KEYWORDS}
        return {
            keyword: lines[at].split("#")[0].split()[1] for keyword, at in found.items() if at is not None
        }


@given(base=BASES, main=MAINS, steps=STEPS, order=st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_fixes_of_one_file_are_undone_in_any_order(
    base: str | None, main: str, steps: list[dict[str, str] | int], order: Random
) -> None:
    with tempfile.TemporaryDirectory() as name:
        box = SshdFolder(Path(name), base, main)
        before, plain = tree(box.etc), box.effective()
        active: dict[str, dict[str, str]] = {}
        trees: dict[tuple[str, ...], Tree] = {(): before}
        for step in steps:
            if isinstance(step, dict):
                made = box.make(step)
                if made:
                    active[made] = step
            elif active:
                gone = list(active)[step % len(active)]
                assert box.undo(gone)["left"] == []
                del active[gone]
            expected = dict(plain)
            for options in active.values():
                expected.update(options)
            assert box.effective() == expected
            assert "sshd_config.d/" in box.config.read_text() or not active
            assert tree(box.etc) == trees.setdefault(tuple(active), tree(box.etc))
        while active:
            gone = order.choice(list(active))
            assert box.undo(gone)["left"] == []
            del active[gone]
        assert tree(box.etc) == before


def test_the_latest_fix_is_undone_to_the_byte(tmp_path: Path) -> None:
    box = SshdFolder(tmp_path, "# theirs\nUsePAM no", "Port 22")
    states = [tree(box.etc)]
    made: list[str] = []
    for options in ({"UsePAM": "yes"}, {"Port": "no"}, {"UsePAM": "no"}):
        made.append(box.make(options))
        states.append(tree(box.etc))
    assert states[1]["sshd_config"][0] == f"Include {box.etc}/sshd_config.d/*.conf\nPort 22"
    for name in reversed(made):
        assert tree(box.etc) == states.pop()
        box.undo(name)
    assert tree(box.etc) == states.pop()


def test_what_others_wrote_between_stays(tmp_path: Path) -> None:
    box = SshdFolder(tmp_path, None, "Port 22\n")
    first, second = box.make({"UsePAM": "yes"}), box.make({"Port": "no"})
    box.drop.write_text(box.drop.read_text() + "MaxSessions 5\n")
    box.config.write_text(box.config.read_text() + "LogLevel DEBUG\n")
    box.undo(first)
    box.undo(second)
    assert box.drop.read_text() == drop_in.HEADER + "\nMaxSessions 5\n"
    assert box.config.read_text() == "Port 22\nLogLevel DEBUG\n"


def test_a_line_that_others_changed_is_left_and_named(tmp_path: Path) -> None:
    box = SshdFolder(tmp_path, None, "Port 22\n")
    name = box.make({"UsePAM": "yes", "Port": "no"})
    box.drop.write_text(box.drop.read_text().replace("UsePAM yes", "UsePAM theirs"))
    assert box.undo(name)["left"] == [f"{box.drop}: usepam was changed since"]
    assert box.drop.read_text() == drop_in.HEADER + "\nUsePAM theirs\n"


def test_nothing_else_is_made_while_a_change_waits_for_its_proof(tmp_path: Path) -> None:
    box = SshdFolder(tmp_path, None, "Port 22\n")
    saved = box.make({"Port": "no"})
    asked = box.asked({"UsePAM": "yes"})
    token = apply.plan(AskedFix(asked))["token"]
    apply.apply(box.journal, AskedFix({**asked, "token": token}))
    other = box.asked({"X11Forwarding": "no"})
    token = apply.plan(AskedFix(other))["token"]
    with pytest.raises(apply.Refused, match="is not kept yet"):
        apply.apply(box.journal, AskedFix({**other, "token": token}))
    with pytest.raises(apply.Refused, match="is not kept yet"):
        box.undo(saved)
    box.undo("fix-2")
    box.undo(saved)
    assert not box.drop.parent.exists()


def test_a_restart_of_the_box_ends_the_wait(tmp_path: Path) -> None:
    box = SshdFolder(tmp_path, None, "Port 22\n")
    before = tree(box.etc)
    asked = box.asked({"UsePAM": "yes"})
    token = apply.plan(AskedFix(asked))["token"]
    apply.apply(box.journal, AskedFix({**asked, "token": token, "seconds": 600}))
    assert recovery.recover(box.journal) == {}
    assert box.journal.entry("fix-1").state == "guarded"
    box.journal.entry("fix-1").save(boot="another")
    assert recovery.recover(box.journal) == {}
    assert tree(box.etc) == before
    with pytest.raises(apply.Refused, match="no proof came in time"):
        apply.keep(box.journal.entry("fix-1"))


def test_the_mode_of_a_new_file_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        box = SshdFolder(tmp_path, None, "Port 22\n")
        box.make({"UsePAM": "yes"})
    finally:
        os.umask(old)
    modes = (box.drop.parent.stat().st_mode & 0o7777, box.drop.stat().st_mode & 0o7777)
    assert modes == ((0o755, 0o644) if os.geteuid() == 0 else (0o700, 0o600))
