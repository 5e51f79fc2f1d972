"""Rehearsals of changes of a real sshd, and kills in the middle of them."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
from collections.abc import AsyncGenerator

import pytest

from tests.components.desk import Desk
from tests.components.fixes_desk import LOCK_OUT, FixesDesk, effective_of, fixes_desk
from tests.components.parts import program
from tests.components.servers import USER
from tests.components.test_fixes_sshd import fixes
from tests.hang import LIMIT
from tests.remote.fixes.program import FixesProgram, Refusal
from tests.remote.fixes.test_fixes_crashes import CRASHES

__all__ = ["fixes"]  # a fixture
ENDED = ("undone", "rolled-back")


@pytest.fixture
async def box(desk: Desk, fixes: FixesProgram) -> AsyncGenerator[FixesDesk]:
    """A box whose sshd includes a folder of drop-ins, which does not exist yet."""
    async with fixes_desk(desk, fixes) as box:
        yield box


def proxy(box: FixesDesk, candidate: str) -> str:
    """Return the option of ssh that logs in through a candidate."""
    words = ["env", f"GPUBOX_FIXES_DIR={box.program.journal}", *box.program.command, "serve", candidate]
    return f"ProxyCommand={shlex.join(words)}"


async def test_a_rehearsal_proves_a_change_that_was_not_made(box: FixesDesk) -> None:
    drop = box.etc / "sshd_config.d"
    drop.mkdir()
    (drop / "50-other.conf").write_text(f"Include {box.etc}/more.conf\nMaxSessions 4\n")
    (box.etc / "more.conf").write_text(f"SetEnv FROM=more\nMatch User {USER}\nAllowTcpForwarding no\n")
    before = box.files()
    good = await box.ask("rehearse", **box.request({"AllowUsers": USER}))
    bad = await box.ask("rehearse", **box.request(LOCK_OUT, "other-fix"))
    folder = box.program.journal / ".candidates" / good["candidate"]
    assert folder.stat().st_mode & 0o777 == 0o700
    who = ("-C", f"user={USER},host=a,addr=192.0.2.1")
    effective = effective_of(folder / "sshd_config", *who)
    assert [effective[key] for key in ("maxsessions", "allowtcpforwarding", "setenv")] == [
        "4",
        "no",
        "FROM=more",
    ]
    assert await box.enters("-o", proxy(box, good["candidate"]))
    assert not await box.enters("-o", proxy(box, bad["candidate"]))
    assert await box.enters()
    assert box.files() == before
    assert await box.ask("forget", candidate=good["candidate"]) == {}
    assert not folder.exists()
    assert not await box.enters("-o", proxy(box, good["candidate"]))


async def test_a_rehearsal_without_include_has_the_one_that_would_be_added(
    desk: Desk, fixes: FixesProgram
) -> None:
    async with fixes_desk(desk, fixes, "") as box:
        bad = await box.ask("rehearse", **box.request(LOCK_OUT))
        assert not await box.enters("-o", proxy(box, bad["candidate"]))
        good = await box.ask("rehearse", **box.request({"MaxSessions": "3"}))
        assert await box.enters("-o", proxy(box, good["candidate"]))


async def test_a_rehearsal_refuses_a_typo_by_the_real_names(box: FixesDesk) -> None:
    with pytest.raises(Refusal) as refused:
        await box.ask("rehearse", **box.request({"Prot": "1"}))
    assert f"{box.drop}: line 2: Bad configuration option: Prot" in refused.value.row["text"]
    assert not list((box.program.journal / ".candidates").iterdir())


async def test_an_old_candidate_is_forgotten_by_any_request(box: FixesDesk) -> None:
    candidate = (await box.ask("rehearse", **box.request({"MaxSessions": "3"})))["candidate"]
    folder = box.program.journal / ".candidates" / candidate
    os.utime(folder, (0, 0))
    box.program.ask("list")
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a /run of our own needs root")
async def test_the_folder_that_sshd_needs_is_made(box: FixesDesk) -> None:
    script = 'mount -t tmpfs none /run && "$@"; status=$?; [ -d /run/sshd ] || exit 99; exit $status'
    command = [program("unshare"), "-m", "sh", "-c", script, "sh", *box.program.command, "rehearse"]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=box.program.variables()
    )
    out, _ = await process.communicate(json.dumps(box.request({"MaxSessions": "3"})).encode())
    assert process.returncode == 0, out


@pytest.mark.parametrize("timer", [True, False], ids=["the request", "request and timer"])
async def test_a_kill_at_any_moment_is_recovered(box: FixesDesk, timer: bool) -> None:
    before, fixes = box.files(), box.program
    asked = box.request(LOCK_OUT)
    asked["token"] = fixes.ask("plan", **asked)["token"]

    def killed(at: int) -> tuple[int, int]:
        scene = {"killed": ["apply", asked], "at": at, "timer": timer}
        command = [fixes.python, "-I", "-S", CRASHES, fixes.folder, fixes.journal.parent, json.dumps(scene)]
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=LIMIT)
        status, calls = json.loads(done.stdout)
        return status, calls

    status, calls = killed(1 << 30)
    assert status == 0
    fixes.ask("undo", id="some-fix")
    first = calls - 12  # the journal is there now, which takes fewer calls
    alone: list[int] = []
    for number, at in enumerate(range(first, 0, -4)):
        asked["id"] = f"fix-{number}"
        assert killed(at)[0] == signal.SIGKILL
        name = asked["id"]
        row = fixes.entry(name) if (fixes.journal / name / "entry.json").exists() else {}
        if row.get("state") == "guarded":
            box.expire(name)
        if timer and "timer" in row:
            await box.until(lambda name=name: fixes.state(name) in ENDED)
        fixes.ask("list")
        assert not row or fixes.state(name) in ENDED, at
        if "timer" in row:
            await box.until(lambda name=name: not box.timer_lives(name))
        assert box.files() == before, at
        assert await box.enters(), at
        alone += [at] if timer and "timer" in row else []
    assert not timer or len(alone) > 5
