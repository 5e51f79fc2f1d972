"""Checks of sshd, by the facts of servers as they are found."""

from __future__ import annotations

import msgspec
import pytest

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.login.facts import AuthorizedKey, LoginFacts
from gpubox.boxes.checks.sshd.facts import (
    SshdFacts,
    SshdHostKey,
    SshdOverride,
    SshdSetting,
    SshdUnit,
)
from gpubox.remote.checks import sshd
from gpubox.remote.json_io import encoded
from tests.boxes.checks.facts import judge

OK, HINT, WARNING, FAILED, UNKNOWN, NOT_HERE = (
    Outcome.OK, Outcome.HINT, Outcome.WARNING, Outcome.FAILED, Outcome.UNKNOWN, Outcome.NOT_HERE
)  # fmt: skip
MAIN = "/etc/ssh/sshd_config"
SNTRUP = "sntrup761x25519-sha512@openssh.com"
SERVICE = SshdUnit("ssh.service", active=True, file_state="enabled")
SOCKET = SshdUnit("ssh.socket", active=True, file_state="enabled")
BOX = SshdFacts(
    user="ada", installed=True, version="9.2", server="sshd", readable=True, include=f"{MAIN}:12",
    listens=True,
    init="systemd", units=(SERVICE,),
)  # fmt: skip
"""A box with Debian's files, read by a plain user."""
WITH_KEY = LoginFacts(user="ada", keys=(AuthorizedKey("f:1", "ssh-ed25519", 256, "SHA256:a"),))
NO_KEY = LoginFacts(user="ada")


def box(**settings: str) -> SshdFacts:
    """Return the box with settings that hold for everyone."""
    rows = {key: SshdSetting(value, f"{MAIN}:7", value, f"{MAIN}:7") for key, value in settings.items()}
    return msgspec.structs.replace(BOX, settings=rows)


def but(facts: SshdFacts = BOX, **changes: object) -> SshdFacts:
    return msgspec.structs.replace(facts, **changes)


def in_match(facts: SshdFacts, keyword: str, value: str) -> SshdFacts:
    return but(facts, overrides=(SshdOverride(keyword, value, "User bob", f"{MAIN}:90"),))


