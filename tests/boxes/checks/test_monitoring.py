"""Checks of what watches the box, by the facts of boxes as they are found."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.monitoring.facts import AgentPort, MonitoringAgent, MonitoringFacts, ZabbixAgent
from tests.boxes.checks.facts import judge

OK, HINT, WARNING = Outcome.OK, Outcome.HINT, Outcome.WARNING
UNKNOWN, NOT_HERE = Outcome.UNKNOWN, Outcome.NOT_HERE
NODE = MonitoringAgent("node_exporter", "node_exporter", "nobody", (AgentPort("::", 9100, False),))
DCGM = MonitoringAgent("dcgm-exporter", "dcgm-exporter", "root")
SERVED = {"Server": "192.0.2.10", "ServerActive": "192.0.2.10:10051", "Hostname": "trainer"}
SECURE = {**SERVED, "TLSAccept": "psk", "TLSConnect": "psk"}


@pytest.mark.parametrize(
    ("agents", "outcome", "text"),
    [
        ((NODE,), OK, "node_exporter runs"),
        ((NODE, DCGM), OK, "node_exporter, dcgm-exporter run"),
        ((), HINT, "No agent of a known monitoring runs"),
    ],
)
def test_what_watches_the_box_is_named(
    agents: tuple[MonitoringAgent, ...], outcome: Outcome, text: str
) -> None:
    result = judge("monitoring.agent", MonitoringFacts(agents))
    assert (result.outcome, result.text) == (outcome, text)


def test_the_ports_of_agents_are_in_the_details() -> None:
    details = judge("monitoring.agent", MonitoringFacts((NODE, DCGM))).details
    assert details == ("node_exporter as nobody, port 9100", "dcgm-exporter as root")


def test_a_port_to_which_something_was_connected_is_in_the_details() -> None:
    port = AgentPort("::", 9100, False, asked=12.0)
    details = judge(
        "monitoring.agent", MonitoringFacts((msgspec.structs.replace(NODE, ports=(port,)),))
    ).details
    assert details == ("node_exporter as nobody, port 9100 with a connection in the last minute",)


def test_processes_that_were_not_read_are_unknown() -> None:
    assert judge("monitoring.agent", MonitoringFacts()).outcome is UNKNOWN
    assert judge("monitoring.zabbix", MonitoringFacts()).outcome is UNKNOWN


def agent(settings: dict[str, str], **more: Any) -> ZabbixAgent:
    """An agent of Zabbix that runs, with settings that can be read."""
    known: dict[str, Any] = {
        "runs": True,
        "installed": True,
        "readable": True,
        "path": "/etc/zabbix/zabbix_agent2.conf",
    }
    return ZabbixAgent("zabbix_agent2", settings=settings, **{**known, **more})


@pytest.mark.parametrize(
    ("found", "outcome", "said"),
    [
        (agent(SECURE, psk=True), OK, "It reports to 192.0.2.10:10051, 192.0.2.10, encrypted"),
        (agent({"ServerActive": "[2001:db8::1]:10051", "TLSConnect": "psk"}, psk=True), OK, "encrypted"),
        (agent({"Server": "192.0.2.10", "TLSAccept": "psk,unencrypted"}), HINT, "unencrypted"),
        (agent(SERVED), HINT, "It reports to 192.0.2.10:10051, 192.0.2.10, unencrypted"),
        (agent({"Server": "127.0.0.1", "ServerActive": "127.0.0.1"}), WARNING, "knows no server"),
        (agent({"ServerActive": "[::1]:10051;localhost"}), WARNING, "knows no server"),
        (agent({}), WARNING, "knows no server"),
        (agent({**SECURE, "Server": "192.0.2.10,0.0.0.0/0"}), WARNING, "answers everybody"),
        (agent(SERVED, commands=True), WARNING, "may run any command"),
        (agent(SECURE, commands=True), OK, "encrypted"),
        (agent(SERVED, runs=False), WARNING, "does not run"),
        (agent(SERVED, runs=False, installed=False), NOT_HERE, "removed"),
        (agent({}, readable=False), UNKNOWN, "Only root may read /etc/zabbix/zabbix_agent2.conf"),
        (agent({}, path=""), UNKNOWN, "was not found"),
    ],
)
def test_the_configuration_of_zabbix_is_judged(found: ZabbixAgent, outcome: Outcome, said: str) -> None:
    result = judge("monitoring.zabbix", MonitoringFacts((), (found,)))
    assert result.outcome is outcome
    assert said in result.text


def test_an_agent_may_report_to_a_server_on_the_box_itself() -> None:
    facts = MonitoringFacts((), (agent({"Server": "127.0.0.1"}),), server=True)
    assert judge("monitoring.zabbix", facts).outcome is OK


def test_the_agent_that_runs_counts_where_two_are_installed() -> None:
    stopped = ZabbixAgent("zabbix_agentd", "/etc/zabbix/zabbix_agentd.conf", installed=True)
    assert judge("monitoring.zabbix", MonitoringFacts((), (stopped, agent(SECURE)))).outcome is OK
    alone = judge("monitoring.zabbix", MonitoringFacts((), (stopped,)))
    assert alone.step == "sudo systemctl enable --now zabbix-agent"


def test_a_key_is_mentioned_and_parameters_are_counted() -> None:
    details = judge(
        "monitoring.zabbix", MonitoringFacts((), (agent(SECURE, psk=True, parameters=3, gpu=True),))
    ).details
    assert "A pre-shared key is configured" in details
    assert "3 parameters of its own, some of them about GPUs" in details


def test_hostile_configurations_stay_short_and_harmless() -> None:
    bad = "\x1b[31m" + "y" * 900
    found = agent({"Server": bad, "Hostname": bad}, path=bad)
    result = judge("monitoring.zabbix", MonitoringFacts((), (found,)))
    assert "\x1b" not in result.text + result.step + "".join(result.details)
    assert len(result.text) < 300


def test_a_box_without_zabbix_is_not_judged_by_it() -> None:
    assert judge("monitoring.zabbix", MonitoringFacts((), ())).outcome is NOT_HERE
