"""Checks of the login, by the facts of accounts as they are found."""

from __future__ import annotations

import msgspec
import pytest

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.login.facts import AuthorizedKey, KeyFile, LoginFacts, PathMode
from gpubox.boxes.checks.sshd.facts import SshdFacts, SshdSetting
from gpubox.remote.checks import login
from gpubox.remote.json_io import encoded
from tests.boxes.checks.facts import judge

OK, HINT, WARNING, FAILED, UNKNOWN, NOT_HERE = (
    Outcome.OK, Outcome.HINT, Outcome.WARNING, Outcome.FAILED, Outcome.UNKNOWN, Outcome.NOT_HERE
)  # fmt: skip
FILE = "/home/ada/.ssh/authorized_keys"
NOW = 1_800_000_000.0
DAY = 86400
ME = LoginFacts(
    time=NOW, user="ada", uid=1000, home="/home/ada", file_system="ext4", source="/dev/sda1",
    shell="/bin/bash",
    shell_runs=True, shell_listed=True, files=(KeyFile(FILE, "missing"),),
)  # fmt: skip
SSHD = SshdFacts(user="ada", installed=True, version="9.2", server="sshd", readable=True, listens=True)


def me(**changes: object) -> LoginFacts:
    return msgspec.structs.replace(ME, **changes)


def key(line: int = 1, kind: str = "ssh-ed25519", bits: int | None = 256, **more: object) -> AuthorizedKey:
    made = AuthorizedKey(f"{FILE}:{line}", kind, bits, f"SHA256:{line}")
    return msgspec.structs.replace(made, **more)


def keys(*found: AuthorizedKey, **changes: object) -> LoginFacts:
    return me(keys=found, files=(KeyFile(FILE),), **changes)


def server(**settings: str) -> SshdFacts:
    rows = {name: SshdSetting(value, "/etc/ssh/sshd_config:1", value) for name, value in settings.items()}
    return msgspec.structs.replace(SSHD, settings=rows)


@pytest.mark.parametrize(
    ("facts", "sshd", "outcome", "value"),
    [
        (keys(key()), SSHD, OK, "key"),
        (ME, SSHD, WARNING, "no"),
        (me(method="publickey"), SSHD, OK, "key"),
        (keys(key(expired=True)), SSHD, WARNING, "no"),
        (keys(key(kind="ssh-dss", bits=1024)), SSHD, WARNING, "no"),
        (keys(key(kind="ssh-rsa", bits=768)), SSHD, WARNING, "no"),
        (keys(key(kind="ssh-rsa", bits=2048)), server(requiredrsasize="3072"), WARNING, "no"),
        (keys(key(options=("cert-authority",))), SSHD, OK, "certificate"),
        (keys(key()), server(pubkeyauthentication="no"), WARNING, "off"),
        (ME, server(authorizedkeyscommand="/usr/bin/sss_ssh_authorizedkeys"), OK, "command"),
        (ME, server(trustedusercakeys="/etc/ssh/ca.pub"), OK, "certificate"),
        (me(files=(KeyFile(FILE, "PermissionError: no"),)), SSHD, UNKNOWN, ""),
        (ME, SshdFacts(listens=False), NOT_HERE, ""),
        (ME, None, WARNING, "no"),
    ],
)
def test_a_key_that_logs_in_is_looked_for(
    facts: LoginFacts, sshd: SshdFacts | None, outcome: Outcome, value: str
) -> None:
    result = judge("login.key", facts, *([sshd] if sshd else []))
    assert (result.outcome, result.value) == (outcome, value)
    if outcome is WARNING and value == "no":
        assert result.step == "On your machine: ssh-copy-id ada@BOX"


def path(name: str, mode: int, uid: int = 1000, **more: object) -> PathMode:
    made = PathMode(name, mode, uid, "bob" if uid == 1001 else "ada", regular=name == FILE)
    return msgspec.structs.replace(made, **more)


