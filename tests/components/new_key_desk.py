"""A user whose one key logs in to a real sshd, and who rolls out a second one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.new_key import RollOut, roll_out
from gpubox.boxes.context import BoxContext
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from tests.components.desk import Desk, working
from tests.components.servers import Server, sshd
from tests.components.test_tunnels_sshd import channels_of
from tests.hang import LIMIT
from tests.ssh.fakes import Person

(CHECK,) = (check for check in all_checks() if check.id == "login.from-here")


@dataclass
class Bare:
    """A box with a home of its own, into which the first key of the desk logs in."""

    desk: Desk
    server: Server
    home: Path

    @property
    def keys(self) -> Path:
        return self.home / ".ssh" / "authorized_keys"

    @property
    def second(self) -> Path:
        """The key that is rolled out."""
        return self.desk.folder / "second"

    async def enters(self, key: Path) -> bool:
        """Return whether OpenSSH's own client logs in by one key alone."""
        process = await asyncio.create_subprocess_exec(
            *self.desk.ssh(self.server, "-o", "PreferredAuthentications=publickey", key=key),
            "echo in",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(LIMIT):
            return (await process.communicate())[0] == b"in\n"

    async def over_ssh(self, work: Callable[[BoxContext], Awaitable[None]]) -> None:
        """Log in by the first key, and do something over the link."""

        async def logged_in(shell: Shell) -> None:
            context = BoxContext(Target("box", "ssh", "test", ""))
            context.shell.put(shell)
            context.channels.put(channels_of(shell))
            await work(context)

        async with working(self.desk.link(self.server), logged_in):
            pass

    async def rolled_out(self, person: Person) -> RollOut:
        """Roll the second key out, and return what did it."""
        done: list[RollOut] = []

        async def work(context: BoxContext) -> None:
            done.append(await roll_out(context, CHECK, person, self.second))
            await done[0].apply()

        await self.over_ssh(work)
        return done[0]


@asynccontextmanager
async def bare(desk: Desk, tmp_path: Path, files: str = ".ssh/authorized_keys") -> AsyncGenerator[Bare]:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh").chmod(0o700)
    extra = (
        f"AuthorizedKeysFile {files}\nStrictModes yes\nSetEnv GPUBOX_FIXES_DIR={tmp_path}/journal\n"
        "PubkeyAuthentication yes"
    )
    async with sshd(tmp_path / "etc-ssh", extra=extra, home=home) as server:
        made = Bare(desk, server, home)
        made.keys.write_text(desk.public)
        made.keys.chmod(0o600)
        yield made
