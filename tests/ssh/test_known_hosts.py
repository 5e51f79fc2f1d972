"""Matching and writing known_hosts."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import asyncssh
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpubox.ssh.known_hosts import KnownHosts, Verdict, lookup_name, names_match, parse, remember
from tests.ssh.fakes import Folder, needs_ssh

KEY = asyncssh.generate_private_key("ssh-ed25519")
OTHER = asyncssh.generate_private_key("ssh-ed25519")
ECDSA = asyncssh.generate_private_key("ecdsa-sha2-nistp256")

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=4).map(".".join)
ports = st.one_of(st.just(22), st.integers(1, 65535))
quiet = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def line(names: str, key: asyncssh.SSHKey = KEY, marker: str = "") -> str:
    return f"{marker}{names} {key.export_public_key().decode()}"


def known(folder: Folder, text: str, host: str = "box", port: int = 22, alias: str = "") -> KnownHosts:
    folder.known_hosts.write_text(text)
    return KnownHosts(host, port, alias, [folder.known_hosts])


@quiet
@given(hosts, ports, st.booleans())
def test_what_was_remembered_is_found_and_nothing_else(
    folder: Folder, host: str, port: int, hashed: bool
) -> None:
    folder.known_hosts.unlink(missing_ok=True)
    remember(folder.known_hosts, lookup_name(host, port), KEY.public_data, hashed=hashed)
    here = KnownHosts(host.upper(), port, "", [folder.known_hosts])
    assert here.judge(KEY.public_data)[0] is Verdict.TRUSTED
    assert here.judge(OTHER.public_data)[0] is Verdict.CHANGED
    assert here.judge(ECDSA.public_data)[0] is Verdict.UNKNOWN
    elsewhere = KnownHosts(f"x{host}", port, "", [folder.known_hosts])
    assert elsewhere.judge(KEY.public_data) == (Verdict.UNKNOWN, None)
    # asyncssh reads the same file in the same way.
    theirs = asyncssh.match_known_hosts(str(folder.known_hosts), host, "", None if port == 22 else port)
    assert [key.public_data for key in theirs[0]] == [KEY.public_data]


@given(hosts, st.text(alphabet="ab.*?", max_size=8))
def test_patterns_match_as_in_asyncssh(host: str, pattern: str) -> None:
    if not pattern or pattern.startswith("|"):
        return
    text = line(f"{pattern},zz").encode()
    theirs = asyncssh.match_known_hosts(text, host, "", None)[0]
    assert names_match(f"{pattern},zz", host) is bool(theirs)


@given(st.binary(max_size=200), st.text(max_size=80))
def test_garbage_knows_nobody(data: bytes, text: str) -> None:
    mixed = (
        text + "\n" + data.decode("utf-8", "replace") + "\nbox ssh-ed25519 " + base64.b64encode(data).decode()
    )
    assert list(parse(mixed, Path("x"))) == [] or key_like(data)


def key_like(data: bytes) -> bool:
    """Whether hypothesis made up what begins like a key."""
    return data[4:15] == b"ssh-ed25519"


@pytest.mark.parametrize(
    ("names", "host", "matches"),
    [
        ("box,10.0.0.7", "10.0.0.7", True),
        ("*.lab,!gpu3.lab", "gpu1.lab", True),
        ("*.lab,!gpu3.lab", "gpu3.lab", False),
        ("!box", "other", False),
        ("BOX", "box", True),
        ("[box]:2200", "[box]:2200", True),
        ("[box]:*", "[box]:2200", True),
        ("[bo]x", "b", False),
        ("gpu?", "gpu12", False),
        ("|1|nonsense", "box", False),
        ("|2|AAAA|BBBB", "box", False),
        ("|1|@@@@|AAAA", "box", False),
    ],
)
def test_a_name_field_means_these_hosts(names: str, host: str, matches: bool) -> None:
    assert names_match(names, host) is matches


def test_a_key_without_a_port_is_good_for_any_port_but_changes_none(folder: Folder) -> None:
    here = known(folder, line("box"), port=2200)
    assert here.judge(KEY.public_data)[0] is Verdict.TRUSTED
    assert here.judge(OTHER.public_data) == (Verdict.UNKNOWN, None)


def test_a_key_of_another_port_is_not_trusted(folder: Folder) -> None:
    here = known(folder, line("[box]:2201"), port=2200)
    assert here.judge(KEY.public_data)[0] is Verdict.UNKNOWN


def test_a_second_key_of_the_same_type_is_trusted_too(folder: Folder) -> None:
    here = known(folder, line("box", OTHER) + line("box"))
    assert here.judge(KEY.public_data)[0] is Verdict.TRUSTED


def test_a_revoked_key_wins_over_everything(folder: Folder) -> None:
    here = known(folder, line("box") + line("*", marker="@revoked "))
    verdict, found = here.judge(KEY.public_data)
    assert verdict is Verdict.REVOKED
    assert found is not None
    assert found.place == f"{folder.known_hosts}:2"


def test_a_revoked_authority_vouches_for_nobody(folder: Folder) -> None:
    text = line("*", marker="@cert-authority ")
    assert known(folder, text).authority(KEY.public_data)
    assert not known(folder, text + line("*", marker="@revoked ")).authority(KEY.public_data)


def test_an_alias_takes_the_place_of_host_and_port(folder: Folder) -> None:
    here = known(folder, line("Rack"), port=2200, alias="rack")
    assert here.judge(KEY.public_data)[0] is Verdict.TRUSTED


def test_a_file_without_a_last_newline_is_not_spoiled(folder: Folder) -> None:
    folder.known_hosts.write_text(line("one").rstrip())
    added = remember(folder.known_hosts, "two", OTHER.public_data, hashed=False)
    assert [found.names for found in parse(folder.known_hosts.read_text(), folder.known_hosts)] == [
        "one",
        "two",
    ]
    assert added.number == 2


@needs_ssh
def test_ssh_keygen_finds_and_removes_what_was_remembered(folder: Folder) -> None:
    for hashed in (False, True):
        folder.known_hosts.unlink(missing_ok=True)
        remember(folder.known_hosts, "[box]:2200", KEY.public_data, hashed=hashed)
        command = ["ssh-keygen", "-f", folder.known_hosts]
        found = subprocess.run([*command, "-F", "[box]:2200"], capture_output=True)
        assert found.returncode == 0
        subprocess.run([*command, "-R", "[box]:2200"], capture_output=True, check=True)
        assert KnownHosts("box", 2200, "", [folder.known_hosts]).judge(KEY.public_data)[0] is Verdict.UNKNOWN
