"""Fixes by commands and files: which are offered, to whom, and what they leave to the user."""

from __future__ import annotations

import msgspec
import pytest

from gpubox.boxes.checks.desktop.facts import DesktopFacts, PasswordFile
from gpubox.boxes.checks.envs.facts import EnvsFacts, NewText
from gpubox.boxes.checks.fix import FileEdit, Fix, SshdOptions, UndoableCommand
from gpubox.boxes.checks.sshd.facts import SshdFacts, SshdUnit
from gpubox.boxes.checks.web.facts import CertificateRenewal, WebFacts, WebServer
from gpubox.core.env import Root
from tests.boxes.checks.test_fix import fix
from tests.boxes.checks.test_sshd import BOX, but
from tests.boxes.checks.test_web import certificate, served, site

SYSTEM = WebServer("nginx", config="/etc/nginx/nginx.conf", valid=True, unit="nginx.service")
OWN = WebServer("nginx", config="/home/ada/web/nginx.conf", prefix="/home/ada/web", valid=True, mine=True)


def renewed(*servers: WebServer, root: bool = False, name: str = "nginx") -> WebFacts:
    """A box whose certificate was renewed, and that still serves the old one."""
    facts = site(certificate(1, 89, fingerprint="new"), certificate(85, 5, fingerprint="old"))
    given = tuple(msgspec.structs.replace(one, server=name) for one in facts.served)
    return msgspec.structs.replace(facts, servers=servers, served=given, root=root)


def commands(found: Fix | None) -> list[str] | None:
    return None if found is None else [" ".join(command.do) for command in found.commands]


@pytest.mark.parametrize(
    ("server", "root", "expected"),
    [
        (SYSTEM, False, ["nginx -c /etc/nginx/nginx.conf -t", "systemctl reload nginx.service"]),
        (
            OWN,
            False,
            [f"nginx -c {OWN.config} -p {OWN.prefix} -t", f"nginx -c {OWN.config} -p {OWN.prefix} -s reload"],
        ),
        (
            WebServer("apache", config="/etc/apache2/apache2.conf", valid=True, unit="apache2.service"),
            False,
            ["apachectl configtest", "systemctl reload apache2.service"],
        ),
        (
            WebServer("apache", config="/etc/apache2/apache2.conf", valid=True),
            True,
            ["apachectl configtest", "apachectl graceful"],
        ),
        (
            WebServer("caddy", config="/srv/Caddyfile", valid=True),
            True,
            ["caddy adapt --config /srv/Caddyfile", "caddy reload --force --config /srv/Caddyfile"],
        ),
        (msgspec.structs.replace(SYSTEM, valid=False), True, None),
        (msgspec.structs.replace(SYSTEM, valid=None), True, None),
        (msgspec.structs.replace(SYSTEM, container=True), True, None),
        (WebServer("apache", config="/srv/httpd.conf", valid=True), True, None),
        # What a user says of files is nothing that root reads, nor a unit that root reloads.
        (msgspec.structs.replace(OWN, mine=False), False, None),
        (msgspec.structs.replace(SYSTEM, unit="evil.service"), False, None),
        (msgspec.structs.replace(SYSTEM, config="/tmp/evil.conf"), False, None),
        (msgspec.structs.replace(OWN, config="/a b\x1b"), False, None),
    ],
)
def test_a_web_server_is_reloaded_by_what_runs_it(
    server: WebServer, root: bool, expected: list[str] | None
) -> None:
    found = fix("web.served", renewed(server, root=root, name=server.name))
    assert commands(found) == expected
    if found is not None:
        assert found.needs_root is (server is not OWN)
        assert not found.undoable
        assert "nothing to undo" in found.cost


def test_of_two_servers_of_a_kind_none_is_reloaded() -> None:
    assert fix("web.served", renewed(SYSTEM, OWN, root=True)) is None


def test_an_older_certificate_on_disk_is_not_put_into_service() -> None:
    old, new = certificate(85, 5, fingerprint="old"), certificate(1, 89, fingerprint="new")
    facts = msgspec.structs.replace(site(old, new), servers=(SYSTEM,), served=(served(new, old.path),))
    assert fix("web.served", facts) is None