def chain(*paths: PathMode, **changes: object) -> LoginFacts:
    return me(files=(KeyFile(FILE, paths=paths),), **changes)


@pytest.mark.parametrize(
    ("facts", "outcome", "words"),
    [
        (chain(path(FILE, 0o600), path("/home/ada", 0o755)), OK, ""),
        (chain(path(FILE, 0o644, 0)), OK, ""),
        (chain(path(FILE, 0o664)), FAILED, "chmod go-w '/home/ada/.ssh/authorized_keys'"),
        (chain(path(FILE, 0o664, own_group=True)), FAILED, "chmod go-w"),
        (chain(path(FILE, 0o664, own_group=True), debian=True), OK, ""),
        (chain(path(FILE, 0o664), debian=True), FAILED, "chmod go-w"),
        (
            chain(path(FILE, 0o600), path("/home/ada", 0o777, own_group=True), debian=True),
            FAILED,
            "'/home/ada'",
        ),
        (chain(path(FILE, 0o600, 1001)), FAILED, f"sudo chown ada '{FILE}'"),
        (chain(path(FILE, 0o666, 0)), FAILED, "sudo chmod go-w"),
        (chain(path(FILE, 0o700, regular=False)), FAILED, "Replace"),
        (ME, NOT_HERE, ""),
    ],
)
def test_owners_and_modes_are_judged_as_sshd_does(facts: LoginFacts, outcome: Outcome, words: str) -> None:
    result = judge("login.permissions", facts, SSHD)
    assert result.outcome is outcome
    assert words in result.step


def test_without_strict_modes_a_bad_mode_is_a_hint() -> None:
    facts = chain(path(FILE, 0o666))
    assert judge("login.permissions", facts, server(strictmodes="no")).outcome is HINT
    assert judge("login.permissions", facts).outcome is FAILED  # the default, where sshd was not looked at


@pytest.mark.parametrize(
    ("label", "enforcing", "outcome"),
    [("ssh_home_t", True, OK), ("user_tmp_t", True, WARNING), ("user_tmp_t", False, OK), ("", True, OK)],
)
def test_a_label_of_selinux_may_keep_sshd_out(label: str, enforcing: bool, outcome: Outcome) -> None:
    facts = me(files=(KeyFile(FILE, paths=(path(FILE, 0o600),), label=label),), selinux=enforcing)
    assert judge("login.permissions", facts, SSHD).outcome is outcome


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        (keys(key(), key(2, "sk-ssh-ed25519@openssh.com")), OK),
        (keys(key(kind="ssh-rsa", bits=4096)), OK),
        (keys(key(kind="ssh-rsa", bits=2048)), HINT),
        (keys(key(kind="ssh-rsa", bits=1024)), FAILED),
        (keys(key(kind="ssh-rsa", bits=None)), OK),
        (keys(key(kind="ssh-dss", bits=1024)), FAILED),
        (keys(key(expired=True)), HINT),
        (keys(key(), broken=(f"{FILE}:9",)), HINT),
        (me(broken=(f"{FILE}:9",)), HINT),
        (ME, NOT_HERE),
    ],
)
def test_types_and_sizes_of_keys_are_judged(facts: LoginFacts, outcome: Outcome) -> None:
    result = judge("login.key-types", facts)
    assert result.outcome is outcome
    assert bool(result.step) is (outcome in (HINT, FAILED))


def test_the_line_of_a_weak_key_is_named() -> None:
    result = judge("login.key-types", keys(key(1), *(key(line, "ssh-rsa", 1024) for line in (2, 3, 4))))
    assert result.text.startswith(f"{FILE}:2, {FILE}:3 and 1 more: an RSA key of 1024 bits")
    assert f"{FILE}:1: ssh-ed25519 256 SHA256:1, without a comment that says whose it is" in result.details


