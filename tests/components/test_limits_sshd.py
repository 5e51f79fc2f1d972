"""What sshd allows, learned from a real one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpubox.boxes.sshd_policy import SshdPolicy, learn
from gpubox.core.shell import Shell
from tests.components.desk import Desk, working
from tests.components.servers import USER, sshd
from tests.components.test_tunnels_sshd import channels_of

ALL = SshdPolicy(forward=True, listen=True, sockets=True, sessions=10)
NOTHING = replace(ALL, forward=False, listen=False, sockets=False)


@pytest.mark.parametrize(
    ("extra", "limits"),
    [
        ("MaxSessions 2", replace(ALL, sessions=2)),
        ("AllowStreamLocalForwarding no", replace(ALL, sockets=False)),
        ("AllowTcpForwarding no", NOTHING),
        ("DisableForwarding yes", NOTHING),
        ("AllowTcpForwarding remote", replace(NOTHING, listen=True)),
        ("PermitOpen 127.0.0.1:80 db:5432", replace(ALL, sockets=False, places=("127.0.0.1:80", "db:5432"))),
        (f"Match User {USER}\nAllowTcpForwarding no\nMatch all", replace(NOTHING, listen=None)),
    ],
)
async def test_what_sshd_allows_is_known_beforehand(desk: Desk, extra: str, limits: SshdPolicy) -> None:
    found: list[SshdPolicy] = []

    async def check(shell: Shell) -> None:
        found.append(await learn(shell, channels_of(shell)))

    async with (
        sshd(desk.folder / "server", desk.public, extra=extra) as server,
        working(desk.link(server), check),
    ):
        pass
    assert found == [limits]


async def test_included_files_count_where_they_are_included(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "10-first.conf").write_text("MaxSessions 3\nMatch User nobody\nAllowTcpForwarding no")
    (tmp_path / "20-second.conf").write_text("MaxSessions 4\nAllowTcpForwarding yes\n")
    found: list[SshdPolicy] = []

    async def check(shell: Shell) -> None:
        found.append(await learn(shell, channels_of(shell)))

    extra = f"Include {tmp_path}/*.conf\nMaxSessions 5"
    async with (
        sshd(desk.folder / "server", desk.public, extra=extra) as server,
        working(desk.link(server), check),
    ):
        pass
    assert found == [replace(ALL, listen=None, sessions=3)]


async def test_a_key_that_may_not_forward_is_found_out_by_trying(desk: Desk) -> None:
    found: list[SshdPolicy] = []

    async def check(shell: Shell) -> None:
        found.append(await learn(shell, channels_of(shell)))

    key = f"no-port-forwarding {desk.public}"
    async with sshd(desk.folder / "server", key) as server, working(desk.link(server), check):
        pass
    assert (found[0].forward, found[0].sockets) == (False, False)
