"""Keys, passphrases, certificates, passwords and codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import asyncssh
import pytest

from gpubox.core.errors import AuthFailed, Cancelled, LinkError
from gpubox.core.link_state import Phase
from gpubox.core.prompts import QuestionKind
from gpubox.ssh.link import SshLink
from tests.ssh.fakes import PATIENT, Folder, Guest, Person, guest, listening, phase, running


async def reconnected(link: SshLink, hang_up: object) -> None:
    """Cut a live link and wait until it is live again."""
    before = await phase(link, Phase.LIVE)
    assert callable(hang_up)
    hang_up()
    await phase(link, Phase.WAITING)
    assert (await phase(link, Phase.LIVE)).since > before.since


class Questions(Guest):
    """Lets in who gives a password or answers a question; may demand a key first."""

    password = ""
    prompts: Sequence[tuple[str, bool]] = ()
    right: Sequence[str] = ()

    def password_auth_supported(self) -> bool:
        return bool(self.password)

    def validate_password(self, username: str, password: str) -> bool:
        return password == self.password

    def kbdint_auth_supported(self) -> bool:
        return bool(self.prompts)

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, Sequence[tuple[str, bool]]]:
        return "Second \x1b[31mstep", "Look at\nyour phone", "", self.prompts

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        return list(responses) == list(self.right)


def questions(
    *, password: str = "", prompts: Sequence[tuple[str, bool]] = (), right: Sequence[str] = ()
) -> type[Questions]:
    """Make a kind of server."""
    return type("Asking", (Questions,), {"password": password, "prompts": prompts, "right": right})


async def test_a_key_file_logs_in(folder: Folder) -> None:
    async with listening(folder) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), Person(), PATIENT)) as link:
            health = await phase(link, Phase.LIVE)
    assert health.address == f"ada@127.0.0.1:{server.port}"


async def test_a_wrong_key_is_refused_and_what_was_tried_is_named(folder: Folder) -> None:
    async with listening(folder, guest(asyncssh.generate_private_key("ssh-ed25519"))) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), Person(), PATIENT)) as link:
            health = await phase(link, Phase.REFUSED)
        assert len(server.connections) == 1
    assert isinstance(health.reason, AuthFailed)
    assert str(folder.identity) in health.reason.text
    assert "the server accepts: publickey" in health.reason.text


async def test_a_passphrase_is_asked_for_again_when_wrong_and_preserved_for_the_reconnect(
    folder: Folder,
) -> None:
    folder.identity = folder.key("id_locked", folder.login_key, "right")
    person = Person({"Passphrase": "wrong", "Wrong passphrase, try again": ["", "right"]})
    async with listening(folder) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), person, PATIENT)) as link:
            await reconnected(link, server.hang_up)
    assert person.titles == ["Passphrase", "Wrong passphrase, try again", "Wrong passphrase, try again"]
    assert all(question.kind is QuestionKind.SECRET for question in person.asked)


async def test_a_passphrase_that_stays_wrong_says_so(folder: Folder) -> None:
    folder.identity = folder.key("id_locked", folder.login_key, "right")
    person = Person({"Passphrase": "a", "Wrong passphrase, try again": ["b", "c", "d"]})
    async with listening(folder) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), person, PATIENT)) as link:
            health = await phase(link, Phase.REFUSED)
    assert len(person.asked) == 3
    assert isinstance(health.reason, AuthFailed)
    assert "was wrong 3 times" in health.reason.text


async def test_no_passphrase_is_asked_for_a_key_that_the_box_does_not_take(folder: Folder) -> None:
    folder.identity = folder.key("id_locked", asyncssh.generate_private_key("ssh-ed25519"), "right")
    person = Person()
    async with listening(folder) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), person, PATIENT)) as link:
            await phase(link, Phase.REFUSED)
    assert person.asked == []


async def test_an_old_locked_key_without_a_public_part_is_opened_first(folder: Folder) -> None:
    key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    folder.identity = folder.path / "id_pem"
    key.write_private_key(folder.identity, "pkcs1-pem", "right", "aes256-cbc")
    person = Person({"Passphrase": "wrong", "Wrong passphrase, try again": ["right"]})
    async with listening(folder, guest(key)) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), person, PATIENT)) as link:
            await phase(link, Phase.LIVE)
    assert len(person.asked) == 2


async def test_declining_a_passphrase_cancels_the_login(folder: Folder) -> None:
    folder.identity = folder.key("id_locked", folder.login_key, "right")
    async with listening(folder) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), Person(), PATIENT)) as link:
            health = await phase(link, Phase.REFUSED)
    assert isinstance(health.reason, Cancelled)


async def test_a_key_that_cannot_be_read_is_named(folder: Folder) -> None:
    folder.identity.write_text(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    async with listening(folder) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), Person(), PATIENT)) as link:
            health = await phase(link, Phase.REFUSED)
    assert isinstance(health.reason, AuthFailed)
    assert "cannot be read as a key" in health.reason.text


@pytest.mark.parametrize("beside", [True, False])
async def test_a_certificate_logs_in(folder: Folder, beside: bool) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    certificate = authority.generate_user_certificate(folder.login_key, "ada", principals=["ada"])
    file = Path(f"{folder.identity}-cert.pub") if beside else folder.path / "mine-cert.pub"
    certificate.write_certificate(file)
    folder.configure("" if beside else f"CertificateFile {file}\n")

    class Certified(Guest):
        def public_key_auth_supported(self) -> bool:
            return True

        def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            return key.public_data == authority.public_data

    async with listening(folder, Certified) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), Person(), PATIENT)) as link:
            await phase(link, Phase.LIVE)


async def test_an_x509_certificate_beside_a_key_is_passed_over(folder: Folder) -> None:
    certificate = folder.identity.with_name(f"{folder.identity.name}-cert.pub")
    certificate.write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    async with listening(folder) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), Person(), PATIENT)) as link:
            await phase(link, Phase.LIVE)


async def test_a_password_is_asked_for_again_when_wrong_and_preserved_for_the_reconnect(
    folder: Folder,
) -> None:
    person = Person({"Password": "wrong", "Wrong password, try again": "right"})
    async with listening(folder, questions(password="right")) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), person, PATIENT)) as link:
            await reconnected(link, server.hang_up)
            assert "right" not in repr(link.health.value) + repr(vars(link))
    assert person.titles == ["Password", "Wrong password, try again"]


async def test_a_key_file_that_is_not_there_is_named_where_the_password_is_asked_for(folder: Folder) -> None:
    person = Person()
    gone = folder.path / "id_gone"
    async with listening(folder, questions(password="right")) as server:
        folder.trust(server.port)
        link = SshLink("box", folder.spec(server.port, identity=str(gone)), person, PATIENT)
        async with running(link):
            health = await phase(link, Phase.REFUSED)
    assert f"There is no key file {gone}" in person.asked[0].text
    assert health.reason is not None
    assert f"`ssh-copy-id -p {server.port} ada@127.0.0.1`" in health.reason.hint


async def test_a_password_that_was_changed_meanwhile_is_asked_for_again(folder: Folder) -> None:
    person = Person({"Password": ["old", "new"]})
    factory = questions(password="old")
    async with listening(folder, factory) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), person, PATIENT)) as link:
            await phase(link, Phase.LIVE)
            factory.password = "new"
            await reconnected(link, server.hang_up)
    assert person.titles == ["Password", "Password"]


async def test_a_password_asked_for_by_the_box_itself_is_preserved_too(folder: Folder) -> None:
    person = Person({"Password": "right"})
    async with listening(folder, questions(prompts=[("Password: ", False)], right=["right"])) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), person, PATIENT)) as link:
            await reconnected(link, server.hang_up)
    assert person.titles == ["Password"]


async def test_a_code_is_asked_for_as_the_box_says_and_never_again_by_itself(folder: Folder) -> None:
    person = Person({"Second \ufffd[31mstep": ["123456", "blue", "654321", "blue"]})
    prompts = [("Verification code: ", False), ("Color: ", True)]
    factory = questions(prompts=prompts, right=["123456", "blue"])
    async with listening(folder, factory) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), person, PATIENT)) as link:
            await phase(link, Phase.LIVE)
            server.hang_up()
            health = await phase(link, Phase.REFUSED)
            assert isinstance(health.reason, LinkError)
            assert "Log in again (r in the panel)" in health.reason.hint
            assert len(person.asked) == 2
            factory.right = ["654321", "blue"]
            link.retry()
            await phase(link, Phase.LIVE)
    assert [question.kind for question in person.asked] == [QuestionKind.SECRET, QuestionKind.TEXT] * 2
    assert person.asked[0].prompt == "Verification code:"
    assert person.asked[0].text == "Look at\nyour phone"


async def test_a_wrong_code_is_refused_after_three_tries(folder: Folder) -> None:
    person = Person({"Second \ufffd[31mstep": "000000"})
    async with listening(folder, questions(prompts=[("Code: ", False)], right=["123456"])) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), person, PATIENT)) as link:
            health = await phase(link, Phase.REFUSED)
        assert len(server.connections) == 1
    assert isinstance(health.reason, AuthFailed)
    assert len(person.asked) == 3


async def test_time_that_the_person_thinks_does_not_count(folder: Folder) -> None:
    quick = type(PATIENT)(connect_timeout=2.0, retry_first=0.05)
    person = Person({"Password": "right", "New host key": "yes"}, thinks=2.5)
    async with (
        listening(folder, questions(password="right")) as server,
        running(SshLink("box", folder.spec(server.port), person, quick)) as link,
    ):
        health = await phase(link, Phase.LIVE, Phase.WAITING)
    assert health.phase is Phase.LIVE
