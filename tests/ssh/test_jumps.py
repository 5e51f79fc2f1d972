"""Boxes behind other boxes."""

from __future__ import annotations

from collections.abc import Sequence

import asyncssh

from gpubox.core.errors import (
    AuthFailed,
    ConfigError,
    Unreachable,
)
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.ssh.link import SshLink
from gpubox.ssh.resolve import HostSpec
from tests.ssh.fakes import (
    QUICK,
    Folder,
    Person,
    first_trouble,
    free_port,
    guest,
    listening,
    phase,
    running,
    settled,
)


def proxied(folder: Folder, ports: Sequence[int]) -> str:
    """Write a configuration of hops a, b, c..., each behind the one before; returns the last name."""
    text, before = [], ""
    for name, port in zip("abcdefgh", ports, strict=False):
        jump = f"  ProxyJump {before}\n" if before else ""
        text.append(f"Host {name}\n  HostName 127.0.0.1\n  Port {port}\n{jump}")
        before = name
    text.append(f"Host *\n  User ada\n  IdentityFile {folder.identity}\n")
    folder.configure("".join(text))
    return before


def named(folder: Folder, host: str) -> HostSpec:
    return HostSpec(host, config_file=folder.config, known_hosts=folder.known_hosts)


async def test_two_jump_hosts_are_gone_through(folder: Folder) -> None:
    results: list[bytes] = []

    async def work(shell: Shell) -> None:
        results.append((await shell.run("there")).stdout)

    async with (
        listening(folder, jump=True) as first,
        listening(folder, jump=True) as second,
        listening(folder) as box,
    ):
        ports = [first.port, second.port, box.port]
        last = proxied(folder, ports)
        person = Person({"New host key": "yes"})
        link = SshLink("box", named(folder, last), person, QUICK)
        async with running(link, work):
            await settled(lambda: results)
            assert link.connection is not None
            assert len(link.connection.hops) == 2
            first.hang_up()
            await phase(link, Phase.WAITING)
            await settled(lambda: len(results) == 2)
        assert [question.about for question in person.asked] == [
            "box (through a)",
            "box (through b)",
            "box",
        ]
        # An unknown key takes a second handshake; the first hop forgot its two when it hung up.
        assert [len(server.connections) for server in (first, second, box)] == [1, 3, 3]


async def test_a_jump_host_that_passes_nothing_on_is_named(folder: Folder) -> None:
    async with listening(folder) as first, listening(folder) as box:
        folder.trust(first.port)
        last = proxied(folder, [first.port, box.port])
        error = await first_trouble(SshLink("box", named(folder, last), Nobody(), QUICK))
    assert isinstance(error, Unreachable)
    assert error.title == "The jump host forbids it"


async def test_a_box_that_the_jump_host_does_not_reach_is_named(folder: Folder) -> None:
    async with listening(folder, jump=True) as first:
        folder.trust(first.port)
        last = proxied(folder, [first.port, free_port()])
        error = await first_trouble(SshLink("box", named(folder, last), Nobody(), QUICK))
    assert isinstance(error, Unreachable)
    assert error.title == "Not reached through the jump host"


async def test_a_jump_host_that_refuses_the_login_is_named(folder: Folder) -> None:
    stranger = guest(asyncssh.generate_private_key("ssh-ed25519"))
    async with listening(folder, stranger, jump=True) as first, listening(folder) as box:
        folder.trust(first.port)
        last = proxied(folder, [first.port, box.port])
        error = await first_trouble(SshLink("box", named(folder, last), Nobody(), QUICK))
        assert box.connections == []
    assert isinstance(error, AuthFailed)
    assert f"ada@127.0.0.1:{first.port} rejected the login" in error.text


async def test_a_jump_host_that_jumps_through_itself_is_named(folder: Folder) -> None:
    folder.configure("Host box\n  ProxyJump a\nHost a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    error = await first_trouble(SshLink("box", named(folder, "box"), Nobody(), QUICK))
    assert isinstance(error, ConfigError)
    assert error.title == "A jump host that jumps through itself"
