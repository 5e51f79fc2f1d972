"""A user who answers, a server that asks, and a folder with keys: all that a login needs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

import asyncssh
import pytest
from asyncssh.constants import OPEN_ADMINISTRATIVELY_PROHIBITED

from gpubox.config.settings import SshSettings
from gpubox.core.errors import GpuBoxError
from gpubox.core.link_state import Health, Phase
from gpubox.core.prompts import Asker, Question
from gpubox.core.shell import Shell, Work
from gpubox.ssh.link import SshLink
from gpubox.ssh.resolve import HostSpec
from tests.hang import LIMIT

QUICK = SshSettings(connect_timeout=10.0, keepalive=0.2, retry_first=0.05, retry_cap=0.2)
"""Settings that make a test wait for nothing."""
PATIENT = SshSettings(connect_timeout=LIMIT, keepalive=LIMIT, retry_first=0.05, retry_cap=0.2)
"""Settings for tests that count logins: on a busy machine too, no link is lost but by the test."""


@dataclass
class Person(Asker):
    """Answers by the title of the question; answers in a list are given one after the other."""

    answers: Mapping[str, str | list[str | None] | None] = field(default_factory=dict[str, str], repr=False)
    asked: list[Question] = field(default_factory=list[Question])
    thinks: float = 0.0
    """Seconds before each answer."""

    async def ask(self, question: Question) -> str | None:
        self.asked.append(question)
        await asyncio.sleep(self.thinks)
        answer = self.answers.get(question.title)
        return (answer.pop(0) if answer else None) if isinstance(answer, list) else answer

    @property
    def titles(self) -> list[str]:
        return [question.title for question in self.asked]


needs_ssh = pytest.mark.skipif(which("ssh") is None, reason="there is no OpenSSH client here")
"""For what only the program ssh decides, or ssh-keygen proves."""


class Folder:
    """A private folder with a host key, a login key and a known_hosts file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.login_key = asyncssh.generate_private_key("ssh-ed25519", comment="mine")
        self.identity = self.key("id_mine", self.login_key)
        self.known_hosts = path / "known_hosts"
        self.config = path / "config"
        self.config.write_text("")

    def key(self, name: str, key: asyncssh.SSHKey, passphrase: str | None = None) -> Path:
        file = self.path / name
        # The fewest rounds that bcrypt does not warn of: 128 take a second a passphrase on a busy machine.
        key.write_private_key(file, passphrase=passphrase, rounds=50)
        file.chmod(0o600)
        return file

    def trust(self, port: int, key: asyncssh.SSHKey | None = None, marker: str = "") -> None:
        public = (key or self.host_key).export_public_key().decode()
        with self.known_hosts.open("a") as stream:
            stream.write(f"{marker}[127.0.0.1]:{port} {public}")

    def configure(self, text: str) -> None:
        self.config.write_text(text)

    def spec(self, port: int, **more: str) -> HostSpec:
        values = {"user": "ada", "identity": str(self.identity), **more}
        return HostSpec(
            "127.0.0.1", port=port, config_file=self.config, known_hosts=self.known_hosts, **values
        )


class Guest(asyncssh.SSHServer):
    """Lets in by one public key."""

    key: asyncssh.SSHKey | None = None
    jump = False
    """Whether connections to other ports are passed on."""

    def __init__(self) -> None:
        self.noted: list[asyncssh.SSHServerConnection] = []
        """Where its connection is noted."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.noted.append(conn)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        if not self.jump:
            raise asyncssh.ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
        return True

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return self.key is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self.key is not None and key.public_data == self.key.public_data


def guest(key: asyncssh.SSHKey) -> Callable[[], Guest]:
    """Make servers that let in the holder of a key."""

    def make() -> Guest:
        server = Guest()
        server.key = key
        return server

    return make


async def _answer(process: asyncssh.SSHServerProcess[bytes]) -> None:
    # An error that leaves here would end the whole connection.
    with contextlib.suppress(OSError):
        await _talk(process)


async def _talk(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Play a command: `echo` sends lines back, `tick` counts forever, `flood N` sends one long line."""
    match (process.command or "").split():
        case ["echo"]:
            async for line in process.stdin:
                process.stdout.write(line)
        case ["tick"]:
            number = 0
            while not process.is_closing():
                process.stdout.write(f"{number}\n".encode())
                number += 1
                await asyncio.sleep(0.02)
        case ["flood", size]:
            process.stdout.write(b"x" * int(size) + b"\nafter\n")
            process.stderr.write(b"e" * 100_000 + b"end")
        case _:
            process.stdout.write((process.command or "").encode() + b"\n")
    process.exit(0)


@dataclass
class Listening:
    """A running server of a test."""

    port: int
    connections: list[asyncssh.SSHServerConnection] = field(
        default_factory=list[asyncssh.SSHServerConnection]
    )

    def hang_up(self) -> None:
        """Cut every connection at once."""
        for connection in self.connections:
            connection.abort()
        self.connections.clear()


@asynccontextmanager
async def listening(
    folder: Folder,
    factory: Callable[[], Guest] | None = None,
    *,
    port: int = 0,
    host_keys: Sequence[object] | None = None,
    jump: bool = False,
) -> AsyncGenerator[Listening]:
    """Serve on loopback; `factory` decides who gets in, by default the folder's login key."""
    make = factory or guest(folder.login_key)
    here = Listening(0)

    def noted() -> Guest:
        server = make()
        server.noted, server.jump = here.connections, jump
        return server

    acceptor = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=noted,
        server_host_keys=host_keys or [folder.host_key],
        process_factory=_answer,
        encoding=None,
        gss_host=None,
    )
    here.port = acceptor.get_port()
    try:
        yield here
    finally:
        here.hang_up()
        acceptor.close()
        await acceptor.wait_closed()


async def idle(shell: Shell) -> None:
    """Do nothing with the link."""


@asynccontextmanager
async def running(link: SshLink, work: Work = idle) -> AsyncGenerator[SshLink]:
    """Keep a link for the length of a block; whatever `keep` raises, the block raises."""
    before = asyncio.all_tasks()
    task = asyncio.create_task(link.keep(work))
    try:
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled() and (error := task.exception()):
        raise error
    assert link.health.value.phase is Phase.IDLE
    await settled(lambda: not [one for one in asyncio.all_tasks() - before if one is not task])


async def phase(link: SshLink, *phases: Phase, attempt: int = 0) -> Health:
    """Wait until a link is in one of some phases, with at least so many failures."""
    try:
        async with asyncio.timeout(LIMIT):
            async for health in link.health.follow():
                if health.phase in phases and health.attempt >= attempt:
                    return health
    except TimeoutError:
        pass
    raise AssertionError(f"it stays {link.health.value}")


async def settled(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110 - most conditions have no event to wait for
            await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


async def first_trouble(link: SshLink) -> GpuBoxError:
    """Keep a link until it waits or is refused; return why."""
    async with running(link):
        health = await phase(link, Phase.WAITING, Phase.REFUSED)
    assert health.reason is not None
    return health.reason
