"""Whether the agent of Zabbix is set up: runs, serves nobody but its server, and reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.monitoring import zabbix_reports
from gpubox.boxes.checks.monitoring.facts import MonitoringFacts, ZabbixAgent
from gpubox.common.zabbix import divided, entries
from gpubox.core.sanitize import clean

_HERE = ("127.0.0.1", "::1", "localhost", "")
_ALL = ("0.0.0.0/0", "::/0", "0.0.0.0")
_UNITS = {"zabbix_agentd": "zabbix-agent", "zabbix_agent2": "zabbix-agent2"}


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(MonitoringFacts)
    if facts.zabbix is None:
        return unknown("The processes could not be read in time", "systemctl status zabbix-agent2")
    if not facts.zabbix:
        return not_here("The box has no agent of Zabbix")
    agent = next((one for one in facts.zabbix if one.runs), facts.zabbix[0])
    program, unit = clean(agent.program, 30), _UNITS.get(agent.program, "zabbix-agent")
    if not agent.runs:
        if not agent.installed:
            return not_here(f"Only the configuration of a removed {program} is left")
        return warning(
            f"{program} is installed and does not run", f"sudo systemctl enable --now {unit}", value="stopped"
        )
    if not agent.path:
        return unknown(
            f"{program} runs, and its configuration was not found", f"ps -C {quote(program)} -o args"
        )
    path = clean(agent.path, 100)
    if not agent.readable:
        return unknown(f"Only root may read {path}", f"sudo grep -v '^#' {quote(path)}")
    return _configured(agent, facts.server, f"In {path}", unit)


def _configured(agent: ZabbixAgent, server_here: bool, place: str, unit: str) -> Result:
    passive, active = _names(agent.settings, "Server"), _names(agent.settings, "ServerActive")
    details = _details(agent)
    restart = f"then sudo systemctl restart {unit}"
    everybody = [name for name in passive if name in _ALL]
    secure = _encrypted(agent)
    if everybody:
        step = f"{place}: Server=ADDRESS OF YOUR SERVER; {restart}"
        return warning("It answers everybody who asks", step, value="open", details=details)
    if agent.commands and not secure:
        step = f"{place}: remove EnableRemoteCommands and AllowKey=system.run[*], or encrypt; {restart}"
        return warning(
            "Its server may run any command here, over an unencrypted connection",
            step,
            value="commands",
            details=details,
        )
    if not server_here and all(divided(name)[0] in _HERE for name in (*passive, *active)):
        step = f"{place}: Server= and ServerActive= with the address of your server; {restart}"
        return warning(
            "It runs, and knows no server but this box itself", step, value="default", details=details
        )
    trouble = zabbix_reports.trouble(agent, restart, details)
    if trouble:
        return trouble
    names = ", ".join(dict.fromkeys(clean(name, 60) for name in (*active, *passive)))
    seen = zabbix_reports.last_seen(agent)
    if not secure and not server_here:
        step = f"{place}: TLSConnect=psk, TLSAccept=psk, TLSPSKIdentity, TLSPSKFile; the same on the server"
        return hint(f"It reports to {names}, unencrypted{seen}", step, value="plain", details=details)
    return ok(f"It reports to {names}{', encrypted' if secure else ''}{seen}", value="yes", details=details)


def _names(settings: Mapping[str, str], key: str) -> list[str]:
    return entries(settings.get(key, ""))


def _encrypted(agent: ZabbixAgent) -> bool:
    accept = _names(agent.settings, "TLSAccept") or ["unencrypted"]
    connect = agent.settings.get("TLSConnect", "unencrypted")
    asked = bool(_names(agent.settings, "Server"))
    reports = bool(_names(agent.settings, "ServerActive"))
    return ("unencrypted" not in accept or not asked) and (connect != "unencrypted" or not reports)


def _details(agent: ZabbixAgent) -> tuple[str, ...]:
    lines = [*zabbix_reports.lines(agent)]
    lines += [f"{key}={clean(value, 80)}" for key, value in sorted(agent.settings.items())[:10]]
    lines.append("A pre-shared key is configured" if agent.psk else "No pre-shared key is configured")
    if agent.parameters:
        gpus = ", some of them about GPUs" if agent.gpu else ""
        lines.append(f"{agent.parameters} parameters of its own{gpus}")
    return tuple(lines)


CHECK = Check(
    id="monitoring.zabbix",
    title="The agent of Zabbix is set up",
    why="A package brings the agent with this box itself as its server, so it runs and reports to nobody. "
    "`Server` lists who may ask it, `ServerActive` to whom it reports by itself, which works from behind "
    "a router, too. Without a pre-shared key or a certificate, everybody on the way reads along, and may "
    "answer in the name of the server. To change it restarts the agent; its server waits. The log of the "
    "agent says whether its reports arrive. A connection of the last minute is seen without root, unless "
    "the server closed it first.",
    command="grep -v '^#' /etc/zabbix/zabbix_agent2.conf; systemctl status zabbix-agent2; "
    "sudo tail /var/log/zabbix/zabbix_agent2.log",
    needs=(MonitoringFacts,),
    judge=_judge,
)
