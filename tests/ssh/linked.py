"""A check as the work of a link, and a link to a server that runs real commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.ssh.link import SshLink
from gpubox.ssh.server import serve
from tests.hang import LIMIT
from tests.ssh.fakes import QUICK, Folder, running


async def over_link(link: SshLink, check: Callable[[Shell], Awaitable[None]]) -> None:
    """Do a check as the work of a link; what it raises, this raises."""
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
        await done


@asynccontextmanager
async def served(folder: Folder, **environment: str) -> AsyncGenerator[SshLink]:
    """Run a server with the folder as its home; yields a link to it, not yet kept."""
    key, host_key = folder.login_key, folder.host_key
    serving = serve(
        authorized_key=key.export_public_key().decode(),
        host_key=host_key.export_private_key().decode(),
        home=folder.path,
        environment=environment,
    )
    async with serving as server:
        folder.known_hosts.write_text(server.known_hosts)
        yield SshLink("box", folder.spec(server.port), Nobody(), QUICK)
