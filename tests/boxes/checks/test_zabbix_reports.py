"""Whether the reports of a Zabbix agent arrive, judged by its log and its connections."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.monitoring.facts import (
    MonitoringFacts,
    RejectedAddress,
    ZabbixAgent,
    ZabbixTalk,
    ZabbixTrouble,
)
from tests.boxes.checks.facts import judge
from tests.boxes.checks.test_monitoring import HINT, OK, SECURE, SERVED, WARNING, agent
from tests.drawable import drawable

TALK = ZabbixTalk("192.0.2.10:10051", 10051, 12.4)
REFUSED = ZabbixTrouble(
    "192.0.2.10:10051",
    7500.0,
    "Unable to connect to [192.0.2.10]:10051 "
    "[cannot connect to [[192.0.2.10]:10051]: [111] Connection refused]",
)
STRANGER = ZabbixTrouble("192.0.2.10:10051", 20.0, "host [trainer] not found", answers=True)


@pytest.mark.parametrize(
    ("found", "outcome", "value", "text"),
    [
        (
            agent(SECURE, talks=(TALK,)),
            OK,
            "yes",
            "It reports to 192.0.2.10:10051, 192.0.2.10, encrypted; last seen talking 12s ago",
        ),
        (
            agent(SERVED, talks=(TALK, ZabbixTalk("192.0.2.10", 10050, 0.0, asked=True))),
            HINT,
            "plain",
            "It reports to 192.0.2.10:10051, 192.0.2.10, unencrypted; last seen talking just now",
        ),
        (
            agent(SECURE, troubles=(REFUSED,), talks=(TALK,)),
            WARNING,
            "failing",
            "Its reports to 192.0.2.10:10051 have failed for 2h 05m: Connection refused",
        ),
        (
            agent(SECURE, troubles=(STRANGER, REFUSED)),
            WARNING,
            "failing",
            "Its reports to 192.0.2.10:10051 have failed for 2h 05m: Connection refused",
        ),
        (
            agent({"ServerActive": "192.0.2.10"}, troubles=(ZabbixTrouble(text="connection closed"),)),
            WARNING,
            "failing",
            "Its reports to 192.0.2.10 fail: connection closed",
        ),
        (
            agent({"ServerActive": "192.0.2.10,192.0.2.11"}, troubles=(ZabbixTrouble(seconds=3.0),)),
            WARNING,
            "failing",
            "Its reports to a server have failed for 3s",
        ),
        (
            agent(SECURE, troubles=(STRANGER,), talks=(TALK,)),
            WARNING,
            "unknown-host",
            "192.0.2.10:10051 does not know the host trainer",
        ),
        (
            agent(SECURE, troubles=(msgspec.structs.replace(STRANGER, text="host [trainer] not monitored"),)),
            WARNING,
            "refused",
            "192.0.2.10:10051 has no checks for it: host [trainer] not monitored",
        ),
        (
            agent({**SECURE, "Server": "::/0"}, troubles=(REFUSED,)),
            WARNING,
            "open",
            "It answers everybody who asks",
        ),
    ],
)
def test_what_shows_whether_reports_arrive_is_judged(
    found: ZabbixAgent, outcome: Outcome, value: str, text: str
) -> None:
    result = judge("monitoring.zabbix", MonitoringFacts((), (found,)))
    assert (result.outcome, result.value, result.text) == (outcome, value, text)


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (
            "cannot connect to [192.0.2.1:10051]: dial tcp :0->192.0.2.1:10051: connect: connection refused",
            "connection refused",
        ),
        ("cannot connect to [zabbix:1]: read tcp 192.0.2.5:46041->192.0.2.1:1: i/o timeout", "i/o timeout"),
        ("Unable to connect to [zabbix]:10051 [cannot resolve [zabbix]]", ""),
        ("Unable to receive from [192.0.2.1]:10051 [ZBX_TCP_READ() timed out]", ""),
        ("cannot connect to [[192.0.2.1]:10051]: [113] No route to host", "No route to host"),
        ("connection closed", ""),
    ],
)
def test_the_error_is_said_without_the_address_that_was_said_before(error: str, short: str) -> None:
    trouble = ZabbixTrouble("zabbix:10051", 1.0, error)
    text = judge("monitoring.zabbix", MonitoringFacts((), (agent(SECURE, troubles=(trouble,)),))).text
    said = text.partition("failed for 1s: ")[2]
    assert said == (short or error)


def test_the_words_of_the_log_are_in_the_details() -> None:
    troubles = (REFUSED, msgspec.structs.replace(STRANGER, seconds=None))
    before = judge("monitoring.zabbix", MonitoringFacts((), (agent(SECURE),))).details
    found = agent(SECURE, troubles=troubles, log="/log", log_state="read")
    assert judge("monitoring.zabbix", MonitoringFacts((), (found,))).details == (
        f"Logged 2h 05m ago about 192.0.2.10:10051: {REFUSED.text}",
        "Logged about 192.0.2.10:10051: host [trainer] not found",
        *before,
    )


def test_the_steps_say_what_to_do() -> None:
    log = {"log": "/var/log/zabbix/zabbix_agent2.log", "log_state": "read"}
    failing = judge("monitoring.zabbix", MonitoringFacts((), (agent(SECURE, troubles=(REFUSED,), **log),)))
    assert failing.step.startswith("Check that 192.0.2.10:10051 is a Zabbix server and runs")
    assert failing.step.endswith("To look: sudo tail /var/log/zabbix/zabbix_agent2.log")
    unknown = judge("monitoring.zabbix", MonitoringFacts((), (agent(SECURE, troubles=(STRANGER,), **log),)))
    assert unknown.step == (
        "On the server, create a host with the name trainer; or, in /etc/zabbix/zabbix_agent2.conf: "
        "Hostname=THE NAME THAT IT HAS THERE; then sudo systemctl restart zabbix-agent2"
    )


UNSEEN = "When it last reported cannot be seen: no connection in the last minute is known, and "
UNSURE = "Whether the server accepts its reports is unknown: "


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("denied", "only root may read its log /log"),
        ("missing", "its log /log does not exist"),
        ("unreadable", "its log /log cannot be read"),
        ("none", "it does not log to a file"),
        ("quiet", "its DebugLevel keeps failures out of /log"),
        ("read", "its log /log names no failure"),
        ("", None),
        ("of a later version", None),
    ],
)
def test_what_cannot_be_seen_is_said_with_its_reason(state: str, why: str | None) -> None:
    def lines(**more: Any) -> tuple[str, ...]:
        found = agent(SECURE, log="/log", log_state=state, **more)
        result = judge("monitoring.zabbix", MonitoringFacts((), (found,)))
        assert (result.outcome, result.text[:14]) == (OK, "It reports to ")
        return result.details

    before = judge("monitoring.zabbix", MonitoringFacts((), (agent(SECURE),))).details
    assert lines() == ((UNSEEN + why, *before) if why else before)
    talked = lines(talks=(TALK,))
    assert talked[0] == "It was connected to 192.0.2.10:10051 12s ago"
    assert talked[1:] == ((UNSURE + why, *before) if why and state != "read" else before)


def test_names_are_not_looked_up_and_that_is_said() -> None:
    talks = (
        ZabbixTalk("zabbix.example.org", 10051, 3.0, certain=False),
        ZabbixTalk("192.0.2.10", 10050, 0.0, asked=True, certain=False),
        ZabbixTalk("192.0.2.11", 10050, 61.0, asked=True),
    )
    found = agent(SECURE, talks=talks, rejected=(RejectedAddress("192.0.2.66", 600.0),))
    assert judge("monitoring.zabbix", MonitoringFacts((), (found,))).details[:4] == (
        "It was connected to zabbix.example.org 3s ago, by the port 10051: the name is not looked up",
        "192.0.2.10 asked it just now; Server has a name, which is not looked up",
        "192.0.2.11 asked it 1m 01s ago",
        "It turned 192.0.2.66 away 10m 00s ago: the address is not in Server",
    )


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("words", ["%s", "host [%s] not found", "cannot connect to [x]: %s"])
def test_hostile_logs_stay_short_and_harmless(answers: bool, words: str) -> None:
    bad = "\x1b]0;x\x07[red]\u202e" + "]: [" * 200
    found = agent(
        SECURE,
        log="/log" + bad,
        log_state="read",
        troubles=(ZabbixTrouble(bad, 1e18, words % bad, answers),),
        talks=(ZabbixTalk(bad, 10051, -1e18),),
        rejected=(RejectedAddress(bad, 1.0),),
    )
    result = judge("monitoring.zabbix", MonitoringFacts((), (found,)))
    assert all(drawable(line) for line in (result.text, result.step, *result.details))
    assert max(map(len, (result.text, result.step, *result.details))) < 420
