"""Fixes from this machine: rehearsed and proved by real logins, or refused, or taken back by the box."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gpubox.boxes.checks.check import Check, ok
from gpubox.boxes.checks.fix import FileEdit, Fix, SshdOptions
from gpubox.boxes.checks.fixes import Fixes
from gpubox.boxes.checks.link_login import LinkLogin
from gpubox.boxes.context import BoxContext
from gpubox.boxes.sudo import Sudo
from gpubox.core.channels import LoginChannels
from gpubox.core.errors import RemoteError
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from tests.components.desk import Desk, working
from tests.components.fixes_desk import FixesDesk, fixes_desk
from tests.components.test_fixes_sshd import LOCK_OUT, fixes
from tests.components.test_tunnels_sshd import channels_of
from tests.hang import LIMIT
from tests.remote.fixes.program import FixesProgram

__all__ = ["fixes"]  # a fixture

CHECK = Check("sshd.passwords", "Passwords are refused", "Why.", "ls", (), lambda _: ok(""))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sshd of another user than root lets only that in")


@pytest.fixture
async def box(desk: Desk, fixes: FixesProgram) -> AsyncGenerator[FixesDesk]:
    """A box whose journal is in the folder of the test."""
    extra = f"Include ETC/sshd_config.d/*.conf\nSetEnv GPUBOX_FIXES_DIR={fixes.journal}"
    async with fixes_desk(desk, fixes, extra) as made:
        yield made


async def over_ssh(box: FixesDesk, work: Callable[[Fixes], Awaitable[None]]) -> None:
    """Log in as the panel does, unlock root, and do something with the fixes of the box."""

    async def logged_in(shell: Shell) -> None:
        context = BoxContext(Target("box", "ssh", "test", ""))
        context.shell.put(shell)
        context.channels.put(channels_of(shell))
        await context.use(Sudo).unlock(Nobody(), "Why.")  # root is asked for nothing
        await work(context.use(Fixes))

    async with working(box.desk.link(box.server), logged_in):
        pass


def options(box: FixesDesk, **values: str) -> Fix:
    return Fix("Change sshd", "Nothing.", sshd=SshdOptions(str(box.config), values))


async def test_a_good_change_is_rehearsed_proved_preserved_and_undone(box: FixesDesk) -> None:
    before = box.files()
    guards: list[bool] = []

    async def work(fixes: Fixes) -> None:
        async def watch() -> None:
            async for guard in fixes.guard.follow():
                guards.append(guard is not None)  # noqa: PERF401 - a feed never ends

        watching = asyncio.ensure_future(watch())
        plan = await fixes.plan(CHECK, options(box, PasswordAuthentication="no", MaxAuthTries="4"))
        assert "+PasswordAuthentication no" in plan.diff()
        assert box.files() == before, "a plan changes nothing"
        name = await fixes.apply(plan)
        watching.cancel()
        assert fixes.guard.value is None
        assert box.effective()["passwordauthentication"] == "no"
        (entry,) = await fixes.entries(root=True)
        assert (entry.id, entry.check, entry.state) == (name, "sshd.passwords", "kept")
        assert entry.paths == (str(box.drop),)
        await fixes.undo(entry)
        assert box.files() == before
        assert [entry.state for entry in await fixes.entries(root=True)] == ["undone"]

    await over_ssh(box, work)
    assert guards[:2] == [False, True]
    assert await box.enters()


async def test_a_proof_leaves_the_link_as_it_is(box: FixesDesk) -> None:
    link = box.desk.link(box.server)
    phases: list[Phase] = []

    async def watch() -> None:
        async for health in link.health.follow():
            phases.append(health.phase)  # noqa: PERF401 - a feed never ends

    async def prove(shell: Shell) -> None:
        phases.clear()
        watching = asyncio.ensure_future(watch())
        channels = channels_of(shell)
        assert isinstance(channels, LoginChannels)
        await channels.log_in_again()
        await asyncio.sleep(0)  # a turn of the loop, for the last value
        watching.cancel()

    async with working(link, prove):
        pass
    assert set(phases) == {Phase.LIVE}


async def test_a_lock_out_is_refused_by_the_rehearsal_and_changes_nothing(box: FixesDesk) -> None:
    before = box.files()

    async def work(fixes: Fixes) -> None:
        plan = await fixes.plan(CHECK, options(box, **LOCK_OUT))
        with pytest.raises(RemoteError, match="A new login failed") as refused:
            await fixes.apply(plan)
        assert refused.value.hint == "Nothing was changed"
        assert await fixes.entries(root=True) == []

    await over_ssh(box, work)
    assert box.files() == before
    assert await box.enters()


async def test_without_a_proof_the_box_takes_a_lock_out_back(
    box: FixesDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = box.files()

    async def no_rehearsal(self: Fixes, request: object) -> None:
        """Let the change through, as if sshd behaved in another way for a second one."""

    monkeypatch.setattr(Fixes, "_rehearse", no_rehearsal)

    async def work(fixes: Fixes) -> None:
        plan = await fixes.plan(CHECK, options(box, **LOCK_OUT))
        with pytest.raises(RemoteError, match="A new login failed") as refused:
            await fixes.apply(plan)
        assert refused.value.hint == "The box takes the change back by itself"
        assert fixes.guard.value is None
        (entry,) = await fixes.entries(root=True)
        assert entry.state == "guarded"
        box.expire(entry.id)

    await over_ssh(box, work)
    await box.until(lambda: box.files() == before)
    async with asyncio.timeout(LIMIT):
        while not await box.enters():  # noqa: ASYNC110 - the files are back before sshd has read them
            await asyncio.sleep(0.05)


async def test_what_sshd_does_not_know_is_refused(box: FixesDesk) -> None:
    async def work(fixes: Fixes) -> None:
        plan = await fixes.plan(CHECK, options(box, PasswordAuthenticatoin="no"))
        with pytest.raises(RemoteError, match="Bad configuration option"):
            await fixes.apply(plan)

    await over_ssh(box, work)


async def test_files_that_changed_since_the_plan_are_left_alone(box: FixesDesk, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("a = 1\n")

    async def work(fixes: Fixes) -> None:
        plan = await fixes.plan(
            CHECK, Fix("Set a", "Nothing.", files=(FileEdit(str(file), "a = 2\n", 0o640),))
        )
        assert plan.diff()[:2] == [f"--- {file}", f"+++ {file}"]
        file.write_text("a = 3\n")
        with pytest.raises(RemoteError, match="changed"):
            await fixes.apply(plan)
        assert file.read_text() == "a = 3\n"

    await over_ssh(box, work)


async def test_an_undo_that_would_lock_out_is_refused_by_its_rehearsal(box: FixesDesk) -> None:
    async def work(fixes: Fixes) -> None:
        await fixes.apply(await fixes.plan(CHECK, options(box, MaxAuthTries="4")))
        other = box.drop.parent / "10-other.conf"  # no sshd has read it yet
        other.write_text("AllowUsers somebody-else\n")
        before = box.files()
        (entry,) = await fixes.entries(root=True)
        with pytest.raises(RemoteError, match="A new login failed") as refused:
            await fixes.undo(entry)
        assert refused.value.hint == "Nothing was changed"
        assert box.files() == before
        assert [one.state for one in await fixes.entries(root=True)] == ["kept"]
        assert await box.enters()
        other.unlink()
        await fixes.undo(entry)
        assert [one.state for one in await fixes.entries(root=True)] == ["undone"]

    await over_ssh(box, work)
    assert await box.enters()


async def test_the_key_that_logged_in_is_known_with_its_size_and_its_file(
    box: FixesDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine" / ".ssh"
    folder.mkdir(parents=True)
    (folder / "broken.pub").write_bytes(b"\xff\n")
    (folder / "id_mine.pub").write_text(box.desk.public)
    os.utime(folder / "id_mine.pub", (1_500_000_000, 1_500_000_000))
    monkeypatch.setenv("HOME", str(folder.parent))

    async def work(shell: Shell) -> None:
        context = BoxContext(Target("box", "ssh", "test", ""))
        context.channels.put(channels_of(shell))
        found = await LinkLogin.gather(context)
        assert (found.key_type, found.bits) == ("ssh-ed25519", 256)
        assert (found.file, found.modified) == ("~/.ssh/id_mine.pub", 1_500_000_000)
        (folder / "id_mine.pub").unlink()
        assert (await LinkLogin.gather(context)).file == ""

    async with working(box.desk.link(box.server), work):
        pass


async def test_what_a_stranger_is_offered_is_known_again_after_a_change(box: FixesDesk) -> None:
    link = box.desk.link(box.server)

    async def work(shell: Shell) -> None:
        context = BoxContext(Target("box", "ssh", "test", ""))
        context.shell.put(shell)
        context.channels.put(channels_of(shell))
        await context.use(Sudo).unlock(Nobody(), "Why.")
        fixes = context.use(Fixes)
        assert (await LinkLogin.gather(context)).guessable == []
        await fixes.apply(await fixes.plan(CHECK, options(box, PasswordAuthentication="yes")))
        assert (await LinkLogin.gather(context)).guessable == ["password"]
        await fixes.undo((await fixes.entries(root=True))[0])
        assert (await LinkLogin.gather(context)).guessable == []

    async with working(link, work):
        pass


@pytest.mark.parametrize("check", ["login.from-here", "login.permissions"])
async def test_what_lets_keys_in_is_not_undone_while_they_are_the_only_way_in(
    box: FixesDesk, tmp_path: Path, check: str
) -> None:
    key = replace(CHECK, id=check)
    keys = tmp_path / "authorized_keys"
    keys.write_text("# none\n")

    async def work(fixes: Fixes) -> None:
        edit = Fix("Log in by a key", "Nothing.", files=(FileEdit(str(keys), "# one\n"),))
        name = await fixes.apply(await fixes.plan(key, edit))
        (entry,) = await fixes.entries(root=True)
        assert entry.id == name
        closing = options(box, PasswordAuthentication="no", KbdInteractiveAuthentication="no")
        await fixes.apply(await fixes.plan(CHECK, closing))
        with pytest.raises(RemoteError, match="It would lock you out"):
            await fixes.undo(entry)
        assert keys.read_text() == "# one\n"
        await fixes.undo((await fixes.entries(root=True))[0])
        box.drop.parent.mkdir(exist_ok=True)
        (box.drop.parent / "50-open.conf").write_text("PasswordAuthentication yes\n")
        await fixes.undo(entry)
        assert keys.read_text() == "# none\n"

    await over_ssh(box, work)
