"""Sessions, losses and returns against OpenSSH's own sshd."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gpubox.config.settings import SshSettings
from gpubox.core.errors import RemoteError, Unreachable
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.ssh.link import SshLink
from tests.components.desk import Desk, working
from tests.components.servers import end, sshd
from tests.process_tree import children
from tests.ssh.fakes import idle, phase, running, settled


async def test_a_key_logs_in_and_commands_run(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: Shell) -> None:
        result = await shell.run("echo hello; echo oops >&2; exit 3")
        assert (result.stdout, result.stderr, result.status) == (b"hello\n", b"oops\n", 3)
        assert (await shell.run("cat", stdin=b"x" * 300_000)).stdout == b"x" * 300_000
        assert (await shell.run("kill -TERM $$")).signal == "TERM"

    async with sshd(tmp_path / "box", desk.public) as server, working(desk.link(server), check):
        pass


async def test_bytes_that_are_no_utf8_are_no_obstacle_and_reach_the_box_as_they_are(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check(shell: Shell) -> None:
        result = await shell.run("printf %s na\udce9 | od -An -tx1")
        assert result.stdout.split() == [b"6e", b"61", b"e9"]

    monkeypatch.setattr("socket.gethostname", lambda: "lap\udcfctop")
    monkeypatch.setenv("LC_NAME", "\udce9")
    async with sshd(tmp_path / "box", desk.public) as server, working(desk.link(server), check):
        pass


async def test_two_sessions_are_enough_for_a_stream_and_many_commands(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: Shell) -> None:
        async with shell.stream("cat") as channel:
            results = await asyncio.gather(*(shell.run(f"echo {number}") for number in range(6)))
            assert [result.stdout for result in results] == [b"%d\n" % number for number in range(6)]
            await channel.write(b"still here\n")
            assert await channel.read_line(100) == b"still here\n"

    async with (
        sshd(tmp_path / "box", desk.public, extra="MaxSessions 2") as server,
        working(desk.link(server), check),
    ):
        pass


async def test_when_no_session_becomes_free_the_words_name_maxsessions(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: Shell) -> None:
        async with shell.stream("cat"):
            with pytest.raises(RemoteError) as raised:
                await shell.run("true", timeout=0.5)
        assert "MaxSessions" in raised.value.hint
        assert (await shell.run("echo free")).stdout == b"free\n"

    async with (
        sshd(tmp_path / "box", desk.public, extra="MaxSessions 1") as server,
        working(desk.link(server), check),
    ):
        pass


async def test_a_box_without_sessions_says_so(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: Shell) -> None:
        with pytest.raises(RemoteError) as raised:
            await shell.run("true")
        assert raised.value.title == "No further session"

    async with (
        sshd(tmp_path / "box", desk.public, extra="MaxSessions 0") as server,
        working(desk.link(server), check),
    ):
        pass


async def test_a_cancelled_command_does_not_use_up_a_session(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: Shell) -> None:
        for turns in range(12):
            task = asyncio.ensure_future(shell.run("sleep 0.3"))
            for _ in range(turns):
                await asyncio.sleep(0.001)  # each turn cancels at a later moment
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert (await shell.run("echo free")).stdout == b"free\n"

    async with (
        sshd(tmp_path / "box", desk.public, extra="MaxSessions 2") as server,
        working(desk.link(server), check),
    ):
        pass


async def test_a_killed_session_comes_back(desk: Desk, tmp_path: Path) -> None:
    begun: list[Shell] = []

    async def work(shell: Shell) -> None:
        begun.append(shell)

    async with sshd(tmp_path / "box", desk.public) as server, running(desk.link(server), work) as link:
        await settled(lambda: begun)
        for child in children(server.process.pid):
            for grandchild in (*children(child), child):
                end(grandchild)
        health = await phase(link, Phase.WAITING)
        await settled(lambda: len(begun) == 2)
    assert health.reason is not None
    assert health.reason.title == "Link lost"


async def test_thirty_links_at_once_get_past_maxstartups(desk: Desk, tmp_path: Path) -> None:
    async with sshd(tmp_path / "box", desk.public) as server:
        links = [desk.link(server) for _ in range(30)]
        tasks = [asyncio.create_task(link.keep(idle)) for link in links]
        for link in links:
            await phase(link, Phase.LIVE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def unfinished_login(port: int) -> asyncio.StreamWriter:
    """Begin a login that sshd counts, once those that came before are over."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if (await reader.readline()).startswith(b"SSH-2"):
            return writer
        writer.close()
        await writer.wait_closed()


async def test_a_server_that_drops_logins_is_tried_again(desk: Desk, tmp_path: Path) -> None:
    # `MaxStartups 1:100:1` drops every login beside an unfinished one.
    async with sshd(tmp_path / "box", desk.public, extra="MaxStartups 1:100:1") as server:
        writer = await unfinished_login(server.port)
        async with running(desk.link(server)) as link:
            health = await phase(link, Phase.WAITING)
            writer.close()
            await phase(link, Phase.LIVE)
    assert isinstance(health.reason, Unreachable)
    assert "MaxStartups" in health.reason.hint


async def test_only_modern_key_exchange_is_enough(desk: Desk, tmp_path: Path) -> None:
    extra = "KexAlgorithms curve25519-sha256\nCiphers chacha20-poly1305@openssh.com"
    async with sshd(tmp_path / "box", desk.public, extra=extra) as server, running(desk.link(server)) as link:
        await phase(link, Phase.LIVE)


async def test_no_common_algorithm_is_said(desk: Desk, tmp_path: Path) -> None:
    desk.configure("Ciphers aes128-ctr\n")
    extra = "Ciphers aes256-ctr"
    async with sshd(tmp_path / "box", desk.public, extra=extra) as server, running(desk.link(server)) as link:
        health = await phase(link, Phase.REFUSED)
    assert health.reason is not None
    assert health.reason.title == "No common algorithms"


async def test_the_link_is_back_soon_after_a_restart(desk: Desk, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with sshd(tmp_path / "box", desk.public) as server:
        desk.trust(server)
        expected = desk.expected(port=server.port, identity=str(desk.identity))
        async with running(SshLink("box", expected, Nobody(), SshSettings())) as link:
            await phase(link, Phase.LIVE)
            await server.stop()
            await phase(link, Phase.WAITING, attempt=2)
            again = await asyncio.create_subprocess_exec(
                *server.command, stderr=asyncio.subprocess.DEVNULL, env=os.environ
            )
            server.process = again
            began = loop.time()
            await phase(link, Phase.LIVE)
            assert loop.time() - began < 15  # the benchmark measures it