def test_the_same_key_twice_is_a_hint() -> None:
    same = key(4, fingerprint="SHA256:1")
    assert judge("login.duplicates", keys(key(1), key(2))).outcome is OK
    result = judge("login.duplicates", keys(key(1), key(2), same))
    assert (result.outcome, result.text) == (HINT, f"The same key stands at {FILE}:1 and {FILE}:4")
    other = msgspec.structs.replace(same, options=("restrict",))
    assert "different options" in judge("login.duplicates", keys(key(1), other)).text
    assert judge("login.duplicates", ME).outcome is NOT_HERE


@pytest.mark.parametrize(
    ("facts", "outcome", "value"),
    [
        (ME, OK, "local"),
        (me(file_system="nfs4", source="nas:/home"), HINT, "nfs4"),
        (me(file_system="nfs", source="nas:/home", selinux=True), HINT, "nfs"),
        (me(file_system="fuse.glusterfs"), HINT, "fuse.glusterfs"),
        (me(file_system="ecryptfs", encrypted="ecryptfs"), WARNING, "encrypted"),
        (me(home_there=False), FAILED, "missing"),
        (me(home=""), FAILED, ""),
        (me(file_system=""), UNKNOWN, ""),
    ],
)
def test_a_home_that_is_not_simply_there_is_named(facts: LoginFacts, outcome: Outcome, value: str) -> None:
    result = judge("login.home", facts)
    assert (result.outcome, result.value) == (outcome, value)


@pytest.mark.parametrize(
    ("facts", "outcome", "value"),
    [
        (ME, OK, "open"),
        (me(nologin="/etc/nologin"), FAILED, "nologin"),
        (me(nologin="/etc/nologin", uid=0), OK, "open"),
        (me(account_ends=NOW - DAY), FAILED, "ended"),
        (me(account_ends=NOW + DAY), WARNING, "ends"),
        (me(account_ends=NOW + 90 * DAY), OK, "open"),
        (me(shell_runs=False), FAILED, "shell"),
        (me(shell_listed=False), HINT, "shell"),
        (me(shell_listed=None, shell_runs=None), OK, "open"),
        (me(password_overdue=True), WARNING, "overdue"),
        (me(password_ends=NOW + DAY), WARNING, "password expires"),
        (me(password_ends=NOW - DAY), WARNING, "password expires"),
        (me(password="NP"), WARNING, "no password"),
        (me(password="L"), OK, "open"),
    ],
)
def test_what_closes_an_account_is_named(facts: LoginFacts, outcome: Outcome, value: str) -> None:
    result = judge("login.account", facts, server(usepam="yes"))
    assert (result.outcome, result.value) == (outcome, value)


def test_a_locked_password_matters_without_pam() -> None:
    assert judge("login.account", me(password="L"), server(usepam="no")).outcome is HINT


def test_hostile_facts_and_none_fail_no_judge() -> None:
    evil = "\x1b]0;x\x07[red]\u202e" * 60
    hostile = LoginFacts(
        user=evil, uid=7, home=evil, file_system=evil, source=evil, method=evil, shell=evil, shell_runs=False,
        files=(KeyFile(evil, evil, (PathMode(evil, 0o777, 9, evil),), evil),), broken=(evil,), selinux=True,
        keys=(AuthorizedKey(evil, evil, 2**62, evil, (evil,), commented=True),) * 2, nologin=evil,
    )  # fmt: skip
    for check in all_checks():
        if check.group == "login" and set(check.needs) <= {SshdFacts, LoginFacts}:
            for facts in (hostile, LoginFacts()):
                assert len(judge(check.id, facts).text) < 700


def test_what_the_box_sends_is_what_judges_read() -> None:
    sent = login.gather()
    facts = msgspec.json.decode(encoded(sent), type=LoginFacts)
    assert set(sent) <= {field.name for field in msgspec.structs.fields(LoginFacts)}
    assert facts.user == sent["user"]
