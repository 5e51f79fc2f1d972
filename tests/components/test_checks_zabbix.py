"""Real Zabbix agents: their log and their connections show whether their reports arrive."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gpubox.boxes.checks.check import Outcome
from tests.components.zabbix import HOST, NAME, Agent, Trapper

pytestmark = pytest.mark.parametrize("name", ["zabbix_agentd", "zabbix_agent2"])


async def test_reports_are_seen_to_arrive_and_to_fail_once_the_server_is_gone(
    tmp_path: Path, name: str
) -> None:
    trapper = Trapper(NAME)
    async with trapper.serving():
        agent = Agent(name, tmp_path, trapper.port)
        server = f"{HOST}:{trapper.port}"
        async with agent.running():
            result = await agent.becomes("last seen talking")
            assert result.outcome is Outcome.HINT
            assert result.text.startswith(f"It reports to {server}, {HOST}, unencrypted; last seen talking ")
            assert any(line.startswith(f"It was connected to {server} ") for line in result.details)
            await trapper.stop()
            result = await agent.becomes("fail")
    assert result.outcome is Outcome.WARNING
    assert result.text.startswith(f"Its reports to {server} have failed for ")
    assert result.text.endswith("onnection refused")
    assert f"that {server} is a Zabbix server" in result.step
    assert result.step.endswith("sudo tail /agent.log")


async def test_a_host_that_the_server_does_not_know_is_named(tmp_path: Path, name: str) -> None:
    trapper = Trapper("another")
    async with trapper.serving():
        agent = Agent(name, tmp_path, trapper.port)
        async with agent.running():
            result = await agent.becomes("does not know")
    assert result.outcome is Outcome.WARNING
    assert result.text == f"{HOST}:{trapper.port} does not know the host {NAME}"
    assert f"create a host with the name {NAME}" in result.step


async def test_a_server_that_asks_is_seen_and_another_is_named_as_turned_away(
    tmp_path: Path, name: str
) -> None:
    trapper = Trapper(NAME)
    async with trapper.serving():
        agent = Agent(name, tmp_path, trapper.port)
        async with agent.running():
            await agent.becomes("last seen talking")  # it listens
            assert await asyncio.to_thread(agent.ask, "127.0.0.3") == b""
            details = await agent.lists("It turned 127.0.0.3 away ")
            assert not any("asked it" in line for line in details)
            assert (await asyncio.to_thread(agent.ask, HOST)).endswith(b"1")
            await agent.lists(f"{HOST} asked it ")
