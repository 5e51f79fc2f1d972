"""How often a first look at a box waits for an answer over the network."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import pytest
from asyncssh.constants import (
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_REQUEST,
    MSG_SERVICE_REQUEST,
    MSG_USERAUTH_REQUEST,
)
from asyncssh.kex_dh import MSG_KEX_ECDH_INIT

from gpubox.agent.probe_session import ProbeSession
from gpubox.config.settings import ProbeSettings
from gpubox.core.errors import GpuBoxError
from gpubox.core.link_state import Phase
from gpubox.core.sample import Sample
from gpubox.core.shell import Shell
from gpubox.ssh.keys import FileKey
from gpubox.ssh.link import SshLink
from tests.ssh.fakes import QUICK, Folder, Person, listening, phase, running
from tests.ssh.linked import over_link, served

LOGIN = [
    MSG_KEX_ECDH_INIT,
    MSG_SERVICE_REQUEST,
    MSG_USERAUTH_REQUEST,  # which ways to log in there are
    MSG_USERAUTH_REQUEST,  # a key with its signature
]
"""What a login waits for, behind the version and the algorithms, which both ends send unasked."""
SECURITY_KEY = (
    "sk-ssh-ed25519@openssh.com "
    "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAkAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABHNzaDo="
)
COMMAND = [MSG_CHANNEL_OPEN, MSG_CHANNEL_REQUEST]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The messages that clients sent and wait for an answer to, by number."""
    sent: list[int] = []
    send = asyncssh.SSHClientConnection.send_packet

    def note(self: asyncssh.SSHClientConnection, kind: int, *parts: bytes, handler: object = None) -> None:
        if kind in {*LOGIN, *COMMAND}:
            sent.append(kind)
        send(self, kind, *parts, handler=handler)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(asyncssh.SSHClientConnection, "send_packet", note)
    return sent


class FirstSample:
    """A receiver that waits for a sample."""

    def __init__(self) -> None:
        self.there = asyncio.Event()

    def received(self, sample: Sample) -> None:
        self.there.set()

    def answered(self, seconds: float) -> None:
        pass

    def troubled(self, trouble: GpuBoxError | None) -> None:
        pass


async def unlock(file: Path) -> asyncssh.SSHKey:
    """Open no key."""
    raise ValueError(file)


async def read_once(shell: Shell) -> None:
    """Read the box until the first sample is here."""
    receiver = FirstSample()
    reading = asyncio.create_task(ProbeSession(receiver, ProbeSettings()).read(shell))
    waiting = asyncio.create_task(receiver.there.wait())
    await asyncio.wait([reading, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert receiver.there.is_set()


async def test_the_first_sample_takes_six_round_trips(folder: Folder, asked: list[int]) -> None:
    async with served(folder) as link:
        await over_link(link, read_once)
    assert asked == [*LOGIN, *COMMAND]


async def test_a_locked_key_is_offered_first_and_unlocked_when_the_box_accepts_it(
    folder: Folder, asked: list[int]
) -> None:
    folder.identity = folder.key("id_locked", folder.login_key, "right")
    person = Person({"Passphrase": "right"})
    async with listening(folder) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), person, QUICK)) as link:
            await phase(link, Phase.LIVE)
    assert asked == [*LOGIN, MSG_USERAUTH_REQUEST]


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem", "pkcs1-pem"])
@pytest.mark.parametrize("passphrase", [None, "secret"])
def test_a_key_is_ready_unless_it_has_a_passphrase(tmp_path: Path, form: str, passphrase: str | None) -> None:
    key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    file = tmp_path / "id"
    key.write_private_key(
        file, form, passphrase, "aes256-cbc", **({"rounds": 50} if form == "openssh" else {})
    )
    assert FileKey(file, key.convert_to_public(), unlock).ready is (passphrase is None)


def test_a_security_key_is_not_ready_because_it_waits_for_a_touch(folder: Folder) -> None:
    public = asyncssh.import_public_key(SECURITY_KEY)
    assert not FileKey(folder.identity, public, unlock).ready
    assert FileKey(folder.identity, folder.login_key, unlock).ready
