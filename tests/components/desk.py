"""The user's side of a test: a folder with keys and a configuration, and a link that is being used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.ssh.link import SshLink
from gpubox.ssh.resolve import HostSpec
from tests.components.parts import program
from tests.components.servers import USER, Server
from tests.hang import LIMIT
from tests.ssh.fakes import QUICK, running


@dataclass
class Desk:
    """The user's side: a folder with keys and a configuration."""

    folder: Path
    public: str
    """The public line of the folder's own key."""

    @property
    def identity(self) -> Path:
        return self.folder / "id"

    def trust(self, *servers: Server) -> None:
        (self.folder / "known_hosts").write_text("".join(server.known_hosts for server in servers))

    def configure(self, text: str) -> None:
        (self.folder / "config").write_text(text)

    def expected(self, host: str = "127.0.0.1", port: int = 0, identity: str = "") -> HostSpec:
        return HostSpec(
            host,
            port=port,
            identity=identity,
            config_file=self.folder / "config",
            known_hosts=self.folder / "known_hosts",
        )

    def link(self, server: Server) -> SshLink:
        """A link with the folder's own key."""
        self.trust(server)
        return SshLink("box", self.expected(port=server.port, identity=str(self.identity)), Nobody(), QUICK)

    def ssh(self, server: Server, *options: str, key: Path | None = None) -> list[str]:
        """Return OpenSSH's own client with one key alone, up to the command."""
        return [
            *(program("ssh"), "-F", "/dev/null", "-i", str(key or self.identity), "-p", str(server.port)),
            *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
            *("-o", f"UserKnownHostsFile={self.folder}/known_hosts", *options, f"{USER}@127.0.0.1"),
        ]


@asynccontextmanager
async def working(link: SshLink, check: Callable[[Shell], Awaitable[None]]) -> AsyncGenerator[None]:
    """Keep a link whose work is a check; the block ends when it did, and raises what it raised."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work(shell: Shell) -> None:
        try:
            await check(shell)
        except Exception as error:
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)

    async with running(link, work), asyncio.timeout(LIMIT):
        yield
        await done
