"""A real Zabbix agent on loopback, and a server's trapper that answers it as Zabbix' protocol says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import struct
import sys
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec

from gpubox.boxes.checks.check import Result
from gpubox.boxes.checks.monitoring.facts import MonitoringFacts
from tests.boxes.checks.facts import judge
from tests.boxes.scripted import until
from tests.components.parts import program
from tests.components.servers import end
from tests.hang import LIMIT
from tests.process_tree import children

HOST = "127.0.0.2"
"""Where the server is: on loopback, and not the address of a package's default configuration."""
NAME = "trainer"
HEAD = b"ZBXD\1"
COMPRESSED = 2
"""A flag in the last byte of the head; agent 2 always sets it."""
GATHER = "import sys; from gpubox.remote.checks.main import main; main(sys.argv[1:])"


class Trapper:
    """A server for active checks: it knows some hosts, and takes what they report."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.port = 0
        self._server: asyncio.Server | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        """Answer on a free port until the block ends or `stop` is called."""
        self._server = await asyncio.start_server(self._answer, HOST, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        try:
            yield
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readexactly(len(HEAD) + 8)
            (length, _) = struct.unpack("<II", head[len(HEAD) :])
            body = await reader.readexactly(length)
            text = zlib.decompress(body) if head[len(HEAD) - 1] & COMPRESSED else body
            asked = cast("dict[str, str]", json.loads(text))
            reply = json.dumps(self._reply(asked)).encode()
            writer.write(HEAD + struct.pack("<II", len(reply), 0) + reply)
            await reader.read()  # the agent closes first, and its kernel keeps that for a minute
        writer.close()

    def _reply(self, asked: dict[str, str]) -> dict[str, object]:
        if asked["request"] != "active checks":
            return {"response": "success", "info": "processed: 1; failed: 0; total: 1; seconds spent: 0.0"}
        if asked["host"] not in self.hosts:
            return {"response": "failed", "info": f"host [{asked['host']}] not found"}
        check = {"key": "agent.ping", "itemid": 1, "delay": "1", "lastlogsize": 0, "mtime": 0}
        return {"response": "success", "data": [check], "refresh_unsupported": 600}


def listen_port() -> int:
    """Return a port that was free a moment ago, below 32768 as an agent demands."""
    for port in random.sample(range(20000, 32768), 100):
        with socket.socket() as made, contextlib.suppress(OSError):
            made.bind(("127.0.0.1", port))
            return port
    raise AssertionError("100 ports are taken")


class Agent:
    """An agent, and a root folder in which only its own files and the real /proc are."""

    def __init__(self, name: str, folder: Path, server_port: int) -> None:
        self.name = name
        self.root = folder / "root"
        (self.root / "etc/zabbix").mkdir(parents=True)
        (self.root / "proc").symlink_to("/proc")
        self.log = self.root / "agent.log"
        self.port = listen_port()
        lines = [f"Server={HOST}", f"ServerActive={HOST}:{server_port}", f"Hostname={NAME}", "BufferSend=1"]
        lines += ["ListenIP=127.0.0.1", f"ListenPort={self.port}", f"PidFile={folder}/pid"]
        lines.append(f"ControlSocket={folder}/socket" if name == "zabbix_agent2" else "AllowRoot=1")
        self.configuration = folder / "agent.conf"
        self.configuration.write_text("\n".join([*lines, f"LogFile={self.log}", ""]))
        seen = self.root / "etc/zabbix" / f"{name}.conf"
        seen.write_text("\n".join([*lines, f"LogFile=/{self.log.name}", ""]))

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run it until the block ends."""
        words = [program(self.name), "-c", str(self.configuration)]
        words += ["-f"] if self.name == "zabbix_agentd" else []
        out = self.root / "out"
        with out.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(*words, stdout=stream, stderr=stream)
        try:
            await until(lambda: process.returncode is not None or self.log.exists())
            assert process.returncode is None, out.read_text()
            yield
        finally:
            below = children(process.pid)
            with contextlib.suppress(ProcessLookupError):
                process.terminate()  # killed, it would leave its semaphores to the machine
            try:
                async with asyncio.timeout(LIMIT):
                    await process.wait()
            finally:
                for pid in below:
                    end(pid)

    async def result(self) -> Result:
        """Gather the facts as the box does, in a process of its own, and judge them."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", GATHER, MonitoringFacts.SECTION),
            env={**os.environ, "GPUBOX_ROOT": str(self.root)},
            stdout=asyncio.subprocess.PIPE,
        )
        printed = (await process.communicate())[0]
        facts = msgspec.json.decode(printed, type=dict[str, msgspec.Raw])["facts"]
        every = msgspec.json.decode(facts, type=MonitoringFacts)
        mine = tuple(one for one in every.zabbix or () if one.program == self.name and one.path)
        # A server that other tests run here is none of this box's.
        return judge("monitoring.zabbix", msgspec.structs.replace(every, zabbix=mine, server=False))

    async def becomes(self, words: str) -> Result:
        """Look until the text of the result has some words; return that result."""
        return await self._shows(lambda result: words in result.text)

    async def lists(self, begin: str) -> tuple[str, ...]:
        """Look until a line of the details begins so; return all of them."""
        return (await self._shows(lambda one: any(line.startswith(begin) for line in one.details))).details

    async def _shows(self, fits: Callable[[Result], bool]) -> Result:
        result: Result | None = None
        try:
            async with asyncio.timeout(LIMIT):
                while result is None or not fits(result):
                    result = await self.result()
                return result
        except TimeoutError:
            raise AssertionError(f"the last result was {result}") from None

    def ask(self, address: str) -> bytes:
        """Ask the agent from an address of loopback, as a server does; return its answer."""
        with socket.create_connection(("127.0.0.1", self.port), LIMIT, (address, 0)) as asking:
            asking.sendall(HEAD + struct.pack("<II", len(b"agent.ping"), 0) + b"agent.ping")
            answer = b""
            with contextlib.suppress(ConnectionError):
                while block := asking.recv(100):  # until the agent has closed it: the first to do so keeps it
                    answer += block
        return answer
