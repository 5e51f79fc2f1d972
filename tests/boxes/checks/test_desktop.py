"""Checks of remote desktops, by the facts of boxes as they are found."""

from __future__ import annotations

import pytest

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.desktop.facts import DesktopFacts, InstalledServer, PasswordFile, VncPort
from tests.boxes.checks.facts import judge

OK, HINT, WARNING, FAILED = Outcome.OK, Outcome.HINT, Outcome.WARNING, Outcome.FAILED
UNKNOWN, NOT_HERE = Outcome.UNKNOWN, Outcome.NOT_HERE
TIGER = InstalledServer("Xtigervnc", "/usr/bin/Xtigervnc", "Xvnc TigerVNC 1.12.0 - built 2023-01-06")
TURBO = InstalledServer("Xvnc", "/opt/TurboVNC/bin/Xvnc", "TurboVNC Server (Xvnc) 64-bit v3.1.1")
OTHER = InstalledServer("Xvnc", "/usr/bin/Xvnc", "Xvnc Free Edition 4.1.1")


@pytest.mark.parametrize(
    ("facts", "outcome", "said"),
    [
        (DesktopFacts((TIGER,)), OK, "TigerVNC"),
        (DesktopFacts((TURBO,)), OK, "TurboVNC"),
        (DesktopFacts((OTHER,)), HINT, "neither TigerVNC nor TurboVNC"),
        (DesktopFacts(()), HINT, "No VNC server"),
        (DesktopFacts(), UNKNOWN, "in time"),
    ],
)
def test_a_server_that_can_be_started_is_found(facts: DesktopFacts, outcome: Outcome, said: str) -> None:
    result = judge("desktop.server", facts)
    assert result.outcome is outcome
    assert said in result.text


@pytest.mark.parametrize(
    ("sessions", "outcome", "value"),
    [
        (("startxfce4", "openbox"), OK, "xfce4"),
        (("gnome-session",), OK, "gnome"),
        (("openbox", "twm"), HINT, "openbox"),
        ((), HINT, "no"),
    ],
)
def test_a_session_is_found(sessions: tuple[str, ...], outcome: Outcome, value: str) -> None:
    result = judge("desktop.session", DesktopFacts((), sessions, system="ubuntu debian"))
    assert (result.outcome, result.comparable) == (outcome, value)


def test_what_is_missing_is_named_by_the_packages_of_the_distribution() -> None:
    ubuntu, fedora = DesktopFacts((), system="ubuntu debian"), DesktopFacts((), system="fedora")
    assert "sudo apt install tigervnc-standalone-server" in judge("desktop.server", ubuntu).step
    assert "sudo dnf install tigervnc-server-minimal" in judge("desktop.server", fedora).step
    assert "sudo apt install xfce4" in judge("desktop.session", ubuntu).step


@pytest.mark.parametrize(
    ("sessions", "tools", "outcome"),
    [
        (("startxfce4",), ("dbus-run-session",), OK),
        (("startxfce4",), ("dbus-launch",), HINT),
        (("openbox",), (), NOT_HERE),
        ((), (), NOT_HERE),
    ],
)
def test_a_desktop_without_a_bus_is_noticed(
    sessions: tuple[str, ...], tools: tuple[str, ...], outcome: Outcome
) -> None:
    assert judge("desktop.bus", DesktopFacts((), sessions, tools)).outcome is outcome


def port(host: str, password: bool | None, *, local: bool = False, mine: bool = True) -> VncPort:
    return VncPort("Xtigervnc", "ann", mine, host, 5901, local, password)


@pytest.mark.parametrize(
    ("listening", "outcome", "said"),
    [
        ((), OK, "this machine only"),
        ((port("127.0.0.1", True, local=True),), OK, "this machine only"),
        (
            (port("0.0.0.0", True),),
            WARNING,
            "Xtigervnc listens on every address, port 5901, with a VNC password",
        ),
        ((port("0.0.0.0", False),), FAILED, "without a password"),
        ((port("::", True), port("10.0.0.2", False, mine=False)), FAILED, "of ann listens on 10.0.0.2"),
        ((port("10.0.0.2", None),), WARNING, "10.0.0.2, port 5901"),
        (None, UNKNOWN, "in time"),
    ],
)
def test_a_desktop_that_others_reach_is_found(
    listening: tuple[VncPort, ...] | None, outcome: Outcome, said: str
) -> None:
    result = judge("desktop.exposed", DesktopFacts((), running=1, listening=listening))
    assert result.outcome is outcome
    assert said in result.text


def test_a_box_without_a_running_server_exposes_none() -> None:
    result = judge("desktop.exposed", DesktopFacts((), listening=()))
    assert (result.outcome, result.comparable) == (OK, "none")


@pytest.mark.parametrize(
    ("files", "outcome"),
    [
        ((), NOT_HERE),
        ((PasswordFile("~/.vnc/passwd", "600"),), OK),
        (
            (PasswordFile("~/.vnc/passwd", "600"), PasswordFile("~/.config/tigervnc/passwd", "644", True)),
            WARNING,
        ),
    ],
)
def test_a_password_that_others_may_read_is_found(files: tuple[PasswordFile, ...], outcome: Outcome) -> None:
    result = judge("desktop.password", DesktopFacts((), passwords=files))
    assert result.outcome is outcome
    assert outcome is not WARNING or result.step == "chmod 600 ~/.config/tigervnc/passwd"


def test_hostile_facts_of_desktops_are_cleaned() -> None:
    bad = "\x1b[2J" + "x" * 900
    facts = DesktopFacts(
        (InstalledServer("Xvnc", bad, bad),), listening=(VncPort(bad, bad, False, bad, 5900, False, False),)
    )
    for check in ("server", "exposed"):
        result = judge(f"desktop.{check}", facts)
        assert "\x1b" not in result.text + result.step
        assert len(result.text) < 300
