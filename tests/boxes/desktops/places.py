"""A box of one's own for a test of desktops: a home, a PATH and the ways to it, all on this machine."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import stat
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from gpubox.boxes.desktops import Desktops, DesktopSession
from gpubox.config import settings
from gpubox.core.channels import Channels, Forward, Listening, Traffic
from gpubox.core.feed import Feed
from gpubox.core.loopback import streaming
from gpubox.core.shell import Channel, CommandResult, Shell
from tests.boxes.scripted import context
from tests.hang import LIMIT

PACKAGES = Path(__file__).parents[3]
TOOLS = (
    "sh cat chmod cp cut date dd dirname env find getconf grep head id kill ls mkdir mkfifo mktemp mv od "
    "printf readlink rm setsid sleep stat tail tar touch tr uname wc busybox"
)


@dataclass
class Pipe:
    """A forward to this machine; see core.channels.Listening."""

    port: int
    traffic: Traffic = field(default_factory=Traffic)


@dataclass
class LocalChannels:
    """Forwards to this machine; `sockets` is what AllowStreamLocalForwarding says."""

    sockets: bool = True
    ports: bool = True
    opened: list[int] = field(default_factory=list[int])
    """The ports of this machine that were listened on, in order."""

    @asynccontextmanager
    async def forward(self, spec: Forward) -> AsyncGenerator[Listening]:
        pipe = Pipe(0)

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            pipe.traffic.open += 1
            pipe.traffic.total += 1
            try:
                with suppress(OSError):
                    await self._carry(spec, reader, writer)
            finally:
                pipe.traffic.open -= 1

        async with streaming(spec.listen_port, carry) as pipe.port:
            self.opened.append(pipe.port)
            yield pipe

    async def _carry(self, spec: Forward, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not (self.sockets if spec.path else self.ports):
            return
        if spec.path:
            far, out = await asyncio.open_unix_connection(spec.path)
        else:
            far, out = await asyncio.open_connection(spec.host, spec.port)
        try:
            await asyncio.gather(_pump(reader, out), _pump(far, writer))
        finally:
            out.close()
            with suppress(OSError):
                await out.wait_closed()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


@dataclass
class Place:
    """A home with programs; the commands of its shell see nothing else."""

    folder: Path
    login: str = "sh"

    def __post_init__(self) -> None:
        self.home.mkdir()
        self.programs.mkdir()
        for name in TOOLS.split():
            for folder in ("/usr/bin", "/bin"):
                if (tool := Path(folder, name)).exists() and not (self.programs / name).exists():
                    (self.programs / name).symlink_to(tool)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def programs(self) -> Path:
        return self.folder / "bin"

    def program(self, name: str, text: str) -> Path:
        """Put a program there."""
        made = self.programs / name
        made.write_text(text)
        made.chmod(0o755)
        return made

    def add_vnc(self, *script: str) -> None:
        """Put our VNC server there as TigerVNC's."""
        self.program(
            "Xtigervnc",
            f"#!{sys.executable}\nimport sys\n"
            f"sys.path[:0] = {[str(PACKAGES / 'tui'), str(PACKAGES)]!r}\n"
            "import asyncio\nfrom tests.boxes.desktops.fake_vnc import run\n"
            "sys.exit(asyncio.run(run(sys.argv[1:])))\n",
        )
        (self.programs / "FAKE").write_text(" ".join(script))

    @property
    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": str(self.programs), "LANG": "C.UTF-8"}

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        process = await asyncio.create_subprocess_exec(
            shutil.which(self.login) or self.login,
            "-c",
            command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self.environment,
        )
        async with asyncio.timeout(timeout):
            stdout, stderr = await process.communicate(stdin)
        return CommandResult(process.returncode, None, stdout, stderr)

    def stream(self, command: str) -> AbstractAsyncContextManager[Channel]:
        raise NotImplementedError

    def desktops(self, channels: LocalChannels | None = None, **expected: str) -> Desktops:
        """The desktops of this place."""
        shell: Feed[Shell | None] = Feed(self)
        ways: Feed[Channels | None] = Feed(
            cast("Channels", channels or LocalChannels())
        )  # only forwards are asked for
        chosen = settings.DesktopSettings(**{"session": "sleep 600", **expected})  # pyright: ignore[reportArgumentType]
        box = context("The box", shell=shell, channels=ways, settings=settings.Settings(desktop=chosen))
        return Desktops(box, environment={"PATH": str(self.programs), "DISPLAY": ":9"})

    async def here(self, desktops: Desktops) -> list[DesktopSession]:
        """The desktops of this home; other tests may have theirs."""
        return [one for one in await desktops.list() if one.secret.startswith(str(self.home))]

    def running(self) -> dict[int, str]:
        """The processes of this place: pid and command line."""
        found: dict[int, str] = {}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (path / "environ").read_bytes().split(b"\0")
                if f"HOME={self.home}".encode() in words:
                    line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if line:
                        found[int(path.name)] = line
        return found

    async def clear(self) -> None:
        """End everything that runs here; only what has this home in its environment does."""
        async with asyncio.timeout(LIMIT):
            while left := self.running():
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(0.02)
        for reported in self.home.glob(".local/state/gpubox/desktops/*/*/folder"):
            with suppress(FileNotFoundError):  # unless the keeper was just at it
                shutil.rmtree(reported.read_text().strip())  # nobody was left to do it


def mode(path: str | Path) -> str:
    """What kind of file it is and who may use it, as `ls` shows it."""
    return stat.filemode(Path(path).stat().st_mode)


def there(path: str) -> bool:
    """Whether anything has this name."""
    return Path(path).exists()


def ignored(pid: int) -> set[int]:
    """The signals that a process ignores."""
    status = Path(f"/proc/{pid}/status").read_text()
    bits = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn"))
    return {number for number in range(1, 65) if bits >> number - 1 & 1}


def free_display() -> str:
    """A display whose usual port nobody listens on."""
    while True:
        number = random.randrange(1000, 20000)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", 5900 + number))
            return f":{number}"
