"""The windows that describe a desktop or a tunnel: what is wrong is reported before anything is done."""

from __future__ import annotations

import pytest
from textual.widgets import Input, Static

from gpubox.boxes.desktops import DesktopSpec
from gpubox.core.channels import Direction, Forward
from gpubox.core.errors import ToolMissing
from gpubox.ui.panels.desktop.form import DesktopForm
from gpubox.ui.panels.tunnels.form import EXAMPLES, TunnelForm, meaning, read
from tests.ui.channels import FakeDesktops, FakeServices, FakeTunnels
from tests.ui.fakes import until
from tests.ui.panels.desktop.test_panel import desktop, toasts
from tests.ui.panels.tunnels.test_panel import line, tunnels_of

pytestmark = pytest.mark.usefixtures("clock")


@pytest.mark.parametrize(
    ("text", "spec", "words"),
    [
        ("8888", Forward(Direction.LOCAL, port=8888), "127.0.0.1:8888  →  port 8888 of the box"),
        (
            "9000:db:5432",
            Forward(Direction.LOCAL, 9000, "db", 5432),
            "127.0.0.1:9000  →  db:5432 as the box sees it",
        ),
        ("-L 9000:db:5432", Forward(Direction.LOCAL, 9000, "db", 5432), "as the box sees it"),
        (
            "/run/app.sock",
            Forward(Direction.LOCAL, path="/run/app.sock"),
            "a port here  →  /run/app.sock of the box",
        ),
        ("remote:9000:3000", Forward(Direction.REMOTE, 9000, port=3000), "→  port 3000 of this machine"),
        (
            "-R 9000:localhost:3000",
            Forward(Direction.REMOTE, 9000, "localhost", 3000),
            "port 9000 on the box",
        ),
        ("-D1080", Forward(Direction.SOCKS, 1080), "SOCKS on 127.0.0.1:1080"),
        ("socks", Forward(Direction.SOCKS), "SOCKS on 127.0.0.1:1080"),
        ("jupyter", None, "the service jupyter, once it is found"),
    ],
)
def test_a_tunnel_by_hand_is_read_and_reported_back(text: str, spec: Forward | None, words: str) -> None:
    assert read(text).spec == spec
    assert words in meaning(read(text))


def test_every_example_of_the_form_can_be_read() -> None:
    for text, _ in EXAMPLES:
        assert meaning(read(text))


async def test_the_form_opens_what_is_written_and_says_what_is_wrong() -> None:
    held = FakeTunnels()
    async with tunnels_of(held, FakeServices(held)) as (stage, pilot):
        await pilot.press("n", *"90000:db:1")
        await until(pilot, lambda: isinstance(stage.screen, TunnelForm))
        said = stage.screen.query_one("#meaning", Static)
        await pilot.press("enter")
        await until(pilot, lambda: "is not a valid port" in str(said.content))
        stage.screen.query_one(Input).value = "-L 9000:db:5432"
        await until(pilot, lambda: "db:5432 as the box sees it" in str(said.content))
        await pilot.press("enter")
        await until(pilot, lambda: line(stage, "db:5432"))
        assert held.feed.value[0].spec == Forward(Direction.LOCAL, 9000, "db", 5432)
        assert stage.panel.chosen is not None
        assert stage.panel.chosen.tunnel == held.feed.value[0]


async def test_escape_opens_nothing() -> None:
    held = FakeTunnels()
    async with tunnels_of(held, FakeServices(held)) as (stage, pilot):
        await pilot.press("n", *"8888", "escape")
        await until(pilot, lambda: not isinstance(stage.screen, TunnelForm))
        assert not held.feed.value


async def test_the_form_takes_a_size_and_a_session() -> None:
    desktops = FakeDesktops()
    async with desktop(desktops) as (stage, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(stage.screen, DesktopForm))
        fields = {field.id: field for field in stage.screen.query(Input)}
        assert (fields["geometry"].value, fields["session"].value) == ("1600x900", "auto")
        fields["geometry"].value = "wide"
        await pilot.press("enter")
        assert isinstance(stage.screen, DesktopForm)
        assert not desktops.specs
        fields["geometry"].value, fields["session"].value = "1280x720", "openbox"
        await pilot.press("enter")
        await until(pilot, lambda: desktops.specs == [DesktopSpec("1280x720", session="openbox")])
        await until(pilot, lambda: "desktop :1 runs xfce4" in toasts(stage))
        assert not desktops.viewings


async def test_what_prevents_a_start_is_reported_with_the_next_step() -> None:
    desktops = FakeDesktops()
    async with desktop(desktops) as (stage, pilot):
        desktops.error = ToolMissing("No VNC server", "The box has none", "On the box: sudo apt install x")
        await pilot.press("n", "enter")
        await until(pilot, lambda: "sudo apt install x" in toasts(stage))
