"""Logging in to OpenSSH's own sshd, straight and through others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gpubox.core.errors import AuthFailed, Unreachable
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.ssh.link import SshLink
from tests.components.desk import Desk, working
from tests.components.servers import USER, agent, new_key, sshd
from tests.ssh.fakes import QUICK, Person, phase, running


@pytest.mark.parametrize("named", [True, False])
async def test_of_a_full_agent_the_named_key_is_offered_first(
    desk: Desk, tmp_path: Path, named: bool
) -> None:
    others = [desk.folder / f"other{number}" for number in range(8)]
    for other in others:
        new_key(other)
    async with (
        sshd(tmp_path / "box", desk.public) as server,
        agent(tmp_path, *others, desk.identity) as socket,
    ):
        desk.trust(server)
        # The .pub alone tells which key of the agent is meant.
        public = desk.folder / "id.pub"
        desk.configure(f"IdentityAgent {socket}\n" + (f"IdentityFile {public}\n" if named else ""))
        async with running(SshLink("box", desk.expected(port=server.port), Nobody(), QUICK)) as link:
            health = await phase(link, Phase.LIVE if named else Phase.REFUSED)
    assert named or isinstance(health.reason, AuthFailed)
    assert named or (health.reason and health.reason.title == "Too many keys offered")
    assert named or (health.reason and "other0" in health.reason.text)


async def test_an_agent_that_is_gone_is_no_trouble(desk: Desk, tmp_path: Path) -> None:
    desk.configure(f"IdentityAgent {tmp_path}/nobody\n")
    async with sshd(tmp_path / "box", desk.public) as server, running(desk.link(server)) as link:
        await phase(link, Phase.LIVE)


async def test_a_certificate_of_ssh_keygen_logs_in(desk: Desk, tmp_path: Path) -> None:
    authority = new_key(tmp_path / "authority")
    trusted = tmp_path / "trusted"
    trusted.write_text(authority)
    signing = await asyncio.create_subprocess_exec(
        "ssh-keygen", "-q", "-s", str(tmp_path / "authority"), "-I", "me", "-n", USER, f"{desk.identity}.pub"
    )
    assert await signing.wait() == 0
    async with (
        sshd(tmp_path / "box", extra=f"TrustedUserCAKeys {trusted}") as server,
        running(desk.link(server)) as link,
    ):
        await phase(link, Phase.LIVE)


async def test_match_include_and_two_hops_are_followed(desk: Desk, tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def check(shell: Shell) -> None:
        seen.append((await shell.run("echo $SSH_CONNECTION")).stdout)

    async with (
        sshd(tmp_path / "first", desk.public) as first,
        sshd(tmp_path / "second", desk.public) as second,
        sshd(tmp_path / "box", desk.public) as box,
    ):
        desk.trust(first, second, box)
        more = desk.folder / "more"
        more.write_text(
            f"Host box\n  HostName 127.0.0.1\n  Port {box.port}\n  ProxyJump second\n"
            f"Host second\n  HostName 127.0.0.1\n  Port {second.port}\n"
            f"Match originalhost second\n  ProxyJump 127.0.0.1:{first.port}\n"
        )
        desk.configure(f"Include {more}\nHost *\n  IdentityFile {desk.identity}\n  IdentityFile /missing\n")
        link = SshLink("box", desk.expected("box"), Nobody(), QUICK)
        async with working(link, check):
            await phase(link, Phase.LIVE)
            assert link.connection is not None
            assert [hop.where.port for hop in link.connection.hops] == [first.port, second.port]
    assert seen[0].split()[-1] == b"%d" % box.port


async def test_a_jump_host_that_forbids_forwarding_is_named(desk: Desk, tmp_path: Path) -> None:
    async with (
        sshd(tmp_path / "first", desk.public, extra="AllowTcpForwarding no") as first,
        sshd(tmp_path / "box", desk.public) as box,
    ):
        desk.trust(first, box)
        desk.configure(
            f"Host box\n  HostName 127.0.0.1\n  Port {box.port}\n  ProxyJump 127.0.0.1:{first.port}\n"
            f"Host *\n  IdentityFile {desk.identity}\n"
        )
        async with running(SshLink("box", desk.expected("box"), Nobody(), QUICK)) as link:
            health = await phase(link, Phase.WAITING)
    assert isinstance(health.reason, Unreachable)
    assert health.reason.title == "The jump host forbids it"


@pytest.mark.parametrize("works", [True, False])
async def test_a_proxy_command_is_the_way_and_its_complaint_is_reported(
    desk: Desk, tmp_path: Path, works: bool
) -> None:
    async with sshd(tmp_path / "box", desk.public) as first:
        desk.trust(first)
        command = (
            f"echo noise >&2; exec ssh -F {desk.folder}/inner -W 127.0.0.1:%p hop"
            if works
            else "echo no such proxy >&2; exit 1"
        )
        (desk.folder / "inner").write_text(
            f"Host hop\n  HostName 127.0.0.1\n  Port {first.port}\n  User {USER}\n"
            f"  IdentityFile {desk.identity}\n  UserKnownHostsFile {desk.folder}/known_hosts\n"
        )
        desk.configure(f"IdentityFile {desk.identity}\nProxyCommand sh -c '{command}'\n")
        expected = desk.expected(port=first.port)
        async with running(SshLink("box", expected, Nobody(), QUICK)) as link:
            health = await phase(link, Phase.LIVE if works else Phase.WAITING)
    assert works or (health.reason and "ProxyCommand says: no such proxy" in health.reason.text)


async def test_a_locked_key_is_opened_by_its_passphrase(desk: Desk, tmp_path: Path) -> None:
    public = new_key(desk.folder / "locked", passphrase="open sesame")
    person = Person({"Passphrase": "open sesame"})
    async with sshd(tmp_path / "box", public) as server:
        desk.trust(server)
        expected = desk.expected(port=server.port, identity=str(desk.folder / "locked"))
        async with running(SshLink("box", expected, person, QUICK)) as link:
            await phase(link, Phase.LIVE)
    assert "locked is locked by a passphrase" in person.asked[0].text


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
async def test_other_kinds_of_key_log_in(desk: Desk, tmp_path: Path, kind: str) -> None:
    public = new_key(desk.folder / kind, kind=kind)
    async with sshd(tmp_path / "box", public) as server:
        desk.trust(server)
        expected = desk.expected(port=server.port, identity=str(desk.folder / kind))
        async with running(SshLink("box", expected, Nobody(), QUICK)) as link:
            await phase(link, Phase.LIVE)


async def test_a_user_who_may_not_log_in_is_reported(desk: Desk, tmp_path: Path) -> None:
    async with (
        sshd(tmp_path / "box", desk.public, extra="AllowUsers somebody-else") as server,
        running(desk.link(server)) as link,
    ):
        health = await phase(link, Phase.REFUSED)
    assert isinstance(health.reason, AuthFailed)
