"""The keys that open a shell or a window of the box that is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from textual.widgets import Input

from gpubox.boxes.box import Box
from gpubox.boxes.x11 import programs
from gpubox.core.channels import Display, Forward, Listening, Pipes, Terminal, TerminalSpec
from gpubox.core.errors import Dropped, RemoteError, ToolMissing
from gpubox.core.shell import Channel, CommandResult
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.screens.run import RunScreen
from gpubox.ui.shell import give_way
from tests.samples import training_box
from tests.ui.fakes import make_app, make_box, until


class Closed:
    """A channel of a program that ended."""

    def __init__(self, status: int, said: bytes) -> None:
        self._result = CommandResult(status, None, b"", b"")
        self._said = said

    async def write(self, data: bytes) -> None:
        raise Dropped("The command ended")

    async def read_line(self, limit: int) -> bytes:
        return b""

    async def read_stderr(self) -> bytes:
        return self._said

    async def wait(self) -> CommandResult:
        return self._result


class FakeChannel:
    """Channels behind which programs end at once."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.ending = Closed(0, b"")

    @asynccontextmanager
    async def graphical(self, command: str, display: Display) -> AsyncGenerator[Channel]:
        self.ran.append(command)
        yield self.ending

    @asynccontextmanager
    async def terminal(self, command: str | None, spec: TerminalSpec) -> AsyncGenerator[Terminal]:
        raise RemoteError("No terminal", "the box gives none")
        yield

    @asynccontextmanager
    async def pipes(self, command: str | None) -> AsyncGenerator[Pipes]:
        raise RemoteError("No pipes")
        yield

    @asynccontextmanager
    async def forward(self, spec: Forward) -> AsyncGenerator[Listening]:
        raise RemoteError("No forward")
        yield


async def no_check(display: Display) -> None:
    await asyncio.sleep(0)


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> FakeChannel:
    monkeypatch.setattr(programs, "check", no_check)
    monkeypatch.setattr("gpubox.boxes.x11.programs.display", lambda: Display(":0"))
    monkeypatch.setattr(programs, "display", lambda: Display(":0"))
    return FakeChannel()


def opened(channel: FakeChannel) -> tuple[GpuBoxApp, Box]:
    box = make_box(training_box())
    box.channels.put(channel)
    return make_app(box), box


def said(app: GpuBoxApp) -> str:
    """All toasts."""
    return "\n".join(f"{each.title}: {each.message}" for each in app._notifications)


async def test_without_a_link_there_is_no_way(plain_panels: None) -> None:
    app = make_app(make_box(training_box()))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Shell" not in _keys(app) and app.screen.query("#rows"))
        await pilot.press("s", "X")
        assert not isinstance(app.screen, RunScreen)
        assert said(app) == ""


def _keys(app: GpuBoxApp) -> set[str]:
    return {each.binding.description for each in app.screen.active_bindings.values() if each.enabled}


async def test_a_program_is_asked_for_run_and_remembered(plain_panels: None, channel: FakeChannel) -> None:
    app, _ = opened(channel)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Shell" in _keys(app))
        for command in ("xterm -T one", "xclock"):
            await pilot.press("X")
            await until(pilot, lambda: isinstance(app.screen, RunScreen))
            app.screen.query_one(Input).value = command
            await pilot.press("enter")
            await until(pilot, lambda: not isinstance(app.screen, RunScreen))
        await until(pilot, lambda: channel.ran == ["xterm -T one", "xclock"])
        await pilot.press("X")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        field = app.screen.query_one(Input)
        past = ("xclock", "xterm -T one", "xterm -T one", "xclock", "")
        for key, value in zip(("up", "up", "up", "down", "down"), past, strict=True):
            await pilot.press(key)
            assert field.value == value
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, RunScreen))
        assert channel.ran == ["xterm -T one", "xclock"]
        assert said(app) == ""


async def test_a_program_that_fails_at_once_is_reported(plain_panels: None, channel: FakeChannel) -> None:
    channel.ending = Closed(127, b"warning\nsh: xeyes: [b]not found[/b]\x1b[2J\n")
    app, _ = opened(channel)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Shell" in _keys(app))
        await pilot.press("X")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press(*"xeyes", "enter")
        await until(pilot, lambda: "xeyes ended at once" in said(app))
        assert "[b]not found[/b]\ufffd[2J" in said(app)
        assert "Is it installed" in said(app)


async def test_no_display_is_reported_before_anything_is_typed(
    plain_panels: None, channel: FakeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> Display:
        raise ToolMissing("No display here", "DISPLAY is not set")

    monkeypatch.setattr("gpubox.boxes.x11.programs.display", none)
    app, _ = opened(channel)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Shell" in _keys(app))
        await pilot.press("X")
        await until(pilot, lambda: "No display here" in said(app))
        assert not isinstance(app.screen, RunScreen)


async def test_a_shell_that_cannot_be_had_is_reported(
    plain_panels: None, channel: FakeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpubox.local.tty.terminal_spec", lambda: TerminalSpec(80, 24))
    app, _ = opened(channel)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Shell" in _keys(app))
        await pilot.press("s")
        await until(pilot, lambda: "No terminal: the box gives none" in said(app))


async def test_where_the_screen_cannot_give_way_the_words_say_so(
    plain_panels: None, channel: FakeChannel
) -> None:
    app, _ = opened(channel)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "Shell" in _keys(app))
        with pytest.raises(Exception, match="Only a panel in a terminal"):
            await give_way(app, lambda: no_check(Display(":0")))


@pytest.mark.parametrize(
    ("environment", "platform", "hint"),
    [
        ({}, "linux", "ssh -X"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", "xwayland"),
        ({}, "darwin", "XQuartz"),
    ],
)
def test_a_machine_without_display_is_reported_what_to_do(
    environment: dict[str, str], platform: str, hint: str
) -> None:
    with pytest.raises(ToolMissing) as raised:
        programs.display(environment, platform)
    assert hint in raised.value.hint


def test_the_display_is_that_of_the_environment() -> None:
    assert programs.display({"DISPLAY": ":7", "XAUTHORITY": "/x"}, "linux") == Display(":7", "/x")
