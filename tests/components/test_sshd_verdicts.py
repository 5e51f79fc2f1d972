"""For each setting that changes who is reached or trusted, ssh and this program come to the same verdict."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import replace
from pathlib import Path

from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.ssh.link import SshLink
from tests.components.desk import Desk
from tests.components.parts import program
from tests.components.servers import new_key, sshd
from tests.ssh.fakes import QUICK, phase, running


async def _by_ssh(desk: Desk, port: int) -> bool:
    words = [program("ssh"), "-F", str(desk.folder / "config"), "-o", "BatchMode=yes", "-p", str(port)]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*words, "127.0.0.1", "true", stdin=quiet, stderr=quiet)
    return await process.wait() == 0


async def _by_us(desk: Desk, port: int) -> tuple[bool, str]:
    expected = replace(desk.expected(port=port), known_hosts=None)
    async with running(SshLink("box", expected, Nobody(), QUICK)) as link:
        health = await phase(link, Phase.LIVE, Phase.WAITING, Phase.REFUSED)
    return health.phase is Phase.LIVE, str(health.reason or "")


def _revoked_files(folder: Path, host_key: str) -> None:
    other = new_key(folder / "other")
    (folder / "this").write_text(f"# no longer ours\n\n{other}{host_key} gone\n")
    (folder / "another").write_text(other)
    (folder / "no-key").write_text("this is no key\n")
    (folder / "empty").write_text("")
    (folder / "pub").write_text(host_key + "\n")
    (folder / "other-pub").write_text(other)
    for name, source in (("krl", "pub"), ("other-krl", "other-pub")):
        subprocess.run(["ssh-keygen", "-q", "-k", "-f", folder / name, folder / source], check=True)


_SAME = {
    "RevokedHostKeys {folder}/this": False,
    "RevokedHostKeys {folder}/another": True,
    "RevokedHostKeys {folder}/empty": True,
    "RevokedHostKeys {folder}/no-key": False,
    "RevokedHostKeys {folder}/gone": False,
    "RevokedHostKeys {folder}/krl": False,
    "RevokedHostKeys none": True,
    "AddressFamily inet": True,
    "AddressFamily inet6": False,
    "BindAddress 127.0.0.2": True,
    "BindAddress 192.0.2.1": False,
    "BindInterface lo": True,
    "BindInterface nosuch0": False,
    "HostKeyAlias somebody": False,
    "HostKeyAlias known": True,
    "HostKeyAlgorithms rsa-sha2-512": False,
    "HostKeyAlgorithms ssh-ed25519": True,
    "Ciphers aes256-ctr": True,
    "MACs hmac-sha2-256": True,
    "KexAlgorithms curve25519-sha256": True,
    "RekeyLimit 1M 60": True,
    "RequiredRSASize 4096": True,
    "CheckHostIP yes": True,
    "NoHostAuthenticationForLocalhost no": True,
    "VerifyHostKeyDNS yes": True,
    "UpdateHostKeys yes": True,
    "PubkeyAcceptedAlgorithms ssh-ed25519": True,
    "PubkeyAcceptedAlgorithms rsa-sha2-512": False,
    "PubkeyAuthentication no": False,
    "UserKnownHostsFile {folder}/empty": False,
    "CanonicalizeHostname yes": True,
}
"""A line of the configuration to whether ssh logs in."""


async def test_this_program_logs_in_where_ssh_does_and_nowhere_else(desk: Desk, tmp_path: Path) -> None:
    async with sshd(tmp_path / "box", desk.public) as server:
        _revoked_files(desk.folder, server.host_key)
        (desk.folder / "known_hosts").write_text(f"{server.known_hosts}known {server.host_key}\n")
        for line, good in _SAME.items():
            desk.configure(
                line.format(folder=desk.folder)
                + f"\nIdentityFile {desk.identity}\nUserKnownHostsFile {desk.folder}/known_hosts\n"
                "GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\nIdentityAgent none\n"
            )
            assert (line, await _by_ssh(desk, server.port)) == (line, good)
            ours, why = await _by_us(desk, server.port)
            assert (line, ours, why if ours is not good else "") == (line, good, "")


async def test_a_binary_list_of_revoked_keys_is_refused_in_words(desk: Desk, tmp_path: Path) -> None:
    async with sshd(tmp_path / "box", desk.public) as server:
        _revoked_files(desk.folder, server.host_key)
        (desk.folder / "known_hosts").write_text(server.known_hosts)
        desk.configure(f"RevokedHostKeys {desk.folder}/other-krl\n")
        ours, why = await _by_us(desk, server.port)
    assert not ours
    assert f"{desk.folder}/other-krl" in why
    assert "revocation list" in why


async def test_a_short_rsa_host_key_is_refused(desk: Desk, tmp_path: Path) -> None:
    key = tmp_path / "rsa"
    public = new_key(key, kind="rsa")  # 3072 bits
    async with sshd(tmp_path / "short", desk.public, extra=f"HostKey {key}") as server:
        (desk.folder / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {public}")
        for bits, good in ((3072, True), (4096, False)):
            desk.configure(
                f"RequiredRSASize {bits}\nHostKeyAlgorithms rsa-sha2-512\nIdentityFile {desk.identity}\n"
                f"UserKnownHostsFile {desk.folder}/known_hosts\nStrictHostKeyChecking yes\n"
            )
            assert (bits, await _by_ssh(desk, server.port)) == (bits, good)
            assert (await _by_us(desk, server.port))[0] is good
