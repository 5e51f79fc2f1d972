"""`check BOX --fix login.from-here`: a key is made here and let in, and the user learns what comes next."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpubox.boxes.box import Box
from gpubox.commands import check_fix
from gpubox.core.errors import Cancelled, RemoteError
from gpubox.core.prompts import Nobody
from tests.boxes.checks.key_box import Asked, FakeChannels, Planning, box, home_of, mine
from tests.boxes.scripted import ScriptedLink

__all__ = ["mine"]  # a fixture

NAME = "login.from-here"


def opened(tmp_path: Path, error: RemoteError | None = None) -> tuple[Box, Planning, FakeChannels]:
    made, fixes, channels = box(home_of(tmp_path), error=error)
    return Box(made, ScriptedLink()), fixes, channels


async def test_the_key_is_made_let_in_and_proved_and_an_entry_is_added(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, fixes, channels = opened(tmp_path)
    asker = Asked("open sesame", "open sesame", "yes", "yes")
    assert await check_fix.fix(made, NAME, asker, dry_run=False, yes=False) == 0
    out = capsys.readouterr().out
    assert "open sesame" not in out
    assert f"+{(mine / '.ssh' / 'id_ed25519.pub').read_text()}" in out
    assert "A new login by ssh-ed25519 works" in out
    assert "To undo it: gpubox-tui check xub --undo 0123" in out
    assert "Added to your ssh configuration:\n\nHost xub\n    HostName 10.0.0.7\n" in out
    assert (mine / ".ssh" / "config").read_text().endswith("IdentityFile ~/.ssh/id_ed25519\n")
    assert (len(fixes.applied), len(channels.came)) == (1, 1)


async def test_without_a_yes_nothing_is_made(tmp_path: Path, mine: Path) -> None:
    made, fixes, _ = opened(tmp_path)
    for answer in ("no", None):
        with pytest.raises(Cancelled):
            await check_fix.fix(made, NAME, Asked("", "", answer), dry_run=False, yes=False)
    assert (os.listdir(mine), fixes.applied) == ([], [])


async def test_a_dry_run_asks_nothing_and_makes_nothing(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, fixes, _ = opened(tmp_path)
    assert await check_fix.fix(made, NAME, Asked(), dry_run=True, yes=False) == 0
    assert "+ssh-ed25519 " in capsys.readouterr().out
    assert (os.listdir(mine), fixes.applied) == ([], [])


async def test_agreeing_beforehand_leaves_the_configuration_alone(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, _, _ = opened(tmp_path)
    assert await check_fix.fix(made, NAME, Asked("", ""), dry_run=False, yes=True) == 0
    assert "An entry for your ssh configuration:\n\nHost xub\n" in capsys.readouterr().out
    assert sorted(os.listdir(mine / ".ssh")) == ["id_ed25519", "id_ed25519.pub"]


async def test_without_anybody_who_answers_no_key_is_made(tmp_path: Path, mine: Path) -> None:
    made, fixes, _ = opened(tmp_path)
    with pytest.raises(Cancelled, match="No key was made"):
        await check_fix.fix(made, NAME, Nobody(), dry_run=False, yes=True)
    assert (os.listdir(mine), fixes.applied) == ([], [])


async def test_a_key_that_does_not_log_in_is_reported_and_no_entry_is_offered(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, _, _ = opened(tmp_path, RemoteError("Login refused", "It said no"))
    with pytest.raises(RemoteError, match="does not log in yet"):
        await check_fix.fix(made, NAME, Asked("", "", "yes"), dry_run=False, yes=False)
    assert "Host xub" not in capsys.readouterr().out
    assert (mine / ".ssh" / "id_ed25519").exists()
