"""The first hop is reached while asyncssh is imported, and is left when no login follows."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.core.errors import ConfigError
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.ssh import link
from gpubox.ssh.approach import Approach
from gpubox.ssh.handshake_limit import AT_ONCE, Handshake
from gpubox.ssh.link import SshLink
from gpubox.ssh.resolve import Resolved, resolve
from tests.hang import LIMIT
from tests.ssh.fakes import QUICK, Folder, alive, first_trouble, phase, running, settled


class Met:
    """A server that speaks no ssh, and who came and left."""

    def __init__(self) -> None:
        self.port = 0
        self.connected = threading.Event()
        self.came = 0
        self.here = 0

    async def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        self.here += 1
        self.connected.set()
        writer.write(b"220 ftp\r\n" * 2000)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        self.here -= 1
        writer.close()


@asynccontextmanager
async def meeting() -> AsyncGenerator[Met]:
    met = Met()
    async with await asyncio.start_server(met.greet, "127.0.0.1", 0) as server:
        met.port = server.sockets[0].getsockname()[1]
        yield met


def hop(met: Met) -> Resolved:
    return Resolved("box", "box", "127.0.0.1", met.port, "ada")


async def none_held(met: Met) -> None:
    """Take every slot of the server, which hangs if one is still held."""
    others = [Handshake(f"127.0.0.1:{met.port}", LIMIT, Nobody()) for _ in range(AT_ONCE)]
    async with asyncio.timeout(LIMIT):
        for other in others:
            await other.reserve()
    for other in others:
        other.release()


def import_after_connecting(met: Met, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the import of asyncssh last until the server has a connection."""
    load = link._import_login

    def slow() -> None:
        assert met.connected.wait(LIMIT)
        load()

    monkeypatch.setattr(link, "_import_login", slow)


async def test_the_box_is_reached_while_asyncssh_is_imported(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with meeting() as met:
        import_after_connecting(met, monkeypatch)
        error = await first_trouble(SshLink("box", folder.spec(met.port), Nobody(), QUICK))
        assert error.title == "Not an ssh server"
        await none_held(met)


async def test_a_proxy_command_starts_while_asyncssh_is_imported(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = folder.path / "started"
    folder.configure(f"ProxyCommand sh -c 'touch {started}; echo no such gate >&2'\n")
    load = link._import_login

    def slow() -> None:
        asyncio.run(settled(started.exists))
        load()

    monkeypatch.setattr(link, "_import_login", slow)
    error = await first_trouble(SshLink("box", folder.spec(22), Nobody(), QUICK))
    assert "no such gate" in error.text


async def test_a_link_that_ends_during_the_import_leaves_no_connection(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    monkeypatch.setattr(link, "_import_login", lambda: done.wait(LIMIT))
    async with meeting() as met:
        box = SshLink("box", folder.spec(met.port), Nobody(), QUICK)
        keeping = asyncio.create_task(box.keep(lambda _: asyncio.sleep(0)))
        await settled(lambda: met.here)
        keeping.cancel()
        done.set()
        await asyncio.gather(keeping, return_exceptions=True)
        await settled(lambda: not met.here)
        await none_held(met)


async def test_a_configuration_that_asyncssh_cannot_serve_leaves_no_connection(folder: Folder) -> None:
    folder.configure("KexAlgorithms sntrup761x25519-sha512@openssh.com\n")
    async with meeting() as met, running(SshLink("box", folder.spec(met.port), Nobody(), QUICK)) as box:
        health = await phase(box, Phase.REFUSED)
        await settled(lambda: met.came and not met.here)
        await none_held(met)
    assert isinstance(health.reason, ConfigError)


async def test_each_further_attempt_reaches_the_box_again(folder: Folder) -> None:
    async with meeting() as met, running(SshLink("box", folder.spec(met.port), Nobody(), QUICK)) as box:
        await phase(box, Phase.REFUSED)
        box.retry()
        await settled(lambda: met.came == 2)


async def test_no_more_boxes_of_one_server_are_reached_than_may_shake_hands() -> None:
    async with meeting() as met:
        approaches = [Approach(hop(met), QUICK, Nobody()) for _ in range(AT_ONCE + 1)]
        ways = [await approach.way() for approach in approaches[:AT_ONCE]]
        await settled(lambda: met.came == AT_ONCE)
        last = asyncio.ensure_future(approaches[-1].way())
        assert not last.done()
        approaches[0].handshake.release()
        ways.append(await last)
        for way in ways:
            way.socket.close()


@pytest.mark.parametrize("turns", range(12))
async def test_an_approach_that_is_abandoned_at_any_moment_leaves_nothing(turns: int) -> None:
    async with meeting() as met:
        approach = Approach(hop(met), QUICK, Nobody())
        for _ in range(turns):
            await asyncio.sleep(0)
        await approach.abandon()
        await settled(lambda: not met.here)
        await none_held(met)


async def test_a_proxy_command_that_is_abandoned_ends(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    gate = Resolved("box", "box", "box", 22, "ada", proxy_command=f"sh -c 'echo $$ >{pid}; exec sleep 3600'")
    approach = Approach(gate, QUICK, Nobody())
    await settled(lambda: pid.exists() and pid.read_text())
    await approach.abandon()
    assert not alive(int(pid.read_text()))


async def test_the_first_jump_host_is_what_is_reached(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with meeting() as met:
        import_after_connecting(met, monkeypatch)
        spec = folder.spec(22, jump=f"ada@127.0.0.1:{met.port}")
        assert [gate.port for gate in (await resolve(spec)).jumps] == [met.port]
        error = await first_trouble(SshLink("box", spec, Nobody(), QUICK))
    assert error.title == "Not an ssh server"
