"""What a box says of its desktops is read, and every refusal is reported in words."""

from __future__ import annotations

import pytest

from gpubox.boxes.desktops import discovery, launcher
from gpubox.boxes.desktops.launcher import LaunchedDesktop, State
from gpubox.boxes.desktops.remote_script import ScriptLine
from gpubox.boxes.desktops.servers import servers
from gpubox.boxes.desktops.session_types import KINDS, missing

US = "\x1f"
BEGUN = LaunchedDesktop(":3", "tigervnc", "/home/ada/rfb", 0, "/home/ada/3", "xfce4")


def process(pid: int, program: str, *words: str, user: str = "ada", mine: bool = True) -> ScriptLine:
    """A process as the script tells of it."""
    return ScriptLine("process", f"{pid} {int(mine)} 5000 {user} {program}{US}{US.join(words)}{US}")


CLOCK = ScriptLine("clock", "1000000 100")
FOUND = (
    (
        process(7, "Xvnc", "/opt/TurboVNC/bin/Xvnc", ":1", "-desktop", "TurboVNC: attic:1 (ada)", "-rfbauth"),
        ("TurboVNC", ":1", 5901, "", "password", False),
    ),
    (
        process(
            7, "Xvnc", "Xvnc", ":2", "-desktop", "TurboVNC: x", "-rfbunixpath", "/r", "-securitytypes", "none"
        ),
        ("TurboVNC", ":2", 0, "/r", "none", False),
    ),
    (
        process(7, "Xvnc", "/usr/bin/Xvnc", ":3", "-rfbport", "5999", "SecurityTypes=None"),
        ("TigerVNC", ":3", 5999, "", "none", False),
    ),
    (
        process(
            7, "Xtigervnc", "/usr/bin/Xtigervnc", ":4", "-SecurityTypes", "TLSPlain", "-geometry", "800x600"
        ),
        ("TigerVNC", ":4", 5904, "", "other", False),
    ),
    (
        process(7, "x11vnc", "x11vnc", "-display", ":0", "-rfbauth", "/home/ada/pw", "-forever"),
        ("x11vnc", ":0", 5900, "", "password", True),
    ),
    (
        process(7, "x11vnc", "x11vnc", "-unixsockonly", "/run/x", "-nopw"),
        ("x11vnc", "", 0, "/run/x", "none", True),
    ),
    (
        process(7, "x0vncserver", "x0vncserver", "-display", ":0", "-rfbport=5910", "-SecurityTypes=VncAuth"),
        ("x0vncserver", ":0", 5910, "", "password", True),
    ),
)


@pytest.mark.parametrize(("line", "expected"), FOUND)
def test_servers_that_others_started_are_known_by_their_words(
    line: ScriptLine, expected: tuple[str, str, int, str, str, bool]
) -> None:
    (one,) = discovery.read([CLOCK, line])
    assert (one.server, one.display, one.port, one.path, one.security, one.physical) == expected
    assert (one.pid, one.ticks, one.started, one.ours) == (7, 5000, 1000050.0, False)


def test_a_wrapper_that_waits_for_its_server_is_none() -> None:
    wrapper = process(7, "x0tigervncserve", "/usr/bin/perl", "/usr/bin/x0tigervncserver", "-display", ":0")
    server = process(8, "X0tigervnc", "/usr/bin/X0tigervnc", "-display", ":0", "-rfbport", "5910")
    assert [one.pid for one in discovery.read([CLOCK, wrapper, server])] == [8]


def test_the_port_that_a_server_took_in_truth_counts() -> None:
    lines = [
        CLOCK,
        process(7, "x11vnc", "x11vnc"),
        ScriptLine("sockets", "7 41 42"),
        ScriptLine("listens", "42 0100007F:170E"),
    ]
    assert [one.port for one in discovery.read(lines)] == [5902]


def test_ones_own_desktops_come_first_and_those_of_others_say_whose_they_are() -> None:
    lines = [
        CLOCK,
        process(5, "Xtigervnc", "Xtigervnc", ":1", user="eve", mine=False),
        process(6, "Xtigervnc", "Xtigervnc", ":2"),
        process(7, "Xtigervnc", "Xtigervnc", ":3"),
        ScriptLine("ours", f"7{US}/home/ada/3{US}xfce4 "),
    ]
    found = discovery.read(lines)
    assert [(one.pid, one.user, one.mine, one.ours) for one in found] == [
        (7, "ada", True, True),
        (6, "ada", True, False),
        (5, "eve", False, False),
    ]
    assert found[0].session == "xfce4"


