"""Services found, named and opened through the tunnels of a box."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
import pytest

from gpubox.boxes.services import Service, Services
from gpubox.boxes.services.services import choose
from gpubox.boxes.tunnels.tunnel import TunnelPhase
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.core.channels import Direction, Forward
from gpubox.core.errors import Dropped, GpuBoxError, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.shell import CommandResult, Shell
from tests.boxes.scripted import ScriptedShell, context
from tests.boxes.services.samples import Given
from tests.boxes.services.test_collect import answering
from tests.boxes.tunnels.test_tunnels import ScriptedChannels, saved

CATS = Service("jupyter-cats", "jupyter", "Jupyter Lab", port=8888, title="cats", page=True, token="t")
DOGS = replace(CATS, key="jupyter-dogs", port=8889, title="dogs")
OTHERS = replace(CATS, key="jupyter-birds", port=8890, title="birds", mine=False, user="bob")
GRAFANA = Service("grafana", "grafana", "Grafana", port=3000, page=True)
SSH = Service("ssh", "ssh", "ssh", port=22, system=True)
ALL = (CATS, DOGS, GRAFANA, OTHERS, SSH)


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("jupyter-cats", CATS),
        ("JUPYTER-Dogs", DOGS),
        ("cats", CATS),
        ("Grafana", GRAFANA),
        ("8889", DOGS),
        ("3000", GRAFANA),
        ("graf", GRAFANA),
        ("jupyter-birds", OTHERS),
        ("ssh", SSH),
    ],
)
def test_a_service_goes_by_key_kind_port_or_part_of_its_title(name: str, service: Service) -> None:
    assert choose(ALL, name, "xub") == service


def test_a_name_that_means_several_is_asked_back() -> None:
    with pytest.raises(RemoteError, match=r"Several services.*jupyter-cats, jupyter-dogs on xub"):
        choose(ALL, "jupyter", "xub")


def test_ones_own_service_goes_before_that_of_another() -> None:
    assert choose((CATS, OTHERS), "jupyter", "xub") == CATS
    assert choose((GRAFANA, OTHERS), "jupyter", "xub") == OTHERS


@pytest.mark.parametrize(
    ("name", "hint"),
    [("grafanna", "Did you mean grafana?"), ("\x1b[2Jqqq", "There is jupyter-cats, jupyter-dogs, grafana")],
)
def test_a_name_that_means_nothing_is_reported_with_what_there_is(name: str, hint: str) -> None:
    with pytest.raises(RemoteError, match="No such service") as raised:
        choose(ALL, name, "xub")
    assert hint in raised.value.hint
    assert "\x1b" not in str(raised.value)


def box_with(given: Given) -> ScriptedShell:
    """A box that answers some facts."""
    return answering(b"MARK " + msgspec.json.encode(given.facts) + b"\n")


def jupyter(port: int) -> Given:
    given = Given()
    pid = given.listens(port, "python3 -m jupyterlab")
    given.jupyter_file(pid, port, "/home/ada/cats", token="s3cret")
    return given


@asynccontextmanager
async def services_of(given: Given) -> AsyncGenerator[tuple[Services, Feed[Shell | None], Tunnels]]:
    """Services over a link that is up."""
    shell: Feed[Shell | None] = Feed(box_with(given))
    box = context("xub", shell=shell)
    async with saved(box.use(Tunnels), ScriptedChannels()):
        yield Services(box), shell, box.use(Tunnels)


async def test_what_is_found_is_in_the_feed_and_stays_when_the_link_drops() -> None:
    async with services_of(jupyter(8888)) as (services, shell, _):
        found = await services.find()
        assert services.feed.value == found
        assert services.named("cats").token == "s3cret"
        shell.put(None)
        with pytest.raises(Dropped, match="Not connected"):
            await services.find()
        assert services.feed.value == found


async def test_nobody_is_woken_when_nothing_changed() -> None:
    async with services_of(jupyter(8888)) as (services, _, _):
        first = await services.find()
        assert await services.find() == first
        assert services.feed.value is first


async def test_a_service_is_opened_under_its_key_and_only_once() -> None:
    async with services_of(jupyter(8888)) as (services, _, tunnels):
        (service,) = await services.find()
        tunnel = await services.open(service)
        assert (tunnel.name, tunnel.phase) == ("jupyter-cats", TunnelPhase.OPEN)
        assert tunnel.spec == Forward(Direction.LOCAL, port=8888)
        assert (await services.open(service)).id == tunnel.id
        assert len(tunnels.feed.value) == 1
        assert services.behind(tunnel) == service


async def test_a_tunnel_by_hand_to_the_same_port_serves_as_well() -> None:
    async with services_of(jupyter(8888)) as (services, _, tunnels):
        by_hand = await tunnels.open(Forward(Direction.LOCAL, host="localhost", port=8888))
        (service,) = await services.find()
        assert services.behind(by_hand) == service
        assert (await services.open(service)).id == by_hand.id


async def test_a_service_that_moved_takes_its_tunnel_along() -> None:
    async with services_of(jupyter(8888)) as (services, shell, tunnels):
        (service,) = await services.find()
        before = await services.open(service)
        shell.put(box_with(jupyter(8891)))
        (service,) = await services.find()
        after = await services.open(service)
        assert (after.port, after.spec) == (before.port, Forward(Direction.LOCAL, port=8891))
        assert [one.id for one in tunnels.feed.value] == [after.id]


async def test_a_name_is_found_again_for_a_tunnel() -> None:
    async with services_of(jupyter(8888)) as (services, _, _):
        assert await services.place("jupyter") == Forward(Direction.LOCAL, port=8888)
        with pytest.raises(RemoteError, match="No such service"):
            await services.place("grafana")


async def test_other_ways_lead_to_no_service() -> None:
    async with services_of(jupyter(8888)) as (services, _, tunnels):
        await services.find()
        for spec in (
            Forward(Direction.SOCKS),
            Forward(Direction.LOCAL, host="db", port=8888),
            Forward(Direction.LOCAL, path="/s"),
        ):
            assert services.behind(await tunnels.open(spec)) is None


async def test_a_link_that_drops_meanwhile_is_reported() -> None:
    shell = ScriptedShell()

    def answer(_: str) -> CommandResult | GpuBoxError:
        return Dropped("Connection lost", "The box is gone")

    shell.answer = answer
    with pytest.raises(Dropped):
        await Services(context("xub", shell=Feed(shell))).find()
