"""What the log of a Zabbix agent says of its reports: logs of real agents, and hostile ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.remote.checks import zabbix_log
from tests.remote.checks.trees import Tree, tree

__all__ = ["tree"]

LOGS = Path(__file__).parents[2] / "recorded" / "zabbix-logs"
FIRST, SECOND = "127.0.0.1:20051", "127.0.0.1:20052"
AGENTD, AGENT2 = "agentd", "agent2"


def recorded(name: str, last: str = "", times: int = 1) -> list[str]:
    """Return a recorded log up to the line that has some words for the given time; default all of it."""
    lines = (LOGS / f"{name}.log").read_text().splitlines()
    if not last:
        return lines
    return lines[: [place for place, line in enumerate(lines) if last in line][times - 1] + 1]


def when(line: str) -> float:
    """Return the time of a line."""
    ((_, moment, _),) = zabbix_log.stamped([line])
    assert moment is not None
    return moment


def troubles(lines: list[str], later: float = 10.0) -> list[tuple[str, float | None, bool]]:
    """Return server, age and whether it answers, of what lasts some seconds after the last line."""
    found = zabbix_log.parsed(lines, when(lines[-1]) + later)["troubles"]
    return [(row["server"], row["seconds"], row["answers"]) for row in found]


@pytest.mark.parametrize(
    ("name", "last", "times", "expected"),
    [
        # nobody listens at either address
        (AGENTD, "started to fail", 2, [(FIRST, 10, False), (SECOND, 10, False)]),
        (AGENT2, "started to fail", 2, [(FIRST, 10, False), (SECOND, 10, False)]),
        # both servers are there, the second does not know the host
        (AGENTD, "from [127.0.0.1:20051] is working again", 1, [(SECOND, 10, True)]),
        (AGENT2, "not found", 2, [(SECOND, 10, True)]),  # also after a restart
        (AGENT2, "Starting", 2, []),
        (AGENTD, "data upload started to fail", 1, [(FIRST, 10, False), (SECOND, 38, True)]),
        (AGENTD, "data upload to [127.0.0.1:20051] is working again", 1, [(SECOND, 39, True)]),
        # both are gone again: the first fails since its first failed upload
        (AGENTD, "update started to fail", 4, [(FIRST, 20, False), (SECOND, 10, False)]),
        (AGENT2, "update from host [trainer] started to fail", 4, [(SECOND, 10, False), (FIRST, 52, False)]),
        # an upload that works says that reports arrive
        (AGENTD, "data upload to [127.0.0.1:20051] is working again", 2, [(SECOND, 252, False)]),
        (AGENT2, "history upload to [127.0.0.1:20051] [trainer] is working again", 1, [(SECOND, 220, False)]),
        (AGENTD, "", 1, []),
        (AGENT2, "", 1, []),
        # the same error again is no new beginning
        ("agent2-silent", "", 1, [("localhost:20051", 592, False)]),
    ],
)
def test_a_recorded_log_says_what_lasts(
    name: str, last: str, times: int, expected: list[tuple[str, float, bool]]
) -> None:
    assert troubles(recorded(name, last, times)) == expected


def test_a_host_that_the_server_knows_by_now_is_no_trouble() -> None:
    lines = recorded(AGENTD, "not found", 2)
    repeats = 2 * zabbix_log.REFRESH + 60
    assert troubles(lines, repeats) == [(SECOND, repeats, True)]
    assert troubles(lines, repeats + 1) == []  # the agent would have said so again


def test_an_address_that_was_turned_away_is_reported_for_a_day() -> None:
    for name in (AGENTD, AGENT2):
        lines = recorded(name, "rejected")
        now = when(lines[-1])
        assert zabbix_log.parsed(lines, now + 5)["rejected"] == [{"address": "127.0.0.1", "seconds": 5.0}]
        assert zabbix_log.parsed(lines, now + zabbix_log.DAY)["rejected"] == []


OTHERS = [
    # 5.0: the line names server and reason
    (
        "active check configuration update from [zabbix.example.org:10051] started to fail "
        "(cannot connect to [[zabbix.example.org]:10051]: [113] No route to host)",
        "zabbix.example.org:10051",
        "cannot connect to [[zabbix.example.org]:10051]: [113] No route to host",
    ),
    (
        "active check data upload to [192.0.2.1:10051] started to fail ([110] Connection timed out)",
        "192.0.2.1:10051",
        "[110] Connection timed out",
    ),
    # 7.0: heartbeats have lines of their own
    (
        "Unable to send heartbeat message to [192.0.2.1]:10051 [cannot connect to [[192.0.2.1]:10051]: x]",
        "192.0.2.1:10051",
        "Unable to send heartbeat message to [192.0.2.1]:10051 [cannot connect to [[192.0.2.1]:10051]: x]",
    ),
    ("history upload to [::1:10051] [trainer] started to fail", "[::1]:10051", ""),
]


@pytest.mark.parametrize(("line", "server", "why"), OTHERS)
def test_other_versions_are_read(line: str, server: str, why: str) -> None:
    lines = [f" 1234:20260101:120000.123 {line}"]
    now = when(lines[0])
    (row,) = zabbix_log.parsed(lines, now)["troubles"]
    assert row == {"server": server, "seconds": 0.0, "text": why, "answers": False}


def test_a_heartbeat_that_arrives_again_ends_its_trouble() -> None:
    line = " 1234:20260101:120000.123 "
    lines = [line + "Unable to send heartbeat message to [192.0.2.1]:10051 [x]"]
    assert troubles(lines) != []
    lines.append(line + "Successfully sent heartbeat message to [192.0.2.1]:10051")
    assert troubles(lines) == []


def test_a_server_that_answers_is_reached() -> None:
    lines = recorded(AGENTD, "update started to fail", 4)
    refused = (
        lines[-1].partition("Active")[0] + "no active checks on server [127.0.0.1:20051]: host [a] not found"
    )
    assert (FIRST, 10, True) in troubles([*lines, refused])


def test_a_time_in_the_future_has_no_age_and_the_order_of_lines_still_counts() -> None:
    lines = recorded(AGENTD, "started to fail", 1)
    assert troubles(lines, -3600) == [(FIRST, None, False)]
    assert troubles(recorded(AGENTD), -3600) == []
    assert zabbix_log.parsed(recorded(AGENTD, "rejected"), 0.0)["rejected"] == []


@pytest.mark.parametrize("stamp", ["20261399:120000", "00000000:000000", "20260101:256161"])
def test_a_time_that_does_not_exist_has_no_age(stamp: str) -> None:
    lines = [f" 1234:{stamp}.123 Active check data upload started to fail"]
    assert zabbix_log.parsed(lines, 1e9)["troubles"][0]["seconds"] is None


@given(st.lists(st.text(max_size=300), max_size=20), st.floats(0, 1e12))
def test_any_words_are_read_and_stay_short(words: list[str], now: float) -> None:
    for form in (" 7:20260101:120000.123 %s", "2026/01/01 12:00:00.123456 [101] %s"):
        lines = [form % word for word in words]
        lines += [
            form % "Active check data upload started to fail",
            form % "no active checks on server [x:1]: y",
        ]
        for row in zabbix_log.parsed(lines, now)["troubles"]:
            assert len(row["server"]) <= 200
            assert len(row["text"]) <= 300


def read(tree: Tree, **settings: str) -> dict[str, Any]:
    """Read the log that a configuration names."""
    named = {"LogFile": "/var/log/zabbix/zabbix_agentd.log", **settings}
    lines = recorded(AGENTD, "started to fail", 2)
    return zabbix_log.log("zabbix_agentd", named, when(lines[-1]) + 10)


def write(tree: Tree, text: str, ending: str = "") -> Path:
    return tree.file("/var/log/zabbix/zabbix_agentd.log" + ending, text)


def test_the_log_that_the_configuration_names_is_read(tree: Tree) -> None:
    write(tree, "\n".join(recorded(AGENTD, "started to fail", 2)))
    row = read(tree)
    assert (row["log"], row["log_state"]) == ("/var/log/zabbix/zabbix_agentd.log", "read")
    assert [one["server"] for one in row["troubles"]] == [FIRST, SECOND]
    assert read(tree, DebugLevel="2")["log_state"] == "quiet"


@pytest.mark.parametrize("ending", zabbix_log.ROTATED)
def test_what_was_logged_before_a_rotation_still_counts(tree: Tree, ending: str) -> None:
    lines = recorded(AGENTD, "started to fail", 2)
    write(tree, "\n".join([*lines, ""]), ending)
    write(tree, "")
    assert [one["server"] for one in read(tree)["troubles"]] == [FIRST, SECOND]
    write(tree, "\n".join(recorded(AGENTD, "is working again", 2)[-3:]))
    assert [one["answers"] for one in read(tree)["troubles"]] == [True]


def test_one_earlier_log_is_read(tree: Tree) -> None:
    write(tree, "")
    write(tree, "\n".join([*recorded(AGENTD)[-5:], ""]), ".old")
    write(tree, "\n".join([*recorded(AGENT2, "started to fail", 2), ""]), ".1")
    assert read(tree)["troubles"] == []


def test_a_line_of_which_only_the_end_is_read_is_nobodys(tree: Tree) -> None:
    line = " 4321:20260101:120000.123 Active check data upload started to fail\n"
    rest = " 4321:20260101:120000.123 x\n"
    count, more = divmod(zabbix_log.MOST + 2 - len(line), len(rest))
    write(tree, line + rest * (count - 1) + rest[:-1] + "x" * more + "\n")
    assert read(tree)["troubles"] == []
    write(tree, line + rest * (count - 1))
    assert len(read(tree)["troubles"]) == 1


@pytest.mark.parametrize(
    "settings",
    [{"LogType": "system"}, {"LogType": "console"}, {"LogFile": ""}, {"LogFile": "relative.log"}],
)
def test_an_agent_may_log_to_no_file(tree: Tree, settings: dict[str, str]) -> None:
    assert read(tree, **settings) == {"log_state": "none"}


def test_agent_2_has_a_default(tree: Tree) -> None:
    tree.file("/tmp/zabbix_agent2.log", "\n".join(recorded(AGENT2, "started to fail", 1)))
    row = zabbix_log.log("zabbix_agent2", {}, 2e9)
    assert (row["log"], row["log_state"], len(row["troubles"])) == ("/tmp/zabbix_agent2.log", "read", 1)


def test_a_log_that_is_gone_or_is_no_file_is_said_to_be_so(tree: Tree) -> None:
    assert read(tree)["log_state"] == "missing"
    place = write(tree, "")
    place.unlink()
    os.mkfifo(place)
    assert read(tree)["log_state"] == "unreadable"  # and nobody waits for it


def test_a_log_that_may_not_be_read_is_said_to_be_so(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, most: int) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(zabbix_log, "tail", refuse)
    assert read(tree)["log_state"] == "denied"


def test_only_the_end_of_a_huge_log_is_read(tree: Tree) -> None:
    end = "\n".join(recorded(AGENTD, "started to fail", 2)[-5:])
    place = write(tree, "")
    with place.open("wb") as file:
        file.write(b"\xff\x00\x1b[2J" * (1 << 20) + b"\n" + b"y" * 5000 + b"\n" + end.encode())
    assert len(zabbix_log.newest("/var/log/zabbix/zabbix_agentd.log")) <= zabbix_log.MOST
    assert [one["server"] for one in read(tree)["troubles"]] == [FIRST, SECOND]
