"""What sshd allows: its configuration as a user reads it, and what follows for a request."""

from __future__ import annotations

import pytest

from gpubox.boxes.sshd_config import END, parse
from gpubox.boxes.sshd_policy import SshdPolicy
from gpubox.core.channels import Direction, Forward


def test_the_first_word_counts_whatever_its_case() -> None:
    config = parse('# MaxSessions 9\nMAXSESSIONS 2\nmaxsessions 7\nX11Forwarding=yes\nPermitOpen a:1 "b:2"\n')
    assert config.number("maxsessions", default=10) == 2
    assert config.flag("x11forwarding", default=False) is True
    assert config.words("permitopen") == ("a:1", "b:2")
    assert config.number("absent", default=10) == 10
    assert parse("MaxSessions many").number("maxsessions", default=10) is None


@pytest.mark.parametrize(
    ("word", "local", "remote"),
    [("yes", True, True), ("all", True, True), ("no", False, False), ("local", True, False)],
)
def test_forwarding_may_be_allowed_for_one_side(word: str, local: bool, remote: bool) -> None:
    config = parse(f"AllowTcpForwarding {word}")
    assert config.side("allowtcpforwarding", "local") is local
    assert config.side("allowtcpforwarding", "remote") is remote


def test_what_a_match_sets_is_not_known_and_an_included_match_ends_with_its_file() -> None:
    config = parse(
        f"Match User ada\nX11Forwarding no\n{END}\nAllowTcpForwarding no\nMatch all\nMaxSessions 3\n"
    )
    assert config.flag("x11forwarding", default=True) is None
    assert config.side("allowtcpforwarding", "local") is False
    assert config.number("maxsessions", default=10) == 3


def test_match_all_wins_over_the_lines_before_it() -> None:
    config = parse("MaxSessions 2\nMatch all\nMaxSessions 7\nMatch all\nMaxSessions 9\n")
    assert config.number("maxsessions", default=10) == 7


WEB = Forward(Direction.LOCAL, port=80)
SOCKET = Forward(Direction.LOCAL, path="/run/x")
BACK = Forward(Direction.REMOTE, 9000, port=80)
SOCKS = Forward(Direction.SOCKS)
ONLY = SshdPolicy(forward=True, sockets=False, places=("127.0.0.1:80", "db:*", "*:22"))


@pytest.mark.parametrize(
    ("limits", "spec", "said"),
    [
        (SshdPolicy(), WEB, ""),
        (SshdPolicy(), BACK, ""),
        (SshdPolicy(forward=False), WEB, "It passes nothing on"),
        (SshdPolicy(forward=False), SOCKS, "It passes nothing on"),
        (SshdPolicy(forward=False), BACK, ""),
        (SshdPolicy(listen=False), BACK, "It may not listen for you"),
        (SshdPolicy(sockets=False), SOCKET, "unix sockets"),
        (SshdPolicy(sockets=False), WEB, ""),
        (ONLY, WEB, ""),
        (ONLY, Forward(Direction.LOCAL, host="localhost", port=80), ""),
        (ONLY, Forward(Direction.LOCAL, host="db", port=5432), ""),
        (ONLY, Forward(Direction.LOCAL, host="nas", port=22), ""),
        (ONLY, Forward(Direction.LOCAL, port=81), "127.0.0.1:80, db:*, *:22 only"),
        (ONLY, SOCKS, ""),
    ],
)
def test_a_spec_is_held_against_what_is_known(limits: SshdPolicy, spec: Forward, said: str) -> None:
    reason = limits.against(spec)
    if said:
        assert reason is not None
        assert said in reason.text
        assert "sshd_config" in reason.hint
    else:
        assert reason is None
