"""Real ssh servers on loopback, with their own keys, ports and folders, as the user who runs the tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.components.parts import program
from tests.hang import LIMIT
from tests.process_tree import descendants

USER = pwd.getpwuid(os.getuid()).pw_name
"""Who logs in: the user who runs the tests."""
HOME = Path(tempfile.gettempdir())
"""The home of sessions that have none of their own; made new for each run."""


@dataclass
class Server:
    """A running server."""

    port: int
    process: asyncio.subprocess.Process
    host_key: str
    """The public host key, as known_hosts has it."""
    log: Path
    """What it says."""
    command: list[str]
    """How it was started."""

    @property
    def known_hosts(self) -> str:
        """A known_hosts line for it."""
        return f"[127.0.0.1]:{self.port} {self.host_key}\n"

    async def stop(self) -> None:
        """End the listener, its sessions and their commands, in this order.

        A session that outlived its command would say how that ended, and the client would not miss the link.
        """
        for pid in (self.process.pid, *descendants(self.process.pid)):
            end(pid)
        await self.process.wait()


def end(pid: int) -> None:
    """Kill a process that one of our servers started."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def new_key(file: Path, *, passphrase: str = "", kind: str = "ed25519") -> str:
    """Make a key with OpenSSH's own ssh-keygen; returns its public line."""
    program("ssh")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", file.name, "-f", file], check=True
    )
    return file.with_name(file.name + ".pub").read_text()


def shim() -> Path:
    """Compile what moves home and login shell for our servers; see shim.c."""
    made = Path(__file__).parent.parent / ".parts" / "shim.so"
    source = Path(__file__).with_name("shim.c")
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        made.parent.mkdir(exist_ok=True)
        half = made.with_suffix(f".{os.getpid()}")
        subprocess.run([program("gcc"), "-shared", "-fPIC", "-o", half, source, "-ldl"], check=True)
        half.replace(made)
    return made


@asynccontextmanager
async def sshd(
    folder: Path, *authorized: str, extra: str = "", home: Path | None = None, shell: str = "sh"
) -> AsyncGenerator[Server]:
    """Run OpenSSH's sshd; `extra` lines come first in its configuration, where they win.

    With `home`, sessions have that home and the login shell `shell`; else their shell is that of the user who
    runs the tests, without that user's start files, which may do much.
    """
    port = free_port()
    command = [program("sshd"), "-D", "-e", "-f", str(folder / "config")]
    if home is None:  # of all lines and options with SetEnv, sshd reads the first
        extra, found = re.subn("(?m)^SetEnv", f"SetEnv HOME={HOME}", extra, count=1)
        command += [] if found else [f"-oSetEnv=HOME={HOME}"]
    public = _configured(folder, authorized, port, extra)
    async with _running(folder, port, public, command, _moved(home, shell)) as server:
        yield server


def _configured(folder: Path, authorized: Sequence[str], port: int, extra: str) -> str:
    """Write what sshd needs; returns its public host key."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd refuses to start as root without it
    key = folder / "host_key"
    public = new_key(key)
    (folder / "authorized").write_text("".join(authorized))
    (folder / "config").write_text(
        f"{extra}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {key}\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\nPrintMotd no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
    )
    return public


@asynccontextmanager
async def dropbear(folder: Path, public: str, home: Path, shell: str) -> AsyncGenerator[Server]:
    """Run dropbear, with sessions in a home and a login shell of our own."""
    port = free_port()
    key = folder / "host_key"
    host_key = _dropbear_key(folder, key)
    keys = home / ".ssh" / "authorized_keys"
    keys.parent.mkdir(mode=0o700)
    keys.write_text(public)
    keys.chmod(0o600)
    command = [program("dropbear"), "-F", "-E", "-s", "-p", f"127.0.0.1:{port}"]
    command += ["-r", str(key), "-P", str(folder / "pid")]
    async with _running(folder, port, host_key, command, _moved(home, shell)) as server:
        yield server


def _dropbear_key(folder: Path, key: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        ["dropbearkey", "-t", "ed25519", "-f", key], check=True, capture_output=True, text=True
    )
    return next(line for line in made.stdout.splitlines() if line.startswith("ssh-ed25519"))


def _moved(home: Path | None, shell: str) -> dict[str, str]:
    if home is None:
        return {}
    home.chmod(0o700)  # dropbear takes no keys from a home that others can write
    return {
        "LD_PRELOAD": str(shim()),
        "GPUBOX_TEST_HOME": str(home),
        "GPUBOX_TEST_SHELL": program(shell),
    }


@asynccontextmanager
async def _running(
    folder: Path, port: int, host_key: str, command: list[str], environment: dict[str, str]
) -> AsyncGenerator[Server]:
    log = folder / "log"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stderr=stream, env={**os.environ, **environment}
        )
    server = Server(port, process, " ".join(host_key.split()[:2]), log, command)
    try:
        await _listening(server)
        yield server
    finally:
        await server.stop()


async def _listening(server: Server) -> None:
    async with asyncio.timeout(LIMIT):
        while server.process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)
    raise AssertionError(f"the server did not start: {server.log.read_text()[-2000:]}")


@asynccontextmanager
async def agent(folder: Path, *keys: Path) -> AsyncGenerator[Path]:
    """Run a real ssh-agent that holds keys; yields its socket."""
    path = folder / "agent"
    process = await asyncio.create_subprocess_exec(
        program("ssh-agent"), "-D", "-a", str(path), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(LIMIT):
            while not path.exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.01)
        for key in keys:
            adding = await asyncio.create_subprocess_exec(
                "ssh-add", "-q", str(key), env={**os.environ, "SSH_AUTH_SOCK": str(path)}
            )
            assert await adding.wait() == 0
        yield path
    finally:
        end(process.pid)
        await process.wait()