@pytest.mark.parametrize(
    "line",
    [
        ScriptLine("process", ""),
        ScriptLine("process", f"x 1 5 ada Xvnc{US}"),
        ScriptLine("process", f"7 1 5 ada Xvnc{US}"),
        ScriptLine("clock", "now"),
        ScriptLine("ours", f"x{US}y"),
        ScriptLine("ours", f"{US}{US}"),
        ScriptLine("listens", "1 zz:zz"),
        ScriptLine("sockets", ""),
        ScriptLine("anything", "else"),
    ],
)
def test_lines_that_make_no_sense_break_nothing(line: ScriptLine) -> None:
    assert len(discovery.read([line])) <= 1


def test_what_a_server_calls_itself_cannot_reach_the_terminal() -> None:
    (one,) = discovery.read([process(7, "Xvnc", "Xvnc", ":1", "-desktop", "\x1b]0;gotcha\x07")])
    assert "\x1b" not in one.title
    (other,) = discovery.read([process(7, "x11vnc", "x11vnc", "-display", ":\x1b[2J")])
    assert "\x1b" not in other.display


@pytest.mark.parametrize(
    ("system", "line"),
    [
        ("debian ", "sudo apt install tigervnc-standalone-server"),
        ("linuxmint ubuntu debian", "sudo apt install tigervnc-standalone-server"),
        ("rocky rhel centos fedora", "sudo dnf install tigervnc-server-minimal"),
        ("manjaro arch", "sudo pacman -S tigervnc"),
        ("opensuse-leap suse opensuse", "sudo zypper install xorg-x11-Xvnc"),
        ("plan9", "Install TigerVNC on the box"),
    ],
)
def test_what_is_missing_comes_with_the_line_that_installs_it(system: str, line: str) -> None:
    assert line in missing("server", "auto", system).hint
    assert missing("session", "auto", system).title == "No desktop to start"


def test_every_session_has_a_line_that_installs_it() -> None:
    for kind in KINDS:
        error = missing("session", kind.name, "ubuntu debian")
        assert "sudo apt install " in error.hint
        assert kind.program in error.text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (ScriptLine("taken", "7 live 4711 eve Xorg"), "Display :7 is taken. Xorg (4711) of eve uses it"),
        (ScriptLine("taken", "7 live 0 you desktop"), "desktop of you uses it"),
        (
            ScriptLine("taken", "7 stale 0 eve lock"),
            "/tmp/.X7-lock was left behind by eve, and only they can remove it",
        ),
        (ScriptLine("taken", "7 stale 0 eve socket"), "/tmp/.X11-unix/X7 was left behind"),
        (ScriptLine("failed", "no \x1b[2Jroom"), "The desktop did not start. no \ufffd[2Jroom"),
        (ScriptLine("missing", "session xfce4"), "No xfce4. The box has no startxfce4"),
    ],
)
def test_every_refusal_to_start_is_reported(line: ScriptLine, words: str) -> None:
    error = launcher._refusal([line])
    assert error is not None
    assert words in str(error)


def test_the_end_of_a_log_says_why_and_leaves_out_the_chatter() -> None:
    lines = [
        "Xvnc TigerVNC 1.12.0",
        "Copyright (C) x",
        "_XSERVTransmkdir: x",
        "Fatal error: no room",
        "(EE) bye",
    ]
    state = launcher.read_state(
        [ScriptLine("ended", "server 1 0"), *(ScriptLine("log", line) for line in lines)]
    )
    error = launcher.why(BEGUN, state)
    assert error.text == "The server of :3 ended with status 1: Fatal error: no room / (EE) bye"
    assert "Xvnc" not in error.text
    assert "Copyright" not in error.text


def test_a_long_life_is_not_called_at_once() -> None:
    error = launcher.why(BEGUN, State(ended="session 0 7200"))
    assert "xfce4 on :3 ended after 7200 s with status 0" in error.text


def test_each_kind_of_server_has_a_file_and_a_name_of_its_own() -> None:
    assert [server.key for server in servers()] == ["tigervnc", "turbovnc", "x0vncserver", "x11vnc"]
    for server in servers():
        for way in ("socket", "port"):
            assert bool(server.options(way)) == bool(server.brand)