@pytest.mark.parametrize(
    ("unit", "state", "active", "do", "undo"),
    [
        ("certbot.timer", "disabled", False, "enable --now", "disable --now"),
        ("certbot.timer", "disabled", True, "enable", "disable"),
        ("acme-renew.timer", "enabled", False, "start", "stop"),
        ("certbot.timer", "masked", False, "", ""),
        ("certbot.timer", "static", False, "", ""),
        ("snap.certbot.renew.timer", "disabled", False, "", ""),
        ("--now.timer", "disabled", False, "", ""),
    ],
)
def test_a_timer_that_is_off_is_turned_on_and_back_to_what_it_was(
    unit: str, state: str, active: bool, do: str, undo: str
) -> None:
    renewal = CertificateRenewal("certbot", unit, state == "enabled", active, file_state=state)
    found = fix("web.renewal", site(certificate(), renewals=(renewal,)))
    assert commands(found) == ([f"systemctl {do} {unit}"] if do else None)
    if found is not None:
        assert found.needs_root
        assert " ".join(found.commands[0].undo) == f"systemctl {undo} {unit}"


def unit(name: str, state: str = "disabled") -> SshdUnit:
    return SshdUnit(name, active=True, file_state=state)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (but(units=(unit("ssh.service"),)), "ssh.service"),
        (but(units=(unit("sshd.service"),)), "sshd.service"),
        (but(units=(unit("ssh.service"), unit("ssh.socket"))), "ssh.socket"),
        (but(units=(unit("ssh.service", "masked"),)), ""),
        (but(units=(unit("ssh.service", "linked"),)), ""),
        (but(units=(unit("other.service"),)), ""),
        (but(units=(unit("ssh.service"),), init="openrc"), ""),
        (BOX, ""),
    ],
)
def test_the_unit_that_takes_logins_is_started_at_boot(facts: SshdFacts, expected: str) -> None:
    found = fix("sshd.server", facts)
    assert commands(found) == ([f"systemctl enable {expected}"] if expected else None)
    if found is not None:
        assert found.commands[0].undo == ("systemctl", "disable", expected)


def test_the_files_of_vnc_passwords_are_closed_by_their_mode_alone() -> None:
    files = [
        PasswordFile("~/.vnc/passwd", "644", True, "/home/ada/.vnc/passwd", mine=True),
        PasswordFile(
            "~/.config/tigervnc/passwd", "600", False, "/home/ada/.config/tigervnc/passwd", mine=True
        ),
    ]
    found = fix("desktop.password", DesktopFacts((), passwords=tuple(files)))
    assert found is not None
    assert found.files == (FileEdit("/home/ada/.vnc/passwd", mode=0o600),)
    assert not found.needs_root
    foreign = msgspec.structs.replace(files[0], mine=False)
    assert fix("desktop.password", DesktopFacts((), passwords=(foreign,))) is None


def test_base_is_turned_off_in_the_condarc_of_the_user() -> None:
    new = NewText("/home/ada/.condarc", "auto_activate_base: false\n")
    facts = EnvsFacts(
        roots=(Root("/home/ada/miniconda3", "miniconda"),),
        home="/home/ada",
        auto_base=True,
        init_file=".bashrc",
        without_base=new,
    )
    found = fix("envs.base", facts)
    assert found is not None
    assert found.files == (FileEdit(new.path, new.text),)
    assert not found.needs_root
    assert fix("envs.base", msgspec.structs.replace(facts, without_base=None)) is None
    elsewhere = NewText("/home/ada/.bashrc", "evil")
    assert fix("envs.base", msgspec.structs.replace(facts, without_base=elsewhere)) is None
    assert fix("envs.base", msgspec.structs.replace(facts, path_file=".bashrc")) is None


def test_a_fix_knows_whether_there_is_something_to_undo() -> None:
    reload = UndoableCommand(("systemctl", "reload", "nginx"))
    assert not Fix("a", "b", commands=(reload,)).undoable
    assert Fix("a", "b", commands=(reload, UndoableCommand(("true",), ("false",)))).undoable
    assert Fix("a", "b", files=(FileEdit("/a", "b"),), commands=(reload,)).undoable
    assert Fix("a", "b", sshd=SshdOptions("/a", {"A": "b"})).undoable
