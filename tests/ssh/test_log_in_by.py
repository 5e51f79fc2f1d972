"""A login that proves one key: by it alone, asking nobody, over the way that the link took."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import pytest

from gpubox.core.errors import AuthFailed, ConfigError, GpuBoxError
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.ssh import new_key
from gpubox.ssh.channels import SshChannels
from gpubox.ssh.link import SshLink
from gpubox.ssh.new_key import KeyLocked
from gpubox.ssh.shell import SshShell
from tests.ssh.fakes import QUICK, Folder, Guest, Person, guest, listening, phase, running
from tests.ssh.linked import over_link
from tests.ssh.test_jumps import named, proxied
from tests.ssh.test_login import reconnected

LOCKED = "open sesame"


class Both(Guest):
    """Lets in by one key, and by a password."""

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == "right"


class Open(Guest):
    """Lets everybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


def both(key: new_key.LoginKey | None) -> type[Both]:
    """Make servers that take a password, and the key if one is given."""
    public = asyncssh.import_public_key(key.line) if key is not None else None
    return type("Taking", (Both,), {"key": public})


def made(folder: Folder, passphrase: str = "") -> new_key.LoginKey:
    key = new_key.make(folder.path / "id_new", passphrase)
    new_key.write(key)
    return key


def channels(shell: Shell) -> SshChannels:
    assert isinstance(shell, SshShell)
    return SshChannels(shell)


async def proved(link: SshLink, file: Path, passphrase: str = "") -> SshChannels:
    """Log in by a key over a link; returns the channels of that link."""
    found: list[SshChannels] = []

    async def work(shell: Shell) -> None:
        found.append(channels(shell))
        await found[0].log_in_by(file, passphrase)

    await over_link(link, work)
    return found[0]


def password_link(folder: Folder, port: int, person: Person) -> SshLink:
    return SshLink("box", folder.spec(port, identity=""), person, QUICK)


async def test_a_key_is_proved_beside_a_login_by_password(folder: Folder) -> None:
    key = made(folder, LOCKED)
    person = Person({"Password": "right", "New host key": "yes"})
    async with listening(folder, both(key)) as server:
        link = password_link(folder, server.port, person)
        login = (await proved(link, key.file, LOCKED)).login
    assert (login.key_type, login.proved) == ("", "ssh-ed25519")
    assert person.titles == ["New host key", "Password"], "the proof asks nobody"


async def test_a_reconnect_uses_the_key_without_its_passphrase(folder: Folder) -> None:
    key = made(folder, LOCKED)
    person = Person({"Password": ["right"], "New host key": "yes"})
    async with listening(folder, both(key)) as server:
        folder.configure(f"Host *\n  IdentityFile {key.file}\n")
        link = password_link(folder, server.port, person)
        person.answers = {**person.answers, "Passphrase": None}
        done = asyncio.Event()

        async def work(shell: Shell) -> None:
            if not done.is_set():
                await channels(shell).log_in_by(key.file, LOCKED)
                done.set()

        async with running(link, work):
            await done.wait()
            await reconnected(link, server.hang_up)
            assert link.connection is not None
            assert link.connection.box.key == asyncssh.import_public_key(key.line).public_data
    assert person.titles.count("Password") == 1


@pytest.mark.parametrize("passphrase", ["", "wrong"])
async def test_a_locked_key_is_reported(folder: Folder, passphrase: str) -> None:
    key = made(folder, LOCKED)
    async with listening(folder) as server:
        folder.trust(server.port)
        with pytest.raises(KeyLocked):
            await proved(SshLink("box", folder.spec(server.port), Nobody(), QUICK), key.file, passphrase)


async def test_a_password_is_no_proof(folder: Folder) -> None:
    key = made(folder)
    person = Person({"Password": "right", "New host key": "yes"})
    async with listening(folder, both(None)) as server:
        with pytest.raises(AuthFailed, match="Login refused"):
            await proved(password_link(folder, server.port, person), key.file)
    assert person.titles == ["New host key", "Password"]


async def test_an_open_way_is_no_proof(folder: Folder) -> None:
    key = made(folder)
    async with listening(folder, Open) as server:
        folder.trust(server.port)
        with pytest.raises(AuthFailed, match="The key was not used"):
            await proved(SshLink("box", folder.spec(server.port), Nobody(), QUICK), key.file)


async def test_a_certificate_beside_the_key_is_not_offered(folder: Folder) -> None:
    key = made(folder)
    authority = asyncssh.generate_private_key("ssh-ed25519")
    signed = authority.generate_user_certificate(asyncssh.import_public_key(key.line), "ada")
    key.file.with_name("id_new-cert.pub").write_bytes(signed.export_certificate())
    offered: list[asyncssh.SSHKey] = []

    class Certified(both(key)):
        def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            offered.append(key)
            return True

    async with listening(folder, Certified) as server:
        link = password_link(folder, server.port, Person({"Password": "right", "New host key": "yes"}))
        assert (await proved(link, key.file)).login.proved == "ssh-ed25519"
    assert offered == []


async def test_a_configuration_that_uses_no_keys_is_reported(folder: Folder) -> None:
    key = made(folder)
    folder.configure("Host *\n  PubkeyAuthentication no\n")
    person = Person({"Password": "right", "New host key": "yes"})
    async with listening(folder, both(key)) as server:
        with pytest.raises(ConfigError, match="ssh uses no keys here"):
            await proved(password_link(folder, server.port, person), key.file)


async def test_another_machine_at_the_address_is_reported(folder: Folder) -> None:
    key = made(folder)
    async with listening(folder) as server:
        folder.trust(server.port)
        link = SshLink("box", folder.spec(server.port), Nobody(), QUICK)

        async def work(shell: Shell) -> None:
            other = asyncssh.generate_private_key("ssh-ed25519")
            folder.known_hosts.write_text("")
            folder.trust(server.port, other)
            with pytest.raises(GpuBoxError, match="Host key changed"):
                await channels(shell).log_in_by(key.file, "")

        await over_link(link, work)


async def test_the_jump_hosts_of_the_link_are_used(folder: Folder) -> None:
    key = made(folder)
    async with listening(folder, jump=True) as gate, listening(folder, both(key)) as box:
        last = proxied(folder, [gate.port, box.port])
        folder.trust(gate.port)
        folder.trust(box.port)
        link = SshLink("box", named(folder, last), Person({"Password": "right"}), QUICK)
        found = await proved(link, key.file)
        assert len(gate.connections) == 1
        assert found.address.jump == f"ada@127.0.0.1:{gate.port}"
        assert (found.address.host, found.address.port) == ("127.0.0.1", box.port)


async def test_the_link_stays_as_it_was(folder: Folder) -> None:
    key = made(folder)
    async with listening(folder, guest(folder.login_key)) as server:
        folder.trust(server.port)
        link = SshLink("box", folder.spec(server.port), Nobody(), QUICK)
        with pytest.raises(AuthFailed):
            await proved(link, key.file)
        async with running(link):
            before = await phase(link, Phase.LIVE)
            assert link.connection is not None
            with pytest.raises(AuthFailed):
                await link.connection.dialer.log_in_by(key.file, "", None)
            assert link.health.value == before
            assert link.connection.box.key == folder.login_key.public_data
