"""A user who changes a real sshd through a login of it."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gpubox.remote.fixes.journal import FixJournal
from tests.components.desk import Desk
from tests.components.parts import program
from tests.components.servers import Server, end, sshd
from tests.hang import LIMIT
from tests.process_tree import descendants
from tests.remote.fixes.program import FixesProgram, Refusal, Row, Tree, tree

LOCK_OUT = {"AllowUsers": "somebody-else"}
"""A change after which we cannot log in."""


@dataclass
class FixesDesk:
    """A box with an sshd of its own, whose folder is its /etc/ssh, and the program of fixes on it."""

    desk: Desk
    server: Server
    program: FixesProgram
    etc: Path

    @property
    def config(self) -> Path:
        return self.etc / "config"

    @property
    def drop(self) -> Path:
        return self.etc / "sshd_config.d" / "00-gpubox.conf"

    def ssh(self, *options: str) -> list[str]:
        """Return OpenSSH's own client with our key, up to the command."""
        return self.desk.ssh(self.server, *options)

    async def enters(self, *options: str) -> bool:
        """Return whether a new login succeeds; nobody answers while sshd reads its configuration again."""
        async with asyncio.timeout(LIMIT):
            while True:
                process = await asyncio.create_subprocess_exec(
                    *self.ssh(*options), "echo in", stdout=PIPE, stderr=PIPE
                )
                out, error = await process.communicate()
                deaf = b"Connection refused" in error or b"Connection reset" in error
                if not deaf or self.server.process.returncode is not None:
                    return out == b"in\n"
                await asyncio.sleep(0.02)

    async def ask(self, verb: str, **request: object) -> Row:
        """Return the answer to a request that is made in a login; raises Refusal."""
        words = ["env", f"GPUBOX_FIXES_DIR={self.program.journal}", *self.program.command, verb]
        process = await asyncio.create_subprocess_exec(
            *self.ssh(), shlex.join(words), stdin=PIPE, stdout=PIPE
        )
        async with asyncio.timeout(LIMIT):
            answer = json.loads((await process.communicate(json.dumps(request).encode()))[0])
        if "error" in answer:
            raise Refusal(answer["error"])
        return answer

    def request(
        self, options: dict[str, str], name: str = "some-fix", *, for_login: bool = False, **more: object
    ) -> Row:
        """Return the request for options of this sshd."""
        sshd = {"config": str(self.config), "options": options, "for_login": for_login}
        return {"id": name, "sshd": sshd, "seconds": 600, **more}

    async def apply(
        self, options: dict[str, str], name: str = "some-fix", *, for_login: bool = False, **more: object
    ) -> Row:
        """Plan a change of options, and apply it."""
        asked = self.request(options, name, for_login=for_login, **more)
        return await self.ask("apply", **asked, token=(await self.ask("plan", **asked))["token"])

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(LIMIT):
            while not condition():  # noqa: ASYNC110 - files and processes have no event
                await asyncio.sleep(0.02)

    def expire(self, name: str = "some-fix") -> None:
        """Let the time for the proof of a change be over."""
        with FixJournal(create=False, folder=str(self.program.journal)) as journal:
            journal.entry(name).save(deadline=0.0)

    def kill(self, *, timers: bool) -> None:
        """Kill everything that sshd started, but not sshd itself."""
        for pid in descendants(self.server.process.pid):
            end(pid)
        if timers and self.program.journal.exists():
            with FixJournal(create=False, folder=str(self.program.journal)) as journal:
                timers_of = [entry.row.get("timer") for entry in journal.entries()]
            for timer in timers_of:
                if timer and Path(f"/proc/{timer['pid']}/exe").exists():
                    end(int(timer["pid"]))

    def effective(self) -> dict[str, str]:
        """Return what sshd says that its files come to."""
        return effective_of(self.config)

    def files(self) -> Tree:
        """Return the configuration of sshd."""
        found = tree(self.etc)
        return {name: row for name, row in found.items() if name not in ("log", "pid")}

    def timer_lives(self, name: str = "some-fix") -> bool:
        """Return whether the roll-back timer of a change runs."""
        return os.path.exists(f"/proc/{self.program.entry(name)['timer']['pid']}/exe")


def effective_of(config: Path, *options: str) -> dict[str, str]:
    """Return what sshd says that a configuration comes to."""
    words = [program("sshd"), "-T", "-f", str(config), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


@asynccontextmanager
async def fixes_desk(
    desk: Desk,
    fixes: FixesProgram,
    extra: str = "Include ETC/sshd_config.d/*.conf",
    home: Path | None = None,
) -> AsyncGenerator[FixesDesk]:
    """Run an sshd; ETC in `extra`, the first lines of its configuration, is its folder."""
    etc = desk.folder.parent / "etc-ssh"
    etc.mkdir()
    etc.chmod(0o755)
    async with sshd(etc, desk.public, extra=extra.replace("ETC", str(etc)), home=home) as server:
        desk.trust(server)
        box = FixesDesk(desk, server, fixes, etc)
        try:
            yield box
        finally:
            box.kill(timers=True)  # what goes on after a failure would start an sshd again
