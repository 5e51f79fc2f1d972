"""Changes of a real sshd: tested, guarded, kept, rolled back, rehearsed and undone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.components.desk import Desk
from tests.components.fixes_desk import LOCK_OUT, FixesDesk, fixes_desk
from tests.components.servers import USER
from tests.hang import LIMIT
from tests.remote.bundles import lay
from tests.remote.fixes.program import MAIN, FixesProgram, Refusal, edit
from tests.remote.running import pythons


@pytest.fixture
def fixes(tmp_path: Path) -> FixesProgram:
    """The program as it lies on a box."""
    folder = lay(tmp_path / "program", MAIN)
    return FixesProgram(folder, tmp_path / "journal", next(iter(pythons().values())))


@pytest.fixture
async def box(desk: Desk, fixes: FixesProgram) -> AsyncGenerator[FixesDesk]:
    """A box whose sshd includes a folder of drop-ins, which does not exist yet."""
    async with fixes_desk(desk, fixes) as box:
        yield box


async def test_a_good_change_is_guarded_preserved_and_undone(box: FixesDesk) -> None:
    before = box.files()
    made = await box.apply({"MaxAuthTries": "3", "X11Forwarding": "yes"}, seconds=600)
    assert 500 < made.pop("seconds") <= 600
    assert made == {"id": "some-fix", "state": "guarded", "reload": f"process {box.server.process.pid}"}
    assert box.drop.read_text().splitlines()[1:] == ["MaxAuthTries 3", "X11Forwarding yes"]
    assert 500 < (await box.ask("list"))["entries"][0]["seconds_left"] <= 600
    assert box.timer_lives()
    assert await box.enters()
    assert await box.ask("keep", id="some-fix") == {"id": "some-fix", "state": "kept"}
    await box.until(lambda: not box.timer_lives())
    assert await box.ask("keep", id="some-fix") == {"id": "some-fix", "state": "kept"}
    assert (box.effective()["maxauthtries"], box.effective()["x11forwarding"]) == ("3", "yes")
    undone = await box.ask("undo", id="some-fix")
    assert (undone["state"], undone["left"]) == ("undone", [])
    assert undone["reload"] == f"process {box.server.process.pid}"
    assert box.files() == before
    assert await box.enters()


async def test_a_change_of_sshd_is_in_force_after_the_answer(box: FixesDesk) -> None:
    await box.apply(LOCK_OUT)
    assert not await box.enters()
    # There is no way in any more, but the program can be run on the box itself.
    assert box.program.ask("undo", id="some-fix")["reload"] == f"process {box.server.process.pid}"
    assert await box.enters()
    await box.until(lambda: not box.timer_lives())


async def test_a_typo_is_refused_with_file_and_line(box: FixesDesk) -> None:
    before = box.files()
    with pytest.raises(Refusal) as refused:
        await box.apply({"PasswordAuthenticatoin": "no"})
    assert refused.value.row["title"] == "sshd refuses the change"
    assert (
        f"{box.drop}: line 2: Bad configuration option: PasswordAuthenticatoin" in refused.value.row["text"]
    )
    assert box.files() == before
    await box.until(lambda: not box.timer_lives())
    assert await box.enters()


async def test_a_lock_out_rolls_back_by_itself_while_the_old_connection_lives(box: FixesDesk) -> None:
    before = box.files()
    old = await asyncio.create_subprocess_exec(
        *box.ssh(), "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert old.stdin is not None
    assert old.stdout is not None
    writer, reader = old.stdin, old.stdout

    async def lives() -> bool:
        writer.write(b"are you there\n")
        async with asyncio.timeout(LIMIT):
            return await reader.readline() == b"are you there\n"

    assert await lives()
    assert (await box.apply(LOCK_OUT))["state"] == "guarded"
    assert not await box.enters()
    assert await lives()
    box.expire()
    await box.until(lambda: box.program.state() == "rolled-back")
    assert box.files() == before
    assert await lives()
    assert await box.enters()
    with pytest.raises(Refusal, match="no proof came in time"):
        await box.ask("keep", id="some-fix")
    await box.until(lambda: not box.timer_lives())
    writer.close()
    await old.wait()


async def test_the_time_for_a_proof_ends_without_any_request(box: FixesDesk) -> None:
    before = box.files()
    await box.apply(LOCK_OUT, seconds=0.5)
    await box.until(lambda: box.program.state() == "rolled-back")
    assert box.files() == before
    assert await box.enters()
    await box.until(lambda: not box.timer_lives())


async def test_the_timer_hears_no_hangup_and_no_request_to_end(box: FixesDesk) -> None:
    await box.apply(LOCK_OUT)
    timer = box.program.entry()["timer"]["pid"]
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        os.kill(timer, number)
    assert os.getsid(timer) == os.getpgid(timer) != os.getsid(0)
    assert {os.readlink(f"/proc/{timer}/fd/{name}") for name in os.listdir(f"/proc/{timer}/fd")} <= {
        "/dev/null"
    }
    box.expire()
    await box.until(lambda: box.program.state() == "rolled-back")
    await box.until(lambda: not box.timer_lives())


async def test_a_timer_that_was_killed_is_started_again(box: FixesDesk) -> None:
    await box.apply(LOCK_OUT)
    first = box.program.entry()["timer"]["pid"]
    os.kill(first, signal.SIGKILL)
    await box.until(lambda: not box.timer_lives())
    assert box.program.ask("list")["entries"][0]["state"] == "guarded"
    assert box.program.entry()["timer"]["pid"] != first
    assert box.timer_lives()
    box.expire()
    await box.until(lambda: box.program.state() == "rolled-back")
    assert await box.enters()
    await box.until(lambda: not box.timer_lives())


async def test_a_change_whose_timer_died_is_rolled_back_by_the_next_request(box: FixesDesk) -> None:
    await box.apply(LOCK_OUT)
    os.kill(box.program.entry()["timer"]["pid"], signal.SIGKILL)
    box.expire()
    assert box.program.ask("list")["entries"][0]["state"] == "rolled-back"
    assert await box.enters()


async def test_a_missing_include_is_added_and_taken_out_again(desk: Desk, fixes: FixesProgram) -> None:
    async with fixes_desk(desk, fixes, "X11Forwarding no\n#Include ETC/sshd_config.d/*.conf") as box:
        before = box.files()
        plan = await box.ask("plan", **box.request({"X11Forwarding": "yes"}))
        assert [change["path"] for change in plan["changes"]] == [str(box.drop), str(box.config)]
        assert "does not include" in plan["warnings"][0]
        await box.apply({"X11Forwarding": "yes"})
        assert box.effective()["x11forwarding"] == "yes"
        await box.ask("keep", id="some-fix")
        await box.apply({"MaxSessions": "5"}, "other-fix")
        await box.ask("keep", id="other-fix")
        await box.ask("undo", id="some-fix")
        assert (box.effective()["x11forwarding"], box.effective()["maxsessions"]) == ("no", "5")
        await box.ask("undo", id="other-fix")
        assert box.files() == before
        assert await box.enters()


async def test_ours_wins_over_the_file_of_cloud_init(box: FixesDesk) -> None:
    cloud = box.etc / "sshd_config.d" / "50-cloud-init.conf"
    cloud.parent.mkdir()
    cloud.write_text("PasswordAuthentication yes\n")
    assert box.effective()["passwordauthentication"] == "yes"
    await box.apply({"PasswordAuthentication": "no"})
    await box.ask("keep", id="some-fix")
    assert box.effective()["passwordauthentication"] == "no"
    await box.ask("undo", id="some-fix")
    assert box.effective()["passwordauthentication"] == "yes"


async def test_a_line_before_the_include_is_named(desk: Desk, fixes: FixesProgram) -> None:
    extra = "# first\nPasswordAuthentication yes\nInclude ETC/sshd_config.d/*.conf"
    async with fixes_desk(desk, fixes, extra) as box:
        before = box.files()
        with pytest.raises(Refusal) as refused:
            await box.apply({"PasswordAuthentication": "no"})
        assert refused.value.row["text"] == (
            f"passwordauthentication stays `yes`: {box.config}:2 wins: `passwordauthentication yes`; "
        ).rstrip("; ")
        assert box.files() == before
        await box.until(lambda: not box.timer_lives())


async def test_a_match_block_that_wins_for_this_login_is_named(desk: Desk, fixes: FixesProgram) -> None:
    extra = f"Include ETC/sshd_config.d/*.conf\nMatch User {USER}\nX11Forwarding no\nMatch all"
    async with fixes_desk(desk, fixes, extra) as box:
        with pytest.raises(Refusal, match=f"{box.config}:3 wins"):
            await box.apply({"X11Forwarding": "yes"}, for_login=True)
        await box.apply({"X11Forwarding": "yes"}, "other-fix")
        await box.ask("keep", id="other-fix")
        assert box.effective()["x11forwarding"] == "yes"
        await box.ask("undo", id="other-fix")


@pytest.mark.parametrize(
    "options",
    [
        {"LoginGraceTime": "2m", "PermitRootLogin": "prohibit-password", "MaxStartups": "20:30:200"},
        {"AllowUsers": f"{USER} somebody-else", "ClientAliveInterval": "1m30s", "LogLevel": "verbose"},
        {"KexAlgorithms": "-diffie-hellman-group14-sha256", "Banner": "none", "Compression": "Yes"},
        {"ChallengeResponseAuthentication": "no", "RekeyLimit": "1G 1h", "IPQoS": "af21 cs1"},
    ],
)
async def test_values_are_compared_as_sshd_prints_them(box: FixesDesk, options: dict[str, str]) -> None:
    before = box.files()
    await box.apply(options)
    await box.ask("keep", id="some-fix")
    await box.ask("undo", id="some-fix")
    assert box.files() == before


async def test_a_command_that_fails_takes_sshd_back_too(box: FixesDesk, tmp_path: Path) -> None:
    before = box.files()
    files = [edit(tmp_path / "other", "new\n")]
    with pytest.raises(Refusal, match="A command failed"):
        await box.apply({"MaxSessions": "5"}, files=files, commands=[{"do": ["false"], "undo": []}])
    assert box.files() == before
    assert not (tmp_path / "other").exists()
    assert await box.enters()
    await box.until(lambda: not box.timer_lives())


async def test_an_sshd_that_ends_when_it_reads_the_change_is_started_again(box: FixesDesk) -> None:
    before = box.files()
    # `sshd -t` does not bind, so that it agrees to an address of another machine alone.
    files = [edit(box.config, box.config.read_text().replace("ListenAddress", "#"))]
    with pytest.raises(Refusal, match="sshd ended"):
        await box.apply({"ListenAddress": "192.0.2.1"}, files=files)
    assert box.files() == before
    await box.until(lambda: (box.etc / "pid").exists())
    pid = int((box.etc / "pid").read_text())
    try:
        async with asyncio.timeout(LIMIT):
            while not await box.enters():  # noqa: ASYNC110 - it is the program's own child
                await asyncio.sleep(0.02)
    finally:
        os.kill(pid, signal.SIGKILL)
    await box.until(lambda: not box.timer_lives())
