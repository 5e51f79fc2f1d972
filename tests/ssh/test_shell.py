"""Running commands and following their output."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from gpubox.core.errors import CommandEnded, Dropped, RemoteError
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell, lines
from gpubox.ssh.link import SshLink
from gpubox.ssh.server import new_key, serve
from tests.hang import LIMIT
from tests.ssh.fakes import QUICK, Folder, alive, listening, phase, running, settled
from tests.ssh.linked import over_link, served
from tests.ssh.wire import wire

Check = Callable[[Shell], Awaitable[None]]


async def on_fake(folder: Folder, check: Check) -> None:
    """Do a check over the server of the tests."""
    async with listening(folder) as server:
        folder.trust(server.port)
        await over_link(SshLink("box", folder.spec(server.port), Nobody(), QUICK), check)


async def on_real(folder: Folder, check: Check, **environment: str) -> None:
    """Do a check over the server that runs real commands."""
    async with served(folder, **environment) as link:
        await over_link(link, check)


async def test_a_command_gives_status_output_and_errors(folder: Folder) -> None:
    async def check(shell: Shell) -> None:
        result = await shell.run("pwd; echo $GREETING; cat; echo oops >&2; exit 3", stdin=b"in")
        assert result.stdout == f"{folder.path}\nhello\nin".encode()
        assert (result.status, result.signal, result.stderr) == (3, None, b"oops\n")
        assert not result.ok
        killed = await shell.run("kill -9 $$")
        assert (killed.status, killed.signal) == (None, "KILL")

    await on_real(folder, check, GREETING="hello")


async def test_a_command_that_takes_too_long_is_killed(folder: Folder) -> None:
    async def check(shell: Shell) -> None:
        with pytest.raises(RemoteError) as raised:
            await shell.run("echo $$ > pid; sleep 60", timeout=2.0)
        assert "did not end in 2 s" in raised.value.text
        pid = int((folder.path / "pid").read_text())
        await settled(lambda: not alive(pid))

    await on_real(folder, check)


async def test_a_command_with_endless_output_is_ended(folder: Folder) -> None:
    async def check(shell: Shell) -> None:
        with pytest.raises(RemoteError) as raised:
            await shell.run("exec yes")
        assert raised.value.title == "Too much output"

    await on_real(folder, check)


async def test_leaving_a_stream_ends_its_whole_process_group(folder: Folder) -> None:
    async def check(shell: Shell) -> None:
        async with shell.stream("sleep 77 & echo $!; wait") as channel:
            pid = int(await channel.read_line(100))
            await settled(lambda: alive(pid))
        await settled(lambda: not alive(pid))

    await on_real(folder, check)


async def test_a_stream_takes_and_gives_lines_and_ends(folder: Folder) -> None:
    async def check(shell: Shell) -> None:
        async with shell.stream("read a; echo $a; read b; echo $b; echo bye >&2; exit 4") as channel:
            await channel.write(b"one\ntw")
            assert await channel.read_line(100) == b"one\n"
            await channel.write(b"o\n")
            assert [line async for line in lines(channel, 100)] == [b"two\n"]
            assert await channel.read_line(100) == b""
            assert (await channel.wait()).status == 4
            assert await channel.read_stderr() == b"bye\n"

    await on_real(folder, check)


async def test_writing_to_a_command_that_ended_says_so(folder: Folder) -> None:
    async def check(shell: Shell) -> None:
        async with shell.stream("exit 0") as channel:
            await channel.wait()
            with pytest.raises(CommandEnded):
                await channel.write(b"too late\n")

    await on_real(folder, check)


async def test_a_huge_line_is_cut_and_memory_stays_small(folder: Folder) -> None:
    async def check(shell: Shell) -> None:
        async with shell.stream("flood 50000000") as channel:
            tracemalloc.start()
            assert await channel.read_line(1000) == b"x" * 1000
            assert await channel.read_line(1000) == b"after\n"
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert await channel.read_line(1000) == b""
            assert (await channel.read_stderr()).endswith(b"end")
            assert len(await channel.read_stderr()) == 4096
            assert peak < 200_000_000  # the server of the test is in this process, with its 50 MB

    await on_fake(folder, check)


async def test_what_nobody_reads_makes_the_box_wait(folder: Folder) -> None:
    async def check(shell: Shell) -> None:
        text = "head -c 20000000 /dev/zero | tr '\\0' x | fold -w 999; touch flag; echo; echo last"
        async with shell.stream(text) as channel:
            assert await channel.read_line(2000) == b"x" * 999 + b"\n"
            assert (await shell.run("test -e flag")).status == 1
            ends = [line async for line in lines(channel, 2000)][-1:]
            assert ends == [b"last\n"]

    await on_real(folder, check)


@dataclass
class Seen:
    """What a check noticed when the link went."""

    errors: list[Dropped] = field(default_factory=list[Dropped])


async def test_a_cut_link_raises_dropped_in_everything_that_waits(folder: Folder) -> None:
    seen = Seen()

    async def waits(one: Awaitable[object]) -> None:
        try:
            await one
        except Dropped as error:
            seen.errors.append(error)

    ticking: list[bytes] = []

    async def ticks(shell: Shell) -> None:
        async with shell.stream("tick") as channel:
            while line := await channel.read_line(10):
                ticking.append(line)

    async with listening(folder) as server, wire(server.port) as cable:
        folder.trust(cable.port)

        async def work(shell: Shell) -> None:
            async with shell.stream("echo") as channel:
                await asyncio.shield(
                    asyncio.gather(
                        waits(channel.read_line(10)),
                        waits(channel.wait()),
                        waits(shell.run("echo", timeout=LIMIT)),
                        waits(ticks(shell)),
                    )
                )

        link = SshLink("box", folder.spec(cable.port), Nobody(), QUICK)
        async with running(link, work):
            await phase(link, Phase.LIVE)
            await settled(lambda: ticking)
            cable.cut()
            await settled(lambda: len(seen.errors) >= 3)
    assert {error.title for error in seen.errors} == {"Link lost"}


async def test_a_cancelled_command_leaves_no_channel_behind(folder: Folder) -> None:
    async def check(shell: Shell) -> None:
        for _ in range(30):
            task = asyncio.ensure_future(shell.run("echo"))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert (await shell.run("still there")).stdout == b"still there\n"
        async with shell.stream("echo") as channel:
            await channel.write(b"one\n")
            assert await channel.read_line(10) == b"one\n"

    await on_fake(folder, check)


async def test_the_server_takes_no_other_key(folder: Folder) -> None:
    stranger, _ = new_key()
    host_key, _ = new_key()
    _, public = new_key()
    folder.identity.write_text(stranger)
    serving = serve(authorized_key=public, host_key=host_key, home=folder.path, environment={})
    async with serving as server:
        folder.known_hosts.write_text(server.known_hosts)
        link = SshLink("box", folder.spec(server.port), Nobody(), QUICK)
        async with running(link):
            health = await phase(link, Phase.REFUSED)
    assert health.reason is not None
    assert "the server accepts: publickey" in health.reason.text


async def test_closing_the_server_ends_what_it_runs(folder: Folder) -> None:
    private, public = new_key()
    folder.identity.write_text(private)
    serving = serve(authorized_key=public, host_key=private, home=folder.path, environment={})

    async def work(shell: Shell) -> None:
        async with shell.stream("trap '' HUP; echo $$ > pid; sleep 99") as channel:
            await channel.wait()

    async with serving as server:
        folder.known_hosts.write_text(server.known_hosts)
        link = SshLink("box", folder.spec(server.port), Nobody(), QUICK)
        keeping = asyncio.create_task(link.keep(work))
        file = folder.path / "pid"
        await settled(lambda: file.exists() and file.read_text().strip())
    pid = int(file.read_text())
    await settled(lambda: not alive(pid))
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
