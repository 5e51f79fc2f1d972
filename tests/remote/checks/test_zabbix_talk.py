"""Connections between an agent of Zabbix and its servers, in the kernel's table."""

from __future__ import annotations

import pytest

from gpubox.remote.checks import zabbix_talk
from tests.remote.checks.trees import Tree, tree

__all__ = ["tree"]

BOX = "192.0.2.5"


@pytest.mark.parametrize(
    ("active", "expected"),
    [
        ("192.0.2.10", [("192.0.2.10", 4.0, True)]),
        ("192.0.2.10:10051,192.0.2.11", [("192.0.2.10:10051", 4.0, True)]),
        ("192.0.2.10:20051", [("192.0.2.10:20051", 30.0, True)]),
        ("192.0.2.11;192.0.2.10", [("192.0.2.10", 4.0, True)]),
        ("192.0.2.12", []),
        ("[2001:db8::1]:10051", []),
        ("zabbix.example.org", [("zabbix.example.org", 2.0, False)]),
        ("zabbix.example.org:443", []),
        ("192.0.2.10:port", [("192.0.2.10:port", 4.0, True)]),
        ("", []),
    ],
)
def test_a_report_to_a_server_is_seen(
    tree: Tree, active: str, expected: list[tuple[str, float, bool]]
) -> None:
    tree.connects(
        (BOX, 40001, "192.0.2.10", 10051, 9.0),
        (BOX, 40002, "192.0.2.10", 10051, 4.0),
        (BOX, 40003, "192.0.2.10", 20051, 30.0),
        (BOX, 40004, "192.0.2.99", 10051, 2.0),
        (BOX, 10051, "192.0.2.12", 40005, 1.0),  # a proxy on the box is asked, which is another matter
    )
    found = zabbix_talk.talks({"ServerActive": active})
    assert [(row["peer"], row["seconds"], row["certain"]) for row in found] == expected
    assert not any(row["asked"] for row in found)


def test_a_server_on_the_box_itself_may_close_first(tree: Tree) -> None:
    tree.connects(("127.0.0.1", 10051, "127.0.0.1", 40001, 3.0))
    for active in ("127.0.0.1", "localhost"):
        (row,) = zabbix_talk.talks({"ServerActive": active})
        assert (row["seconds"], row["certain"]) == (3.0, True)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"Server": "192.0.2.10"}, [("192.0.2.10", 0.0, True)]),
        ({"Server": "192.0.2.0/24"}, [("192.0.2.10", 0.0, True)]),
        ({"Server": "192.0.2.77"}, []),
        ({"Server": "192.0.2.10", "ListenPort": "10060"}, []),
        ({"Server": "198.51.100.1,zabbix.example.org"}, [("198.51.100.1", 50.0, True)]),
        ({"Server": "zabbix.example.org"}, [("192.0.2.10", 0.0, False)]),
        ({"Server": ""}, []),
        ({}, []),
    ],
)
def test_a_server_that_asks_is_seen(
    tree: Tree, settings: dict[str, str], expected: list[tuple[str, float, bool]]
) -> None:
    tree.connects(
        (BOX, 10050, "192.0.2.10", 40004, 7.0),
        (BOX, 10050, "192.0.2.10", 40001, 0.0),
        (BOX, 10050, "192.0.2.10", 40005, 9.0),
        (BOX, 10050, "198.51.100.1", 40002, 50.0),
        (BOX, 22, "192.0.2.77", 40003, 0.0),
    )
    found = zabbix_talk.talks(settings)
    assert [(row["peer"], row["seconds"], row["certain"]) for row in found] == expected
    assert all(row["asked"] for row in found)


def test_an_address_that_was_turned_away_did_not_ask(tree: Tree) -> None:
    tree.connects((BOX, 10050, "192.0.2.66", 40001, 2.0))
    settings = {"Server": "zabbix.example.org"}
    assert len(zabbix_talk.talks(settings)) == 1
    assert zabbix_talk.talks(settings, ["192.0.2.66"]) == []