@pytest.mark.parametrize(
    ("name", "facts", "outcome", "value"),
    [
        ("empty-passwords", BOX, OK, "no"),
        ("empty-passwords", box(permitemptypasswords="yes"), FAILED, "yes"),
        ("empty-passwords", in_match(BOX, "permitemptypasswords", "yes"), FAILED, "some"),
        ("max-auth-tries", BOX, OK, "6"),
        ("max-auth-tries", box(maxauthtries="1"), HINT, "1"),
        ("max-auth-tries", box(maxauthtries="100"), HINT, "100"),
        ("max-auth-tries", box(maxauthtries="many"), UNKNOWN, ""),
        ("x11-forwarding", BOX, HINT, "no"),
        ("x11-forwarding", box(x11forwarding="yes"), OK, "yes"),
        ("x11-forwarding", box(x11forwarding="yes", disableforwarding="yes"), HINT, "no"),
        ("tcp-forwarding", BOX, OK, "yes"),
        ("tcp-forwarding", box(allowtcpforwarding="no"), WARNING, "no"),
        ("tcp-forwarding", box(allowtcpforwarding="remote"), WARNING, "remote"),
        ("tcp-forwarding", box(allowtcpforwarding="local"), HINT, "local"),
        ("tcp-forwarding", box(disableforwarding="yes"), WARNING, "no"),
        ("tcp-forwarding", box(permitopen="localhost:80"), HINT, "limited"),
        ("tcp-forwarding", box(permitopen="none"), HINT, "limited"),
        ("tcp-forwarding", box(gatewayports="yes"), HINT, "gateway"),
        ("tcp-forwarding", but(undecided=("allowtcpforwarding",)), UNKNOWN, ""),
        ("stream-local-forwarding", BOX, OK, "yes"),
        ("stream-local-forwarding", box(allowstreamlocalforwarding="no"), HINT, "no"),
        ("stream-local-forwarding", box(permitopen="localhost:80"), HINT, "limited"),
        ("stream-local-forwarding", box(allowtcpforwarding="no"), NOT_HERE, ""),
        ("max-sessions", BOX, OK, "10"),
        ("max-sessions", box(maxsessions="0"), FAILED, "0"),
        ("max-sessions", box(maxsessions="1"), WARNING, "1"),
        ("max-sessions", box(maxsessions="2"), HINT, "2"),
        ("max-startups", BOX, OK, "10:30:100"),
        ("max-startups", box(maxstartups="2:30:4"), HINT, "2:30:4"),
        ("max-startups", box(maxstartups="50"), OK, "50"),
        ("max-startups", box(maxstartups="10:30:9999"), HINT, "10:30:9999"),
        ("max-startups", box(maxstartups="x:y"), UNKNOWN, ""),
        ("per-source-penalties", BOX, NOT_HERE, ""),
        ("per-source-penalties", but(version="9.8"), OK, "yes"),
        ("per-source-penalties", but(box(persourcepenalties="no"), version="10.0"), HINT, "no"),
        ("per-source-penalties", but(version=""), UNKNOWN, ""),
        ("use-pam", box(usepam="yes"), OK, "yes"),
        ("use-pam", BOX, WARNING, "no"),
        ("use-pam", but(init="openrc"), HINT, "no"),
        ("key-exchange", BOX, OK, "post-quantum"),
        ("key-exchange", but(version="8.4"), HINT, "classical"),
        ("key-exchange", box(kexalgorithms="curve25519-sha256"), HINT, "classical"),
        ("key-exchange", box(kexalgorithms="curve25519-sha256,sntrup761x25519-sha512"), OK, "post-quantum"),
        ("key-exchange", box(kexalgorithms="mlkem768x25519-sha256"), OK, "post-quantum"),
        ("key-exchange", box(kexalgorithms="^ecdh-sha2-nistp256"), OK, "post-quantum"),
        ("key-exchange", box(kexalgorithms="+diffie-hellman-group14-sha1"), WARNING, "weak"),
        ("key-exchange", box(kexalgorithms="-diffie-hellman-group14-sha1"), OK, "post-quantum"),
        ("key-exchange", box(kexalgorithms="-sntrup*"), HINT, "classical"),
        ("key-exchange", but(version="8.7"), HINT, "classical"),  # it knows one, and does not offer it
        ("key-exchange", but(box(kexalgorithms=f"^{SNTRUP}"), version="8.7"), OK, "post-quantum"),
        ("key-exchange", but(version="8.9"), OK, "post-quantum"),
        ("key-exchange", but(box(kexalgorithms="-sntrup*"), version="9.9"), OK, "post-quantum"),
        ("include", but(drop_ins=("50-cloud-init.conf",)), OK, "yes"),
        ("include", but(include=""), HINT, "no"),
        ("include", but(include="", drop_ins=("a.conf",)), WARNING, "no"),
        ("include", but(before_include=("x11forwarding",)), HINT, "late"),
        ("include", but(include="", version="8.1"), NOT_HERE, ""),
        ("include", but(readable=False), UNKNOWN, ""),
        ("host-keys", but(host_keys=(SshdHostKey("/k", "ssh-ed25519", 256),)), OK, "ed25519"),
        ("host-keys", but(host_keys=(SshdHostKey("/k", "ssh-rsa", 3072),)), HINT, "rsa"),
        ("host-keys", but(host_keys=(SshdHostKey("/k", "ssh-rsa", 1024),)), WARNING, "rsa"),
        ("host-keys", BOX, UNKNOWN, ""),
        ("config-valid", BOX, UNKNOWN, ""),
        ("config-valid", but(exact=True), OK, "valid"),
        ("config-valid", but(root=True, error=f"{MAIN}: line 3: Bad configuration option: X"), FAILED,
         "broken"),
        ("config-valid", but(root=True, error="Missing privilege separation directory: /run/sshd"), HINT,
         "not tested"),
        ("config-valid", but(root=True, error="sshd: no hostkeys available -- exiting."), FAILED,
         "no host key"),
        ("config-valid", but(root=True, error="sshd: no hostkeys available -- exiting.", listens=False,
         server="",
                             units=()), NOT_HERE, ""),
        ("config-valid", but(error="/etc/ssh/sshd_config.d/a: Permission denied"), UNKNOWN, ""),
        ("config-valid", SshdFacts(), NOT_HERE, ""),
        ("server", BOX, OK, "service"),
        ("server", but(units=(SOCKET, SshdUnit("ssh.service", file_state="disabled")), listens=False), OK,
         "socket"),
        ("server", but(units=(SshdUnit("sshd.service", active=True, file_state="disabled"),)), WARNING,
         "not at boot"),
        ("server", but(units=(SshdUnit("ssh.service", active=True, file_state="enabled", reload=True),)),
         HINT,
         "changed"),
        ("server", but(units=(), init=""), OK, "service"),
        ("server", but(units=(), listens=False), FAILED, "ended"),
        ("server", but(units=(), listens=None), UNKNOWN, ""),
        ("server", but(units=(), listens=False, server=""), NOT_HERE, ""),
        ("server", but(units=(), listens=False, server="dropbear"), NOT_HERE, ""),
        ("server", SshdFacts(listens=False), NOT_HERE, ""),
    ],
)  # fmt: skip
def test_settings_are_judged(name: str, facts: SshdFacts, outcome: Outcome, value: str) -> None:
    result = judge(f"sshd.{name}", facts)
    assert (result.outcome, result.value) == (outcome, value)
    assert not result.text.endswith(".")
    assert result.step or outcome in (OK, NOT_HERE, UNKNOWN)


