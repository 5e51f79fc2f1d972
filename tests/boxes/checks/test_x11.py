"""Checks of X11 over ssh, by the facts of boxes as they are found."""

from __future__ import annotations

import msgspec
import pytest

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.login.facts import AuthorizedKey, LoginFacts
from gpubox.boxes.checks.sshd.facts import SshdFacts, SshdSetting
from gpubox.boxes.checks.trials import X11Trial
from gpubox.boxes.checks.x11.facts import X11Facts, XauthLock
from gpubox.remote.checks import x11
from gpubox.remote.json_io import encoded
from tests.boxes.checks.facts import judge

FILE = "/home/ada/.Xauthority"
X11 = X11Facts(user="ada", uid=1000, xauth="/usr/bin/xauth", works=True, path=FILE)
SSHD = SshdFacts(installed=True, version="9.2", server="sshd", readable=True, listens=True)
LOGIN = LoginFacts(user="ada")


def but(**changes: object) -> X11Facts:
    return msgspec.structs.replace(X11, **changes)


def server(**settings: str) -> SshdFacts:
    rows = {name: SshdSetting(value, "/etc/ssh/sshd_config:1", value) for name, value in settings.items()}
    return msgspec.structs.replace(SSHD, settings=rows)


@pytest.mark.parametrize(
    ("facts", "sshd", "outcome", "value"),
    [
        (X11, SSHD, Outcome.OK, "yes"),
        (but(xauth="", works=None), SSHD, Outcome.HINT, "no"),
        (but(works=False, error="xauth: unable to read"), SSHD, Outcome.FAILED, "broken"),
        (
            but(xauth="/opt/bin/xauth"),
            server(xauthlocation="/usr/X11R6/bin/xauth"),
            Outcome.HINT,
            "elsewhere",
        ),
        (X11, server(xauthlocation="/usr/bin/xauth"), Outcome.OK, "yes"),
        (X11, None, Outcome.OK, "yes"),
    ],
)
def test_xauth_is_there_where_sshd_looks_and_works(
    facts: X11Facts, sshd: SshdFacts | None, outcome: Outcome, value: str
) -> None:
    result = judge("x11.xauth", facts, *([sshd] if sshd else []))
    assert (result.outcome, result.value) == (outcome, value)


@pytest.mark.parametrize(
    ("facts", "outcome", "step"),
    [
        (X11, Outcome.OK, ""),
        (but(there=True, owner="ada", owner_uid=1000, mode=0o600), Outcome.OK, ""),
        (but(there=True, owner="root", owner_uid=0, mode=0o600), Outcome.FAILED, f"sudo chown ada '{FILE}'"),
        (but(there=True, owner="ada", owner_uid=1000, mode=0o644), Outcome.WARNING, f"chmod 600 '{FILE}'"),
        (but(folder_writable=False), Outcome.FAILED, "df -h ~"),
        (but(locks=(XauthLock(f"{FILE}-c", 7200.0),)), Outcome.WARNING, f"rm '{FILE}-c'"),
        (but(locks=(XauthLock(f"{FILE}-c", 0.5),)), Outcome.OK, ""),
    ],
)
def test_a_file_of_cookies_that_cannot_be_written_is_named(
    facts: X11Facts, outcome: Outcome, step: str
) -> None:
    result = judge("x11.authority", facts)
    assert result.outcome is outcome
    assert step in result.step


@pytest.mark.parametrize(
    ("facts", "sshd", "options", "outcome", "value"),
    [
        (X11, server(x11forwarding="yes"), (), Outcome.OK, "yes"),
        (X11, server(x11forwarding="yes"), ("no-x11-forwarding",), Outcome.HINT, "limited"),
        (X11, server(x11forwarding="yes"), ("restrict",), Outcome.HINT, "limited"),
        (X11, server(x11forwarding="yes"), ("restrict", "x11-forwarding"), Outcome.OK, "yes"),
        (but(xauth=""), server(x11forwarding="yes"), (), Outcome.HINT, "no"),
        (X11, SSHD, (), Outcome.NOT_HERE, ""),
        (X11, server(x11forwarding="yes", disableforwarding="yes"), (), Outcome.NOT_HERE, ""),
        (X11, msgspec.structs.replace(SSHD, readable=False), (), Outcome.UNKNOWN, ""),
    ],
)
def test_forwarding_takes_sshd_xauth_and_a_key_that_may(
    facts: X11Facts, sshd: SshdFacts, options: tuple[str, ...], outcome: Outcome, value: str
) -> None:
    login = msgspec.structs.replace(LOGIN, keys=(AuthorizedKey("f:1", "ssh-ed25519", options=options),))
    result = judge("x11.forwarding", facts, sshd, login)
    assert (result.outcome, result.value) == (outcome, value)


@pytest.mark.parametrize(
    ("sshd", "outcome"),
    [
        (SSHD, Outcome.NOT_HERE),
        (server(x11forwarding="yes"), Outcome.OK),
        (server(x11forwarding="yes", x11uselocalhost="no"), Outcome.WARNING),
    ],
)
def test_displays_that_the_network_reaches_are_named(sshd: SshdFacts, outcome: Outcome) -> None:
    assert judge("x11.localhost", sshd).outcome is outcome


def test_a_trial_says_how_far_it_came() -> None:
    reached = judge("x11.trial", X11Trial(works=True))
    assert (reached.outcome, reached.text) == (
        Outcome.OK,
        "A program reached the display of this machine by ssh",
    )
    only_got = judge("x11.trial", X11Trial(works=True, untried="DISPLAY is not set"))
    assert only_got.outcome is Outcome.OK
    assert "did not connect to it: DISPLAY is not set" in only_got.text
    refused = judge("x11.trial", X11Trial(error="localhost:10 refuses: no"))
    assert (refused.outcome, refused.value) == (Outcome.WARNING, "fails")
    assert "localhost:10 refuses: no" in refused.text
    assert judge("x11.trial", X11Trial(missing=True, error="No xauth")).value == "no xauth"


def test_hostile_facts_and_none_fail_no_judge() -> None:
    evil = "\x1b]0;x\x07[red]\u202e" * 60
    hostile = X11Facts(
        user=evil, xauth=evil, works=False, error=evil, path=evil, there=True, owner=evil, owner_uid=7,
        locks=(XauthLock(evil, 1e18),),
    )  # fmt: skip
    for name in ("x11.xauth", "x11.authority", "x11.forwarding"):
        for facts in (hostile, X11Facts()):
            assert len(judge(name, facts).text) < 400


def test_what_the_box_sends_is_what_judges_read() -> None:
    sent = x11.gather()
    facts = msgspec.json.decode(encoded(sent), type=X11Facts)
    assert set(sent) <= {field.name for field in msgspec.structs.fields(X11Facts)}
    assert facts.user == sent["user"]
