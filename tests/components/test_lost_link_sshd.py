"""A command whose sshd is killed while it asks, and started again: it waits, and then it answers."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.components.desk import Desk
from tests.components.servers import sshd
from tests.components.test_login_sshd import Person
from tests.hang import LIMIT
from tests.ssh.fakes import settled

HELD = """\
#!/bin/sh
cd '{folder}'
: >asked
while [ -e hold ]; do sleep 0.05; done
eval "$SSH_ORIGINAL_COMMAND"
"""
"""What sshd runs in the place of each command: it waits while the test says so."""


async def test_a_list_waits_for_an_sshd_that_is_started_again(desk: Desk, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.write_text(HELD.format(folder=tmp_path))
    held.chmod(0o755)
    (tmp_path / "hold").touch()
    (desk.folder / "id_mine").symlink_to(desk.identity)
    extra = f"ForceCommand {held}\nSetEnv GPUBOX_STATE_DIR={tmp_path}/state GPUBOX_QUEUE_DIR={tmp_path}/queue"
    async with sshd(tmp_path / "box", desk.public, extra=extra) as server:
        desk.trust(server)
        ada = Person(desk, server, tmp_path, tmp_path / "state")
        asking = asyncio.create_task(ada.types("jobs", "{box}", "list"))
        async with asyncio.timeout(LIMIT):
            await settled((tmp_path / "asked").exists)
            await server.stop()
            assert not asking.done()
            (tmp_path / "hold").unlink()
            server.process = await asyncio.create_subprocess_exec(
                *server.command, stderr=asyncio.subprocess.DEVNULL, env=os.environ
            )
            status, out, err = await asking
    assert (status, out) == (0, "No jobs.\n"), err
    assert ": Link lost. " in err
