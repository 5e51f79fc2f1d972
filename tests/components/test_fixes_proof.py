"""The login that proves a change of sshd, at a moment when nothing listens."""

from __future__ import annotations

import os
import socket
from contextlib import nullcontext

import pytest

from gpubox.boxes.checks import fixes as module
from gpubox.boxes.checks.fixes import Fixes
from gpubox.core.errors import RemoteError, Unreachable
from gpubox.ssh.channels import SshChannels
from tests.components.fixes_desk import FixesDesk
from tests.components.test_fixes_over_ssh import CHECK, box, options, over_ssh
from tests.components.test_fixes_sshd import fixes
from tests.hang import LIMIT

__all__ = ["box", "fixes"]  # fixtures

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="sshd of another user than root lets only that in")


@pytest.mark.parametrize(("times", "seconds", "state"), [(2, LIMIT, "kept"), (1, 0, "guarded")])
async def test_a_proof_waits_for_an_sshd_that_reads_its_configuration_again(
    box: FixesDesk, monkeypatch: pytest.MonkeyPatch, times: int, seconds: float, state: str
) -> None:
    real = SshChannels.log_in_again
    refused: list[object] = []

    async def deaf_at_first(self: SshChannels, way: socket.socket | None = None) -> None:
        if way is None and len(refused) < times:
            refused.append(way)
            raise Unreachable("Connection refused")
        await real(self, way)

    monkeypatch.setattr(SshChannels, "log_in_again", deaf_at_first)
    monkeypatch.setattr(module, "_DEAF", seconds)

    async def work(fixes: Fixes) -> None:
        plan = await fixes.plan(CHECK, options(box, MaxAuthTries="4"))
        with nullcontext() if seconds else pytest.raises(RemoteError, match="Connection refused"):
            await fixes.apply(plan)
        (entry,) = await fixes.entries(root=True)
        assert entry.state == state
        await fixes.undo(entry)

    await over_ssh(box, work)
    assert len(refused) == times