@pytest.mark.parametrize(
    ("name", "facts", "outcome", "value"),
    [
        ("passwords", BOX, WARNING, "yes"),
        ("passwords", box(passwordauthentication="no"), OK, "no"),
        ("passwords", box(permitemptypasswords="yes"), FAILED, "yes"),
        ("passwords", in_match(box(passwordauthentication="no"), "passwordauthentication", "yes"), WARNING,
         "some"),
        ("passwords", box(authenticationmethods="publickey,password"), OK, "with another"),
        ("passwords", box(authenticationmethods="publickey password"), WARNING, "yes"),
        ("keyboard-interactive", box(kbdinteractiveauthentication="no"), OK, "no"),
        ("keyboard-interactive", BOX, OK, "yes"),
        ("keyboard-interactive", box(usepam="yes"), HINT, "yes"),
        ("keyboard-interactive", box(usepam="yes", passwordauthentication="no"), WARNING, "yes"),
        ("keyboard-interactive", but(box(usepam="yes"), second_factor="pam_oath"), OK, "second factor"),
        ("keyboard-interactive", box(usepam="yes",
         authenticationmethods="publickey,keyboard-interactive:pam"),
         OK, "with another"),
        ("root-login", BOX, OK, "prohibit-password"),
        ("root-login", box(permitrootlogin="without-password"), OK, "prohibit-password"),
        ("root-login", box(permitrootlogin="no"), OK, "no"),
        ("root-login", box(permitrootlogin="yes"), WARNING, "yes"),
        ("root-login", box(permitrootlogin="yes", passwordauthentication="no",
         kbdinteractiveauthentication="no"),
         HINT, "yes"),
        ("root-login", in_match(BOX, "permitrootlogin", "yes"), WARNING, "some"),
    ],
)  # fmt: skip
def test_ways_to_log_in_are_judged(name: str, facts: SshdFacts, outcome: Outcome, value: str) -> None:
    result = judge(f"sshd.{name}", facts, WITH_KEY)
    assert (result.outcome, result.value) == (outcome, value)
    assert "ssh-copy-id" not in result.step


