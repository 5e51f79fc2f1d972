"""Fixes and undos of a real sshd in any order, cut at any moment: logins go on, and no file is left half."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from gpubox.boxes.checks.fix import FileEdit, Fix, SshdOptions
from gpubox.boxes.checks.fixes import Fixes
from gpubox.boxes.context import BoxContext
from gpubox.boxes.sudo import Sudo
from gpubox.core.errors import GpuBoxError
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from gpubox.ssh.shell import SshShell
from tests.components.desk import Desk
from tests.components.fixes_desk import LOCK_OUT, FixesDesk, fixes_desk
from tests.components.parts import program
from tests.components.test_fixes_over_ssh import CHECK
from tests.components.test_fixes_sshd import fixes
from tests.components.test_tunnels_sshd import channels_of
from tests.hang import LIMIT
from tests.remote.fixes.program import FixesProgram
from tests.ssh.fakes import running

__all__ = ["fixes"]  # a fixture

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sshd of another user than root lets only that in")

CHANGES: tuple[dict[str, str], ...] = (
    {"PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no"},
    {"MaxAuthTries": "4", "X11Forwarding": "yes"},
    {"MaxAuthTries": "5"},
    LOCK_OUT,
    {"NoSuchOption": "1"},
)
CUTS = ("link", "task", "box", "everything")
"""What ends in the middle: the link, our side, the program on the box, or that and its timer."""
OPEN = ("applied", "guarded", "kept")
LONGEST = 2.0
"""Seconds after which a cut comes at the latest."""


@pytest.fixture
async def box(desk: Desk, fixes: FixesProgram, tmp_path: Path) -> AsyncGenerator[FixesDesk]:
    """A box whose journal is in the folder of the test, with a drop-in of somebody else.

    Its home is empty: what a login of ours runs, and is killed with it, may leave locks behind.
    """
    extra = f"Include ETC/sshd_config.d/*.conf\nSetEnv GPUBOX_FIXES_DIR={fixes.journal}"
    home = tmp_path / "home"
    home.mkdir()
    async with fixes_desk(desk, fixes, extra, home) as made:
        made.drop.parent.mkdir()
        (made.drop.parent / "50-other.conf").write_text("MaxSessions 20\n")
        yield made


async def logged_in(box: FixesDesk, work: Callable[[Fixes, SshShell], Awaitable[None]]) -> None:
    """Do something with the fixes of the box over a link of its own, which may be lost meanwhile."""
    done = asyncio.Event()

    async def once(shell: Shell) -> None:
        if done.is_set():
            return
        done.set()
        assert isinstance(shell, SshShell)
        context = BoxContext(Target("box", "ssh", "test", ""))
        context.shell.put(shell)
        context.channels.put(channels_of(shell))
        try:
            await context.use(Sudo).unlock(Nobody(), "Why.")  # root is asked for nothing
            await work(context.use(Fixes), shell)
        finally:
            ended.set()

    ended = asyncio.Event()
    async with running(box.desk.link(box.server), once), asyncio.timeout(LIMIT):
        await ended.wait()


async def one(fixes: Fixes, fix: Fix | None, chance: random.Random) -> None:
    """Make a fix, or undo any; what is refused or cut has raised a sentence."""
    with contextlib.suppress(GpuBoxError):
        if fix is not None:
            await fixes.apply(await fixes.plan(CHECK, fix))
            return
        there = [entry for entry in await fixes.entries(root=True) if entry.state in OPEN]
        if there:
            await fixes.undo(chance.choice(there))


async def cut(box: FixesDesk, fix: Fix | None, how: str, chance: random.Random) -> None:
    """Begin a change, and cut it after a while."""

    async def work(fixes: Fixes, shell: SshShell) -> None:
        task = asyncio.ensure_future(one(fixes, fix, chance))
        await asyncio.wait([task], timeout=chance.uniform(0, LONGEST))
        if how == "link":
            shell.connection.box.ssh.abort()
        elif how != "task":
            box.kill(timers=how == "everything")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    await logged_in(box, work)


def whole(box: FixesDesk) -> None:
    """Fail unless sshd accepts its files, and only the lines that somebody wrote are in them."""
    subprocess.run([program("sshd"), "-t", "-f", box.config], check=True)
    known = {f"{key} {value}" for change in CHANGES for key, value in change.items()}
    if box.drop.exists():
        text = box.drop.read_text()
        assert text.endswith("\n")
        assert {line for line in text.splitlines() if not line.startswith("#")} <= known


async def settled(box: FixesDesk) -> None:
    """Wait until the box says that nothing waits for a proof and nothing is half done."""

    async def work(fixes: Fixes, _: SshShell) -> None:
        async with asyncio.timeout(LIMIT):
            while guarded := [e for e in await fixes.entries(root=True) if e.state == "guarded"]:
                for entry in guarded:
                    box.expire(entry.id)
        assert {e.state for e in await fixes.entries(root=True)} <= {*OPEN, "undone", "rolled-back"}

    await logged_in(box, work)


async def undone(box: FixesDesk) -> None:
    """Undo everything, the newest first."""

    async def work(fixes: Fixes, _: SshShell) -> None:
        for entry in await fixes.entries(root=True):
            if entry.undoable:
                await fixes.undo(entry)

    await logged_in(box, work)


@pytest.mark.parametrize("seed", range(8))
async def test_no_sequence_of_fixes_and_undos_cut_at_any_moment_locks_out(
    box: FixesDesk, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    file = tmp_path / "settings"
    file.write_text("old\n")
    file.chmod(0o640)
    before = box.files()
    edit = Fix("Edit", "Nothing.", files=(FileEdit(str(file), "new\n", 0o600),))
    changes = [edit, *(Fix("sshd", "No.", sshd=SshdOptions(str(box.config), one)) for one in CHANGES)]
    for _ in range(4):
        fix, how = chance.choice([*changes, None, None]), chance.choice(CUTS)
        await cut(box, fix, how, chance)
        assert await box.enters(), "a new login works before anything has been repaired"
        whole(box)
        assert file.read_text() in ("old\n", "new\n")
        await settled(box)
        assert await box.enters()
    await undone(box)
    assert box.files() == before
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("old\n", 0o640)
    assert [name for name in os.listdir(tmp_path) if name.startswith(".gpubox-")] == []
