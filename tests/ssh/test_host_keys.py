"""Who is let in: known, unknown, changed, revoked and certified host keys."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import pytest

from gpubox.core.errors import Cancelled, HostKeyChanged, HostKeyUnknown
from gpubox.core.link_state import Phase
from gpubox.core.prompts import QuestionKind
from gpubox.ssh.link import SshLink
from tests.ssh.fakes import QUICK, Folder, Person, listening, needs_ssh, phase, running


async def keygen(*arguments: str) -> int:
    """Run ssh-keygen quietly and return its exit status."""
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec("ssh-keygen", *arguments, stdout=quiet, stderr=quiet)
    return await process.wait()


YES = {"New host key": "yes"}


async def test_a_known_host_key_is_trusted_without_a_question(folder: Folder) -> None:
    person = Person()
    async with listening(folder) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), person, QUICK)) as link:
            await phase(link, Phase.LIVE)
        assert len(server.connections) == 1
    assert person.asked == []


async def test_an_unknown_host_key_is_asked_about_remembered_and_pinned(folder: Folder) -> None:
    folder.known_hosts = folder.path / "deep" / "known_hosts"
    person = Person(YES)
    async with listening(folder) as server:
        for _ in range(2):
            async with running(SshLink("box", folder.spec(server.port), person, QUICK)) as link:
                await phase(link, Phase.LIVE)
        lines = folder.known_hosts.read_text().splitlines()
        assert [line.split()[0] for line in lines] == [f"[127.0.0.1]:{server.port}"]
    (question,) = person.asked
    assert folder.host_key.get_fingerprint() in question.text
    assert (question.kind, question.about, question.danger) == (QuestionKind.YES_NO, "box", False)
    assert folder.known_hosts.stat().st_mode & 0o777 == 0o600


async def test_an_unknown_host_key_is_refused_when_the_person_says_no(folder: Folder) -> None:
    async with listening(folder) as server:
        link = SshLink("box", folder.spec(server.port), Person({"New host key": "no"}), QUICK)
        async with running(link):
            health = await phase(link, Phase.REFUSED)
    assert isinstance(health.reason, Cancelled)
    assert not folder.known_hosts.exists()


async def test_a_known_hosts_file_that_cannot_be_written_asks_once_a_run(folder: Folder) -> None:
    folder.known_hosts = Path("/proc/gpubox/known_hosts")
    person = Person(YES)
    async with (
        listening(folder) as server,
        running(SshLink("box", folder.spec(server.port), person, QUICK)) as link,
    ):
        first = await phase(link, Phase.LIVE)
        server.hang_up()
        await phase(link, Phase.WAITING)
        again = await phase(link, Phase.LIVE)
    assert again.since > first.since
    assert person.titles == ["New host key"]


async def test_strict_checking_refuses_an_unknown_host_key_without_asking(folder: Folder) -> None:
    folder.configure("StrictHostKeyChecking yes\n")
    person = Person(YES)
    async with (
        listening(folder) as server,
        running(SshLink("box", folder.spec(server.port), person, QUICK)) as link,
    ):
        health = await phase(link, Phase.REFUSED)
    assert isinstance(health.reason, HostKeyUnknown)
    assert person.asked == []


@pytest.mark.parametrize("word", ["accept-new", "no"])
async def test_lenient_checking_remembers_an_unknown_key_but_refuses_a_changed_one(
    folder: Folder, word: str
) -> None:
    folder.configure(f"StrictHostKeyChecking {word}\n")
    person = Person()
    async with (
        listening(folder) as server,
        running(SshLink("box", folder.spec(server.port), person, QUICK)) as link,
    ):
        await phase(link, Phase.LIVE)
        port = server.port
    folder.host_key = asyncssh.generate_private_key("ssh-ed25519")
    async with (
        listening(folder, port=port),
        running(SshLink("box", folder.spec(port), person, QUICK)) as link,
    ):
        health = await phase(link, Phase.REFUSED)
    assert isinstance(health.reason, HostKeyChanged)
    assert person.asked == []


async def test_a_changed_host_key_is_refused_and_the_line_is_named(folder: Folder) -> None:
    person = Person(YES)
    folder.known_hosts.write_text("# mine\n")
    async with listening(folder) as server:
        folder.trust(server.port, asyncssh.generate_private_key("ssh-ed25519"))
        async with running(SshLink("box", folder.spec(server.port), person, QUICK)) as link:
            health = await phase(link, Phase.REFUSED)
    assert isinstance(health.reason, HostKeyChanged)
    assert f"{folder.known_hosts}:2" in health.reason.text
    assert folder.host_key.get_fingerprint() in health.reason.text
    assert f"ssh-keygen -f {folder.known_hosts} -R '[127.0.0.1]:{server.port}'" in health.reason.hint
    assert person.asked == []


async def test_a_key_of_a_new_type_is_asked_about_with_a_warning(folder: Folder) -> None:
    folder.configure("StrictHostKeyChecking accept-new\n")
    person = Person(YES)
    async with listening(folder) as server:
        folder.trust(server.port, asyncssh.generate_private_key("ecdsa-sha2-nistp256"))
        async with running(SshLink("box", folder.spec(server.port), person, QUICK)) as link:
            await phase(link, Phase.LIVE)
    (question,) = person.asked
    assert question.danger
    assert f"ecdsa-sha2-nistp256 in {folder.known_hosts}:1" in question.text


async def test_of_two_host_keys_the_known_one_is_asked_for(folder: Folder) -> None:
    person = Person()
    known = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    async with listening(folder, host_keys=[folder.host_key, known]) as server:
        folder.trust(server.port, known)
        async with running(SshLink("box", folder.spec(server.port), person, QUICK)) as link:
            await phase(link, Phase.LIVE)
    assert person.asked == []


async def test_a_revoked_host_key_is_refused_even_if_it_is_trusted_too(folder: Folder) -> None:
    async with listening(folder) as server:
        folder.trust(server.port)
        folder.trust(server.port, marker="@revoked ")
        async with running(SshLink("box", folder.spec(server.port), Person(YES), QUICK)) as link:
            health = await phase(link, Phase.REFUSED)
    assert isinstance(health.reason, HostKeyChanged)
    assert "revoked" in health.reason.text


@needs_ssh
async def test_hashed_names_are_found_and_new_ones_are_hashed_alike(folder: Folder) -> None:
    person = Person(YES)
    async with listening(folder) as server, listening(folder) as other:
        folder.trust(server.port)
        await keygen("-q", "-H", "-f", str(folder.known_hosts))
        for port in (server.port, other.port):
            async with running(SshLink("box", folder.spec(port), person, QUICK)) as link:
                await phase(link, Phase.LIVE)
        found = await keygen("-F", f"[127.0.0.1]:{other.port}", "-f", str(folder.known_hosts))
    assert found == 0
    assert len(person.asked) == 1
    assert "The same key is known for |1|" in person.asked[0].text
    assert all(line.startswith("|1|") for line in folder.known_hosts.read_text().splitlines())


async def test_an_alias_is_looked_up_in_place_of_the_host(folder: Folder) -> None:
    folder.configure("HostKeyAlias cluster-node\n")
    person = Person()
    async with listening(folder) as server:
        public = folder.host_key.export_public_key().decode()
        folder.known_hosts.write_text(f"cluster-* {public}")
        async with running(SshLink("box", folder.spec(server.port), person, QUICK)) as link:
            await phase(link, Phase.LIVE)
    assert person.asked == []


@pytest.mark.parametrize(("principal", "good"), [("127.0.0.1", True), ("elsewhere", False)])
async def test_a_host_certificate_of_a_known_authority_counts(
    folder: Folder, principal: str, good: bool
) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    certificate = authority.generate_host_certificate(folder.host_key, "box", principals=[principal])
    person = Person()
    async with listening(folder, host_keys=[(folder.host_key, certificate)]) as server:
        folder.trust(server.port, authority, marker="@cert-authority ")
        async with running(SshLink("box", folder.spec(server.port), person, QUICK)) as link:
            health = await phase(link, Phase.LIVE if good else Phase.REFUSED)
    assert good or isinstance(health.reason, HostKeyChanged)
    assert person.asked == []
