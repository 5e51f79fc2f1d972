"""Services and tunnels: found, opened by name and by hand, stopped, and what goes through them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from gpubox.boxes import browser
from gpubox.boxes.sshd_policy import SshdLimits, SshdPolicy
from gpubox.boxes.tunnels.tunnel import Tunnel, TunnelPhase
from gpubox.core.channels import Direction, Forward, Traffic
from gpubox.core.errors import PortTaken, RemoteError
from gpubox.core.link_state import Health, Phase
from gpubox.ui.key_titles import title
from gpubox.ui.panels.tunnels.panel import TunnelsPanel
from gpubox.ui.panels.tunnels.table import Rates
from gpubox.ui.widgets.key_footer import KeyFooter
from tests import samples
from tests.ui.channels import JUPYTER, LOCAL, MLFLOW, REDIS, SSHD, FakeServices, FakeTunnels, furnish, serve
from tests.ui.fakes import Clock, complete, link_of, make_app, make_box, until
from tests.ui.stage import Stage, on_stage, same_picture

pytestmark = pytest.mark.usefixtures("clock", "browsing")
FOUND = (JUPYTER, MLFLOW, REDIS, SSHD)


class Browsing:
    """Stands in for the browser."""

    def __init__(self) -> None:
        self.there = True
        self.shown: list[tuple[str, bool]] = []

    async def show(self, url: str, *, secret: bool) -> bool:
        self.shown.append((url, secret))
        return self.there


@pytest.fixture
def browsing(monkeypatch: pytest.MonkeyPatch) -> Browsing:
    pages = Browsing()
    monkeypatch.setattr(browser, "show", pages.show)
    return pages


@asynccontextmanager
async def tunnels_of(
    held: FakeTunnels, services: FakeServices, size: tuple[int, int] = (118, 16)
) -> AsyncGenerator[tuple[Stage[TunnelsPanel], Pilot[None]]]:
    """Put the panel on the stage and wait until it has looked."""
    sample = samples.training_box()
    box = serve(furnish(make_box(sample), tunnels=held), services)
    async with on_stage(TunnelsPanel, sample, size, box=box) as (stage, pilot):
        await until(pilot, lambda: services.looks and "Looking" not in stage.text)
        yield stage, pilot


def line(stage: Stage[TunnelsPanel], name: str) -> str:
    return next((row for row in stage.text.splitlines() if row.startswith(name)), "")


def toasts(stage: Stage[TunnelsPanel]) -> str:
    return "\n".join(f"{one.title} {one.message}" for one in stage._notifications)


async def test_services_are_listed_by_name_and_the_systems_own_only_when_asked() -> None:
    held = FakeTunnels()
    async with tunnels_of(held, FakeServices(held, *FOUND)) as (stage, pilot):
        assert line(stage, "jupyter-cats").split()[:3] == ["jupyter-cats", "Jupyter", "8888"]
        assert "not open" in line(stage, "mlflow")
        assert "grace" in line(stage, "mlflow")
        assert not line(stage, "sshd")
        assert "0 open · 3 found" in stage.text
        await pilot.press("a")
        assert line(stage, "sshd-22")
        await pilot.press("a")
        assert not line(stage, "sshd-22")


async def test_enter_opens_a_service_and_its_page_with_the_token(browsing: Browsing) -> None:
    held = FakeTunnels()
    async with tunnels_of(held, FakeServices(held, *FOUND)) as (stage, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: browsing.shown)
        assert browsing.shown == [("http://127.0.0.1:9000/lab?token=s3cret", True)]
        assert "http://127.0.0.1:9000/lab" in toasts(stage)
        assert "s3cret" not in toasts(stage) + stage.painted()
        assert line(stage, "jupyter-cats").split()[:5] == ["jupyter-cats", "Jupyter", "8888", "9000", "open"]
        assert "1 open · 3 found" in stage.text
        await pilot.press("o")
        await until(pilot, lambda: len(browsing.shown) == 2)
        assert len(held.feed.value) == 1


async def test_without_a_browser_the_address_is_copied(browsing: Browsing) -> None:
    browsing.there = False
    held = FakeTunnels()
    async with tunnels_of(held, FakeServices(held, *FOUND)) as (stage, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: stage.clipboard)
        assert stage.clipboard == "http://127.0.0.1:9000/lab?token=s3cret"
        assert "is copied with its token" in toasts(stage)
        assert "s3cret" not in toasts(stage)


async def test_a_service_without_a_page_is_only_brought_here(browsing: Browsing) -> None:
    held = FakeTunnels()
    async with tunnels_of(held, FakeServices(held, REDIS)) as (stage, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "open" in line(stage, "redis").split())
        await pilot.press("o")
        assert not browsing.shown
        await pilot.press("y")
        assert stage.clipboard == "127.0.0.1:9000"


async def test_a_service_that_others_may_reach_says_so() -> None:
    held = FakeTunnels()
    async with tunnels_of(held, FakeServices(held, MLFLOW)) as (stage, pilot):
        await until(pilot, lambda: "It listens on 0.0.0.0: other machines may reach it too" in stage.text)


async def test_what_sshd_does_not_allow_is_greyed_with_the_reason() -> None:
    held = FakeTunnels()
    async with tunnels_of(held, FakeServices(held, JUPYTER, REDIS)) as (stage, pilot):
        stage.panel.box.use(SshdLimits).feed.put(SshdPolicy(forward=True, places=("localhost:6379",)))
        await until(pilot, lambda: "not allowed" in line(stage, "jupyter"))
        assert "not open" in line(stage, "redis")
        assert "PermitOpen in its sshd_config" in stage.text
        await pilot.press("enter")
        await until(pilot, lambda: "It passes on to localhost:6379 only" in toasts(stage))
        assert not held.feed.value


async def test_why_a_service_cannot_be_opened_is_reported() -> None:
    held = FakeTunnels()
    held.error = PortTaken("No free port", "8888 is taken by code (99), and so are the others", "Close it")
    async with tunnels_of(held, FakeServices(held, *FOUND)) as (stage, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "8888 is taken by code (99)" in toasts(stage))


STATES = [
    (TunnelPhase.OPEN, None, "", "open"),
    (TunnelPhase.OPENING, None, "", "opening"),
    (TunnelPhase.WAITING, None, "", "waits for the link"),
    (TunnelPhase.STOPPED, None, "", "stopped"),
    (TunnelPhase.OPEN, None, "8888 is taken by code (99)", "8888 is taken by code (99)"),
    (
        TunnelPhase.OPEN,
        RemoteError("Nothing listens on the box", "port 8888 on xub", "Start the service there"),
        "",
        "nothing listens on the box",
    ),
    (
        TunnelPhase.FAILED,
        RemoteError("The box forbids it", "sshd of xub", "AllowTcpForwarding"),
        "",
        "the box forbids it",
    ),
]


@pytest.mark.parametrize(("phase", "reason", "note", "said"), STATES)
async def test_every_state_of_a_tunnel_is_reported_in_words(
    phase: TunnelPhase, reason: RemoteError | None, note: str, said: str
) -> None:
    held = FakeTunnels(Tunnel(1, "db", LOCAL, phase, 8889, note=note, reason=reason))
    async with tunnels_of(held, FakeServices(held)) as (stage, pilot):
        await until(pilot, lambda: said in stage.text)
        if reason is not None:
            assert reason.text in stage.text
            assert f"→ {reason.hint}" in stage.text


async def test_bytes_and_rates_are_counted(clock: Clock) -> None:
    held = FakeTunnels(Tunnel(1, "db", LOCAL, TunnelPhase.OPEN, 8889))
    async with tunnels_of(held, FakeServices(held), (160, 16)) as (stage, pilot):
        for second in range(1, 5):
            clock.passed = second
            held.put(1, traffic=Traffic(sent=1024 * second, received=4 * 1024**2 * second, open=2))
            await pilot.pause()
        row = line(stage, "db")
        assert "open · 2 in use" in row
        assert row.split("in use")[1].split() == ["4.0K", "1.0K/s", "16.0M", "4.0M/s"]
        clock.passed = 60
        held.put(1, traffic=Traffic(sent=4096, received=16 * 1024**2))
        clock.passed = 61
        held.put(1, traffic=Traffic(sent=4096, received=16 * 1024**2))
        await until(pilot, lambda: "/s" not in line(stage, "db"))


def test_a_rate_is_the_mean_of_the_last_seconds(clock: Clock) -> None:
    rates = Rates()
    assert rates.of(1) == (0.0, 0.0)
    for second in range(10):
        clock.passed = second
        rates.note([Tunnel(1, "db", LOCAL, traffic=Traffic(sent=100 * second, received=min(second, 5)))])
    up, down = rates.of(1)
    assert up == pytest.approx(100)
    assert down == 0
    rates.note([])
    assert rates.of(1) == (0.0, 0.0)


async def test_a_tunnel_is_stopped_then_forgotten_and_can_be_started_again() -> None:
    held = FakeTunnels(Tunnel(1, "db", LOCAL, TunnelPhase.OPEN, 8889))
    async with tunnels_of(held, FakeServices(held)) as (stage, pilot):
        await pilot.press("x")
        await until(pilot, lambda: "stopped" in line(stage, "db"))
        await pilot.press("enter")
        await until(pilot, lambda: held.done == ["stop 1", "restart 1"])
        await pilot.press("R")
        await until(pilot, lambda: held.done[2:] == ["restart 1"])
        await pilot.press("x", "x")
        await until(pilot, lambda: held.done[-1] == "forget 1")
        assert "Nothing listens on the box · n opens a tunnel by hand" in stage.text


async def test_one_key_leads_here_from_anywhere_and_looks_at_once() -> None:
    held = FakeTunnels()
    services = FakeServices(held, *FOUND)
    app = make_app(serve(furnish(make_box(samples.training_box()), tunnels=held), services))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: complete(app))
        assert not services.looks
        await pilot.press("2", "t")
        panel = app.screen.query_one(TunnelsPanel)
        await until(pilot, lambda: panel.display and panel.has_pseudo_class("focus-within"))
        await until(pilot, lambda: services.looks == 1)
        await pilot.press("t")
        await until(pilot, lambda: services.looks == 2)


async def test_tunnels_stay_in_the_list_while_the_box_is_away() -> None:
    held = FakeTunnels(Tunnel(1, "db", LOCAL, TunnelPhase.WAITING, 8889))
    services = FakeServices(held, JUPYTER)
    async with tunnels_of(held, services) as (stage, pilot):
        link_of(stage.panel.box).health.put(Health(Phase.WAITING))
        looks = services.looks
        stage.panel.opened_by_key(again=True)
        await pilot.press("enter")
        assert services.looks == looks
        assert "waits for the link" in stage.text
        assert not held.done


@pytest.mark.parametrize("width", [78, 118, 160])
async def test_the_picture_of_tunnels(width: int, clock: Clock, snapshot: SnapshotAssertion) -> None:
    silent = RemoteError(
        "Nothing listens on the box", "port 5432 on xub", "Start the service there; the tunnel is ready"
    )
    held = FakeTunnels(
        Tunnel(1, "jupyter-cats", JUPYTER.forward, TunnelPhase.OPEN, 8888, Traffic(open=3)),
        Tunnel(2, "db", Forward(Direction.LOCAL, port=5432), TunnelPhase.OPEN, 5432, reason=silent),
        Tunnel(3, "socks", Forward(Direction.SOCKS), TunnelPhase.STOPPED, 1080),
        Tunnel(4, "remote 9000", Forward(Direction.REMOTE, 9000, port=3000), TunnelPhase.OPEN, 9000),
    )
    async with tunnels_of(held, FakeServices(held, *FOUND), (width, 14)) as (stage, pilot):
        clock.passed = 3
        held.put(1, traffic=Traffic(sent=8_000, received=3_000_000, open=3))
        await until(pilot, lambda: "K/s" in stage.text or width < 100)
        await pilot.press("home")
        same_picture(stage, snapshot)


async def test_stop_is_offered_only_where_there_is_a_tunnel() -> None:
    held = FakeTunnels()
    services = FakeServices(held, JUPYTER)
    box = serve(furnish(make_box(samples.training_box()), tunnels=held), services)
    app = make_app(box)
    async with app.run_test(size=(160, 30)) as pilot:
        await until(pilot, lambda: link_of(box).saved and app.screen.focused)
        await pilot.press("t")
        panel = app.screen.query_one(TunnelsPanel)
        await until(pilot, lambda: panel.chosen is not None)
        line = app.screen.query_one(KeyFooter)

        def keys() -> list[str]:
            return [key.description for key in line.keys()[0]]

        await until(pilot, lambda: "New" in keys())
        assert not {"Stop", "Restart", "X11"} & set(keys())
        assert panel.check_action("stop", ())  # else x would start a program of the box
        held.feed.put((Tunnel(1, JUPYTER.key, JUPYTER.forward, TunnelPhase.OPEN, 9000),))
        await until(pilot, lambda: "Stop" in keys())
        held.feed.put((Tunnel(1, JUPYTER.key, JUPYTER.forward, TunnelPhase.STOPPED, 9000),))
        await until(pilot, lambda: "Forget" in keys())
        assert title(panel, "stop", "Stop") == "Forget"
