"""Ports of this machine: which a tunnel gets, which it had, and who holds one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gpubox.boxes.tunnels.local_ports import candidates, holder
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.config.settings import HistorySettings
from gpubox.core.channels import Direction, Forward
from gpubox.store.store import Store
from tests.boxes.scripted import context
from tests.boxes.tunnels.opened import JUPYTER, ScriptedChannels, saved, taken
from tests.hang import LIMIT


async def remembered(store: Store, box: str, port: int) -> None:
    """Wait until the disk has the port of a box's Jupyter: it is written after the tunnel is open."""
    async with asyncio.timeout(LIMIT):
        while (await store.state.ports()).get((box, "jupyter")) != port:  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.01)


async def test_ports_are_remembered_by_box_and_name(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with Store(path, HistorySettings()) as store:
        attic, lab = (Tunnels(context(name, store=store)) for name in ("attic", "lab"))
        async with saved(attic, ScriptedChannels()), saved(lab, ScriptedChannels({8888: taken(8888)})):
            assert (await attic.open(JUPYTER, "jupyter")).port == 8888
            assert (await lab.open(JUPYTER, "jupyter")).port == 8889
            await remembered(store, "attic", 8888)
            await remembered(store, "lab", 8889)
    with Store(path, HistorySettings()) as store:
        lab = Tunnels(context("lab", store=store))
        async with saved(lab, ScriptedChannels()):
            assert (await lab.open(JUPYTER, "jupyter")).port == 8889
            # 8888 is free now, but it is attic's.
            assert (await lab.open(JUPYTER, "another")).port == 8890


async def test_a_port_that_is_taken_for_once_is_not_forgotten(tmp_path: Path) -> None:
    with Store(tmp_path / "history.sqlite", HistorySettings()) as store:
        for errors, port in (({}, 8888), ({8888: taken(8888)}, 8889), ({}, 8888)):
            tunnels = Tunnels(context("attic", store=store))
            async with saved(tunnels, ScriptedChannels(errors)):
                assert (await tunnels.open(JUPYTER, "jupyter")).port == port
                await remembered(store, "attic", 8888)
        tunnels = Tunnels(context("attic", store=store))
        async with saved(tunnels, ScriptedChannels()):
            assert (await tunnels.open(replace(JUPYTER, listen_port=7000), "jupyter")).port == 7000
            await remembered(store, "attic", 7000)


@pytest.mark.parametrize(
    ("spec", "said", "others", "first"),
    [
        (JUPYTER, 0, set[int](), [8888, 8889]),
        (JUPYTER, 0, {8888, 8890}, [8889, 8891]),
        (JUPYTER, 9000, {9000, 9001}, [9000, 9002]),
        (Forward(Direction.SOCKS), 0, set[int](), [1080, 1081]),
        (Forward(Direction.LOCAL, port=65535), 0, set[int](), [65535, 0]),
    ],
)
def test_the_first_ports_that_are_tried(spec: Forward, said: int, others: set[int], first: list[int]) -> None:
    tried = list(candidates(spec, "it", said, others))
    assert tried[: len(first)] == first
    assert tried[-1] == 0


@pytest.mark.parametrize("spec", [Forward(Direction.LOCAL, port=80), Forward(Direction.LOCAL, path="/run/x")])
def test_what_has_no_port_of_its_own_gets_one_that_stays(spec: Forward) -> None:
    first = next(candidates(spec, "it", 0, ()))
    assert 20_000 <= first < 30_000
    assert next(candidates(spec, "it", 0, ())) == first
    assert next(candidates(spec, "other", 0, ())) != first


async def test_who_holds_a_port_is_named_by_name_and_number() -> None:
    script = (
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
        "print(s.getsockname()[1], flush=True); input()"
    )
    process = await asyncio.create_subprocess_exec(
        "python3", "-c", script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        reported = await asyncio.to_thread(holder, port)
        assert reported.startswith("python")
        assert reported.endswith(f"({process.pid})")
    finally:
        process.kill()
        await process.communicate()
    assert await asyncio.to_thread(holder, port) == ""
