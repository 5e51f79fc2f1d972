"""What ssh's configuration makes of a name."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gpubox.core.errors import ConfigError, Unreachable
from gpubox.ssh.host_spec import hops
from gpubox.ssh.resolve import MOST_HOPS, HostSpec, Resolved, aliases, resolve
from tests.hang import LIMIT
from tests.ssh.fakes import Folder, needs_ssh

NO_SSH = "there-is-no-such-ssh"


async def resolved(folder: Folder, host: str, program: str = "ssh", **changes: str) -> Resolved:
    return await resolve(replace(HostSpec(host, config_file=folder.config), **changes), program)


@pytest.mark.parametrize("program", ["ssh", NO_SSH])
async def test_the_configuration_is_followed_with_and_without_ssh(folder: Folder, program: str) -> None:
    more = folder.path / "more.conf"
    more.write_text(
        f"Host box\n  HostName 10.1.2.3\n  Port 2200\n  IdentityFile {folder.path}/missing\n"
        f"  IdentityFile {folder.identity}\n  CertificateFile {folder.path}/cert\n"
        f"  IdentityAgent {folder.path}/agent\n  HostKeyAlias rack\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder.path}/a {folder.path}/b\n  ConnectTimeout 7\n"
    )
    folder.configure(f"Include {more}\nMatch host 10.1.2.3\n  User ada\nHost *\n  User nobody\n")
    found = await resolved(folder, "box", program)
    assert (found.name, found.host, found.port, found.user) == ("box", "10.1.2.3", 2200, "ada")
    assert found.identities == (folder.identity,)
    assert found.certificates == (folder.path / "cert",)
    assert (found.agent, found.identities_only) == (f"{folder.path}/agent", True)
    assert found.known_hosts == (folder.path / "a", folder.path / "b")
    assert (found.host_key_alias, found.connect_timeout) == ("rack", 7.0)
    assert found.address == "ada@10.1.2.3:2200"


@pytest.mark.parametrize("program", ["ssh", NO_SSH])
async def test_what_the_person_says_wins(folder: Folder, program: str) -> None:
    folder.configure("Host box\n  User ada\n  Port 22\n  ProxyJump other\n  IdentityFile /missing\n")
    spec = HostSpec("box", "bob", 0, str(folder.identity), "none", folder.config, folder.path)
    found = await resolve(spec, program)
    assert (found.user, found.jumps) == ("bob", ())
    assert found.identities[0] == folder.identity
    assert (found.known_hosts, found.global_known_hosts) == ((folder.path,), ())


@pytest.mark.parametrize("program", ["ssh", NO_SSH])
async def test_every_jump_host_is_looked_up_too(folder: Folder, program: str) -> None:
    folder.configure(
        "Host box\n  ProxyJump bob@first:2201,second\n"
        "Host first\n  HostName 10.0.0.1\n  User nobody\n"
        "Host second\n  HostName 10.0.0.2\n  Port 2202\n  ProxyJump first\n  User carol\n"
    )
    found = await resolved(folder, "box", program)
    assert [hop.address for hop in found.jumps] == ["bob@10.0.0.1:2201", "carol@10.0.0.2:2202"]


async def test_the_jump_hosts_of_the_first_jump_host_come_before_it(folder: Folder) -> None:
    folder.configure("Host box\n  ProxyJump b\nHost b\n  ProxyJump a\nHost *\n  User ada\n")
    assert [hop.name for hop in (await resolved(folder, "box")).jumps] == ["a", "b"]


@pytest.mark.parametrize("program", ["ssh", NO_SSH])
@pytest.mark.parametrize(
    "text",
    [
        "Host *\n  ProxyJump box\n",
        "Host box\n  ProxyJump a\nHost a\n  ProxyJump b\nHost b\n  ProxyJump a\n",
        "".join(f"Host h{n}\n  ProxyJump h{n + 1}\n" for n in range(MOST_HOPS + 3))
        + "Host box\n  ProxyJump h0\n",
    ],
)
async def test_a_loop_of_jump_hosts_is_refused(folder: Folder, text: str, program: str) -> None:
    folder.configure(text)
    with pytest.raises(ConfigError) as raised:
        await resolved(folder, "box", program)
    assert raised.value.title == "A jump host that jumps through itself"


async def test_a_box_behind_a_gate_may_have_the_address_that_the_gate_has_here(folder: Folder) -> None:
    folder.configure(
        "Host box\n  HostName 10.0.0.5\n  ProxyJump gate\n"
        "Host gate\n  HostName 10.0.0.5\nHost *\n  User ada\n"
    )
    box = await resolved(folder, "box")
    assert [hop.address for hop in (*box.jumps, box)] == ["ada@10.0.0.5:22", "ada@10.0.0.5:22"]


@pytest.mark.parametrize("user", ["CORP\\ada", "ada@corp.example", "CORP\\ada@corp"])
@pytest.mark.parametrize("program", ["ssh", NO_SSH])
async def test_every_user_name_that_ssh_takes_is_one(folder: Folder, user: str, program: str) -> None:
    assert (await resolved(folder, "box", program, user=user)).user == user
    folder.configure(f"Host by-config\n  User {user}\n")
    assert (await resolved(folder, "by-config", program)).user == user
    (hop,) = (await resolved(folder, "box", program, jump=f"{user}@gate:2200")).jumps
    assert (hop.user, hop.host, hop.port) == (user, "gate", 2200)


@pytest.mark.parametrize("user", ["ada\\", "-ada", "ada;id", "a|b"])
async def test_a_user_name_that_ssh_refuses_is_refused(folder: Folder, user: str) -> None:
    with pytest.raises(ConfigError):
        await resolved(folder, "box", user=user)


def test_what_is_typed_after_ssh_holds_user_and_port() -> None:
    assert HostSpec("10.0.0.5", user="ada", port=2222).typed == "-p 2222 ada@10.0.0.5"
    assert HostSpec("box", user="CORP\\ada", jump="gate").typed == "-o ProxyJump=gate 'CORP\\ada@box'"
    assert HostSpec("box").typed == "box"


async def test_a_named_key_file_that_is_not_there_is_known_as_missing(folder: Folder) -> None:
    gone = folder.path / "id_gone"
    folder.configure(f"Host box\n  IdentityFile {gone}\n  IdentityFile {folder.identity}\n")
    box = await resolved(folder, "box")
    assert box.missing == (gone,)
    assert box.identities == (folder.identity,)
    assert (await resolved(folder, "other")).missing == ()


async def test_a_proxy_command_has_its_tokens_filled_in_and_gives_way_to_a_jump(folder: Folder) -> None:
    folder.configure("Host box\n  HostName 10.0.0.9\n  User ada\n  ProxyCommand nc %h %p %r 100%%\n")
    assert (await resolved(folder, "box")).proxy_command == "nc 10.0.0.9 22 ada 100%"
    assert (await resolved(folder, "box", jump="other")).proxy_command == ""
    folder.configure("Host box\n  ProxyCommand none\n")
    assert (await resolved(folder, "box")).proxy_command == ""


@needs_ssh
async def test_named_keys_and_usual_keys_are_distinguished(folder: Folder) -> None:
    public = folder.path / "id_agent"
    public.with_name("id_agent.pub").write_text(folder.login_key.export_public_key().decode())
    folder.configure(f"Host box\n  IdentityFile {public}\n  IdentityFile ${{GPUBOX_TEST_KEYS}}/%n-key\n")
    found = await resolved(folder, "box")
    assert (found.identities, found.default_identities) == ((public,), ())
    other = await resolved(folder, "other")
    assert other.identities == ()
    assert all(file.name.startswith("id_") for file in other.default_identities)


async def test_tokens_and_variables_in_key_files_are_filled_in(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPUBOX_TEST_KEYS", str(folder.path))
    key = folder.key("box-10.0.0.9-22-ada", folder.login_key)
    folder.configure(
        "Host box\n  HostName 10.0.0.9\n  User ada\n  IdentityFile ${GPUBOX_TEST_KEYS}/%n-%h-%p-%r\n"
    )
    assert (await resolved(folder, "box")).identities == (key,)


@pytest.mark.parametrize(
    ("word", "agent"),
    [("none", ""), ("SSH_AUTH_SOCK", "/the/agent"), ("$OTHER", "/the/other"), ("/a/b", "/a/b")],
)
@pytest.mark.parametrize("program", ["ssh", NO_SSH])
async def test_the_agent_is_the_one_that_is_named(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, word: str, agent: str, program: str
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/the/agent")
    monkeypatch.setenv("OTHER", "/the/other")
    folder.configure(f"IdentityAgent {word}\n")
    assert (await resolved(folder, "box", program)).agent == agent


async def test_only_algorithms_that_a_person_chose_count(folder: Folder) -> None:
    folder.configure("Host box\n  Ciphers aes256-ctr,aes128-ctr\n")
    assert (await resolved(folder, "box")).chosen == {"ciphers": ("aes256-ctr", "aes128-ctr")}
    assert (await resolved(folder, "other")).chosen == {}


async def test_ways_to_log_in_can_be_switched_off_and_ordered(folder: Folder) -> None:
    folder.configure(
        "Host box\n  PasswordAuthentication no\n"
        "Host other\n  PreferredAuthentications password,hostbased,publickey\n"
    )
    assert (await resolved(folder, "box")).methods == ("publickey", "keyboard-interactive")
    assert (await resolved(folder, "other")).methods == ("password", "publickey")


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "a b", "a;b", "$(x)", "", "a\nb", "`x`"])
async def test_a_name_that_is_an_option_or_shell_syntax_is_refused(folder: Folder, name: str) -> None:
    with pytest.raises(ConfigError):
        await resolved(folder, name)
    if name:
        with pytest.raises(ConfigError):
            await resolved(folder, "box", user=name)


@pytest.mark.parametrize("program", ["ssh", NO_SSH])
async def test_a_wrong_configuration_is_refused_in_its_own_words(folder: Folder, program: str) -> None:
    folder.configure("Host box\n  Port many\n")
    with pytest.raises(ConfigError) as raised:
        await resolved(folder, "box", program)
    assert "line 2" in raised.value.text


@needs_ssh
async def test_an_ssh_that_hangs_is_given_up(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpubox.ssh.openssh_config._LIMIT", 0.2)
    folder.configure('Match exec "sleep 300"\n  User ada\n')
    began = time.monotonic()
    with pytest.raises(Unreachable) as raised:  # tried again: this machine may have slept meanwhile
        await resolved(folder, "box")
    assert "Match exec" in raised.value.hint
    assert time.monotonic() - began < LIMIT


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("none", []),
        ("", []),
        ("host", [("host", "", 0)]),
        (
            "ada@host:2200, [fe80::1]:22,ssh://bob@third",
            [("host", "ada", 2200), ("fe80::1", "", 22), ("third", "bob", 0)],
        ),
        (
            "CORP\\ada@host,ada@corp.example@next:22",
            [("host", "CORP\\ada", 0), ("next", "ada@corp.example", 22)],
        ),
    ],
)
def test_a_chain_of_jump_hosts_is_read(text: str, parts: list[tuple[str, str, int]]) -> None:
    assert [(hop.host, hop.user, hop.port) for hop in hops(text)] == parts


@pytest.mark.parametrize("text", ["a,,b", "host:port", "host:99999", "-x", "a@b@c:1:2"])
def test_a_wrong_chain_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        hops(text)


def test_aliases_are_the_concrete_names_in_order(folder: Folder) -> None:
    (folder.path / "conf.d").mkdir()
    (folder.path / "conf.d" / "one").write_text("Host inner-one\nInclude missing\n")
    (folder.path / "conf.d" / "two").write_text(f"Host inner-two\nInclude {folder.config}\n")
    folder.configure(
        f"# Host comment\nHost box lab? *.example !not 'quoted name'\nhost=equals\nHOST\ttabbed # why\n"
        f'Include {folder.path}/conf.d/*\nHost box last\nMatch host x\n  User y\nHost "broken\n'
    )
    found = aliases(folder.config)
    assert found[:6] == ["box", "quoted name", "equals", "tabbed", "inner-one", "inner-two"]
    assert found[6] == "last"


def test_a_configuration_that_cannot_be_read_has_no_aliases(tmp_path: Path) -> None:
    assert aliases(tmp_path / "missing") == []
    assert aliases(tmp_path) == []


def test_looking_for_aliases_does_not_load_asyncssh() -> None:
    import subprocess
    import sys

    code = "import sys; import gpubox.ssh.resolve; sys.exit('asyncssh' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


@needs_ssh
async def test_a_host_name_of_this_machine_that_is_no_utf8_is_no_obstacle(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "lap\udcfctop")
    folder.configure("Host box\n  HostName 10.1.2.3\n  IdentityAgent /tmp/%C\n")
    found = await resolved(folder, "box")
    assert re.fullmatch("/tmp/[0-9a-f]{40}", found.agent)


@pytest.mark.parametrize("program", ["ssh", NO_SSH])
@pytest.mark.parametrize("word", ["yes", "accept-new", "no"])
async def test_checking_of_host_keys_is_as_strict_as_it_was_written(
    folder: Folder, program: str, word: str
) -> None:
    folder.configure(f"Host box\n  StrictHostKeyChecking {word}\n  HashKnownHosts yes\n")
    found = await resolved(folder, "box", program)
    assert (found.strict, found.hash_known_hosts) == (word, True)
    assert (await resolved(folder, "other", program)).strict == "ask"
