"""The facts of remote desktops: installed programs, open ports, files of passwords."""

from __future__ import annotations

import os

import msgspec
import pytest

from gpubox.boxes.checks.desktop.facts import DesktopFacts
from gpubox.boxes.desktops.servers import servers
from gpubox.boxes.desktops.session_types import KINDS
from gpubox.remote.checks import desktop, login_user
from tests.remote.checks.trees import Tree, tree

__all__ = ["tree"]


def facts() -> DesktopFacts:
    """What the box would send, decoded."""
    return msgspec.convert(desktop.gather(), DesktopFacts)


def test_every_server_and_session_of_the_panel_is_looked_for() -> None:
    started = {program for server in servers() if server.brand for program in server.programs}
    assert started == set(desktop.SERVERS)
    assert {kind.program for kind in KINDS} == set(desktop.SESSIONS)
    known = {name[:15] for name in desktop.VNC}
    assert {program[:15] for server in servers() for program in server.programs} <= known


def test_installed_programs_are_found_with_their_versions(tree: Tree) -> None:
    tree.program("Xtigervnc", "\nXvnc TigerVNC 1.12.0 - built 2023-01-06\nCopyright (C) 1999\n", status=1)
    tree.program("startxfce4", "")
    tree.program("dbus-run-session", "")
    found = facts()
    (server,) = [one for one in found.servers or () if one.program == "Xtigervnc"]
    assert server.path == str(tree.programs / "Xtigervnc")
    assert server.version.startswith("Xvnc TigerVNC 1.12.0")
    assert "startxfce4" in found.sessions
    assert "dbus-run-session" in found.tools


def test_the_distribution_is_read_with_what_it_is_like(tree: Tree) -> None:
    assert desktop.system() == ""
    tree.file("/etc/os-release", 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n')
    assert desktop.system() == "ubuntu debian"


def test_ports_of_vnc_servers_are_found_and_others_left_out(tree: Tree) -> None:
    tree.process(500, "/usr/bin/Xtigervnc", ":1", "-SecurityTypes", "None", "-rfbport", "5901", sockets=(11,))
    tree.process(501, "/usr/bin/Xtigervnc", ":2", "-SecurityTypes", "VncAuth", "-localhost", sockets=(12,))
    tree.process(502, "/usr/bin/python3", "-m", "http.server", sockets=(13,))
    tree.listens(("0.0.0.0", 5901, 11), ("127.0.0.1", 5902, 12), ("0.0.0.0", 8000, 13))
    found = {one.port: one for one in facts().listening or ()}
    assert set(found) == {5901, 5902}
    assert (found[5901].local, found[5901].password, found[5901].mine) == (False, False, True)
    assert (found[5902].local, found[5902].password) == (True, True)
    assert facts().running == 2


def test_a_port_of_vnc_whose_process_is_hidden_is_taken_for_its_user_s_server(tree: Tree) -> None:
    tree.process(500, "/usr/bin/x11vnc", "-rfbauth", "/x")
    tree.listens(("0.0.0.0", 5900, 99), ("0.0.0.0", 22, 98))
    (found,) = list(facts().listening or ())
    assert (found.program, found.port, found.password) == ("x11vnc", 5900, True)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("Xtigervnc", ":1"), True),  # VncAuth is its default
        (("Xtigervnc", ":1", "-SecurityTypes", "VncAuth,TLSNone"), False),
        (("Xvnc", "-securitytypes=None"), False),
        (("Xvnc", "SecurityTypes=TLSVnc"), True),
        (("Xvnc", "-SecurityTypes"), True),
        (("x11vnc", "-display", ":0"), False),
        (("x11vnc", "-passwd", "hunter2"), True),
        (("wayvnc", "0.0.0.0"), None),
    ],
)
def test_the_command_line_says_whether_a_password_is_asked(
    words: tuple[str, ...], asked: bool | None
) -> None:
    assert desktop.asks(words[0], list(words)) is asked


def test_a_password_on_a_command_line_goes_nowhere(tree: Tree) -> None:
    tree.process(500, "/usr/bin/x11vnc", "-passwd", "hunter2", sockets=(11,))
    tree.listens(("0.0.0.0", 5900, 11))
    assert "hunter2" not in str(desktop.gather())


def test_files_of_passwords_are_looked_at_with_the_folders_above(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tree.file("/home/ann/.vnc/passwd", "eight chars")
    folders = [secret.parent, secret.parent.parent, secret.parent.parent.parent]
    for folder in folders:
        folder.chmod(0o755)
    secret.chmod(0o644)
    (found,) = desktop.passwords()
    assert (found["path"], found["mode"], found["open"]) == ("~/.vnc/passwd", "644", True)
    assert (found["place"], found["mine"]) == ("/home/ann/.vnc/passwd", True)
    monkeypatch.setattr(login_user, "uid", lambda: os.getuid() + 1)
    monkeypatch.setattr(login_user, "home", lambda: "/home/ann")
    assert [row["mine"] for row in desktop.passwords()] == [False]
    secret.parent.chmod(0o700)
    assert [row["open"] for row in desktop.passwords()] == [False]
    secret.parent.chmod(0o755)
    secret.chmod(0o600)
    assert [row["open"] for row in desktop.passwords()] == [False]


def test_a_bare_box_has_facts(tree: Tree) -> None:
    found = facts()
    assert found.listening == ()
    assert found.passwords == ()
    assert found.running == 0
