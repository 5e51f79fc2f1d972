"""What is tried for real: X11 behind a real sshd, and a desktop by a real VNC server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpubox.boxes.checks.check import CannotLook
from gpubox.boxes.checks.trials import X11Trial
from gpubox.boxes.context import BoxContext
from gpubox.core.channels import Display
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from gpubox.local.channels import LocalChannels
from gpubox.local.shell import LocalShell
from tests.commands.run import apart
from tests.components.desk import Desk, working
from tests.components.parts import program
from tests.components.servers import sshd
from tests.components.test_tunnels_sshd import channels_of
from tests.components.test_windows_sshd import look, screen


async def tried(desk: Desk, extra: str, python: str = "") -> X11Trial:
    """Return what a trial of X11 comes to behind an sshd with these lines; the box has a home of its own."""
    program("xauth")
    found: list[X11Trial] = []
    home = desk.folder / "home"
    home.mkdir(exist_ok=True)

    async def work(shell: Shell) -> None:
        context = BoxContext(Target("box", "ssh", "test", ""), python=python)
        context.shell.put(shell)
        context.channels.put(channels_of(shell))
        found.append(await X11Trial.gather(context))

    async with (
        sshd(desk.folder / "server", desk.public, extra=extra, home=home) as server,
        working(desk.link(server), work),
    ):
        pass
    return found[0]


FORWARDED = "X11Forwarding yes\nX11DisplayOffset 50"


async def test_a_program_reaches_the_display_of_this_machine(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with screen(tmp_path) as display:
        look(monkeypatch, display)
        assert await tried(desk, FORWARDED) == X11Trial(works=True)


async def test_a_display_that_does_not_take_the_program_is_found_out(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.folder / "home" / ".Xauthority").mkdir(parents=True)  # xauth can write no cookie there
    async with screen(tmp_path) as display:
        look(monkeypatch, display)
        trial = await tried(desk, FORWARDED)
        assert not trial.works
        assert "refuses: Invalid authentication key" in trial.error


async def test_a_display_of_this_machine_that_refuses_is_named(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with screen(tmp_path) as display:
        look(monkeypatch, Display(display.name, str(tmp_path / "nothing")))
        trial = await tried(desk, FORWARDED)
        assert not trial.works
        assert "The display refuses" in trial.error


async def test_without_a_display_here_a_program_still_gets_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    trial = await tried(desk, FORWARDED)
    assert trial.works
    assert "DISPLAY is not set" in trial.untried


async def test_without_a_python_on_the_box_a_program_still_gets_a_display(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with screen(tmp_path) as display:
        look(monkeypatch, display)
        trial = await tried(desk, FORWARDED, python="/nowhere/python3")
        assert trial.works
        assert "Python" in trial.untried


async def test_an_sshd_that_forwards_none_is_found_out(desk: Desk) -> None:
    trial = await tried(desk, "X11Forwarding no")
    assert not trial.works
    assert not trial.missing
    assert trial.error


async def test_this_machine_needs_no_forwarding() -> None:
    context = BoxContext(Target("local", "local", "built in", ""))
    context.channels.put(LocalChannels(LocalShell()))
    with pytest.raises(CannotLook):
        await X11Trial.gather(context)


def test_a_desktop_is_started_seen_and_stopped() -> None:
    for name in ("Xtigervnc", "openbox"):
        program(name)
    ran = apart("check", "demo", "desktop.trial", "--json", "--set", "desktop.session=exec openbox")
    (row,) = (row for row in json.loads(ran.out)["checks"] if row["id"] == "desktop.trial")
    assert (row["outcome"], row["value"]) == ("ok", "works")
    assert "showed a picture of" in row["text"]


def test_trials_are_left_out_unless_they_are_asked_for() -> None:
    ran = apart("check", "demo", "--only", "desktop", "--json")
    assert "desktop.trial" not in [row["id"] for row in json.loads(ran.out)["checks"]]
