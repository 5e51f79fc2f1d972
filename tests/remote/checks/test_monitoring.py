"""The facts of what watches the box: processes, ports, the configuration of Zabbix."""

from __future__ import annotations

import time

import msgspec
import pytest

from gpubox.boxes.checks.monitoring.facts import MonitoringFacts, ZabbixAgent, ZabbixTalk
from gpubox.remote.checks import monitoring
from tests.remote.checks.trees import Tree, tree

__all__ = ["tree"]

AGENT2 = """\
# This is a configuration file for Zabbix agent 2
### Option: Server
Server=192.0.2.10
 ServerActive = 192.0.2.10:10051
Hostname=trainer
TLSConnect=psk
TLSAccept=psk
TLSPSKIdentity=box-psk-7
TLSPSKFile=/etc/zabbix/secret.psk
Include=./zabbix_agent2.d/plugins.d/*.conf
Include=/etc/zabbix/zabbix_agent2.d/*.conf
"""


def facts() -> MonitoringFacts:
    """What the box would send, decoded."""
    return msgspec.convert(monitoring.gather(), MonitoringFacts)


def only() -> ZabbixAgent:
    """The one agent of Zabbix that the box has."""
    (agent,) = list(facts().zabbix or ())
    return agent


def test_agents_are_found_by_their_cut_names_with_their_ports(tree: Tree) -> None:
    tree.process(400, "/usr/bin/prometheus-node-exporter", sockets=(21,))
    tree.process(401, "/usr/sbin/zabbix_agentd", sockets=(22, 23))
    tree.process(402, "/usr/sbin/zabbix_agentd: collector", name="zabbix_agentd", sockets=(22,))
    tree.process(403, "/usr/bin/bash")
    tree.listens(("0.0.0.0", 9100, 21), ("127.0.0.1", 10050, 22), ("0.0.0.0", 22, 77))
    found = {one.name: one for one in facts().agents or ()}
    assert set(found) == {"node_exporter", "Zabbix agent"}
    assert [(one.port, one.local) for one in found["node_exporter"].ports] == [(9100, False)]
    assert [(one.port, one.local) for one in found["Zabbix agent"].ports] == [(10050, True)]


def test_the_configuration_of_zabbix_is_read_with_what_it_includes(tree: Tree) -> None:
    tree.process(400, "/usr/sbin/zabbix_agent2")
    tree.file("/usr/sbin/zabbix_agent2")
    tree.file("/etc/zabbix/zabbix_agent2.conf", AGENT2)
    tree.file("/etc/zabbix/zabbix_agent2.d/plugins.d/nvidia.conf", "Plugins.NVIDIA.System.Path=/usr/sbin/x\n")
    tree.file("/etc/zabbix/zabbix_agent2.d/mine.conf", "UserParameter=a,echo 1\nAllowKey=system.run[*]\n")
    agent = only()
    assert (agent.program, agent.runs, agent.installed, agent.readable) == ("zabbix_agent2", True, True, True)
    assert agent.settings["Server"] == "192.0.2.10"
    assert agent.settings["ServerActive"] == "192.0.2.10:10051"
    assert (agent.psk, agent.parameters, agent.gpu, agent.commands) == (True, 1, True, True)


def test_nothing_of_the_key_is_reported(tree: Tree) -> None:
    tree.file("/etc/zabbix/zabbix_agent2.conf", AGENT2)
    tree.file("/etc/zabbix/secret.psk", "0123456789abcdef")
    said = str(monitoring.gather())
    assert "box-psk-7" not in said
    assert "secret.psk" not in said
    assert "0123456789abcdef" not in said


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("EnableRemoteCommands=1", True),
        ("EnableRemoteCommands=0", False),
        ("AllowKey=system.run[uptime]", False),
        ("AllowKey=*", True),
        ("# AllowKey=system.run[*]", False),
    ],
)
def test_remote_commands_are_noticed(tree: Tree, line: str, commands: bool) -> None:
    tree.file("/etc/zabbix/zabbix_agentd.conf", f"Server=192.0.2.10\n{line}\n")
    agent = only()
    assert agent.commands is commands


def test_files_that_include_each_other_end(tree: Tree) -> None:
    tree.file("/etc/zabbix/zabbix_agentd.conf", "Include=/etc/zabbix/a.conf\nInclude=/etc/zabbix/gone.conf\n")
    tree.file("/etc/zabbix/a.conf", "Include=/etc/zabbix/zabbix_agentd.conf\nServer=192.0.2.10\n")
    agent = only()
    assert (agent.settings["Server"], agent.readable) == ("192.0.2.10", True)


def test_a_configuration_that_cannot_be_read_is_said_to_be_so(tree: Tree) -> None:
    (tree.root / "etc/zabbix/zabbix_agentd.conf").mkdir(parents=True)
    agent = only()
    assert not agent.readable


def test_what_shows_that_an_agent_reports_is_gathered_with_its_configuration(tree: Tree) -> None:
    tree.file(
        "/etc/zabbix/zabbix_agentd.conf", "ServerActive=192.0.2.10\nServer=zabbix.example.org\nLogFile=/log\n"
    )
    begin = time.strftime(" 7:%Y%m%d:%H%M%S.000 ", time.localtime(time.time() - 60))
    lines = [
        'failed to accept an incoming connection: connection from "192.0.2.66" rejected, allowed hosts: "x"',
        "Unable to connect to [192.0.2.10]:10051 [[113] No route to host]",
        "Active check data upload started to fail",
    ]
    tree.file("/log", "".join(f"{begin}{line}\n" for line in lines))
    tree.connects(
        ("192.0.2.5", 40001, "192.0.2.10", 10051, 50.0), ("192.0.2.5", 10050, "192.0.2.66", 40002, 5.0)
    )
    agent = only()
    assert (agent.log, agent.log_state) == ("/log", "read")
    assert agent.settings == {"ServerActive": "192.0.2.10", "Server": "zabbix.example.org"}
    (trouble,) = agent.troubles
    assert trouble.seconds is not None
    assert trouble.seconds >= 59
    assert trouble.server == "192.0.2.10:10051"
    assert [one.address for one in agent.rejected] == ["192.0.2.66"]
    assert agent.talks == (ZabbixTalk("192.0.2.10", 10051, 50.0),)


def test_a_port_of_an_agent_says_when_something_was_connected_to_it(tree: Tree) -> None:
    tree.process(400, "/usr/bin/prometheus-node-exporter", sockets=(21, 22))
    tree.listens(("0.0.0.0", 9100, 21), ("0.0.0.0", 9101, 22))
    tree.connects(
        ("192.0.2.5", 9100, "192.0.2.10", 40001, 30.0), ("192.0.2.5", 9100, "192.0.2.10", 40002, 12.0)
    )
    tree.connects(("192.0.2.5", 40003, "192.0.2.10", 9101, 1.0))
    (found,) = list(facts().agents or ())
    assert {one.port: one.asked for one in found.ports} == {9100: 12.0, 9101: None}


def test_a_server_on_the_box_itself_is_noticed(tree: Tree) -> None:
    tree.process(400, "/usr/sbin/zabbix_server")
    assert facts().server


def test_a_box_that_nobody_watches_has_facts(tree: Tree) -> None:
    assert facts() == MonitoringFacts((), ())
