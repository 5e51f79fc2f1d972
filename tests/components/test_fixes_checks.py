"""Fixes that checks of sshd propose, made on a real sshd: the check is right then, and all comes back."""

from __future__ import annotations

import os

import pytest

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.checks.fix import Fix, SshdOptions
from gpubox.boxes.checks.fixes import Fixes
from gpubox.boxes.context import BoxContext
from gpubox.boxes.sudo import Sudo
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from tests.components.desk import Desk, working
from tests.components.fixes_desk import fixes_desk
from tests.components.test_fixes_sshd import fixes
from tests.components.test_tunnels_sshd import channels_of
from tests.remote.fixes.program import FixesProgram

__all__ = ["fixes"]  # a fixture

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sshd of another user than root lets only that in")


async def as_root(shell: Shell) -> BoxContext:
    """Return a box over a link, with root unlocked."""
    context = BoxContext(Target("box", "ssh", "test", ""))
    context.shell.put(shell)
    context.channels.put(channels_of(shell))
    await context.use(Sudo).unlock(Nobody(), "Why.")
    return context


async def mended(
    desk: Desk, program: FixesProgram, lines: str, name: str, proposed: Fix | None = None
) -> dict[str, str]:
    """Make the fix of a check and undo it; return what sshd came to in between."""
    extra = f"Include ETC/sshd_config.d/*.conf\nSetEnv GPUBOX_FIXES_DIR={program.journal}\n{lines}"
    (check,) = (one for one in all_checks() if one.id == name)
    came: dict[str, str] = {}

    async with fixes_desk(desk, program, extra) as box:

        async def work(shell: Shell) -> None:
            context = await as_root(shell)
            result = (await context.use(Checks).look([check]))[-1].result
            fix = proposed or result.fix
            assert fix is not None, result
            assert result.outcome in (Outcome.HINT, Outcome.WARNING)
            before = box.files()
            await context.use(Fixes).apply(await context.use(Fixes).plan(check, fix))
            came.update(box.effective())
            after = (await context.use(Checks).look([check]))[-1].result
            assert after.outcome is Outcome.OK, after
            assert await box.enters()
            (entry,) = await context.use(Fixes).entries(root=True)
            await context.use(Fixes).undo(entry)
            assert box.files() == before

        async with working(desk.link(box.server), work):
            pass
    return came


@pytest.mark.parametrize(
    ("lines", "name", "keyword", "value"),
    [
        ("DisableForwarding yes", "sshd.tcp-forwarding", "disableforwarding", "no"),
        ("DisableForwarding yes\nAllowTcpForwarding no", "sshd.tcp-forwarding", "allowtcpforwarding", "yes"),
    ],
)
async def test_an_option_that_is_in_the_way_is_set_and_comes_back(
    desk: Desk, fixes: FixesProgram, lines: str, name: str, keyword: str, value: str
) -> None:
    came = await mended(desk, fixes, lines, name)
    assert came[keyword] == value


async def test_a_line_that_would_win_over_a_drop_in_is_left_to_the_user(
    desk: Desk, fixes: FixesProgram
) -> None:
    extra = "Include ETC/sshd_config.d/*.conf\nMaxStartups 2"
    async with fixes_desk(desk, fixes, extra) as box:
        (box.etc / "sshd_config.d").mkdir()
        box.drop.write_text("MaxStartups 10:30:100\n")
        first_wins = box.effective()["maxstartups"] == "10:30:100"

        async def work(shell: Shell) -> None:
            context = await as_root(shell)
            (check,) = (one for one in all_checks() if one.id == "sshd.max-startups")
            result = (await context.use(Checks).look([check]))[-1].result
            assert (result.outcome is Outcome.OK) is first_wins
            assert first_wins or (result.fix is None and "the last one counts" in result.step)

        async with working(desk.link(box.server), work):
            pass


async def test_a_key_exchange_that_withstands_is_put_before_those_of_the_administrator(
    desk: Desk, fixes: FixesProgram
) -> None:
    came = await mended(
        desk, fixes, "KexAlgorithms curve25519-sha256,ecdh-sha2-nistp256", "sshd.key-exchange"
    )
    *first, one, two = came["kexalgorithms"].split(",")
    assert (one, two) == ("curve25519-sha256", "ecdh-sha2-nistp256")
    assert first
    assert all(name.startswith(("sntrup761", "mlkem768")) for name in first)


PAM = pytest.mark.skipif(not os.path.isfile("/etc/pam.d/sshd"), reason="PAM has no rules for sshd here")


@PAM
async def test_pam_is_turned_on_without_a_question_for_a_password(desk: Desk, fixes: FixesProgram) -> None:
    options = {"UsePAM": "yes", "KbdInteractiveAuthentication": "no"}
    fix = Fix(
        "Let logins go through PAM", "", sshd=SshdOptions(str(desk.folder.parent / "etc-ssh/config"), options)
    )
    came = await mended(desk, fixes, "KbdInteractiveAuthentication yes", "sshd.use-pam", fix)
    assert (came["usepam"], came["kbdinteractiveauthentication"]) == ("yes", "no")
