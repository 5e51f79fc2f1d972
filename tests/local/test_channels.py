"""The ways of this machine besides commands: terminals, pipes, ports and a display."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.core.channels import Channels, Direction, Display, Forward, Terminal, TerminalSpec
from gpubox.core.errors import PortTaken, RemoteError
from gpubox.local.channels import LocalChannels
from gpubox.local.shell import LocalShell
from tests.boxes.scripted import until
from tests.hang import LIMIT

CHANNELS: Channels = LocalChannels(LocalShell())
SPEC = TerminalSpec(91, 29, "vt100", {"LC_TIME": "POSIX"})


async def rest(terminal: Terminal) -> bytes:
    seen = b""
    async with asyncio.timeout(LIMIT):
        while data := await terminal.read():
            seen += data
    return seen


async def test_a_command_has_a_terminal_of_its_own() -> None:
    command = (
        "echo $TERM $LC_TIME $COLUMNS.; stty size; read line; stty size; echo got $line >/dev/tty; exit 5"
    )
    async with CHANNELS.terminal(command, SPEC) as terminal, asyncio.timeout(LIMIT):
        seen = b""
        while b"29 91" not in seen:
            seen += await terminal.read()
        assert b"vt100 POSIX ." in seen
        terminal.resize(120, 40)
        await terminal.write(b"words\r")
        assert b"40 120\r\ngot words" in await rest(terminal)
        assert await terminal.wait() == 5


async def test_ctrl_c_and_a_hang_up_reach_the_program() -> None:
    command = "trap 'echo caught' INT; echo on; while :; do sleep 0.1; done"
    async with CHANNELS.terminal(command, SPEC) as terminal:
        async with asyncio.timeout(LIMIT):
            seen = b""
            while b"on\r\n" not in seen:
                seen += await terminal.read()
            await terminal.write(b"\x03")
            while b"caught\r\n" not in seen:
                seen += await terminal.read()
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 1, "it is hung up, not waited for"


async def test_a_shell_ends_though_its_child_keeps_the_terminal() -> None:
    async with CHANNELS.terminal("trap '' HUP; sleep 60 & echo pid $!; exit 0", SPEC) as terminal:
        async with asyncio.timeout(LIMIT):
            seen = await rest(terminal)
            assert await terminal.wait() == 0
    os.kill(int(seen.split()[1]), 9)


async def test_a_program_that_ignores_the_hang_up_is_killed_though_its_task_is_cancelled_again() -> None:
    pids: list[int] = []

    async def use() -> None:
        async with CHANNELS.terminal("trap '' HUP; echo pid $$; exec sleep 60", SPEC) as terminal:
            pids.append(int((await terminal.read()).split()[1]))
            await asyncio.Event().wait()

    task = asyncio.create_task(use())
    await until(lambda: bool(pids))
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([task])
    assert task.cancelled()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


async def test_a_program_that_reads_no_keys_is_no_reason_to_wait_for_ever() -> None:
    async with CHANNELS.terminal("stty raw; echo on; sleep 0.5", SPEC) as terminal, asyncio.timeout(LIMIT):
        assert b"on" in await terminal.read()
        await terminal.write(b"x" * 1_000_000)
        await rest(terminal)
        await terminal.write(b"more")


async def test_pipes_are_preserved_apart() -> None:
    async with CHANNELS.pipes("cat; echo oops >&2; exit 4") as pipes, asyncio.timeout(LIMIT):
        await pipes.write(b"given")
        pipes.end()
        pieces = {False: b"", True: b""}
        while (piece := await pipes.read())[1]:
            pieces[piece[0]] += piece[1]
        assert (pieces, await pipes.wait()) == ({False: b"given", True: b"oops\n"}, 4)


async def test_a_graphical_program_gets_the_display() -> None:
    display = Display(":7", "/some where/it's")
    async with CHANNELS.graphical('echo "$DISPLAY $XAUTHORITY"', display) as channel:
        assert await channel.read_line(100) == b":7 /some where/it's\n"


@asynccontextmanager
async def echo(path: Path) -> AsyncGenerator[None]:
    """Answer on a unix socket with what is said."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_unix_server(talk, path)
    try:
        yield
    finally:
        server.close()


async def test_a_socket_gets_a_port(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    async with (
        echo(path),
        CHANNELS.forward(Forward(Direction.LOCAL, path=str(path))) as listening,
        asyncio.timeout(LIMIT),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        assert (listening.traffic.open, listening.traffic.sent, listening.traffic.received) == (1, 5, 5)
        writer.write_eof()
        assert await reader.read() == b""
        await until(lambda: listening.traffic.open == 0)
        writer.close()
        await writer.wait_closed()
    with pytest.raises(OSError, match=r"refused|failed"):
        await asyncio.open_connection("127.0.0.1", listening.port)


async def test_a_socket_that_is_not_there_is_counted_as_refused(tmp_path: Path) -> None:
    async with CHANNELS.forward(Forward(Direction.LOCAL, path=str(tmp_path / "none"))) as listening:
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.port)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert listening.traffic.refused == 1
        assert listening.traffic.refusal == "No such file or directory"


async def test_a_port_of_this_machine_stays_where_it_is() -> None:
    async with CHANNELS.forward(Forward(Direction.LOCAL, port=8888)) as listening:
        assert listening.port == 8888


async def test_a_taken_port_and_socks_are_refused_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(PortTaken):
            async with CHANNELS.forward(Forward(Direction.LOCAL, listen_port=port, port=9)):
                pass
    with pytest.raises(RemoteError, match="No SOCKS"):
        async with CHANNELS.forward(Forward(Direction.SOCKS)):
            pass
