"""Tunnels as people write them."""

from __future__ import annotations

import pytest

from gpubox.core.channels import Direction, Forward
from gpubox.core.errors import ConfigError
from gpubox.core.tunnel_spec import TunnelSpec, parse, short, target

LOCAL, REMOTE, SOCKS = Direction.LOCAL, Direction.REMOTE, Direction.SOCKS


@pytest.mark.parametrize(
    ("text", "name", "spec", "comes_out"),
    [
        ("8888", "8888", Forward(LOCAL, port=8888), "port 8888"),
        (" 8080:8888 ", "8888", Forward(LOCAL, 8080, port=8888), "port 8888"),
        ("db:5432", "db:5432", Forward(LOCAL, 0, "db", 5432), "db:5432"),
        ("5433:db.lan:5432", "db.lan:5432", Forward(LOCAL, 5433, "db.lan", 5432), "db.lan:5432"),
        ("local:5433:[fe80::1]:5432", "[fe80::1]:5432", Forward(LOCAL, 5433, "fe80::1", 5432), None),
        ("pg=[::1]:5432", "pg", Forward(LOCAL, 0, "::1", 5432), "port 5432"),
        ("/run/app.sock", "app.sock", Forward(LOCAL, path="/run/app.sock"), "/run/app.sock"),
        ("8080:/run/app.sock", "app.sock", Forward(LOCAL, 8080, path="/run/app.sock"), "/run/app.sock"),
        ("remote:9000", "remote 9000", Forward(REMOTE, 9000, port=9000), "port 9000"),
        ("web=remote:9000:3000", "web", Forward(REMOTE, 9000, port=3000), "port 3000"),
        ("remote:9000:nas:80", "remote 9000", Forward(REMOTE, 9000, "nas", 80), "nas:80"),
        ("remote:9000:/tmp/x", "remote 9000", Forward(REMOTE, 9000, path="/tmp/x"), "/tmp/x"),
        ("socks", "socks", Forward(SOCKS), "anywhere"),
        ("socks:1081", "socks", Forward(SOCKS, 1081), "anywhere"),
    ],
)
def test_a_tunnel_is_understood(text: str, name: str, spec: Forward, comes_out: str | None) -> None:
    assert parse(text) == TunnelSpec(name, spec)
    assert target(spec) == (comes_out or name)


@pytest.mark.parametrize("text", ["jupyter", "vs-code", "tensorboard.2"])
def test_a_single_word_is_a_service(text: str) -> None:
    assert parse(text) == TunnelSpec(text, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no form that is known"),
        ("0", '"0" is not a valid port'),
        ("65536", "is not a valid port"),
        ("a:b", '"b" is not a valid port'),
        ("1:2:3:4", "no form that is known"),
        ("1::2", "no form that is known"),
        ("1:-x:2", '"-x" is not a valid host'),
        ("remote:/run/x", "which port shall the box listen on?"),
        ("socks:/run/x", "is not a valid port"),
        ("name=", "is not a valid port"),
        ("8888\x1b[2J", "is not a valid port"),
        ("²", "is not a valid port"),
    ],
)
def test_what_is_no_tunnel_is_reported_with_the_forms_there_are(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(text)
    assert said in raised.value.text
    assert "\x1b" not in raised.value.text
    assert "LOCAL:HOST:PORT" in raised.value.hint


def test_a_socket_of_any_name_can_be_drawn() -> None:
    spec = Forward(LOCAL, path="/run/\x1b[2Jx\n")
    assert target(spec).isprintable()
    assert short(spec).isprintable()