@pytest.mark.parametrize("name", ["sshd.passwords", "sshd.keyboard-interactive"])
def test_no_step_locks_its_reader_out(name: str) -> None:
    facts = box(usepam="yes")
    assert judge(name, facts, NO_KEY).step.startswith("First run `ssh-copy-id ada@BOX`")
    assert judge(name, facts).step.startswith("First make sure that a key logs you in")
    assert "ssh-copy-id" not in judge(name, facts, msgspec.structs.replace(NO_KEY, method="publickey")).step


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        (BOX, "Put `MaxSessions 10` into /etc/ssh/sshd_config.d/00-gpubox.conf"),
        (but(include=""), f"Put `MaxSessions 10` at the top of {MAIN}"),
        (but(before_include=("maxsessions",)), f"Put `MaxSessions 10` at the top of {MAIN}"),
        (box(maxsessions="1"), "Put `MaxSessions 10` into /etc/ssh/sshd_config.d/00-gpubox.conf"),
        (but(settings={"maxsessions": SshdSetting("1", "x", "1", "/etc/ssh/sshd_config.d/00-a.conf:4")}),
         "Change /etc/ssh/sshd_config.d/00-a.conf:4 to `MaxSessions 10`"),
        (but(settings={"maxsessions": SshdSetting("1", "command line", "1", "command line")}),
         "Start sshd with -o maxsessions=10"),
        (but(config="/srv/ssh.conf"), "sudo sshd -t -f /srv/ssh.conf"),
        (but(units=(SOCKET, SERVICE)), "sudo systemctl reload ssh`"),
        (but(units=(SshdUnit("sshd.service"),)), "sudo systemctl reload sshd`"),
        (but(init="openrc", units=()), "sudo rc-service sshd reload"),
        (but(init="sysv", units=(SshdUnit("ssh"),)), "sudo service ssh reload"),
        (but(init="", units=()), "sudo kill -HUP"),
    ],
)  # fmt: skip
def test_a_step_names_the_place_that_wins_and_the_unit(facts: SshdFacts, step: str) -> None:
    assert step in facts.change("MaxSessions 10")


def test_details_name_file_line_and_match() -> None:
    facts = in_match(box(passwordauthentication="no"), "passwordauthentication", "yes")
    assert facts.details("passwordauthentication", "usepam") == (
        f"passwordauthentication no ({MAIN}:7)",
        f"passwordauthentication yes ({MAIN}:90, Match User bob)",
        "usepam no (default of OpenSSH 9.2)",
    )


def test_what_root_alone_can_read_is_unknown_with_the_command() -> None:
    text = judge("sshd.max-sessions", but(readable=False)).text
    assert "Only root can read /etc/ssh/sshd_config" in text
    assert "`sudo sshd -T | grep -i maxsessions`" in text
    hidden = but(hidden=("/etc/ssh/sshd_config.d/10-site.conf",), before_hidden=("maxauthtries",))
    assert judge("sshd.max-sessions", hidden).outcome is UNKNOWN
    assert judge("sshd.max-auth-tries", hidden).outcome is OK


def test_cloud_init_hides_only_what_it_writes() -> None:
    hidden = but(hidden=("/etc/ssh/sshd_config.d/50-cloud-init.conf",))
    assert judge("sshd.passwords", hidden, WITH_KEY).outcome is UNKNOWN
    result = judge("sshd.max-sessions", hidden)
    assert result.outcome is OK
    assert result.details[-1] == "not readable: /etc/ssh/sshd_config.d/50-cloud-init.conf"


def test_what_sshd_printed_needs_no_file() -> None:
    assert judge("sshd.max-sessions", but(exact=True, readable=False, hidden=("/x",))).outcome is OK


def test_hostile_facts_and_none_fail_no_judge() -> None:
    evil = "\x1b]0;x\x07[red]\u202e" * 60
    setting = SshdSetting(evil, evil, evil, evil)
    facts = SshdFacts(
        user=evil, installed=True, version=evil, server=evil, config=evil, error=evil, readable=True,
        hidden=(evil,), settings={check.id: setting for check in all_checks()}, folder=evil, include=evil,
        before_include=(evil,), drop_ins=(evil,), host_keys=(SshdHostKey(evil, evil, 1),), second_factor=evil,
        listens=True, units=(SshdUnit(evil, active=True, file_state=evil),),
        overrides=(SshdOverride("passwordauthentication", "yes", evil, evil),),
    )  # fmt: skip
    for check in all_checks():
        if check.group == "sshd" and set(check.needs) <= {SshdFacts, LoginFacts}:
            for one in (facts, but(facts, settings=dict.fromkeys(sshd.KEYWORDS, setting)), SshdFacts()):
                assert len(judge(check.id, one).text) < 700


def test_what_the_box_sends_is_what_judges_read() -> None:
    facts = msgspec.json.decode(encoded(sshd.gather()), type=SshdFacts)
    assert set(sshd.gather()) == {field.name for field in msgspec.structs.fields(SshdFacts)}
    assert facts.user
