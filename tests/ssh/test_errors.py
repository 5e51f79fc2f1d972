"""The table of errors: each failure in words, with the box and the next step, safe to draw."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.core.errors import AuthFailed, Dropped, GpuBoxError, LinkError, RemoteError, Unreachable
from gpubox.ssh.errors import TABLE, ConnectFacts, Stage, explain
from tests.drawable import drawable

FACTS = ConnectFacts("lab", "ada@10.0.0.7:22", "10.0.0.7", 22, Stage.REACHING, limit=15)


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "stage", "kind", "title"),
    [
        (socket.gaierror(-2, "Name or service not known"), Stage.REACHING, Unreachable, "Host not found"),
        (os_error(errno.ECONNREFUSED), Stage.REACHING, Unreachable, "Connection refused"),
        (os_error(errno.EHOSTUNREACH), Stage.REACHING, Unreachable, "No route"),
        (os_error(errno.ENETUNREACH), Stage.REACHING, Unreachable, "No route"),
        (TimeoutError(), Stage.REACHING, Unreachable, "No answer"),
        (os_error(errno.EADDRNOTAVAIL), Stage.REACHING, Unreachable, "Cannot connect"),
        (TimeoutError(), Stage.HANDSHAKE, Unreachable, "Silent peer"),
        (TimeoutError(), Stage.LOGIN, Unreachable, "Login hangs"),
        (os_error(errno.ECONNRESET), Stage.HANDSHAKE, Unreachable, "The box hangs up"),
        (os_error(errno.EHOSTUNREACH), Stage.HANDSHAKE, Unreachable, "The network went away"),
        (os_error(errno.ENETUNREACH), Stage.LOGIN, Unreachable, "The network went away"),
        (asyncssh.ConnectionLost("Connection lost"), Stage.HANDSHAKE, Unreachable, "The box hangs up"),
        (asyncssh.ConnectionLost("Connection lost"), Stage.LOGIN, Unreachable, "The box hangs up"),
        (asyncssh.KeyExchangeFailed("No match"), Stage.HANDSHAKE, LinkError, "No common algorithms"),
        (asyncssh.ProtocolError("Too many banner lines"), Stage.HANDSHAKE, LinkError, "Not an ssh server"),
        (
            asyncssh.ProtocolError("Too many authentication failures"),
            Stage.LOGIN,
            AuthFailed,
            "Too many keys offered",
        ),
        (asyncssh.PermissionDenied("no"), Stage.LOGIN, AuthFailed, "Login refused"),
        (
            asyncssh.ProtocolError("User ada not allowed because account is locked"),
            Stage.LOGIN,
            AuthFailed,
            "Login refused",
        ),
        (asyncssh.IllegalUserName("x"), Stage.LOGIN, AuthFailed, "Not a user name"),
        (asyncssh.ConnectionLost("not responding to keepalive"), Stage.LIVE, Dropped, "No answer any more"),
        (os_error(errno.ECONNRESET), Stage.LIVE, Dropped, "Link lost"),
        (asyncssh.ProtocolError("bad packet"), Stage.LIVE, Dropped, "Link lost"),
        (ValueError("strange option"), Stage.REACHING, LinkError, "ssh cannot be used as configured"),
        (
            asyncssh.ChannelOpenError(2, "refused"),
            Stage.REACHING,
            Unreachable,
            "Not reached through the jump host",
        ),
        (KeyError("other"), Stage.LOGIN, LinkError, "ssh failed"),
    ],
)
def test_every_failure_has_words(error: Exception, stage: Stage, kind: type[GpuBoxError], title: str) -> None:
    words = explain(error, replace(FACTS, stage=stage), "lab")
    assert (type(words), words.title) == (kind, title)
    assert "lab" in words.text or FACTS.address in words.text
    assert words.hint
    assert "{" not in str(words)


def test_what_may_pass_is_tried_again_and_what_stays_is_not() -> None:
    for row in TABLE:
        assert row.becomes.again is (row.becomes in (Unreachable, Dropped))


def test_words_of_our_own_stay_as_they_are() -> None:
    error = RemoteError("x")
    assert explain(error, FACTS) is error


def test_what_the_box_says_before_the_login_is_reported() -> None:
    facts = replace(FACTS, stage=Stage.LOGIN, banner="Maintenance until noon", tried=("key a",))
    words = explain(asyncssh.PermissionDenied("no"), facts)
    assert words.text.endswith("It says: Maintenance until noon")
    assert "tried: key a" in words.text


def test_repeated_attempts_are_counted() -> None:
    tried = ("key a", *["password"] * 3)
    facts = replace(FACTS, stage=Stage.LOGIN, tried=tried, methods=("publickey", "password"))
    words = explain(asyncssh.PermissionDenied("no"), facts)
    assert "(tried: key a, 3 passwords; the server accepts: publickey, password)" in words.text


@given(st.text(max_size=300), st.sampled_from(list(Stage)))
def test_nothing_that_a_box_says_reaches_the_terminal_raw(said: str, stage: Stage) -> None:
    for made in (asyncssh.ProtocolError, asyncssh.ConnectionLost, asyncssh.HostKeyNotVerifiable):
        words = explain(made(said), replace(FACTS, stage=stage))
        assert drawable(str(words))
